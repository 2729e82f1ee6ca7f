"""Properties of lines (S0, add/update order line properties)."""

from collections.abc import Collection
from datetime import datetime

from contracts.fields import LONGEST_LIST
from contracts.messages.orders import AddOrderLineProperties
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.changing import admitted
from services.workflow.domain.merge import Stays, patched
from services.workflow.domain.order import OrderDocument, with_form
from services.workflow.domain.place import Cause
from services.workflow.domain.revise import closed, revised
from services.workflow.domain.run import Progress

CHANGED = (310105, "Updated")


def add_line_properties(
    document: OrderDocument | None,
    command: AddOrderLineProperties,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Add the properties, or give those with the same key and key group their new values.

    :raises Refused: order-line-not-found, order-line-read-only, validation-failed,
        too-many-entries, and as `admitted` says
    """
    document = admitted(document, command)
    form = document.order.order_form
    lines = {line.line_item_id: line for line in (form.line_items if form else None) or ()}
    _refuse("order-line-not-found", "is no line of the order", command, lines.keys())
    for patch in command.patches:
        lines[patch.line_item_id] = patched(lines[patch.line_item_id], patch, Stays())
    fitting = {id_ for id_, line in lines.items() if len(line.properties or ()) <= LONGEST_LIST}
    message = f"would have more than {LONGEST_LIST} entries in its list properties"
    _refuse("too-many-entries", message, command, fitting)
    order = revised(
        document.order,
        with_form(document.order, line_items=list(lines.values())),
        cause,
        now=now,
        configuration=configuration,
        sent={one.line_item_id: f"[{place}]" for place, one in enumerate(command.patches)},
    )
    return closed(
        document, order, command, cause, now=now, configuration=configuration, operation=CHANGED
    )


def _refuse(
    slug: str, message: str, command: AddOrderLineProperties, fine: Collection[str]
) -> None:
    faults = tuple(
        FieldProblem(path=f"[{place}].lineItemId", message=message, got=patch.line_item_id[:64])
        for place, patch in enumerate(command.patches)
        if patch.line_item_id not in fine
    )
    if faults:
        raise Refused(problem(slug, errors=faults))
