"""What every change that a client makes to an order as a whole has in common.

A rule lays its command over the stored order; `revised` makes that an order again and refuses what
no order may be; `closed` follows with the stock and ends the change (see `changing`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.messages.orders import ChangeCommand
from contracts.messages.replies import ORDER
from contracts.note import EntityError
from contracts.order import Order
from contracts.order_line import OrderLine, misfits, over_returned
from contracts.order_patch import read_only
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.bound import Places, at, bound_lines, bound_properties
from services.workflow.domain.cancel_order import cancelled_with_its_lines, more_cancelled
from services.workflow.domain.cancel_units import cancel_units
from services.workflow.domain.change import enter
from services.workflow.domain.changing import changed
from services.workflow.domain.default_properties import with_defaults
from services.workflow.domain.follow_stock import follow_stock
from services.workflow.domain.in_step import in_step
from services.workflow.domain.order import DELETED, OrderDocument, appended, replaced, with_lines
from services.workflow.domain.place import Cause, doubts_about, filled_in, identified_assets
from services.workflow.domain.run import Progress
from services.workflow.domain.update_status import named, refuse_unavailable

ZERO: Final = Decimal(0)
AT_THE_TILL: Final = "pos"

_QUANTITIES: Final[Mapping[str | int, str]] = {
    "quantity": "quantity",
    "deliveredQuantity": "delivered_quantity",
    "canceledQuantity": "canceled_quantity",
    "returnQuantity": "return_quantity",
}


def places(lines: Iterable[OrderLine] | None, among: str) -> Places:
    """Return where the lines of a body stand in it; `among` is the list that holds them."""
    return {line.line_item_id: f"{among}[{place}]" for place, line in enumerate(lines or ())}


def ours(before: Order) -> dict[str, object]:
    """Return the members that no client writes, as they are stored (domain 3 no. 8)."""
    names = ("id", *read_only(Order))
    return {name: getattr(before, name) for name in names}


def revised(  # noqa: PLR0913 - what a rule may know is handed to it
    before: Order,
    after: Order,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
    sent: Places,
    frees_lines: bool = False,
) -> Order:
    """Return the order as the client wants it, made whole; not calculated yet.

    :param before: the stored order
    :param after: the same with what the client sent laid over it
    :param sent: the lines that the body names
    :param frees_lines: whether isReadOnly=false takes effect at once (decided 3.5)
    :raises Refused: validation-failed, naming every member at fault; order-line-read-only,
        status-not-available
    """
    kind = configuration.order_type(after.order_type)
    after = in_step(before, after, cause, now=now, kind=kind)
    if after.assets is not before.assets:
        after = replaced(after, assets=identified_assets(after.assets, cause))
    after = _still_filled_in(before, after, configuration)
    after = _with_default_properties(before, after, configuration)
    faults = [
        *_bad_lines(before, after, sent, configuration),
        *bound_properties(before, after, sent, configuration),
    ]
    bound = list(bound_lines(before, after, sent, frees_lines=frees_lines))
    doubts = _new_doubts(before, after, configuration)
    if configuration.order_settings.strict_references:
        strict = {path: doubts.pop(path) for path in ("marketId", "storeId") if path in doubts}
        faults += [FieldProblem(path=path, message=text) for path, text in strict.items()]
    if faults or bound:
        slug = "validation-failed" if faults else "order-line-read-only"
        raise Refused(problem(slug, errors=(*faults, *bound)))
    warnings = [
        EntityError(key=key, message=text, severity="Warning", status="New", occurred=now)
        for key, text in doubts.items()
    ]
    if warnings:
        after = replaced(after, errors=appended(after.errors, *warnings))
    after = _cancelled_now(before, after, now)
    return _entered(before, after, now=now, configuration=configuration)


def closed(  # noqa: PLR0913 - what a rule may know is handed to it
    document: OrderDocument,
    order: Order,
    command: ChangeCommand,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
    operation: tuple[int, str] | None = None,
    shape: str = ORDER,
) -> Progress:
    """End the change: the stock follows the lines, an order without any left is cancelled.

    The rest is as `changed` says.
    """
    before = document.order
    order, messages = follow_stock(before, order, str(cause.id), configuration)
    progress = changed(
        document,
        order,
        command,
        cause,
        now=now,
        configuration=configuration,
        operation=operation,
        shape=shape,
        is_priced=_prices(before) != _prices(order),
    )
    progress = replace(progress, messages=messages)
    return cancelled_with_its_lines(before, progress, now=now, configuration=configuration)


def _prices(order: Order) -> tuple[object, ...]:
    """Return what an order's amounts follow from; where it stays, they do (decided 2.5)."""
    returned = order.return_order_forms or None
    return (order.order_form, returned, order.market_id, order.billing_currency)


