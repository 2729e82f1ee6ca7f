"""Searching for orders: what may be asked for, and what is answered (S0; domain 1.10, 4.3)."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from contracts.faults import RuleBroken
from contracts.fields import Flag, ListOf, Whole, spelled
from contracts.model import Model
from contracts.moment import Moment
from contracts.note import PropertyItem
from contracts.order import Order
from contracts.payment import PaymentStatus, TransactionType
from contracts.terms import asked_words

LARGEST_PAGE: Final = 100
USUAL_PAGE: Final = 20
LARGEST_WINDOW: Final = 10_000
"""take * page; what is beyond is for Scroll (S0)."""
MOST_WORDS: Final = 20

_SortOrder = Literal[
    "CreatedAscending",
    "CreatedDescending",
    "ModifiedAscending",
    "ModifiedDescending",
    "CustomerNameAscending",
    "CustomerNameDescending",
    "StatusAscending",
    "StatusDescending",
    "OrderIdAscending",
    "OrderIdDescending",
    "StoreAscending",
    "StoreDescending",
    "TotalAscending",
    "TotalDescending",
]
# The guide's word for "by id, which is the fastest" (S1, sort orders).
SortOrder = Annotated[_SortOrder, spelled(get_args(_SortOrder), OrderIdAscending="DocumentId")]
"""In which order orders come; those that are equal in that come by id."""

_PaymentState = Literal["OverPaid", "Paid", "NotPaid", "PartiallyPaid"]
PaymentState = Annotated[_PaymentState, spelled(get_args(_PaymentState))]
"""How much of an order's total is authorized (domain 6.4)."""

_InventoryState = Literal["InStock", "PartiallyInStock", "NotInStock"]
InventoryState = Annotated[_InventoryState, spelled(get_args(_InventoryState))]
"""For how many lines of an order there is stock (domain 6.5)."""


def _few_words(text: str) -> str:
    if len(asked_words(text)) > MOST_WORDS:
        raise ValueError(f"expected at most {MOST_WORDS} words")
    return text


class OrderFilter(Model):
    """Which orders are wanted, and in which order (OmniumOrderSearchRequest without its paging).

    Different members are all to be true; of the entries of a list one is enough, and of an
    excluded list none may be true. Bounds are inclusive. What is absent, empty or false restricts
    nothing. Deleted orders are found only by their status.
    """

    # Of the public API (domain 3 nos 17 and 45).
    other_names: ClassVar[Mapping[str, str]] = {
        "searchQuery": "searchText",
        "modifiedSince": "modifiedFrom",
    }

    sort_order: SortOrder | None = None
    """Absent means CreatedDescending."""
    disable_facets: Flag | None = None
    search_text: Annotated[str, AfterValidator(_few_words)] | None = None
    """Each word must begin a word of the id, the order number, the customer's name, e-mail, phone
    or number, a line's code or name, an external id or a tracking number; case and accents do not
    count."""
    order_number: str | None = None
    """The order number or the id, exactly."""
    selected_stores: ListOf[str] | None = None
    selected_warehouses: ListOf[str] | None = None
    """Ours: stores or warehouses, of which a shipment leaves from one."""
    selected_statuses: ListOf[str] | None = None
    excluded_statuses: ListOf[str] | None = None
    selected_markets: ListOf[str] | None = None
    order_type: str | None = None
    order_types: ListOf[str] | None = None
    """Ours: one of several types."""
    sales_channels: ListOf[str] | None = None
    tags: ListOf[str] | None = None
    excluded_tags: ListOf[str] | None = None

    email: str | None = None
    phone: str | None = None
    customer_name: str | None = None
    """Any part of the name; case and accents do not count."""
    customer_number: str | None = None
    customer_id: str | None = None
    customer_ids: ListOf[str] | None = None
    customer_contact: str | None = None
    contact_person_phone: str | None = None
    contact_person_email: str | None = None
    sales_person_id: str | None = None

    created_from: Moment = None
    created_to: Moment = None
    modified_from: Moment = None
    """Only what changed at or after this time. Take the latest `modified` that was answered, or the
    time of the last request, for the next search: nothing that changes meanwhile is missed."""
    modified_to: Moment = None
    ready_for_pickup_from: Moment = None
    ready_for_pickup_to: Moment = None
    completed_from: Moment = None
    completed_to: Moment = None
    follow_up_date_from: Moment = None
    follow_up_date_to: Moment = None

    product_numbers: ListOf[str] | None = None
    """SKUs."""
    product_serial_numbers: ListOf[str] | None = None
    product_types: ListOf[str] | None = None

    payment_statuses: ListOf[PaymentState] | None = None
    """By what is authorized; an order that costs nothing, and for which nothing is, is in part."""
    payment_transaction_types: ListOf[TransactionType] | None = None
    payment_transaction_status: PaymentStatus | None = None
    """Of the same payment as the types and the dates."""
    payment_transaction_date_from: Moment = None
    """When it was paid, else when the payment was created."""
    payment_transaction_date_to: Moment = None
    show_orders_with_auth_expires: Flag | None = None
    """Unfinished orders whose authorization expires within days (a setting) or has expired."""

    inventory_status: InventoryState | None = None
    """A line is in stock as far as units are reserved for it, and once it has left; what lies in
    stock for anybody does not count."""
    shipping_method_name: str | None = None
    shipping_method_names: ListOf[str] | None = None
    selected_discounts: ListOf[str] | None = None
    """Ids, names or codes."""
    external_ids: ListOf[str] | None = None
    shipment_external_ids: ListOf[str] | None = None
    excluded_shipment_external_id_providers: ListOf[str] | None = None
    """Providers that gave none of the order's shipments an external id."""
    urgent: Flag | None = None
    """Unfinished orders that should have been picked, or picked up, by now."""
    future_deliveries: Flag | None = None
    """Orders whose requested delivery date is in the future."""
    has_errors: Flag | None = None
    """Orders with an error that is New or Active."""
    property: PropertyItem | None = None
    """A property of the order that has all that is given of key, value, keyGroup, valueType."""
    properties: ListOf[PropertyItem] | None = None
    project_id: str | None = None
    subscription_id: str | None = None
    picklist_ids: ListOf[str] | None = None
    """Of a shipment's property `picklistId`."""
    secret_key: str | None = None


