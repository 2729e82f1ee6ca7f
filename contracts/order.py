"""The order: the root of everything else here."""

from typing import Annotated, Literal, get_args

from contracts.fields import UNLESS_BLANK, Flag, Int, ListOf, Said, Sent, Whole, spelled
from contracts.model import Model
from contracts.moment import Moment
from contracts.money import Amount
from contracts.note import Asset, Comment, EntityError, ExternalId, PropertyItem
from contracts.order_form import OrderForm
from contracts.order_id import OrderId
from contracts.party import Address, ContactPerson
from contracts.return_form import ReturnForm

__all__ = [
    "CustomerType",
    "NewOrder",
    "Order",
    "OrderForm",
    "OrderGroup",
    "PosOrder",
    "SomeOfAnOrder",
]

_CustomerType = Literal["B2B", "B2C"]
CustomerType = Annotated[_CustomerType, spelled(get_args(_CustomerType))]
"""Whether the customer is a business or a person."""


class OrderGroup(Model):
    """A group of lines; they point to it by group id (OmniumOrderGroup)."""

    id: str | None = None
    name: str | None = None
    description: str | None = None


class SomeOfAnOrder(Model):
    """Members of an order, none of them required: what an update leaves out stays as it is.

    `model_fields_set` tells what was left out from what is to become null.
    """

    id: Annotated[OrderId | None, UNLESS_BLANK] = None
    order_number: Annotated[OrderId | None, UNLESS_BLANK] = None
    market_id: Sent = None
    store_id: Sent = None
    status: Sent = None
    """Absent means the first status of the type."""
    order_type: Sent = None
    """Absent means the default type."""
    customer_id: str | None = None
    customer_number: str | None = None
    customer_name: str | None = None
    customer_phone: str | None = None
    customer_email: str | None = None
    customer_type: CustomerType | None = None
    customer_contact: str | None = None
    customer_club_member_id: str | None = None
    customer_reference: str | None = None
    customer_requisition: str | None = None
    is_new_customer: Flag | None = None
    billing_currency: str | None = None
    billing_address: Address | None = None
    contact_person: ContactPerson | None = None
    order_origin: str | None = None
    sales_channel: str | None = None
    sales_person_id: str | None = None
    sales_person_name: str | None = None
    order_form: OrderForm | None = None
    return_order_forms: ListOf[ReturnForm] | None = None
    groups: ListOf[OrderGroup] | None = None

    created: Moment = None
    modified: Moment = None
    received: Moment = None
    completed: Moment = None
    follow_up_date: Moment = None
    requested_delivery_date: Moment = None
    ready_for_pickup: Moment = None
    customer_pickup_deadline: Moment = None
    store_pick_date: Moment = None
    update_status_date: Moment = None
    next_order_status: str | None = None

    remaining_payment: Amount | None = None
    """What the customer still owes."""
    line_items_cost: Amount | None = None
    net_total: Amount | None = None
    """The form's total without what was returned."""
    net_total_excl_tax: Amount | None = None
    payment_terms_net: Int | None = None
    """Days."""
    invoice_comment: str | None = None

    order_notes: ListOf[Comment] | None = None
    """Notes among colleagues."""
    public_order_notes: ListOf[Comment] | None = None
    """Notes that the customer may see."""
    properties: ListOf[PropertyItem] | None = None
    external_ids: ListOf[ExternalId] | None = None
    tags: ListOf[str] | None = None
    assets: ListOf[Asset] | None = None
    errors: ListOf[EntityError] | None = None
    related_orders: ListOf[str] | None = None
    replacement_order_ids: ListOf[str] | None = None
    project_ids: ListOf[str] | None = None
    subscription_id: str | None = None
    session: str | None = None
    secret_key: str | None = None
    """Whoever knows it may read this order."""
    is_read_only: Flag | None = None
    is_notifications_disabled: Flag | None = None

    version: Whole | None = None
    """The sequence number of the order's last event."""
    version_id: str | None = None
    """Its opaque twin."""
    modified_by: str | None = None
    # Obsolete; kept as sent, the totals mirror the order form's.
    project_id: str | None = None
    payment_type: str | None = None
    total: Amount | None = None
    total_excl_tax: Amount | None = None
    sub_total: Amount | None = None
    sub_total_excl_tax: Amount | None = None
    tax_total: Amount | None = None
    discount_total_inc_vat: Amount | None = None
    shipping_sub_total: Amount | None = None
    shipping_discount_total: Amount | None = None


class NewOrder(SomeOfAnOrder):
    """An order as a client hands it in; where it has no id, it is given one (OmniumOrder)."""

    market_id: Said
    store_id: Said


class Order(NewOrder):
    """An order that has its id: as it is stored, and as POST takes it (OmniumOrder)."""

    id: OrderId


class PosOrder(NewOrder):
    """A sale at the till; the number of the receipt is its id where no other is given."""

    order_number: OrderId
