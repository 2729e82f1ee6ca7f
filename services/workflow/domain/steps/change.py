"""Steps that change the order at once: its dates, its warehouse, its status (domain 5.2)."""

from datetime import datetime

from contracts.messages.orders import StepStatus
from contracts.order import Order
from services.workflow.domain.order import replaced, with_form, with_lines
from services.workflow.domain.steps.step import Context, Finished


def set_completed_date(context: Context) -> Finished:
    """Date the order, or the shipment while the others wait."""
    order = context.order
    if not context.is_whole:
        return complete_shipment(context)
    return Finished(order if order.completed else replaced(order, completed=context.now))


def set_ready_for_pickup_date(context: Context) -> Finished:
    """Date the order once all of it is ready."""
    order = context.order
    return Finished(replaced(order, ready_for_pickup=context.now) if context.is_whole else order)


def set_canceled_date(context: Context) -> Finished:
    """Date the lines, unless the status has done so."""
    return Finished(cancel_dated(context.order, context.run.shipment, context.now))


def cancel_dated(order: Order, alone: int | None, now: datetime) -> Order:
    """Date the lines; of one shipment those of which no other one holds a piece (decided 3.9)."""
    form = order.order_form
    shipments = (form.shipments if form else None) or ()
    holders = [{line.line_item_id for line in one.line_items or ()} for one in shipments]
    others = {id_ for place, ids in enumerate(holders) if place != alone for id_ in ids}
    lines = [
        line.model_copy(update={"canceled_date": now})
        if not line.canceled_date
        and (alone is None or line.line_item_id in holders[alone] - others)
        else line
        for line in (form.line_items if form else None) or ()
    ]
    return with_lines(order, lines)


def _changed_shipments(context: Context, **changes: object) -> Order:
    form = context.order.order_form
    shipments = [
        shipment.model_copy(update=changes) if context.run.shipment in {None, place} else shipment
        for place, shipment in enumerate((form.shipments if form else None) or ())
    ]
    return with_form(context.order, shipments=shipments)


def allocate_to_warehouse(context: Context) -> Finished:
    """Let the shipments leave from the warehouse of the property WarehouseCode."""
    warehouse = context.step.property("WarehouseCode")
    if not warehouse:
        return Finished(status=StepStatus.WARNING, reason="the step has no property WarehouseCode")
    return Finished(_changed_shipments(context, warehouse_code=warehouse, is_allocated=True))


def complete_shipment(context: Context) -> Finished:
    """Date the shipments."""
    return Finished(_changed_shipments(context, completed=context.now))


def change_status(context: Context) -> Finished:
    """Enter the status of the property ToStatus, if the order comes from FromStatus."""
    target = context.step.property("ToStatus")
    if not target:
        return Finished(status=StepStatus.ERROR, reason="the step has no property ToStatus")
    kind = context.configuration.order_type(context.order.order_type)
    status = kind.status(target) if kind is not None else None
    if status is None:
        return Finished(status=StepStatus.ERROR, reason=f"there is no status {target}")
    only_from = context.step.property("FromStatus")
    came_from = context.run.status_before
    if context.run.shipment is not None:
        (shipment,) = context.shipments
        came_from = shipment.prev_status
    if only_from and only_from.casefold() != (came_from or "").casefold():
        return Finished()
    return Finished(next_status=status.name)


def add_click_and_collect_tags(context: Context) -> Finished:
    """Mark the order as one that is collected."""
    tags = list(context.order.tags or ())
    return Finished(
        context.order
        if "ClickAndCollect" in tags
        else replaced(context.order, tags=[*tags, "ClickAndCollect"])
    )
