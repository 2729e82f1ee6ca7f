"""Cancelling units of lines: of which there are any left, and in which shipments (domain 6.1).

No money is moved by it: the steps of a cancelled status do that (domain 5.2). What a unit cost
before, and what the cancelled ones are credited with, follows when the order is calculated; what
they held in stock is given back when the change ends (`follow_stock`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.problems import FieldProblem, problem
from contracts.shipment import Shipment
from services.chassis.outcomes import Refused
from services.workflow.domain.in_step import is_open
from services.workflow.domain.order import with_form, with_lines
from services.workflow.domain.steps import open_quantity

ZERO: Final = Decimal(0)


def cancellable(line: OrderLine) -> Decimal:
    """Return how many units are neither delivered nor cancelled; of goods taken back below zero."""
    ordered = line.quantity or ZERO
    left = open_quantity(line) - (line.delivered_quantity or ZERO)
    return max(left, ZERO) if ordered >= ZERO else min(left, ZERO)


def cancel_units(  # noqa: PLR0913 - what a rule may know is handed to it
    order: Order,
    units: Mapping[str, Decimal],
    *,
    now: datetime,
    reason: str | None = None,
    comment: str | None = None,
    shipment_id: str | None = None,
) -> Order:
    """Return the order, not calculated yet, with so many more units of each of its lines cancelled.

    Where several shipments hold pieces of a line, units go where nothing is delivered yet: in this
    shipment first, then in open ones.

    :param units: by line id, with the sign of the line's quantity
    :raises Refused: order-line-not-cancellable, naming each line of which that many are not left
    """
    before = (order.order_form.line_items if order.order_form else None) or ()
    _refuse_too_many(before, units)
    lines = [
        _with(line, units[line.line_item_id], now=now, reason=reason, comment=comment)
        if line.line_item_id in units
        else line
        for line in before
    ]
    order = with_lines(order, lines)
    masters = {line.line_item_id: line for line in lines}
    return with_form(order, shipments=_spread(order, units, masters, shipment_id))


def _refuse_too_many(lines: Sequence[OrderLine], units: Mapping[str, Decimal]) -> None:
    faults = tuple(
        FieldProblem(
            path=f"orderForm.lineItems[{place}]",
            message=f"line {line.line_item_id} has {_why(line, units[line.line_item_id])}",
        )
        for place, line in enumerate(lines)
        if line.line_item_id in units and not _is_left(line, units[line.line_item_id])
    )
    if faults:
        raise Refused(problem("order-line-not-cancellable", errors=faults))


def _is_left(line: OrderLine, wanted: Decimal) -> bool:
    left = cancellable(line)
    return ZERO < wanted <= left or left <= wanted < ZERO


def _why(line: OrderLine, wanted: Decimal) -> str:
    left = cancellable(line)
    if left:
        return f"{left:f} units to cancel, not {wanted:f}"
    delivered, cancelled = line.delivered_quantity or ZERO, line.canceled_quantity or ZERO
    return f"no unit to cancel: {delivered:f} are delivered and {cancelled:f} cancelled"


def _with(
    line: OrderLine, units: Decimal, *, now: datetime, reason: str | None, comment: str | None
) -> OrderLine:
    return line.model_copy(
        update={
            "canceled_quantity": (line.canceled_quantity or ZERO) + units,
            "canceled_date": now,
            "cancel_reason": reason or line.cancel_reason,
            "cancel_comment": comment or line.cancel_comment,
        }
    )


def _spread(
    order: Order,
    units: Mapping[str, Decimal],
    masters: Mapping[str, OrderLine],
    shipment_id: str | None,
) -> list[Shipment]:
    """Say of each piece of a line how many of its units are cancelled."""
    shipments = list((order.order_form.shipments if order.order_form else None) or ())
    left = dict(units)
    in_turn = sorted(
        range(len(shipments)),
        key=lambda at: (shipments[at].shipment_id != shipment_id, not is_open(shipments[at])),
    )
    for at in in_turn:
        lines = shipments[at].line_items
        if lines is not None:
            pieces = [
                piece if piece is masters.get(piece.line_item_id) else _share(piece, left)
                for piece in lines
            ]
            shipments[at] = shipments[at].model_copy(update={"line_items": pieces})
    return shipments


def _share(piece: OrderLine, left: dict[str, Decimal]) -> OrderLine:
    """Cancel as many units of the piece as are left to be cancelled and not delivered there."""
    wanted = left.get(piece.line_item_id)
    if not wanted:
        return piece
    free = cancellable(piece)
    taken = min(wanted, free) if wanted > ZERO else max(wanted, free)
    left[piece.line_item_id] = wanted - taken
    cancelled = (piece.canceled_quantity or ZERO) + taken
    return piece.model_copy(update={"canceled_quantity": cancelled})
