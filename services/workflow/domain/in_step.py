"""Making an order whole after a client has changed its lists: lines, shipments and payments agree.

The form's lines are the master, a shipment's lines are references to them with the shipment's
quantity (domain 3 no. 48). What only the system writes comes from the stored order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.order_patch import read_only
from contracts.payment import Payment
from contracts.settings import OrderType
from contracts.shipment import Shipment
from services.workflow.domain.place import (
    AWAITING_INVENTORY,
    FIRST_STATUS,
    Cause,
    addressable,
    counted,
    default_shipment,
    identified,
)

ZERO: Final = Decimal(0)

_GONE: Final = frozenset({"shipped", "cancelled", "canceled"})
# What of a line a shipment may hold a part of; all else is the form's line's.
_OF_A_PIECE: Final = (
    *("quantity", "delivered_quantity", "canceled_quantity", "return_quantity"),
    *("replaced_quantity", "ready_for_pickup_quantity"),
)

Part = TypeVar("Part", OrderLine, Shipment)


@dataclass(frozen=True, slots=True)
class _Known:
    """The stored order's lines by id, and how its shipments hold them."""

    lines: Mapping[str, OrderLine]
    shipments: Mapping[str, Shipment]
    pieces: Mapping[tuple[str | None, str], OrderLine]
    last: Mapping[str, str | None]
    """The last shipment that holds the line, by line."""


def in_step(
    before: Order, after: Order, cause: Cause, *, now: datetime, kind: OrderType | None
) -> Order:
    """Return the changed order with lines, shipments and payments as a stored order has them.

    - A line only on a shipment is lifted to the form; one that the form lost is lost everywhere.
    - A shipment goes on holding the whole of a line that it held; of a line in pieces, the last
      one gets the units that came or went. Quantities that changed there are taken as they are.
    - A line that is in no shipment any more, or new, goes to the first open one (decided 3.6).

    :param before: the stored order
    :param after: the same with what the client wants
    :param kind: the type of the order, which says what statuses mean
    """
    if after.order_form is before.order_form:
        return after
    known = _known(before)
    form = after.order_form or OrderForm()
    lines = list(_lines(form, known))
    shipments = _shipments(after, form, lines, known, kind)
    form = form.model_copy(
        update={
            "line_items": lines if lines or form.line_items is not None else None,
            "shipments": shipments if shipments or form.shipments is not None else None,
            "payments": _payments(form.payments, before, cause, now),
        }
    )
    if after.order_form is None and form == OrderForm():
        return after
    return after.model_copy(update={"order_form": form})


def is_open(shipment: Shipment) -> bool:
    """Say whether goods may still be added to what leaves with this shipment."""
    return shipment.completed is None and (shipment.status or "").casefold() not in _GONE


def _known(before: Order) -> _Known:
    form = before.order_form or OrderForm()
    shipments = form.shipments or ()
    pieces = {
        (shipment.shipment_id, piece.line_item_id): piece
        for shipment in shipments
        for piece in shipment.line_items or ()
    }
    return _Known(
        lines={line.line_item_id: line for line in form.line_items or ()},
        shipments={one.shipment_id: one for one in shipments if one.shipment_id is not None},
        pieces=pieces,
        last={line_id: shipment_id for shipment_id, line_id in pieces},
    )


def _payments(
    payments: Sequence[Payment] | None, before: Order, cause: Cause, now: datetime
) -> list[Payment] | None:
    """Return the payments with those that are new identified and dated."""
    if payments is None:
        return None
    stored = (before.order_form.payments if before.order_form else None) or ()
    known = {payment.id for payment in stored} - {None}
    news = identified([one for one in payments if one.id not in known], cause, created=now)
    in_turn = iter(news)
    return [one if one.id in known else next(in_turn) for one in payments]


# -- lines -----------------------------------------------------------------------------------------


