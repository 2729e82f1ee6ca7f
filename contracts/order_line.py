"""Order lines: what was sold, how many of it, and what became of them."""

from collections.abc import Iterator
from typing import Annotated, Final

from pydantic import Field, ValidationInfo, model_validator

from contracts.discount import BonusPoints, LineDiscount
from contracts.faults import Path, RuleBroken
from contracts.fields import Flag, ListOf, OpenObject
from contracts.model import Model
from contracts.moment import Moment
from contracts.money import Amount, Quantity
from contracts.note import ExternalId, PropertyItem

MOST_LINES: Final = 1_000
"""Lines that an order may have."""


class Component(Model):
    """A part of a bundle or package (OmniumProductComponent)."""

    id: str | None = None
    component_id: str | None = None
    component_name: str | None = None
    product_id: str | None = None
    sku_id: str | None = None
    quantity: Quantity | None = None
    is_required: Flag | None = None
    options: ListOf[OpenObject] | None = None


class OrderLine(Model):
    """One line of an order; on a shipment, a reference to it by id (OmniumOrderLine).

    In a body from outside it has an id, and 0 <= canceled and delivered, canceled + delivered <=
    quantity. Only where the validation context says `{"pos": True}` (goods taken back at the till)
    a quantity may be negative; the bounds are then mirrored.
    """

    line_item_id: str
    code: str | None = None
    """The SKU."""
    product_id: str | None = None
    ean: str | None = None
    gtins: ListOf[str] | None = None
    external_ids: ListOf[ExternalId] | None = None
    display_name: str | None = None
    alternative_product_name: str | None = None
    brand: str | None = None
    size: str | None = None
    color: str | None = None
    product_type: str | None = None
    image_url: str | None = None
    web_site_product_url: str | None = None
    serial_number: str | None = None

    placed_price: Amount | None = None
    """Per unit, before discounts."""
    placed_price_excl_tax: Amount | None = None
    discounted_price: Amount | None = None
    """The line's total after its own discounts."""
    discounted_price_excl_tax: Amount | None = None
    extended_price: Amount | None = None
    """The line's total after all discounts."""
    extended_price_excl_tax: Amount | None = None
    original_extended_price_per_unit: Amount | None = None
    suggested_retail_price: Amount | None = None
    suggested_retail_price_excl_tax: Amount | None = None
    order_discount_amount: Amount | None = None
    credited_amount: Amount | None = None
    tax_rate: Amount | None = None
    """Percent; absent means the market's."""
    tax_total: Amount | None = None
    cost: Amount | None = None
    """Per unit."""
    cost_total: Amount | None = None
    price_list_id: str | None = None
    price_list_item_id: str | None = None

    quantity: Quantity | None = None
    delivered_quantity: Quantity | None = None
    return_quantity: Quantity | None = None
    canceled_quantity: Quantity | None = None
    ready_for_pickup_quantity: Quantity | None = None
    replaced_quantity: Quantity | None = None
    reserved_inventory_quantity: Quantity | None = None
    unit: str | None = None
    selected_unit: str | None = None
    selected_unit_conversion_factor: Quantity | None = None
    selected_unit_quantity: Quantity | None = None

    canceled_date: Moment = None
    cancel_reason: str | None = None
    cancel_comment: str | None = None
    return_reason: str | None = None
    return_date: Moment = None
    return_type: str | None = None
    replaced_date: Moment = None
    replacement_type: str | None = None
    replacement_reason: str | None = None

    supplier_id: str | None = None
    supplier_sku_id: str | None = None
    supplier_name: str | None = None

    expected_delivery_date: Moment = None
    requested_delivery_date: Moment = None
    ready_for_pickup_date: Moment = None
    delivered_date: Moment = None
    customer_pickup_deadline: Moment = None
    store_pick_date: Moment = None

    is_gift: Flag | None = None
    is_backorder: Flag | None = None
    is_bundle: Flag | None = None
    is_package_product: Flag | None = None
    is_package_broke_down: Flag | None = None
    is_virtual_product: Flag | None = None
    is_configurable_product: Flag | None = None
    is_serializable_product: Flag | None = None
    is_sku_accessory: Flag | None = None
    is_read_only: Flag | None = None
    is_read_only_by_customer: Flag | None = None
    is_awaiting_purchase_order: Flag | None = None
    update_stock: Flag | None = None
    create_purchase_order: Flag | None = None

    reserved_inventory: Flag | None = None
    reserved_inventory_delivery_id: str | None = None
    reserved_inventory_purchase_order_id: str | None = None
    reserved_inventory_purchase_order_line_id: str | None = None

    discounted: Amount | None = None
    """The line's own discount; what a client sends is kept apart from what is calculated."""
    discounted_excl_tax: Amount | None = None
    order_line_discounts: ListOf[LineDiscount] | None = None
    order_line_bonus_points: BonusPoints | None = None
    campaign_id: str | None = None
    is_excluded_from_promotions: Flag | None = None
    discount_reason_code: str | None = None

    comment: str | None = None
    properties: ListOf[PropertyItem] | None = None
    components: ListOf[Component] | None = None
    package_line_item_id: str | None = None
    package_sku_id: str | None = None
    original_multi_buy_line_item_id: str | None = None
    """The line that this unit of a multi-buy promotion was split from."""
    group_id: str | None = None
    modified_reason: str | None = None
    internal_warehouse_location: str | None = None
    # Obsolete; kept as sent.
    is_package: Flag | None = None
    line_item_discount_amount: Amount | None = None

    @model_validator(mode="after")
    def _fits(self, info: ValidationInfo) -> "OrderLine":
        if info.context is None:
            return self  # our own message: it was checked when it came in
        ordered, returned = self.quantity, self.return_quantity
        delivered, canceled = self.delivered_quantity, self.canceled_quantity
        is_named = bool(self.line_item_id.strip())
        is_plain = is_named and not (delivered or canceled or returned)
        if is_plain and (ordered is None or ordered >= 0):
            return self  # nearly every line
        faults = list(misfits(self, at_till=bool(info.context.get("pos"))))
        if not is_named:
            faults.append((("lineItemId",), "expected text that is not blank"))
        if faults:
            raise RuleBroken(faults)
        return self


