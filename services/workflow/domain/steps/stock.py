"""Steps that hold goods, give them back, and take them out (domain 5.2)."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.inventory import (
    KeptUnits,
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    ReserveStock,
    StockLine,
)
from contracts.messages.orders import StepStatus
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.settings import Configuration, WorkflowStep
from contracts.shipment import Shipment
from services.workflow.domain.order import Run
from services.workflow.domain.steps.step import ZERO, Asked, Context, Finished

RELEASED: Final = "Released"


def open_quantity(line: OrderLine) -> Decimal:
    """Return what is ordered and not cancelled (domain 6, n = q - c)."""
    return (line.quantity or ZERO) - (line.canceled_quantity or ZERO)


def undelivered(line: OrderLine) -> Decimal:
    """Return what of that is not delivered."""
    return open_quantity(line) - (line.delivered_quantity or ZERO)


def shipped_lines(shipments: Iterable[Shipment]) -> Iterator[tuple[Shipment, OrderLine]]:
    """Yield every line of these shipments that has a SKU and is no virtual product."""
    for shipment in shipments:
        for line in shipment.line_items or ():
            if line.code and not line.is_virtual_product:
                yield shipment, line


def _stock_lines(order: Order, shipments: Iterable[Shipment]) -> tuple[StockLine, ...]:
    return tuple(
        StockLine(
            line_item_id=line.line_item_id,
            sku=line.code or "",
            warehouse_code=shipment.warehouse_code or order.store_id,
            quantity=quantity,
            shipment_id=shipment.shipment_id,
        )
        for shipment, line in shipped_lines(shipments)
        if (quantity := open_quantity(line)) > 0
    )


def requires_all(step: WorkflowStep) -> bool:
    """Say whether a reservation that comes out short is an Error that cancels (decided 6.1)."""
    return (step.property("RequireAll") or "").casefold() == "true"


def reserve(context: Context) -> Finished | Asked:
    """Hold what the lines need; of one shipment, what its lines need anywhere."""
    lines = _stock_lines(context.order, context.shipments)
    if context.run.shipment is not None:
        # Of a line in pieces the others are named too: what is not would be given back.
        form = context.order.order_form
        concerned = {line.line_item_id for line in lines}
        everywhere = _stock_lines(context.order, (form.shipments if form else None) or ())
        lines = tuple(line for line in everywhere if line.line_item_id in concerned)
    if not lines:
        return Finished()
    return Asked(
        [
            ReserveStock(
                order_id=context.order.id,
                run_id=context.run.id,
                step=context.run.position,
                lines=lines,
                require_all=requires_all(context.step),
            )
        ]
    )


def unreserve(
    order: Order, _payments: Sequence[str], run: Run | None, _: Configuration
) -> Sequence[Message]:
    """Give back what `reserve` held."""
    if run is None or run.shipment is None:
        return [ReleaseStock(order_id=order.id)]
    shipments = (order.order_form.shipments if order.order_form else None) or ()
    return [ReleaseUnits(order_id=order.id, lines=_nothing_kept(shipments[run.shipment]))]


def release(context: Context) -> Finished | Asked:
    """Give back all that is held."""
    asked = {"order_id": context.order.id, "run_id": context.run.id, "step": context.run.position}
    if context.run.shipment is None:
        return Asked([ReleaseStock(**asked)])
    (shipment,) = context.shipments
    return Asked([ReleaseUnits(**asked, lines=_nothing_kept(shipment))])


def _nothing_kept(shipment: Shipment) -> tuple[KeptUnits, ...]:
    return tuple(
        KeptUnits(line_item_id=line.line_item_id, shipment_id=shipment.shipment_id, quantity=ZERO)
        for line in shipment.line_items or ()
    )


def reduce(context: Context) -> Finished | Asked:
    """Take out what released shipments hold."""
    released = (one for one in context.shipments if one.status == RELEASED)
    lines = _stock_lines(context.order, released)
    if not lines:
        return Finished(status=StepStatus.WARNING, reason=f"no shipment has the status {RELEASED}")
    return Asked(
        [
            ReduceStock(
                order_id=context.order.id,
                run_id=context.run.id,
                step=context.run.position,
                lines=lines,
            )
        ]
    )
