"""Steps that change the order at once: its dates, its warehouse, its status (domain 5.2)."""

from collections.abc import Callable
from datetime import datetime

from contracts.messages.orders import StepStatus
from contracts.order import Order
from contracts.shipment import Shipment
from services.workflow.domain.order import replaced, with_form, with_lines
from services.workflow.domain.pickup import pickup_deadline
from services.workflow.domain.steps.step import Context, Finished


def set_completed_date(context: Context) -> Finished:
    """Date the order, or the shipment while the others wait."""
    order = context.order
    if not context.is_whole:
        return complete_shipment(context)
    return Finished(order if order.completed else replaced(order, completed=context.now))


def set_ready_for_pickup_date(context: Context) -> Finished:
    """Date the order once all of it is ready, and say until when it waits (domain 6.3)."""
    order = context.order
    if not context.is_whole:
        return Finished(order)
    changes: dict[str, object] = {"ready_for_pickup": context.now}
    store = context.configuration.store(_pickup_store(order))
    if store is not None and store.pickup_deadline_hours is not None:
        changes["customer_pickup_deadline"] = pickup_deadline(store, context.now)
    return Finished(replaced(order, **changes))


def _pickup_store(order: Order) -> str:
    """Return where the customer collects: the shipments' destination, else the order's store."""
    shipments = (order.order_form.shipments if order.order_form else None) or ()
    return next(
        (one.pick_up_warehouse_code for one in shipments if one.pick_up_warehouse_code),
        order.store_id,
    )


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


def _changed_shipments(context: Context, change: Callable[[Shipment], Shipment]) -> Order:
    form = context.order.order_form
    shipments = [
        change(shipment) if context.run.shipment in {None, place} else shipment
        for place, shipment in enumerate((form.shipments if form else None) or ())
    ]
    return with_form(context.order, shipments=shipments)


def allocate_to_warehouse(context: Context) -> Finished:
    """Let the shipments leave from the warehouse of the property WarehouseCode.

    SkipForManualOrder leaves alone an order that was a cart, SkipForShipment shipments by these
    methods (WS).
    """
    step, form = context.step, context.order.order_form
    warehouse = step.property("WarehouseCode")
    if not warehouse:
        return Finished(status=StepStatus.WARNING, reason="the step has no property WarehouseCode")
    skips_manual = (step.property("SkipForManualOrder") or "").casefold() == "true"
    if skips_manual and form is not None and form.cart_id:
        return Finished()
    skipped = {
        name.strip().casefold() for name in (step.property("SkipForShipment") or "").split(",")
    } - {""}
    allocated = {"warehouse_code": warehouse, "is_allocated": True}
    return Finished(
        _changed_shipments(
            context,
            lambda shipment: (
                shipment
                if (shipment.shipping_method_name or "").casefold() in skipped
                else shipment.model_copy(update=allocated)
            ),
        )
    )


def set_warehouse_based_on_zip(context: Context) -> Finished:
    """Let each shipment leave from the first warehouse that serves its postal code (WS).

    Where no range of a store has it, a shipment stays where it is.
    """
    stores = context.configuration.stores
    unserved: list[str] = []

    def served(shipment: Shipment) -> Shipment:
        address = shipment.address or context.order.billing_address
        code = _comparable((address.postal_code if address is not None else None) or "")
        for store in stores:
            for span in store.zip_ranges:
                low, high = _comparable(span.from_), _comparable(span.to)
                if code and len(code) == len(low) == len(high) and low <= code <= high:
                    return shipment.model_copy(update={"warehouse_code": store.store_id})
        unserved.append(shipment.shipment_id or "?")
        return shipment

    order = _changed_shipments(context, served)
    if not unserved:
        return Finished(order)
    reason = f"no warehouse serves the postal code of shipment {', '.join(unserved)}"
    return Finished(order, status=StepStatus.WARNING, reason=reason)


def _comparable(postal_code: str) -> str:
    return postal_code.replace(" ", "").replace("-", "").casefold()


def enrich_shipment_label(context: Context) -> Finished:
    """Give shipments without a shippingLabel that of their method in the market (WS, MK)."""
    market = context.configuration.market(context.order.market_id)

    def labelled(shipment: Shipment) -> Shipment:
        option = market.shipping_option(shipment.shipping_method_name) if market else None
        if shipment.shipping_label or option is None or not option.shipping_label:
            return shipment
        return shipment.model_copy(update={"shipping_label": option.shipping_label})

    return Finished(_changed_shipments(context, labelled))


def complete_shipment(context: Context) -> Finished:
    """Date the shipments."""
    completed = {"completed": context.now}
    return Finished(_changed_shipments(context, lambda one: one.model_copy(update=completed)))


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
