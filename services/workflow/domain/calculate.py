"""What an order costs and what is still owed (domain 6.1 to 6.4, 6.9).

Calculated amounts that a client sends are replaced. Whatever has been calculated before makes no
difference: `calculate(calculate(order)) == calculate(order)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from contracts.discount import Discount
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.payment import Payment
from services.workflow.domain.breakdown import Marks, breakdown, entered, form_marks
from services.workflow.domain.discount import (
    FINEST,
    ZERO,
    Group,
    Priced,
    discount_lines,
    discount_whole,
    rounded,
    split,
    with_amounts,
)
from services.workflow.domain.totals import Taxes, open_units, ship, sums

_DONE: Final = frozenset({"Processed", "Paid", "Approved"})
# ISO 4217; every currency that is not here has two decimals.
_WITHOUT_DECIMALS: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"}
    | {"RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_WITH_THREE: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_WITH_FOUR: Final = frozenset({"CLF", "UYW"})
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


def exponent(currency: str | None) -> int:
    """How many decimals the currency has by ISO 4217; 2 where it is not known."""
    code = (currency or "").upper()
    if code in _WITHOUT_DECIMALS:
        return 0
    if code in _WITH_THREE:
        return 3
    return 4 if code in _WITH_FOUR else 2


def calculate(order: Order, pricing: Pricing) -> Order:
    """Fill in every calculated amount of the order, its lines, shipments and form."""
    cent = Decimal(1).scaleb(-pricing.exponent)
    step = cent if pricing.round_lines else FINEST
    discount_step = cent if pricing.round_discounts else FINEST
    taxes = Taxes(pricing.default_tax_rate, excluded=pricing.is_tax_excluded)
    form = order.order_form or OrderForm()
    discounts = form.discounts or ()

    by_line = _group(discounts, "LineItem")
    marks = form_marks(discounts)
    lines = [_priced(line, marks, step) for line in form.line_items or ()]
    taken = discount_lines(by_line, lines, discount_step) if by_line else {}
    for line in lines if by_line else ():
        line.price = rounded(line.price, step)

    total_off = ZERO
    shares = [ZERO] * len(lines)
    if by_order := _group(discounts, "Order", "Manual"):
        prices = [line.price for line in lines]
        gross = sum((line.gross for line in lines), ZERO)
        off_order = discount_whole(by_order, gross, sum(prices, ZERO), discount_step)
        total_off = sum(off_order.values(), ZERO)
        shares = split(total_off, prices, discount_step)
        taken |= off_order

    done = [
        _line(line, share, marks, taxes[line.line.tax_rate], (step, discount_step))
        for line, share in zip(lines, shares, strict=True)
    ]
    off_shipping, shipments = ship(
        form.shipments or (), done, _group(discounts, "Shipping"), taxes, (cent, step)
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


def _group(discounts: Sequence[Discount], *kinds: str) -> Group:
    # Bonus points are a reward beside the price (domain 6.1: recognised, amount as sent).
    return {
        place: found
        for place, found in enumerate(discounts)
        if found.discount_type in kinds and not found.is_bonus_points_reward
    }


def _priced(line: OrderLine, marks: Marks, step: Decimal) -> Priced:
    quantity, units = open_units(line)
    gross = units * (line.placed_price or ZERO) or ZERO  # never -0
    own = entered(line, marks)
    price = gross
    if own and quantity:
        price -= own if units == quantity else own / quantity * units
        # A discount takes at most the price; of goods taken back both are negative.
        price = max(price, ZERO) if gross >= ZERO else min(price, ZERO)
    return Priced(line, quantity, units, gross, own, rounded(price, step))


def _line(
    priced: Priced,
    share: Decimal,
    marks: Marks,
    tax: Decimal,
    steps: tuple[Decimal, Decimal],
) -> OrderLine:
    """Close the line.

    :param share: of the order discount
    :param tax: 1 + the rate
    """
    step, discount_step = steps
    line, price = priced.line, priced.price
    price_excl_tax = rounded(price / tax, step)
    extended, extended_excl_tax = price, price_excl_tax
    if share:
        extended = rounded(price - share, step)
        extended_excl_tax = rounded(extended / tax, step)
    discounted = priced.entered
    changes: dict[str, object] = {}
    if priced.off or line.order_line_discounts:
        changes["order_line_discounts"], worked_out = breakdown(priced, marks, discount_step)
        discounted += worked_out
    placed = line.placed_price or ZERO
    changes |= {
        "quantity": priced.quantity,
        "placed_price_excl_tax": rounded(placed / tax, step),
        "discounted": discounted,
        "discounted_excl_tax": rounded(discounted / tax, discount_step),
        "discounted_price": price,
        "discounted_price_excl_tax": price_excl_tax,
        "order_discount_amount": share,
        "extended_price": extended,
        "extended_price_excl_tax": extended_excl_tax,
        "tax_total": extended - extended_excl_tax,
        "cost_total": rounded((line.cost or ZERO) * priced.open, step),
    }
    return line.model_copy(update=changes)


def _settled(order: Order, form: OrderForm, pricing: Pricing, changes: dict[str, object]) -> Order:
    authorized, captured, credited = _payment_totals(form.payments or ())
    total, total_excl_tax = form.total or ZERO, form.total_excl_tax or ZERO
    net, net_excl_tax = total, total_excl_tax
    for returned in order.return_order_forms or ():
        net -= returned.total or ZERO
        net_excl_tax -= returned.total_excl_tax or ZERO
    remaining = total - authorized
    if pricing.credit_reduces_remaining:
        remaining = net - (authorized - credited)
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
            "remaining_payment": remaining,
        }
    )


def _payment_totals(payments: Sequence[Payment]) -> tuple[Decimal, Decimal, Decimal]:
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
