"""Multi-buy promotions line by line: each unit on a line of its own (S2, order line settings)."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Final

from contracts.discount import Discount
from contracts.order import Order, OrderForm
from contracts.order_line import MOST_LINES, OrderLine
from contracts.payment import Payment, PaymentLineReference
from contracts.shipment import Shipment
from services.workflow.domain.discount import is_excluded
from services.workflow.domain.pieces import is_package
from services.workflow.domain.rounding import FINEST, ZERO, share

_ONE: Final = Decimal(1)
_BEGUN: Final = (
    *("delivered_quantity", "canceled_quantity", "return_quantity", "replaced_quantity"),
    *("ready_for_pickup_quantity", "reserved_inventory_quantity"),
)
_OF_ALL_UNITS: Final = ("discounted", "selected_unit_quantity", "line_item_discount_amount")
"""Members that are about all units of a line together."""


def split_multi_buys(order: Order) -> Order:
    """Split each line of a multi-buy promotion into one line per unit (S2: two plus one gives 3).

    The first unit keeps the line's id, the others have it with the next free number, `1-2`, `1-3`;
    all name it as `originalMultiBuyLineItemId`. They stand where the line stood, on the form and in
    its shipments, and payments that name it name them too.

    Left whole is a line of which something is reserved, delivered, cancelled, returned, replaced or
    ready for pickup already; one that is read-only, in a package of any kind or a package itself;
    one without a price; and one whose units are not whole, or too many for the lines of an order.
    """
    form = order.order_form
    found = _multi_buy_lines(form) if form is not None else ()
    if form is None or not found:
        return order
    lines, ids = form.line_items or (), {line.line_item_id for line in form.line_items or ()}
    held = _held(form)
    pieces: dict[str, list[OrderLine]] = {}
    for line in found:
        units = held.get(line.line_item_id, [line.quantity or ZERO])
        fits = len(ids) + sum(units, ZERO) - 1 <= MOST_LINES
        if fits and sum(units, ZERO) == line.quantity and all(map(_is_whole, units)):
            pieces[line.line_item_id] = list(_pieces(line, ids))
            ids.update(piece.line_item_id for piece in pieces[line.line_item_id])
    if not pieces:
        return order
    changes: dict[str, object] = {
        "line_items": [one for line in lines for one in pieces.get(line.line_item_id, (line,))]
    }
    if form.shipments is not None:
        left = {line_id: iter(parts) for line_id, parts in pieces.items()}
        changes["shipments"] = [_shipped(shipment, left, pieces) for shipment in form.shipments]
    if form.payments is not None:
        changes["payments"] = [_paid(payment, pieces) for payment in form.payments]
    return order.model_copy(update={"order_form": form.model_copy(update=changes)})


def _multi_buy_lines(form: OrderForm) -> Sequence[OrderLine]:
    """Return the lines that have such a promotion, and more than one unit to split."""
    promotions = [
        found
        for found in form.discounts or ()
        if found.discount_type == "LineItem"
        and found.reward_type == "MultiBuys"
        and not found.is_bonus_points_reward
    ]
    by_sku: dict[str, list[Discount]] = {}
    for found in promotions:
        for sku in found.sku_ids or ():
            by_sku.setdefault(sku, []).append(found)
    return [
        line
        for line in form.line_items or ()
        if (line.quantity or ZERO) > _ONE
        and (
            any(not is_excluded(line, found) for found in by_sku.get(line.code or "", ()))
            or any(found.reward_type == "MultiBuys" for found in line.order_line_discounts or ())
        )
        and _is_whole(line.quantity or ZERO)
        and (line.placed_price or ZERO) > ZERO
        and not any(getattr(line, name) for name in _BEGUN)
        and not line.is_read_only
        and not is_package(line)
    ]


def _is_whole(units: Decimal) -> bool:
    return units >= ZERO and units == units.to_integral_value()


def _held(form: OrderForm) -> Mapping[str, list[Decimal]]:
    """Return how many units of each line every shipment holds; none at all where some are packed.

    A part that says nothing of its quantity is all of the line.
    """
    masters = {line.line_item_id: line for line in form.line_items or ()}
    held: dict[str, list[Decimal]] = {}
    packed: set[str | None] = set()
    for shipment in form.shipments or ():
        for part in shipment.line_items or ():
            master = masters.get(part.line_item_id, part)
            units = master.quantity if part.quantity is None else part.quantity
            held.setdefault(part.line_item_id, []).append(units or ZERO)
        for package in shipment.packages or ():
            packed.update(one.line_item_id for one in package.line_item_references or ())
    return held | {line_id: [] for line_id in packed if line_id is not None}


def _pieces(line: OrderLine, taken: set[str]) -> Iterator[OrderLine]:
    """Yield a line for each unit, with its part of what the line has for all of them."""
    whole = line.quantity or ZERO
    original = line.original_multi_buy_line_item_id or line.line_item_id
    names = (name for name in (f"{original}-{number}" for number in count(2)) if name not in taken)

    def part(amount: Decimal | None, unit: Decimal) -> Decimal | None:
        return amount and share(amount, unit, unit + 1, whole, FINEST)

    for unit in map(Decimal, range(int(whole))):
        changes: dict[str, object] = {
            name: part(getattr(line, name), unit) for name in _OF_ALL_UNITS
        }
        if line.order_line_discounts:
            changes["order_line_discounts"] = [
                found.model_copy(update={"discount_amount": part(found.discount_amount, unit)})
                for found in line.order_line_discounts
            ]
        if (points := line.order_line_bonus_points) is not None:
            changes["order_line_bonus_points"] = points.model_copy(
                update={
                    name: part(getattr(points, name), unit)
                    for name in ("earned_points", "new_points_on_hold")
                }
            )
        yield line.model_copy(
            update=changes
            | {
                "line_item_id": next(names) if unit else line.line_item_id,
                "original_multi_buy_line_item_id": original,
                "quantity": _ONE,
            }
        )


def _shipped(
    shipment: Shipment,
    left: Mapping[str, Iterator[OrderLine]],
    pieces: Mapping[str, Sequence[OrderLine]],
) -> Shipment:
    """Let the shipment hold as many pieces as it held units; `left` is what others do not hold."""
    parts: list[OrderLine] = []
    for part in shipment.line_items or ():
        if part.line_item_id not in pieces:
            parts.append(part)
            continue
        units = part.quantity
        if units is None:
            units = Decimal(len(pieces[part.line_item_id]))
        parts += [next(left[part.line_item_id]) for _ in range(int(units))]
    if shipment.line_items is None:
        return shipment
    return shipment.model_copy(update={"line_items": parts})


def _paid(payment: Payment, pieces: Mapping[str, Sequence[OrderLine]]) -> Payment:
    references = payment.order_line_references or ()
    if all(one.line_item_id not in pieces for one in references):
        return payment
    named = [
        PaymentLineReference(line_item_id=line_id)
        for one in references
        for line_id in _ids(one.line_item_id, pieces)
    ]
    return payment.model_copy(update={"order_line_references": named})


def _ids(line_id: str | None, pieces: Mapping[str, Sequence[OrderLine]]) -> Sequence[str | None]:
    found = pieces.get(line_id) if line_id is not None else None
    return [line_id] if found is None else [piece.line_item_id for piece in found]
