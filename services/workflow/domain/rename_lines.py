"""Giving lines other ids, everywhere an id is used (S0, patch line item IDs; decided 3.5)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from contracts.messages.inventory import RenameReservedLines
from contracts.messages.orders import PatchLineItemIds
from contracts.messages.replies import renamed
from contracts.model import Model
from contracts.note import PropertyItem
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.order_patch import LineIdMapping
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.changing import admitted, changed
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from services.workflow.domain.shortage import renamed as renamed_shortage

_NAMES: Final = frozenset(
    {"line_item_id", "package_line_item_id", "original_multi_buy_line_item_id"}
)
"""Members that hold the id of a line, whichever part of the order they stand in."""
_SPLIT_FROM: Final = "splitFromLineItemId"
"""The property that does (domain 3 no. 37)."""


def rename_lines(
    document: OrderDocument | None,
    command: PatchLineItemIds,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Rename the lines at once, so that two may swap their ids; prices stay as they are.

    :raises Refused: validation-failed, when two lines would have one id; order-line-read-only, and
        as `admitted` says
    """
    document = admitted(document, command)
    before = document.order
    lines = _lines(before)
    returned = [line for form in before.return_order_forms or () for line in form.line_items or ()]
    known = {line.line_item_id for line in (*lines, *returned)}
    found = [one for one in command.mappings if one.old_line_item_id in known]
    news = {one.old_line_item_id: one.new_line_item_id for one in found}
    _refuse_twins(lines, returned, command.mappings, news)
    if any(line.is_read_only and line.line_item_id in news for line in lines):
        raise Refused(problem("order-line-read-only"))
    news = {old: new for old, new in news.items() if old != new}
    shipped = [
        line
        for shipment in (before.order_form.shipments if before.order_form else None) or ()
        for line in shipment.line_items or ()
    ]
    progress = changed(
        renamed_shortage(document, news),
        _renamed(before, news, {}),
        command,
        cause,
        now=now,
        configuration=configuration,
        shape=renamed(
            total=len(command.mappings),
            updated=len(news),
            not_found=len(command.mappings) - len(found),
            form_lines=_count(lines, news),
            shipment_lines=_count(shipped, news),
            return_lines=_count(returned, news),
        ),
        is_priced=False,
    )
    told = [RenameReservedLines(order_id=before.id, line_item_ids=news)] if news else []
    return replace(progress, messages=told)


def _lines(order: Order) -> Sequence[OrderLine]:
    return (order.order_form.line_items if order.order_form else None) or ()


def _count(lines: Iterable[OrderLine], news: Mapping[str, str]) -> int:
    return sum(line.line_item_id in news for line in lines)


def _refuse_twins(
    lines: Sequence[OrderLine],
    returned: Sequence[OrderLine],
    mappings: Sequence[LineIdMapping],
    news: Mapping[str, str],
) -> None:
    """Let no two lines have one id.

    :raises Refused: validation-failed, naming each mapping at fault
    """
    ids = {line.line_item_id for line in (*lines, *returned)}
    counts = Counter(news.get(id_, id_) for id_ in ids)
    faults = tuple(
        FieldProblem(
            path=f"lineItemIdMappings[{place}].newLineItemId",
            message="expected an id of its own, but another line would have it too",
            got=mapping.new_line_item_id[:64],
        )
        for place, mapping in enumerate(mappings)
        if mapping.old_line_item_id in news and counts[mapping.new_line_item_id] > 1
    )
    if faults:
        raise Refused(problem("validation-failed", errors=faults))


# What goes in comes out with other ids in it.
def _renamed(
    value: Any,  # noqa: ANN401 - a member is whatever its model says
    news: Mapping[str, str],
    done: dict[int, Any],
) -> Any:  # noqa: ANN401 - as the value
    """Return the value with the lines' new ids all the way down; what is one thing stays one."""
    if isinstance(value, list):
        return [_renamed(inner, news, done) for inner in value]
    if not isinstance(value, Model):
        return value
    if id(value) not in done:
        changes: dict[str, object] = {}
        for name, inner in value.__dict__.items():
            if isinstance(inner, str):
                if name in _NAMES or _is_split_from(value, name):
                    changes[name] = news.get(inner, inner)
            elif isinstance(inner, (list, Model)):
                changes[name] = _renamed(inner, news, done)
        done[id(value)] = value.model_copy(update=changes)
    return done[id(value)]


def _is_split_from(value: Model, name: str) -> bool:
    return isinstance(value, PropertyItem) and name == "value" and value.key == _SPLIT_FROM
