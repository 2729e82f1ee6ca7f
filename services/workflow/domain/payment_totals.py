"""What is paid of an order: authorized, captured, credited, and for which lines (domain 6.4)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from contracts.order_form import OrderForm
from contracts.payment import Payment
from services.workflow.domain.rounding import ZERO

_DONE: Final = frozenset({"Processed", "Paid", "Approved"})
_TAKEN: Final = frozenset({"Capture", "Sale", "Invoiced"})


def payment_totals(payments: Sequence[Payment]) -> tuple[Decimal, Decimal, Decimal]:
    """Add up what is authorized, captured and credited by the payments that went through."""
    authorized = captured = credited = lone_captures = ZERO
    known: set[str] = set()
    captures: list[Payment] = []
    for payment in payments:
        if payment.status not in _DONE:
            continue
        match payment.transaction_type:
            case "Authorization":
                authorized += payment.amount
                known.add(payment.transaction_id)
            case "Sale" | "Invoiced":
                authorized += payment.amount
                captured += payment.amount
            case "Void" | "ReleaseRemainingAuthorization":
                authorized -= payment.amount
            case "Capture":
                captured += payment.amount
                captures.append(payment)
            case "Credit":
                credited += payment.amount
            case _:
                pass  # bookkeeping about money that another entry stands for
    # Its authorization has counted a capture already, unless there is none.
    for capture in captures:
        if capture.transaction_id not in known:
            lone_captures += capture.amount
    return authorized + lone_captures, captured, credited


def known_totals(form: OrderForm) -> tuple[Decimal, Decimal, Decimal]:
    """Return what is authorized, captured and credited: as calculated, or sent with an import.

    Of what an import left out (decided 2.5) the payments tell.
    """
    authorized, captured, credited = (
        form.authorized_payment_total,
        form.captured_payment_total,
        form.credit_payment_total,
    )
    if authorized is not None and captured is not None and credited is not None:
        return authorized, captured, credited
    added = payment_totals(form.payments or ())
    return (
        added[0] if authorized is None else authorized,
        added[1] if captured is None else captured,
        added[2] if credited is None else credited,
    )


def captured_lines(form: OrderForm) -> set[str]:
    """Return the ids of the lines for which money has been taken.

    A payment is for the lines that it names, else for those of its shipment, else for all.
    """
    lines: set[str] = set()
    for payment in form.payments or ():
        if payment.transaction_type not in _TAKEN or payment.status not in _DONE:
            continue
        named = {one.line_item_id for one in payment.order_line_references or ()} - {None}
        if named:
            lines.update(filter(None, named))
        elif payment.shipment_id is not None:
            lines |= _shipped(form, payment.shipment_id)
        else:
            lines.update(line.line_item_id for line in form.line_items or ())
    return lines


def _shipped(form: OrderForm, shipment_id: str) -> set[str]:
    return {
        line.line_item_id
        for shipment in form.shipments or ()
        if shipment.shipment_id == shipment_id
        for line in shipment.line_items or ()
    }
