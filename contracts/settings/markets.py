"""Where things are sold and kept, who is called, and how numbers are given."""

import re
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, ValidationInfo, model_validator

from contracts.faults import RuleBroken
from contracts.fields import MOST_HEADERS, Flag, Whole, check_headers, spelled
from contracts.money import Amount
from contracts.order import CustomerType
from contracts.party import Address
from contracts.pattern import regular_expression
from contracts.settings.setting import (
    Name,
    Names,
    Property,
    Setting,
    TupleOf,
    distinct,
    find,
    index,
)


class PaymentOption(Setting):
    """A way to pay in a market (decided 1.3)."""

    payment_method_name: Name
    display_name: str | None = None
    connector: str | None = None
    """Who moves the money; without one, payments are only recorded."""
    credit_priority: Whole | None = None
    """Which payment is credited first: the lowest."""
    name: str | None = None
    logo_url: str | None = None
    terms_url: str | None = None
    is_empty_payment: Flag | None = None
    display_in_cart: Flag | None = None
    """This and the four before it are for those who show the choice to a customer."""


class ShippingOption(Setting):
    """A way to ship in a market (decided 1.3)."""

    shipping_method_name: Name
    display_name: str | None = None
    shipping_label: str | None = None
    tax_rate: Annotated[Amount, Field(ge=0)] | None = None
    """Percent; absent means the market's."""


_LOGO: Final = re.compile(r"data:image/(?:png|jpeg|webp|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")


def _image(text: str) -> str:
    if not _LOGO.fullmatch(text):
        raise ValueError("expected an image such as data:image/png;base64,iVBORw0KGgo=")
    return text


Logo = Annotated[str, AfterValidator(_image)]
"""An image as a data URI (RFC 2397): PNG, JPEG, WebP or SVG, of at most 24 kB."""


class Market(Setting):
    """Where orders come from: its currency, its taxes, its ways to pay and ship (decided 1.3)."""

    market_id: Name
    name: str | None = None
    currency: str | None = None
    country_codes: Names = ()
    default_tax_rate: Annotated[Amount, Field(ge=0)] = Decimal(0)
    """Percent."""
    is_tax_excluded: Flag = False
    """If true, prices are without tax and no tax is added."""
    default_customer_type: CustomerType | None = None
    language: str | None = None
    payment_options: Annotated[TupleOf[PaymentOption], distinct("payment_method_name")] = ()
    shipping_options: Annotated[TupleOf[ShippingOption], distinct("shipping_method_name")] = ()
    market_group_id: str | None = None
    logo: Logo | None = None
    """Printed on documents, unless the store has one of its own."""

    def payment_option(self, payment_method: str | None) -> PaymentOption | None:
        """Return the option for this payment method, whatever its case."""
        return find(self._payment_options, payment_method)

    def shipping_option(self, shipping_method: str | None) -> ShippingOption | None:
        """Return the option for this shipping method, whatever its case."""
        return find(self._shipping_options, shipping_method)

    @cached_property
    def _payment_options(self) -> dict[str, PaymentOption]:
        return index(self.payment_options, lambda option: option.payment_method_name)

    @cached_property
    def shipping_tax_rates(self) -> dict[str, Decimal]:
        """The taxes, in percent, of those ways to ship that have one of their own."""
        rated = tuple(one for one in self.shipping_options if one.tax_rate is not None)
        options = index(rated, lambda option: option.shipping_method_name)
        return {name: one.tax_rate for name, one in options.items() if one.tax_rate is not None}

    @cached_property
    def _shipping_options(self) -> dict[str, ShippingOption]:
        return index(self.shipping_options, lambda option: option.shipping_method_name)


_TIME_OF_DAY: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")


def _time_of_day(text: str) -> str:
    if not _TIME_OF_DAY.fullmatch(text):
        raise ValueError("expected a time of day such as 09:30")
    return text


TimeOfDay = Annotated[str, AfterValidator(_time_of_day)]
"""Hours and minutes, 00:00 to 24:00, in the time zone of the place."""

_Weekday = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
Weekday = Annotated[_Weekday, spelled(get_args(_Weekday))]
"""A day of the week."""


class StoreHours(Setting):
    """When a store is open on one day of the week."""

    day: Weekday
    from_: TimeOfDay = Field(alias="from")
    to: TimeOfDay

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.to <= self.from_:
            raise RuleBroken([(("to",), "expected a time after `from`")])
        return self