def _lines(form: OrderForm, known: _Known) -> Iterator[OrderLine]:
    """Yield the form's lines, then those that stand only on a shipment and were never the form's.

    Where the form names no lines at all, the shipments do.
    """
    seen = {line.line_item_id for line in form.line_items or ()}
    for line in form.line_items or ():
        yield _ours_kept(counted(line), known.lines.get(line.line_item_id))
    for shipment in form.shipments or ():
        for line in shipment.line_items or ():
            was_taken_out = form.line_items is not None and line.line_item_id in known.lines
            if line.line_item_id not in seen and not was_taken_out:
                seen.add(line.line_item_id)
                yield _ours_kept(counted(line), known.lines.get(line.line_item_id))


def _ours_kept(part: Part, old: Part | None) -> Part:
    """Return the part with what only the system writes as it is stored; a new part has none."""
    changes = {
        name: getattr(old, name, None)
        for name in read_only(type(part))
        if getattr(part, name) != getattr(old, name, None)
    }
    return part.model_copy(update=changes) if changes else part


# -- shipments -------------------------------------------------------------------------------------


def _shipments(
    order: Order,
    form: OrderForm,
    lines: Sequence[OrderLine],
    known: _Known,
    kind: OrderType | None,
) -> list[Shipment]:
    masters = {line.line_item_id: line for line in lines}
    shipments = [
        _shipment(shipment, order, masters, known)
        for shipment in addressable(form.shipments or default_shipment(order, lines))
    ]
    if not shipments:
        return shipments
    held = {line.line_item_id for one in shipments for line in one.line_items or ()}
    stray = [line for line in lines if line.line_item_id not in held and _is_sent(line, known)]
    if not stray:
        return shipments
    open_ones = [
        at for at, one in enumerate(shipments) if is_open(one) and not _is_cancelled(one, kind)
    ]
    place = open_ones[0] if open_ones else len(shipments) - 1
    chosen = shipments[place]
    shipments[place] = chosen.model_copy(
        update={"line_items": [*(chosen.line_items or ()), *stray]}
    )
    return shipments


def _is_cancelled(shipment: Shipment, kind: OrderType | None) -> bool:
    status = kind.status(shipment.order_status) if kind is not None else None
    return status is not None and status.is_canceled_status


def _is_sent(line: OrderLine, known: _Known) -> bool:
    """Say whether the line belongs into a shipment: it is new, or was in one before."""
    id_ = line.line_item_id
    return id_ not in known.lines or id_ in known.last


def _shipment(
    shipment: Shipment, order: Order, masters: Mapping[str, OrderLine], known: _Known
) -> Shipment:
    old = known.shipments.get(shipment.shipment_id or "")
    changes: dict[str, object] = {
        "status": shipment.status or AWAITING_INVENTORY,
        "order_status": shipment.order_status or order.status or FIRST_STATUS,
    }
    if shipment.line_items is not None:
        changes["line_items"] = [
            _reference(masters[piece.line_item_id], piece, shipment, known)
            for piece in shipment.line_items
            if piece.line_item_id in masters
        ]
    return _ours_kept(shipment.model_copy(update=changes), old)


def _reference(master: OrderLine, piece: OrderLine, shipment: Shipment, known: _Known) -> OrderLine:
    """Return the form's line as this shipment has it: whole, or a piece with its quantities."""
    old_master = known.lines.get(master.line_item_id)
    old = known.pieces.get((shipment.shipment_id, master.line_item_id))
    is_repeated = old is not None and master == old_master and _holds_as_much(piece, old)
    if old is not None and is_repeated and old != old_master:
        return old
    if piece.quantity is None or piece.quantity == master.quantity:
        return master
    changes: dict[str, object] = {name: getattr(piece, name) for name in _OF_A_PIECE}
    changes["reserved_inventory_quantity"] = old.reserved_inventory_quantity if old else None
    if old is not None and old_master is not None and piece.quantity == old.quantity:
        if old.quantity == old_master.quantity:
            return master
        if known.last[master.line_item_id] == shipment.shipment_id:
            more = (master.quantity or ZERO) - (old_master.quantity or ZERO)
            changes["quantity"] = max(piece.quantity + more, ZERO)
    return master.model_copy(update=changes)


def _holds_as_much(piece: OrderLine, other: OrderLine) -> bool:
    return all(getattr(piece, name) == getattr(other, name) for name in _OF_A_PIECE)
