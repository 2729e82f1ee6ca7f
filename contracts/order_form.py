"""Order forms: the commercial content of an order, its lines, shipments, payments and totals."""

from collections import defaultdict
from collections.abc import Iterator

from pydantic import ValidationInfo, model_validator

from contracts.discount import Discount
from contracts.faults import Path, RuleBroken
from contracts.fields import Flag, ListOf, OpenObject
from contracts.model import Model
from contracts.money import Amount
from contracts.note import PropertyItem
from contracts.order_line import OrderLines
from contracts.payment import Payment
from contracts.shipment import Shipment


class OrderForm(Model):
    """What was ordered, how it is sent, and how it is paid (OmniumOrderForm).

    In a body from outside no two lines share an id, and no two shipments do.
    """

    line_items: OrderLines | None = None
    shipments: ListOf[Shipment] | None = None
    payments: ListOf[Payment] | None = None
    discounts: ListOf[Discount] | None = None
    cart_id: str | None = None
    cart_name: str | None = None
    purchase_order_id: str | None = None
    coupon_codes: ListOf[str] | None = None
    properties: ListOf[PropertyItem] | None = None
    is_priority: Flag | None = None
    full_refund: Flag | None = None
    sub_total: Amount | None = None
    sub_total_excl_tax: Amount | None = None
    total: Amount | None = None
    total_excl_tax: Amount | None = None
    tax_total: Amount | None = None
    order_level_tax: Amount | None = None
    discount_amount: Amount | None = None
    shipping_sub_total: Amount | None = None
    shipping_sub_total_excl_tax: Amount | None = None
    shipping_discount_total: Amount | None = None
    shipping_total: Amount | None = None
    shipping_credited_total: Amount | None = None
    handling_total: Amount | None = None
    gross_roundoff: Amount | None = None
    authorized_payment_total: Amount | None = None
    captured_payment_total: Amount | None = None
    credit_payment_total: Amount | None = None
    # Obsolete; kept as sent.
    charges: ListOf[OpenObject] | None = None

    @model_validator(mode="after")
    def _ids_are_unique(self, info: ValidationInfo) -> "OrderForm":
        if info.context is None:
            return self  # our own message: it was checked when it came in
        faults = [
            *_repeated("lineItems", "lineItemId", [x.line_item_id for x in self.line_items or ()]),
            *_repeated("shipments", "shipmentId", [x.shipment_id for x in self.shipments or ()]),
        ]
        if faults:
            raise RuleBroken(faults)
        return self


def _repeated(
    among: str, name: str, ids: list[str] | list[str | None]
) -> Iterator[tuple[Path, str]]:
    if len(set(ids)) == len(ids):
        return
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, value in enumerate(ids):
        if value is not None:
            places[value].append(index)
    for indexes in places.values():
        for index in indexes if len(indexes) > 1 else ():
            twin = indexes[1] if index == indexes[0] else indexes[0]
            yield (among, index, name), f"expected an id of its own, but {among}[{twin}] has it too"
