"""What an abort or a deletion takes back, and how the order shows it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.inventory import ReleaseStock
from contracts.order import Order
from contracts.payment import Payment
from contracts.settings import WorkflowStep
from services.workflow.domain.order import DELETED, Run, Undo, with_form, with_lines
from services.workflow.domain.steps import Asked, open_quantity, step_named

ZERO: Final = Decimal(0)


def unreserved(order: Order, shipment: int | None = None) -> Order:
    """Write into the order that it holds no stock, or that this one of its shipments holds none."""
    form = order.order_form
    shipments = (form.shipments if form else None) or ()
    pieces: dict[str, Decimal] = {}
    for place, one in enumerate(shipments):
        for line in one.line_items or ():
            kept = ZERO if shipment in {None, place} else open_quantity(line)
            pieces[line.line_item_id] = pieces.get(line.line_item_id, ZERO) + kept
    lines = []
    for line in (form.line_items if form else None) or ():
        held = line.reserved_inventory_quantity or ZERO
        left = min(held, pieces.get(line.line_item_id, ZERO))
        changes = {"reserved_inventory_quantity": left, "reserved_inventory": False}
        lines.append(line.model_copy(update=changes) if left < held else line)
    return with_lines(order, lines)


def deleted(before: Order, after: Order) -> tuple[Order, Sequence[Message]]:
    """Let an order that enters Deleted give all its stock back, by whatever way it got there (S0).

    Its money stays where it is, since another status restores the order.

    :returns: the order that holds nothing, and what is to be sent
    """
    if after.status != DELETED or before.status == DELETED:
        return after, ()
    return unreserved(after), [ReleaseStock(order_id=after.id)]


def undone(order: Order, undo: Undo, shipment: int | None, now: datetime) -> Order:
    """Write into the order that the reservation or the hold is given back."""
    form = order.order_form
    if form is None:
        return order
    if not undo.payment_ids:
        return unreserved(order, shipment)
    payments: list[Payment] = []
    for payment in form.payments or ():
        payments.append(payment)
        if payment.id not in undo.payment_ids:
            continue
        if payment.transaction_type == "Authorization" and payment.status == "Processed":
            payments.append(
                payment.model_copy(
                    update={
                        "id": f"{payment.id}-void",
                        "transaction_type": "Void",
                        "created": now,
                        "reason": "the run was aborted",
                    }
                )
            )
        elif payment.status == "Pending":
            payments[-1] = payment.model_copy(update={"status": "Failed"})
    return with_form(order, payments=payments)


def to_undo(run: Run, step: WorkflowStep, asked: Asked) -> tuple[Undo, ...]:
    """Return what an abort takes back, now that this step was asked for."""
    known = step_named(step.name)
    if known is None or known.undo is None or asked.leaves_nothing:
        return run.undo
    # A payment that two steps of a run try is taken back once.
    noted = {id_ for undo in run.undo for id_ in undo.payment_ids}
    payment_ids = tuple(id_ for id_ in asked.payment_ids if id_ not in noted)
    if asked.payment_ids and not payment_ids:
        return run.undo
    undo = Undo(step=known.name, position=run.position, payment_ids=payment_ids)
    return (*run.undo, undo)
