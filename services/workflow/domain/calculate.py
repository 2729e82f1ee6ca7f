"""What an order costs and what is still owed (domain 6.1 to 6.4, 6.9).

Calculated amounts that a client sends are replaced. Whatever has been calculated before makes no
difference: `calculate(calculate(order)) == calculate(order)`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from contracts.discount import Discount
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from services.workflow.domain.breakdown import (
    Marks,
    breakdown,
    entered,
    form_marks,
    keep_entered,
)
from services.workflow.domain.credit import follow_credits
from services.workflow.domain.discount import (
    Group,
    Priced,
    discount_lines,
    discount_whole,
    priced,
    with_amounts,
)
from services.workflow.domain.multi_buys import split_multi_buys
from services.workflow.domain.packages import allocate, packages
from services.workflow.domain.payment_totals import payment_totals
from services.workflow.domain.pieces import Amounts, cost_of, dealt, joined
from services.workflow.domain.rounding import FINEST, ZERO, rounded, split
from services.workflow.domain.totals import Taxes, open_units, ship, sums

# Obsolete members of the order that mirror the form's; kept true where somebody still sends them.
_MIRRORED: Final = (
    *("total", "total_excl_tax", "sub_total", "sub_total_excl_tax", "tax_total"),
    *("shipping_sub_total", "shipping_discount_total"),
)


@dataclass(frozen=True)
class Pricing:
    """What the market, the currency and the settings say about prices."""

    default_tax_rate: Decimal
    """Percent, of the market; for whatever has no rate of its own."""
    shipping_tax_rates: Mapping[str, Decimal] = field(default_factory=dict)
    """Percent, by the folded name of a shipping method; for shipments without a rate (decided 1.3).
    """
    is_tax_excluded: bool = False
    """The market's prices are without tax, and no tax is added (domain 6)."""
    exponent: int = 2
    """Decimals of the currency."""
    round_discounts: bool = True
    """Not IsDiscountAmountRoundingDisabled (domain 2.6)."""
    round_lines: bool = True
    """Not IsLineItemAmountRoundingDisabled; form totals are rounded all the same (decided 3.3)."""
    credit_reduces_remaining: bool = False
    """IsCreditAmountSubtractedFromRemainingPayment (domain 6.4)."""
    legacy_sign: bool = False
    """The remaining payment is negative while the customer owes, as S2 writes it (domain 6.4)."""
    dearest_first: bool = False
    """SortMultibuyItemsDescending (domain 6.1)."""
    percentage_of_discounted: bool = False
    """An order percentage is of the lines' prices after their discounts (domain 3 no. 31)."""
    allocate_packages: bool = False
    """AllocatePackagePricesToComponents (domain 6.2)."""
    split_multi_buys: bool = False
    """SplitMultibuyPromotionOrderLines: one line per unit of a multi-buy promotion (S2)."""

    @property
    def cent(self) -> Decimal:
        """The smallest amount of the currency."""
        return Decimal(1).scaleb(-self.exponent)


def recalculate(before: Order | None, after: Order, pricing: Pricing) -> Order:
    """Calculate an order that is new, or that a client or a rule has changed.

    What some members mean depends on what was there: `discounted`, `creditedAmount` and
    `originalExtendedPricePerUnit` (decided 3.2, domain 6.1).

    :param before: the stored order; None for a new one
    """
    if before is not None:
        after = keep_entered(before, after)
    if pricing.split_multi_buys:
        after = split_multi_buys(after)
    return calculate(follow_credits(before, after, pricing.cent), pricing)


def calculate(order: Order, pricing: Pricing) -> Order:
    """Fill in every calculated amount of the order, its lines, shipments and form."""
    cent = pricing.cent
    step = cent if pricing.round_lines else FINEST
    discount_step = cent if pricing.round_discounts else FINEST
    taxes = Taxes(
        pricing.default_tax_rate, pricing.shipping_tax_rates, excluded=pricing.is_tax_excluded
    )
    form = order.order_form or OrderForm()
    discounts = form.discounts or ()

    marks = form_marks(discounts)
    lines = joined([_priced(line, marks, step) for line in form.line_items or ()], step)
    taken = _lowered(lines, _group(discounts, "LineItem"), pricing, (step, discount_step))
    total_off = ZERO
    shares = [ZERO] * len(lines)
    if by_order := _group(discounts, "Order", "Manual"):
        prices = [line.price for line in lines]
        limit = sum(prices, ZERO)
        base = limit
        if not pricing.percentage_of_discounted:
            base = sum((line.gross for line in lines if not line.is_component), ZERO)
        off_order = discount_whole(by_order, base, limit, discount_step)
        total_off = sum(off_order.values(), ZERO)
        shares = split(total_off, prices, discount_step)
        taken |= off_order

    done = [
        one
        for line, share in zip(lines, shares, strict=True)
        for one in _closed(line, share, marks, taxes[line.line.tax_rate], (step, discount_step))
    ]
    if len(done) != len(lines):
        by_id = {line.line_item_id: line for line in done}
        done = [by_id[line.line_item_id] for line in form.line_items or ()]
    off_shipping, shipments = ship(
        form.shipments or (),
        done,
        _group(discounts, "Shipping"),
        taxes,
        (cent, step, discount_step),
    )
    taken |= off_shipping
    changes: dict[str, object] = sums(form, done, shipments, order.return_order_forms or (), cent)
    changes["discount_amount"] = total_off
    if form.line_items is not None:
        changes["line_items"] = done
    if form.shipments is not None:
        changes["shipments"] = shipments
    if taken:
        changes["discounts"] = with_amounts(discounts, taken)
    form = form.model_copy(update=changes)
    cost = sum((line.cost_total or ZERO for line in done), ZERO)
    totals: dict[str, object] = {"line_items_cost": rounded(cost, cent)}
    for name in _MIRRORED:
        if getattr(order, name) is not None:
            totals[name] = changes[name]
    if order.discount_total_inc_vat is not None:
        totals["discount_total_inc_vat"] = total_off
    return _settled(order, form, pricing, totals)