class OrderSearch(OrderFilter):
    """Which orders are wanted, and which page of them (OmniumOrderSearchRequest)."""

    take: Annotated[Whole, Field(ge=1, le=LARGEST_PAGE)] | None = None
    """Orders on a page; absent means 20."""
    page: Annotated[Whole, Field(ge=0)] | None = None
    """The first page is 1, and so are 0 and none; the setting searchPageBase says otherwise."""

    @model_validator(mode="after")
    def _within_the_window(self) -> "OrderSearch":
        within_window(self.take or USUAL_PAGE, self.page or 0, "take")
        return self


class OrderScroll(OrderFilter):
    """Which orders are wanted, all of them (OmniumOrderSearchRequest; `page` means nothing)."""

    take: Whole | None = None
    """Orders at a time, at most 100, which absent and 0 mean too (decided 4.3)."""
    page: Whole | None = None

    @property
    def at_a_time(self) -> int:
        """How many orders an answer holds."""
        take = self.take or LARGEST_PAGE
        return max(1, min(take, LARGEST_PAGE))


def within_window(take: int, page: int, name: str) -> None:
    """Refuse pages that are too far from the first.

    :param name: how the number of orders on a page is called there
    :raises RuleBroken: if take * page is more than 10,000
    """
    if take * page > LARGEST_WINDOW:
        message = f"expected {name} * page of at most {LARGEST_WINDOW}; use Scroll for more"
        raise RuleBroken([(("page",), message)])


class FacetValue(Model):
    """One value, and how many of the orders found have it (OmniumFacet)."""

    name: str
    """How people call it."""
    value: str
    count: int


class Facet(Model):
    """The values of one kind, the most frequent first (OmniumFacetViewModel)."""

    facet_type: str
    """status, orderType, market, store, salesChannel, tags, shippingMethodName, paymentMethodName,
    discount, or the key of one of the FacetProperties of the settings."""
    facets: list[FacetValue]


class OrderSearchResult(Model):
    """A page of orders under the names of both documents (domain 3 no. 1).

    The setting searchWrapper leaves out those of one of them.
    """

    items: list[Order]
    result: list[Order]
    total_count: int
    total_hits: int
    page: int
    page_size: int
    facets: list[Facet] | None = None
    scroll_id: str | None = None


class OrderScrollResult(Model):
    """The next orders of a scroll; none are left when the list is empty."""

    items: list[Order]
    result: list[Order]
    total_count: int
    total_hits: int
    scroll_id: str
