"""Adding lines to an order (S0, add order line, add multiple order lines)."""

from collections.abc import Sequence
from datetime import datetime

from contracts.messages.orders import AddOrderLines
from contracts.order import Order, OrderForm
from contracts.order_line import MOST_LINES, OrderLine
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.changing import admitted
from services.workflow.domain.default_properties import with_defaults
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.revise import closed, places, revised
from services.workflow.domain.run import Progress

ADDED = (900007, "Added")


def add_lines(
    document: OrderDocument | None,
    command: AddOrderLines,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Add the lines, to the shipment that is named or to the first open one (decided 3.6).

    :raises Refused: duplicate-line-item-id, shipment-not-found, too-many-entries, and as `admitted`
        says
    """
    document = admitted(document, command)
    _refuse_known(document.order, command)
    before, settings = document.order, configuration.order_settings
    order = revised(
        before,
        _with(before, with_defaults(command.lines, settings), command.shipment_id),
        cause,
        now=now,
        configuration=configuration,
        sent=places(command.lines, "") if command.is_list else {command.lines[0].line_item_id: ""},
    )
    return closed(
        document, order, command, cause, now=now, configuration=configuration, operation=ADDED
    )


def _with(order: Order, lines: Sequence[OrderLine], shipment_id: str | None) -> Order:
    form = order.order_form or OrderForm()
    changes: dict[str, object] = {"line_items": [*(form.line_items or ()), *lines]}
    if shipment_id is not None:
        shipments = form.shipments or ()
        if all(shipment.shipment_id != shipment_id for shipment in shipments):
            raise Refused(problem("shipment-not-found"))
        changes["shipments"] = [
            shipment.model_copy(update={"line_items": [*(shipment.line_items or ()), *lines]})
            if shipment.shipment_id == shipment_id
            else shipment
            for shipment in shipments
        ]
    return order.model_copy(update={"order_form": form.model_copy(update=changes)})


def _refuse_known(order: Order, command: AddOrderLines) -> None:
    stored = (order.order_form.line_items if order.order_form else None) or ()
    known = {line.line_item_id for line in stored}
    faults = tuple(
        FieldProblem(
            path=f"[{place}].lineItemId" if command.is_list else "lineItemId",
            message="expected an id that no line of the order has",
            got=line.line_item_id,
        )
        for place, line in enumerate(command.lines)
        if line.line_item_id in known
    )
    if faults:
        raise Refused(problem("duplicate-line-item-id", errors=faults))
    count = len(stored) + len(command.lines)
    if count > MOST_LINES:
        fault = FieldProblem(
            path="orderForm.lineItems",
            message=f"expected at most {MOST_LINES} entries in the list lineItems",
            got=str(count),
        )
        raise Refused(problem("too-many-entries", errors=(fault,)))
