"""What it comes to: totals, taxes by rate, payments."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from contracts.order import Order
from services.api.entrypoints.documents.content.extent import Extent
from services.api.entrypoints.documents.content.hand import Hand
from services.api.entrypoints.documents.content.sheet import Fact, Tax

ZERO: Final = Decimal(0)
Rate = Callable[[Decimal | None], Decimal]
"""Tells the rate in percent that holds where a line names this one, or none."""


def some(hand: Hand, *entries: tuple[str, Decimal | None]) -> Iterator[Fact]:
    """Return the amounts that are not nothing."""
    return ((word, hand.amount(amount)) for word, amount in entries if amount)


def totals(order: Order, extent: Extent, hand: Hand, *, net: bool) -> Iterator[Fact]:
    """Return what leads up to the total.

    :param net: whether without tax, which is then added in the end (S2: ShowOrderTotalsExTax)
    """
    form = extent.form
    shipping = form.shipping_total or ZERO
    if net:
        shipping -= sum((one.shipping_tax or ZERO for one in extent.shipments), ZERO)
    yield "subTotal", hand.amount(form.sub_total_excl_tax if net else form.sub_total)
    yield from some(
        hand,
        ("shippingTotal", shipping),
        ("handlingTotal", form.handling_total),
        ("orderTax", None if net else form.order_level_tax),
        ("roundOff", form.gross_roundoff),
    )
    if net:
        yield "totalNet", hand.amount(form.total_excl_tax)
        yield from some(hand, ("taxTotal", form.tax_total))
    yield "total", hand.amount(form.total)
    if not net:
        yield from some(hand, ("includedTax", form.tax_total))
    returned = sum((one.total or ZERO for one in order.return_order_forms or ()), ZERO)
    if returned and extent.is_whole:
        yield "returnedTotal", hand.amount(-returned)
        yield "netTotal", hand.amount(order.net_total)


def payments(order: Order, extent: Extent, hand: Hand) -> Iterator[Fact]:
    """Return what was paid, and what is left to pay; of the whole order only."""
    form = extent.form
    if not extent.is_whole:
        return iter(())
    authorized, captured = form.authorized_payment_total, form.captured_payment_total
    return some(
        hand,
        ("authorized", authorized if authorized != captured else None),
        ("captured", captured),
        ("credited", form.credit_payment_total),
        ("remaining", order.remaining_payment),
    )


@dataclass(slots=True)
class _Sums:
    gross: Decimal = ZERO
    tax: Decimal = ZERO


def taxes(
    extent: Extent, rate: Rate, shipping_rates: Mapping[str, Decimal], hand: Hand
) -> list[Tax]:
    """Return the tax table: rows by rate that add up to the totals; none where there is no tax.

    Handling and rounding are not taxed (domain 6.2). Amounts are rounded to the currency here,
    for those of lines need not be (S2: IsLineItemAmountRoundingDisabled).
    """
    form = extent.form
    by_rate: dict[Decimal, _Sums] = {}
    for percent, gross, tax in _taxed(extent, shipping_rates):
        sums = by_rate.setdefault(rate(percent).normalize(), _Sums())
        sums.gross += gross or ZERO
        sums.tax += tax or ZERO
    rows = [
        _row(hand.number(percent), by_rate[percent], hand)
        for percent in sorted(by_rate)
        if by_rate[percent].gross or by_rate[percent].tax
    ]
    order_tax = form.order_level_tax or ZERO
    if order_tax:
        rows.append(_row(None, _Sums(order_tax, order_tax), hand))
    return rows if order_tax or any(sums.tax for sums in by_rate.values()) else []


def _taxed(
    extent: Extent, shipping_rates: Mapping[str, Decimal]
) -> Iterable[tuple[Decimal | None, Decimal | None, Decimal | None]]:
    """Yield rate, amount and the tax in it of everything that is paid for."""
    for line in extent.lines:
        yield line.tax_rate, line.extended_price, line.tax_total
    for shipment in extent.shipments:
        rate = shipment.shipment_tax_rate
        if rate is None:
            rate = shipping_rates.get((shipment.shipping_method_name or "").casefold())
        yield rate, shipment.shipping_total, shipment.shipping_tax
    yield ZERO, extent.form.handling_total, ZERO
    yield ZERO, extent.form.gross_roundoff, ZERO


def _row(rate: str | None, sums: _Sums, hand: Hand) -> Tax:
    gross, tax = hand.rounded(sums.gross), hand.rounded(sums.tax)
    return Tax(rate, hand.amount(gross - tax), hand.amount(tax), hand.amount(gross))
