"""What shipments and the order form add up to, and how shipments hold lines (domain 6.2)."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from contracts.order_form import OrderForm
from contracts.order_line import OrderLine
from contracts.return_form import ReturnForm
from contracts.shipment import Shipment
from services.workflow.domain.discount import Group, discount_whole, with_amounts
from services.workflow.domain.rounding import FINEST, ZERO, rounded, share, split

_ONE: Final = Decimal(1)


class Taxes(dict[Decimal | None, Decimal]):
    """1 + the rate, by the rate in percent; None stands for the market's.

    1 throughout where the market's prices are without tax (domain 6). A rate of -100 or less, by
    which nothing could be divided, counts as 0.
    """

    def __init__(
        self, default: Decimal, shipping: Mapping[str, Decimal], *, excluded: bool
    ) -> None:
        super().__init__()
        self._shipping = shipping
        self._default = default
        self._excluded = excluded

    def of(self, shipment: Shipment) -> Decimal:
        """Return that of a shipment: its own rate, else its method's, else the market's."""
        rate = shipment.shipment_tax_rate
        if rate is None and self._shipping:
            rate = self._shipping.get((shipment.shipping_method_name or "").casefold())
        return self[rate]

    def __missing__(self, rate: Decimal | None) -> Decimal:
        factor = _ONE + (self._default if rate is None else rate) / 100
        self[rate] = factor = _ONE if self._excluded or factor <= ZERO else factor
        return factor


def open_units(line: OrderLine) -> tuple[Decimal, Decimal]:
    """How many units the line has, and how many of them are not cancelled (domain 6.1: q, n)."""
    quantity = line.quantity
    if quantity is None:
        quantity = rounded(
            (line.selected_unit_quantity or ZERO) * (line.selected_unit_conversion_factor or ZERO),
            FINEST,
        )
    if not line.canceled_quantity:
        return quantity, quantity
    units = quantity - line.canceled_quantity
    return quantity, max(units, ZERO) if quantity >= ZERO else min(units, ZERO)


def ship(
    shipments: Sequence[Shipment],
    lines: Sequence[OrderLine],
    group: Group,
    taxes: Taxes,
    steps: tuple[Decimal, Decimal, Decimal],
) -> tuple[dict[int, Decimal], list[Shipment]]:
    """Fill in the shipments: copies of the form's lines, shipping discounts, totals.

    :param group: the form's Shipping discounts
    :param steps: to which totals, the amounts of lines, and discounts are rounded
    :returns: what each of them took off in all, and the shipments
    """
    cent, step, discount_step = steps
    costs = [shipment.shipping_sub_total or ZERO for shipment in shipments]
    own = [
        _own_discounts(shipment, cost, discount_step) if shipment.discounts else {}
        for shipment, cost in zip(shipments, costs, strict=True)
    ]
    off = [sum(amounts.values(), ZERO) for amounts in own]
    taken: dict[int, Decimal] = {}
    if group:
        # Own discounts first, since they concern one shipment only; then the form's, by cost.
        left = [cost - amount for cost, amount in zip(costs, off, strict=True)]
        taken = discount_whole(group, sum(costs, ZERO), sum(left, ZERO), discount_step)
        parts = split(sum(taken.values(), ZERO), costs, discount_step, left)
        off = [amount + part for amount, part in zip(off, parts, strict=True)]

    masters = {line.line_item_id: line for line in lines}
    dealt: dict[str, tuple[Decimal, Decimal]] = {}
    done = []
    for shipment, cost, discount, amounts in zip(shipments, costs, off, own, strict=True):
        copies = _copies(shipment.line_items or (), masters, dealt, step)
        tax = taxes.of(shipment)
        shipping = rounded(cost - discount, cent)
        shipping_tax = shipping - rounded(shipping / tax, cent)
        sub_total = lines_tax = ZERO
        for line in copies:
            if line.line_item_id in masters:
                sub_total += line.extended_price or ZERO
                lines_tax += line.tax_total or ZERO
        sub_total = rounded(sub_total, cent)
        changes: dict[str, object] = {
            "shipping_sub_total_excl_tax": rounded(cost / tax, cent),
            "shipping_discount_amount": discount,
            "shipping_total": shipping,
            "shipping_tax": shipping_tax,
            "sub_total": sub_total,
            "total": sub_total + shipping,
            "tax_total": rounded(lines_tax, cent) + shipping_tax,
        }
        if shipment.line_items is not None:
            changes["line_items"] = copies
        if amounts:
            changes["discounts"] = with_amounts(shipment.discounts or (), amounts)
        done.append(shipment.model_copy(update=changes))
    return taken, done


def sums(
    form: OrderForm,
    lines: Iterable[OrderLine],
    shipments: Iterable[Shipment],
    returns: Iterable[ReturnForm],
    cent: Decimal,
) -> dict[str, object]:
    """Add up the form: its lines and shipments, and the shipping credited on returns."""
    sub_total = sub_total_excl_tax = tax_total = ZERO
    for line in lines:
        sub_total += line.extended_price or ZERO
        sub_total_excl_tax += line.extended_price_excl_tax or ZERO
        tax_total += line.tax_total or ZERO
    cost = cost_excl_tax = discount = shipping = shipping_tax = credited = ZERO
    for shipment in shipments:
        cost += rounded(shipment.shipping_sub_total or ZERO, cent)
        cost_excl_tax += shipment.shipping_sub_total_excl_tax or ZERO
        discount += shipment.shipping_discount_amount or ZERO
        shipping += shipment.shipping_total or ZERO
        shipping_tax += shipment.shipping_tax or ZERO
    for returned in returns:
        credited += returned.shipping_credited_total or ZERO
    order_tax = form.order_level_tax or ZERO
    sub_total = rounded(sub_total, cent)
    tax_total = rounded(tax_total + shipping_tax + order_tax, cent)
    extras = (form.handling_total or ZERO) + order_tax + (form.gross_roundoff or ZERO)
    total = rounded(sub_total + shipping + extras, cent)
    return {
        "sub_total": sub_total,
        "sub_total_excl_tax": rounded(sub_total_excl_tax, cent),
        "shipping_sub_total": cost,
        "shipping_sub_total_excl_tax": cost_excl_tax,
        "shipping_discount_total": discount,
        "shipping_total": shipping,
        "shipping_credited_total": credited,
        "total": total,
        "tax_total": tax_total,
        "total_excl_tax": total - tax_total,
    }


def _own_discounts(shipment: Shipment, cost: Decimal, step: Decimal) -> dict[int, Decimal]:
    group = {
        place: found
        for place, found in enumerate(shipment.discounts or ())
        if found.discount_type in (None, "Shipping") and not found.is_bonus_points_reward
    }
    return discount_whole(group, cost, cost, step)


def _copies(
    parts: Iterable[OrderLine],
    masters: Mapping[str, OrderLine],
    dealt: dict[str, tuple[Decimal, Decimal]],
    step: Decimal,
) -> list[OrderLine]:
    """Copy the form's lines for one shipment (domain 3 no. 48).

    :param dealt: units, and open units, of each line that earlier shipments hold; updated
    """
    copies = []
    for part in parts:
        key = part.line_item_id
        master = masters.get(key)
        if master is None:
            copies.append(part)  # not on the form: nothing to copy, and it counts in no total
            continue
        units, kept = open_units(master)
        before = dealt.get(key)
        if before is None and not _is_part(part.quantity, units):
            copies.append(master)
            dealt[key] = units, kept
        else:
            copy, dealt[key] = _piece(master, part, before or (ZERO, ZERO), step)
            copies.append(copy)
    return copies


def _is_part(quantity: Decimal | None, units: Decimal) -> bool:
    return quantity is not None and (ZERO <= quantity < units or units < quantity <= ZERO)


def _piece(
    master: OrderLine, part: OrderLine, before: tuple[Decimal, Decimal], step: Decimal
) -> tuple[OrderLine, tuple[Decimal, Decimal]]:
    """Copy a line of which this shipment holds only a part, amounts pro rata.

    Each amount is the difference of what is due up to this piece and up to the one before, so
    the pieces add up to the line once all of it is dealt. Cancelled units are where the piece
    says, and in the last pieces as far as it does not. Goods that a till takes back are counted
    below zero, and dealt alike.
    """
    whole, whole_open = open_units(master)
    units_before, open_before = before
    sign = _ONE.copy_sign(whole)
    units_left = max(sign * (whole - units_before), ZERO)
    open_left = sign * (whole_open - open_before)
    wanted = units_left if part.quantity is None else sign * part.quantity
    most = max(min(wanted, units_left), ZERO)
    least = max(open_left - (units_left - most), ZERO)
    not_cancelled = most - sign * (part.canceled_quantity or ZERO)
    most_open = min(max(not_cancelled, least), most, open_left)
    delivered = min(sign * (part.delivered_quantity or ZERO), most_open)
    units, kept = sign * most or ZERO, sign * most_open or ZERO  # never -0
    units_after, open_after = units_before + units, open_before + kept

    def of_units(amount: Decimal | None) -> Decimal:
        return share(amount, units_before, units_after, whole, step)

    def of_open(amount: Decimal | None) -> Decimal:
        return share(amount, open_before, open_after, whole_open, step)

    excl_tax, tax = of_open(master.extended_price_excl_tax), of_open(master.tax_total)
    off = of_open(master.order_discount_amount)
    changes: dict[str, object] = {
        "quantity": units,
        "canceled_quantity": units - kept,
        "delivered_quantity": sign * delivered or ZERO,
        "return_quantity": part.return_quantity,
        "replaced_quantity": part.replaced_quantity,
        "ready_for_pickup_quantity": part.ready_for_pickup_quantity,
        "reserved_inventory_quantity": part.reserved_inventory_quantity,
        "discounted": of_units(master.discounted),
        "discounted_excl_tax": of_units(master.discounted_excl_tax),
        "discounted_price": excl_tax + tax + off,
        "discounted_price_excl_tax": of_open(master.discounted_price_excl_tax),
        "order_discount_amount": off,
        "extended_price": excl_tax + tax,
        "extended_price_excl_tax": excl_tax,
        "tax_total": tax,
        "cost_total": of_open(master.cost_total),
    }
    if master.credited_amount:
        changes["credited_amount"] = of_units(master.credited_amount)
    if master.order_line_discounts:
        changes["order_line_discounts"] = [
            found.model_copy(update={"discount_amount": of_units(found.discount_amount)})
            for found in master.order_line_discounts
        ]
    return master.model_copy(update=changes), (units_after, open_after)
