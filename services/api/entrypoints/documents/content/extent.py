"""What a document is about: the whole order, or one of its shipments."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from contracts.order_form import OrderForm
from contracts.order_line import OrderLine
from contracts.shipment import Shipment

_ZERO = Decimal(0)


class UnknownShipment(LookupError):
    """The order has no shipment with this id."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Lines and shipments, and a form with their totals."""

    lines: Sequence[OrderLine]
    shipments: Sequence[Shipment]
    form: OrderForm
    is_whole: bool


def extent(form: OrderForm, shipment_id: str | None) -> Extent:
    """Return the whole form, or what belongs to one shipment of it.

    :raises UnknownShipment: if it has no such shipment
    """
    shipments = form.shipments or ()
    if shipment_id is None:
        return Extent(form.line_items or (), shipments, form, is_whole=True)
    found = next((one for one in shipments if one.shipment_id == shipment_id), None)
    if found is None:
        raise UnknownShipment(shipment_id)
    lines = found.line_items or []
    net = sum((line.extended_price_excl_tax or _ZERO for line in lines), _ZERO)
    totals = OrderForm(
        payments=form.payments,
        sub_total=found.sub_total,
        sub_total_excl_tax=net,
        shipping_total=found.shipping_total,
        tax_total=found.tax_total,
        total=found.total,
        total_excl_tax=(found.total or _ZERO) - (found.tax_total or _ZERO),
    )
    return Extent(lines, [found], totals, is_whole=False)
