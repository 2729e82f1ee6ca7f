"""Order forms: the commercial content of an order, its lines, shipments, payments and totals."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pydantic import ValidationInfo, model_validator

from contracts.discount import Discount
from contracts.faults import Path, RuleBroken
from contracts.fields import Flag, ListOf, OpenObject
from contracts.model import Model
from contracts.money import Amount
from contracts.note import PropertyItem
from contracts.order_line import OrderLines, over_returned
from contracts.payment import Payment
from contracts.shipment import Shipment


class OrderForm(Model):
    """What was ordered, how it is sent, and how it is paid (OmniumOrderForm).

    In a body from outside no two lines share an id, no two shipments and no two payments, and no
    more of a line came back than there can have.
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
    def _fits_together(self, info: ValidationInfo) -> "OrderForm":
        if info.context is None:
            return self  # our own message: it was checked when it came in
        ids: tuple[tuple[str, str, list[str | None]], ...] = (
            ("lineItems", "lineItemId", [one.line_item_id for one in self.line_items or ()]),
            ("shipments", "shipmentId", [one.shipment_id for one in self.shipments or ()]),
            ("payments", "id", [one.id for one in self.payments or ()]),
        )
        faults: list[tuple[Path, str]] = [
            ((among, at, name), f"expected an id of its own, but {among}[{twin}] has it too")
            for among, name, listed in ids
            for at, twin in repeated(listed)
        ]
        faults += (
            (("lineItems", at, *path), message)
            for at, line in enumerate(self.line_items or ())
            for path, message in over_returned(line)
        )
        if faults:
            raise RuleBroken(faults)
        return self


def repeated(ids: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Yield the place of each id that stands elsewhere too, and where; what is blank is no id."""
    if len(set(ids)) == len(ids):
        return
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, value in enumerate(ids):
        if value:
            places[value].append(index)
    for indexes in places.values():
        for index in indexes if len(indexes) > 1 else ():
            yield index, indexes[1] if index == indexes[0] else indexes[0]
