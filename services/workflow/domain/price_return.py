"""What a return is worth (domain 6.6)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.return_form import ReturnForm
from services.workflow.domain.calculate import Pricing
from services.workflow.domain.rounding import FINEST, ZERO, bounded, rounded, share
from services.workflow.domain.totals import Taxes, open_units


def price_return(
    form: ReturnForm, order: Order, pricing: Pricing, sent: Mapping[str, Decimal]
) -> ReturnForm:
    """Fill in the amounts of a new return: those of its lines, its totals, what is to be credited.

    What the returned units cost is their share of the sold line, so that a line that comes back
    piece by piece is credited to the last unit. Fees and handling bear no tax.

    :param form: says how many units of which lines, the shipping to credit (for each shipment with
        its tax rate, or in all), the fees, and perhaps the amount to credit
    :param order: as it was calculated last, with the returns before this one
    :param sent: what a client wants credited for a unit, by line
    """
    cent = pricing.cent
    step = cent if pricing.round_lines else FINEST
    taxes = Taxes(
        pricing.default_tax_rate, pricing.shipping_tax_rates, excluded=pricing.is_tax_excluded
    )
    sold_lines = (order.order_form.line_items if order.order_form else None) or ()
    sold = {line.line_item_id: line for line in sold_lines}
    lines = [
        _returned(line, sold[line.line_item_id], earlier, sent, (taxes, step))
        if line.line_item_id in sold
        else line
        for line, earlier in _with_earlier(form, order)
    ]
    shipping, shipping_tax = _shipping(form, taxes, cent)
    fees = sum((charge.amount or ZERO for charge in form.return_charges or ()), ZERO)
    sub_total = rounded(sum((line.extended_price or ZERO for line in lines), ZERO), cent)
    excl_tax = sum((line.extended_price_excl_tax or ZERO for line in lines), ZERO)
    tax_total = rounded(sum((line.tax_total or ZERO for line in lines), ZERO) + shipping_tax, cent)
    total = rounded(sub_total + shipping - fees - (form.handling_total or ZERO), cent)
    changes: dict[str, object] = {
        "line_items": lines,
        "sub_total": sub_total,
        "sub_total_excl_tax": rounded(excl_tax, cent),
        "shipping_credited_total": shipping,
        "total": total,
        "tax_total": tax_total,
        "total_excl_tax": total - tax_total,
    }
    if form.credit_amount is None:
        changes["credit_amount"] = max(total, ZERO)  # fees may be more than what comes back
    return form.model_copy(update=changes)


def _with_earlier(form: ReturnForm, order: Order) -> Iterator[tuple[OrderLine, Decimal]]:
    """Yield each line of the return, with how many of its units have come back before."""
    earlier: dict[str, Decimal] = {}
    for before in order.return_order_forms or ():
        if before.return_id is not None and before.return_id == form.return_id:
            break
        for line in before.line_items or ():
            units = earlier.get(line.line_item_id, ZERO) + (line.quantity or ZERO)
            earlier[line.line_item_id] = units
    for line in form.line_items or ():
        units = earlier.get(line.line_item_id, ZERO)
        yield line, units
        earlier[line.line_item_id] = units + (line.quantity or ZERO)


def _returned(
    line: OrderLine,
    sold: OrderLine,
    earlier: Decimal,
    sent: Mapping[str, Decimal],
    rates: tuple[Taxes, Decimal],
) -> OrderLine:
    taxes, step = rates
    units = line.quantity or ZERO
    _, whole = open_units(sold)
    before, after = bounded(earlier, whole), bounded(earlier + units, whole)

    def share_of(amount: Decimal | None) -> Decimal:
        return share(amount, before, after, whole, step)

    price, excl_tax = share_of(sold.extended_price), share_of(sold.extended_price_excl_tax)
    off = share_of(sold.order_discount_amount)
    wanted = sent.get(line.line_item_id)
    if wanted is None and not whole:
        wanted = sold.original_extended_price_per_unit
    if wanted is not None:
        price, off = rounded(units * wanted, step), ZERO
        excl_tax = rounded(price / taxes[sold.tax_rate], step)
    return line.model_copy(
        update={
            "tax_rate": sold.tax_rate,
            "placed_price": sold.placed_price,
            "placed_price_excl_tax": sold.placed_price_excl_tax,
            "discounted_price": price + off,
            "order_discount_amount": off,
            "extended_price": price,
            "extended_price_excl_tax": excl_tax,
            "tax_total": price - excl_tax,
            "cost_total": share_of(sold.cost_total),
        }
    )


def _shipping(form: ReturnForm, taxes: Taxes, cent: Decimal) -> tuple[Decimal, Decimal]:
    """Add up the shipping that is credited, and the tax in it."""
    credited = [
        (shipment.shipping_credited_total, taxes.of(shipment))
        for shipment in form.shipments or ()
        if shipment.shipping_credited_total is not None
    ] or [(form.shipping_credited_total or ZERO, taxes[None])]
    total = sum((amount for amount, _ in credited), ZERO)
    tax = sum((amount - rounded(amount / factor, cent) for amount, factor in credited), ZERO)
    return total, tax