def settle(order: Order, pricing: Pricing) -> Order:
    """Bring what is paid and what is owed up to date after the payments or returns changed.

    The lines and their totals stay as they are.
    """
    return _settled(order, order.order_form or OrderForm(), pricing, {})


def outstanding(order: Order, *, legacy_sign: bool) -> Decimal:
    """Return what the customer still owes, negative if too much is paid, whatever S2's sign."""
    remaining = order.remaining_payment or ZERO
    return -remaining if legacy_sign else remaining


def _group(discounts: Sequence[Discount], *kinds: str) -> Group:
    # Bonus points are a reward beside the price (domain 6.1: recognised, amount as sent).
    return {
        place: found
        for place, found in enumerate(discounts)
        if found.discount_type in kinds and not found.is_bonus_points_reward
    }


def _lowered(
    lines: Sequence[Priced], group: Group, pricing: Pricing, steps: tuple[Decimal, Decimal]
) -> dict[int, Decimal]:
    """Take the discounts on lines off their prices, then share the prices of packages out.

    What is in a package has no price of its own, so only the package is discounted.

    :returns: what each discount took off in all
    """
    step, discount_step = steps
    broken_down = packages(lines) if pricing.allocate_packages else ()
    taken: dict[int, Decimal] = {}
    if group:
        sold = [line for line in lines if not line.is_component] if broken_down else lines
        taken = discount_lines(group, sold, discount_step, dearest_first=pricing.dearest_first)
        for line in lines:
            line.price = rounded(line.price, step)
    allocate(broken_down, step)
    return taken


def _priced(line: OrderLine, marks: Marks, step: Decimal) -> Priced:
    quantity, units = open_units(line)
    gross = units * (line.placed_price or ZERO) or ZERO  # never -0
    return priced(line, quantity, units, gross, entered(line, marks), step)


def _closed(
    whole: Priced, share: Decimal, marks: Marks, tax: Decimal, steps: tuple[Decimal, Decimal]
) -> Iterator[OrderLine]:
    """Close the line, or each of its pieces.

    :param share: of the order discount
    :param tax: 1 + the rate
    """
    step, _ = steps
    price = whole.price
    price_excl_tax = rounded(price / tax, step)
    extended, extended_excl_tax = price, price_excl_tax
    if share:
        extended = rounded(price - share, step)
        extended_excl_tax = rounded(extended / tax, step)
    cost = rounded(cost_of(whole), step)
    amounts = Amounts(price, price_excl_tax, share, extended, extended_excl_tax, cost)
    if not whole.pieces:
        yield _line(whole, amounts, marks, tax, steps)
        return
    for piece, its in dealt(whole, amounts, steps):
        yield _line(piece, its, marks, tax, steps)


def _line(
    of: Priced, amounts: Amounts, marks: Marks, tax: Decimal, steps: tuple[Decimal, Decimal]
) -> OrderLine:
    step, discount_step = steps
    line = of.line
    discounted = of.entered
    changes: dict[str, object] = {}
    if of.off or line.order_line_discounts:
        changes["order_line_discounts"], worked_out = breakdown(of, marks, discount_step)
        discounted += worked_out
    placed = line.placed_price or ZERO
    changes |= {
        "quantity": of.quantity,
        "placed_price_excl_tax": rounded(placed / tax, step),
        "discounted": discounted,
        "discounted_excl_tax": rounded(discounted / tax, discount_step),
        "discounted_price": amounts.price,
        "discounted_price_excl_tax": amounts.price_excl_tax,
        "order_discount_amount": amounts.order_discount,
        "extended_price": amounts.extended,
        "extended_price_excl_tax": amounts.extended_excl_tax,
        "tax_total": amounts.extended - amounts.extended_excl_tax,
        "cost_total": amounts.cost,
    }
    if line.reserved_inventory_quantity is not None:
        changes["reserved_inventory"] = line.reserved_inventory_quantity >= of.open
    return line.model_copy(update=changes)


def _settled(order: Order, form: OrderForm, pricing: Pricing, changes: dict[str, object]) -> Order:
    authorized, captured, credited = payment_totals(form.payments or ())
    total, total_excl_tax = form.total or ZERO, form.total_excl_tax or ZERO
    net, net_excl_tax = total, total_excl_tax
    for returned in order.return_order_forms or ():
        net -= returned.total or ZERO
        net_excl_tax -= returned.total_excl_tax or ZERO
    owed = total - authorized
    if pricing.credit_reduces_remaining:
        owed = net - (authorized - credited)
    form = form.model_copy(
        update={
            "authorized_payment_total": authorized,
            "captured_payment_total": captured,
            "credit_payment_total": credited,
        }
    )
    return order.model_copy(
        update=changes
        | {
            "order_form": form,
            "net_total": net,
            "net_total_excl_tax": net_excl_tax,
            "remaining_payment": ZERO - owed if pricing.legacy_sign else owed,
        }
    )