def _still_filled_in(before: Order, after: Order, configuration: Configuration) -> Order:
    """Fill in anew what was filled in and is empty now."""
    emptied = {
        name: value
        for name, value in filled_in(after, configuration).items()
        if getattr(after, name) is None and getattr(before, name) is not None
    }
    return replaced(after, **emptied) if emptied else after


def _with_default_properties(before: Order, after: Order, configuration: Configuration) -> Order:
    """Give lines that are new the default properties of lines (domain 2.11)."""
    settings = configuration.order_settings
    if not settings.order_line_settings.default_properties:
        return after
    known = {line.line_item_id for line in _lines(before)}
    lines = [
        line if line.line_item_id in known else with_defaults([line], settings)[0]
        for line in _lines(after)
    ]
    return with_lines(after, lines)


def _new_doubts(before: Order, after: Order, configuration: Configuration) -> dict[str, str]:
    """Return what the change makes doubtful, by the member that names it (decided 1.5)."""
    names = {"marketId": "market_id", "storeId": "store_id"}
    names |= {"orderType": "order_type", "status": "status"}
    kind = configuration.order_type(after.order_type)
    return {
        path: text
        for path, text in doubts_about(after, kind, configuration).items()
        if getattr(after, names[path]) != getattr(before, names[path])
        and not (path == "status" and named(None, after.status or "") == DELETED)
    }


# -- status ----------------------------------------------------------------------------------------


def _entered(before: Order, after: Order, *, now: datetime, configuration: Configuration) -> Order:
    """Let the order enter the status that was sent, without its workflow (domain 3 no. 11).

    :raises Refused: status-not-available
    """
    wanted = after.status or ""
    if wanted == before.status:
        return after
    kind = configuration.order_type(after.order_type)
    status = kind.status(wanted) if kind is not None else None
    name = named(status, wanted)
    if name == before.status:
        return replaced(after, status=name)
    if kind is not None:
        refuse_unavailable(kind, before.status, name)
    return enter(after, status, name, now, configuration)


# -- lines -----------------------------------------------------------------------------------------


def _lines(order: Order) -> Sequence[OrderLine]:
    return (order.order_form.line_items if order.order_form else None) or ()


def _bad_lines(
    before: Order, after: Order, sent: Places, configuration: Configuration
) -> Iterator[FieldProblem]:
    """Yield quantities that do not fit together (domain 6.1), and comments that are missing."""
    at_till = (after.order_type or "").casefold() == AT_THE_TILL
    settings = configuration.order_settings.order_line_settings
    old = {line.line_item_id: line for line in _lines(before)}
    for place, line in enumerate(_lines(after)):
        if line == old.get(line.line_item_id) and after.order_type == before.order_type:
            continue
        path = sent.get(line.line_item_id, f"orderForm.lineItems[{place}]")
        for (name, *_), message in (*misfits(line, at_till=at_till), *over_returned(line)):
            got = f"{getattr(line, _QUANTITIES[name]):f}"
            yield FieldProblem(path=at(path, str(name)), message=message, got=got)
        if (
            settings.is_cancel_comment_required
            and more_cancelled(old.get(line.line_item_id), line)
            and not line.cancel_comment
        ):
            message = "is required where units are cancelled"
            yield FieldProblem(path=at(path, "cancelComment"), message=message)


def _cancelled_now(before: Order, after: Order, now: datetime) -> Order:
    """Cancel the units that the client says are cancelled; their date is now unless it sent one.

    Their stock is given back with whatever else is not needed any more (`follow_stock`).
    """
    old = {line.line_item_id: line for line in _lines(before)}
    more = {
        line.line_item_id: line
        for line in _lines(after)
        if line.line_item_id in old and more_cancelled(old[line.line_item_id], line)
    }
    if not more:
        return after
    without = [
        line.model_copy(update={"canceled_quantity": old[line.line_item_id].canceled_quantity})
        if line.line_item_id in more
        else line
        for line in _lines(after)
    ]
    units = {
        id_: (line.canceled_quantity or ZERO) - (old[id_].canceled_quantity or ZERO)
        for id_, line in more.items()
    }
    after = cancel_units(with_lines(after, without), units, now=now)
    dated = [
        line.model_copy(update={"canceled_date": sent.canceled_date})
        if (sent := more.get(line.line_item_id)) is not None
        and sent.canceled_date != old[line.line_item_id].canceled_date
        else line
        for line in _lines(after)
    ]
    return with_lines(after, dated)