OrderLines = Annotated[list[OrderLine], Field(max_length=MOST_LINES)]
"""The lines of a form or a shipment, at most 1,000."""


def misfits(line: OrderLine, *, at_till: bool) -> Iterator[tuple[Path, str]]:
    """Yield each quantity of the line that does not fit the others (domain 6.1), and why.

    :param at_till: whether quantities may be negative; the bounds are then mirrored
    """
    ordered = line.quantity
    if ordered is not None and ordered < 0 and not at_till:
        yield ("quantity",), "expected 0 or more"
        return
    sign = -1 if ordered is not None and ordered < 0 else 1
    allowed = "0 or more" if sign > 0 else "0 or less, as the quantity is"
    delivered, canceled = line.delivered_quantity or 0, line.canceled_quantity or 0
    signs_fit = True
    for name, part in (
        ("deliveredQuantity", delivered),
        ("canceledQuantity", canceled),
        ("returnQuantity", line.return_quantity or 0),
    ):
        if part * sign < 0:
            signs_fit = False
            yield (name,), f"expected {allowed}"
    if ordered is None or not signs_fit:
        return
    if canceled * sign > ordered * sign:
        yield ("canceledQuantity",), f"expected no more than the quantity ({ordered:f})"
    elif (delivered + canceled) * sign > ordered * sign:
        for name, part in (("deliveredQuantity", delivered), ("canceledQuantity", canceled)):
            if part:
                text = f"expected delivered and canceled together within the quantity ({ordered:f})"
                yield (name,), text


def over_returned(line: OrderLine) -> Iterator[tuple[Path, str]]:
    """Yield that more came back than was delivered (domain 6.1), and why that is too much.

    Where no delivery is tracked, no more than is open (decided 8.4). It is the line of a form that
    counts: its copies on shipments repeat what came back of all of it.
    """
    returned, ordered = line.return_quantity, line.quantity
    if not returned or ordered is None:
        return
    most = line.delivered_quantity or ordered - (line.canceled_quantity or 0)
    if abs(returned) > abs(most):
        text = f"expected no more than was delivered, or else is open ({most:f})"
        yield ("returnQuantity",), text
