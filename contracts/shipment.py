"""Shipments: which lines leave from where, how, and how far they are."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field

from contracts.discount import Discount
from contracts.fields import Flag, Int, ListOf, Whole
from contracts.model import Model
from contracts.moment import Moment
from contracts.money import Amount, Quantity
from contracts.note import ExternalId, PropertyItem
from contracts.order_line import OrderLines
from contracts.party import Address, ContactPerson


class StatusLogItem(Model):
    """When a shipment came to a status (OmniumOrderStatusLogItem)."""

    status: str | None = None
    timestamp: Moment = None
    duration_since_previous_ms: Whole | None = None
    """Milliseconds; None in the first entry."""


class Dimensions(Model):
    """How big a package is."""

    height_in_cm: Int | None = None
    width_in_cm: Int | None = None
    length_in_cm: Int | None = None


class Tracking(Model):
    """Where to follow a package."""

    shipment_tracking_number: str | None = None
    shipment_tracking_link: str | None = None
    shipment_label_link: str | None = None


class LineReference(Model):
    """How much of a line is in a package."""

    line_item_id: str | None = None
    quantity: Quantity | None = None


class Package(Model):
    """A package of a shipment (OmniumShipmentPackage)."""

    id: str | None = None
    weight_in_kg: Quantity | None = None
    volume: Quantity | None = None
    """Litres."""
    goods_description: str | None = None
    barcode: str | None = None
    dimensions: Dimensions | None = None
    shipment_tracking: Tracking | None = None
    line_item_references: ListOf[LineReference] | None = None


class PickUpPointAddress(Model):
    """Where a pick-up point is."""

    street: str | None = None
    street_name: str | None = None
    street_number: str | None = None
    postal_code: str | None = None
    city: str | None = None
    country: str | None = None
    country_code: str | None = None


class OpeningHour(Model):
    """When a pick-up point is open."""

    day: str | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None


class PickUpPoint(Model):
    """A carrier's place where the customer collects the goods (OmniumShippingPickUpPoint)."""

    service_point_id: str | None = None
    name: str | None = None
    address: PickUpPointAddress | None = None
    opening_hours: ListOf[OpeningHour] | None = None


class Shipment(Model):
    """A part of an order that leaves together (OmniumShipment)."""

    shipment_id: str | None = None
    shipping_method_name: str | None = None
    shipping_method_id: str | None = None
    shipping_method_product_id: str | None = None
    shipping_label: str | None = None
    """What customers call the way of shipping."""
    status: str | None = None
    """How far the goods are."""
    order_status: str | None = None
    """How far the workflow of this shipment is."""
    prev_status: str | None = None
    order_status_log: ListOf[StatusLogItem] | None = None
    warehouse_code: str | None = None
    """The store or warehouse it leaves from."""
    virtual_warehouse_code: str | None = None
    pick_up_warehouse_code: str | None = None
    """The store where the customer collects it."""
    is_allocated: Flag | None = None
    """If true, its warehouse is not chosen anew."""
    transit: Flag | None = None
    """Between two of our warehouses."""
    line_items: OrderLines | None = None
    """References to the form's lines by id, with this shipment's quantity."""
    address: Address | None = None
    contact_person: ContactPerson | None = None
    service_point_id: str | None = None
    pick_up_point_information: PickUpPoint | None = None
    packages: ListOf[Package] | None = None
    goods_description: str | None = None
    comment: str | None = None
    shipment_tracking_number: str | None = None
    shipment_tracking_link: str | None = None
    shipment_label_link: str | None = None
    return_tracking_number: str | None = None
    return_tracking_link: str | None = None
    return_label_link: str | None = None
    expected_shipment_date: Moment = None
    expected_delivery_date: Moment = None
    completed: Moment = None
    discounts: ListOf[Discount] | None = None
    shipment_tax_rate: Amount | None = None
    """Percent; absent means the market's."""
    shipping_sub_total: Amount | None = None
    """The cost of shipping before discounts; the other totals are calculated."""
    shipping_sub_total_excl_tax: Amount | None = None
    shipping_discount_amount: Amount | None = None
    shipping_tax: Amount | None = None
    shipping_total: Amount | None = None
    shipping_credited_total: Amount | None = None
    sub_total: Amount | None = None
    tax_total: Amount | None = None
    total: Amount | None = None
    properties: ListOf[PropertyItem] | None = None
    external_ids: ListOf[ExternalId] | None = None


class ShipmentInfo(Model):
    """A shipment to target, and what is to be known of it (S3, update shipment info model).

    The members are named here as the shipment has them, and on the wire as S3 does (domain 3
    no. 35). Those that are absent or null stay as they are.
    """

    other_names: ClassVar[Mapping[str, str]] = {"shippingMethodName": "shipmentMethodName"}

    shipment_id: str | None = None
    """Absent means the first shipment."""
    order_status: Annotated[str, Field(min_length=1)] | None = None
    """The status that the shipment enters; absent means the one of the request."""
    shipping_method_name: Annotated[str | None, Field(alias="shipmentMethodName")] = None
    shipping_method_product_id: str | None = None
    shipment_tracking_link: Annotated[str | None, Field(alias="trackingUrl")] = None
    shipment_tracking_number: Annotated[str | None, Field(alias="trackingNumber")] = None
    shipment_label_link: Annotated[str | None, Field(alias="labelLink")] = None
    return_tracking_link: str | None = None
    return_tracking_number: str | None = None
    return_label_link: str | None = None
    comment: str | None = None
    """Replaces the one that is there."""
    warehouse_code: str | None = None
    """Where it leaves from; what its lines hold in stock moves along (decided 6.3)."""
    service_point_id: str | None = None
    pick_up_point_information: PickUpPoint | None = None
    packages: ListOf[Package] | None = None
    """Replace those that are there."""
    external_ids: ListOf[ExternalId] | None = None
    """Added, or changed where the provider is known."""
    properties: ListOf[PropertyItem] | None = None
    """Added, or changed where key and group are known."""
