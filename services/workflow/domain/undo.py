"""What an abort takes back, and how the order shows it."""

from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.order import Order
from contracts.payment import Payment
from contracts.settings import WorkflowStep
from services.workflow.domain.order import Run, Undo, with_form, with_lines
from services.workflow.domain.steps import Asked, step_named

ZERO: Final = Decimal(0)


def unreserved(order: Order) -> Order:
    """Write into the order that it holds no stock."""
    form = order.order_form
    lines = [
        line.model_copy(update={"reserved_inventory_quantity": ZERO, "reserved_inventory": False})
        if line.reserved_inventory_quantity
        else line
        for line in (form.line_items if form else None) or ()
    ]
    return with_lines(order, lines)


def undone(order: Order, undo: Undo, now: datetime) -> Order:
    """Write into the order that the reservation or the hold is given back."""
    form = order.order_form
    if form is None:
        return order
    if not undo.payment_ids:
        return unreserved(order)
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