class ZipRange(Setting):
    """Postal codes that a store or warehouse serves, both ends included."""

    from_: str = Field(alias="from")
    to: str


class Store(Setting):
    """A store or warehouse: where goods lie and leave from (decided 1.3)."""

    store_id: Name
    name: str | None = None
    market_ids: Names = ()
    """Empty means all markets."""
    is_warehouse: Flag = False
    is_main_warehouse: Flag = False
    roles: Names = ()
    address: Address | None = None
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)] | None = None
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)] | None = None
    zip_ranges: TupleOf[ZipRange] = ()
    pickup_deadline_hours: Annotated[Whole, Field(ge=1)] | None = None
    """How long goods wait for the customer, counted while the store is open."""
    opening_hours: TupleOf[StoreHours] = ()
    """Empty means always."""
    time_zone: str | None = None
    """Such as Europe/Oslo; absent means UTC."""
    logo: Logo | None = None
    """Printed on documents."""


def _headers(value: dict[str, str], info: ValidationInfo) -> dict[str, str]:
    # What is stored already stays readable.
    if info.context is not None:
        check_headers(value)
        if len(value) > MOST_HEADERS:
            raise ValueError(f"expected at most {MOST_HEADERS} headers")
    return value


def _secret(value: str, info: ValidationInfo) -> str:
    _headers({"Authorization": value}, info)
    return value


class Connector(Setting):
    """Somebody whom the system calls: a payment provider, a carrier, an ERP (decided 1.3)."""

    connector_id: Name
    name: str | None = None
    host: str | None = None
    implementations: Names = ()
    """What it can do, such as IPaymentProvider."""
    time_out: Annotated[Amount, Field(ge=1, le=600)] = Decimal(10)
    """Seconds."""
    markets: Names = ()
    """Empty means all markets."""
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(default_factory=dict)
    # Stored like any other member, for the calls need it; shown to nobody.
    secret: Annotated[str, AfterValidator(_secret)] | None = Field(
        default=None, repr=False, json_schema_extra={"writeOnly": True}
    )
    properties: TupleOf[Property] = ()
    is_authenticated_manually: Flag = False
    disable_standard_error_policy: Flag = False

    def public(self) -> dict[str, JsonValue]:
        """Return the connector as clients may see it: without its secret."""
        return self.model_dump(mode="json", exclude={"secret"})

    def keeping(self, stored: "Connector | None") -> "Connector":
        """Return this connector with the stored one's secret if it brings none of its own.

        Clients never see the secret, so they cannot send back what they have read; nor may they
        have it sent elsewhere.

        :raises ValueError: if the secret was for another host
        """
        if self.secret is not None or stored is None or stored.secret is None:
            return self
        if _place(self.host) != _place(stored.host):
            raise ValueError(
                "expected the secret for the new host; the stored one stays where it is"
            )
        return self.model_copy(update={"secret": stored.secret})


def _place(host: str | None) -> tuple[str, str]:
    """Return who is called there: scheme, host and port."""
    parts = urlsplit(host or "")
    return parts.scheme, parts.netloc.casefold()


_NumberService = Literal[
    "SequentialNumberService", "SequentialMarketNumberService", "GuidNumberService"
]
NumberService = Annotated[_NumberService, spelled(get_args(_NumberService))]
"""Count for the whole system, count for each market, or draw a GUID."""


class NumberOption(Setting):
    """How numbers of one type are made: prefix, sequence, suffix (domain 2.14).

    The next sequence is the start sequence, or the present one plus the increment if that is more.
    """

    number_type: Name
    """Such as Order, Return, Rma, Invoice, or what an order type's orderNumberType names."""
    key: str | None = None
    key_postfix: str | None = None
    prefix: str = ""
    suffix: str = ""
    start_sequence: Annotated[Whole, Field(ge=0)] = 1
    service: NumberService = "SequentialNumberService"
    is_read_only: Flag = False
    is_auto_create_disabled: Flag = False
    market_group_id: str | None = None
    """The group of markets, or the market, it is for; absent means all without one of their own."""
    increment_interval: Annotated[Whole, Field(ge=1)] = 1
    validation_regex: Annotated[str, AfterValidator(regular_expression)] | None = None
    translate_key: str | None = None
