"""What each member of a search asks for: one row a member.

How orders keep what is looked for here is described in `contracts.terms`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import product
from typing import Final, get_args

from contracts import terms
from contracts.note import PropertyItem
from contracts.order_search import OrderFilter
from contracts.payment import PaymentStatus, TransactionType
from contracts.search.conditions import (
    NOTHING,
    Asked,
    Bson,
    Filter,
    any_of,
    at_some_time,
    beginning,
    between,
    either,
    every,
    having,
    none_of,
    within,
)
from contracts.terms import APART, GROUPS, KEYS, name_term, pair, term

_LONGEST_NAME: Final = 500
"""Characters of a name that are looked for; MongoDB takes no pattern of any length."""
_LONGEST_BEGINNING: Final = 100
"""Characters of a value by which terms are found that begin so; long terms are cut later."""


def _words(text: str, asked: Asked) -> Bson:
    """Orders of which a word begins with this one, for each word of the text (decided 4.1)."""
    found = [beginning(word, asked) for word in terms.asked_words(text)]
    return every(found) if found else NOTHING


def _phone(kind: str) -> Filter:
    return lambda number, asked: having(KEYS, [term(kind, terms.phone_number(number))], asked)


def _customer_number(number: str, asked: Asked) -> Bson:
    """Orders with this customer number; its own term is kept only where it is not the id."""
    kinds = (terms.CUSTOMER_NUMBER, terms.CUSTOMER)
    found = having(KEYS, [term(kind, number) for kind in kinds], asked)
    return {**found, "order.customerNumber": number}


def _name(text: str, _: Asked) -> Bson:
    """Orders whose customer's name has this in it."""
    part = terms.fold(text).strip()[:_LONGEST_NAME]
    # Of accents alone nothing is left, which is in every name.
    return {terms.NAME: {"$regex": re.escape(part)}} if part else NOTHING


def _properties(value: PropertyItem | Sequence[PropertyItem], asked: Asked) -> Bson:
    """Orders with this property, or with one of these: all that is said of it is true of one."""
    items = [value] if isinstance(value, PropertyItem) else value
    return either(_property(item, asked) for item in items if said(item))


def _property(item: PropertyItem, asked: Asked) -> Bson:
    found, members = _property_term(item, asked), said(item)
    if members.keys() == {"value"}:
        return found  # the term says it all
    if members.keys() == {"key", "value"} and APART not in f"{item.key}{item.value}":
        return found  # so it does here, where nothing but its middle can be taken for it
    return {**found, "order.properties": {"$elemMatch": members}}


def _property_term(item: PropertyItem, asked: Asked) -> Bson:
    if item.key and item.value:
        return having(KEYS, [term(terms.PROPERTY, pair(item.key, item.value))], asked)
    if item.value:
        return having(KEYS, [term(terms.PROPERTY_VALUE, item.value)], asked)
    if item.key:
        key = pair(item.key, "")[:_LONGEST_BEGINNING]
        return beginning(term(terms.PROPERTY, key), asked)
    if item.key_group:
        return having(KEYS, [term(terms.PROPERTY_GROUP, item.key_group)], asked)
    return having(KEYS, [term(terms.PROPERTY_TYPE, item.value_type or "")], asked)


def said(item: PropertyItem) -> Bson:
    """Return what is said of the property that is wanted."""
    members = item.model_dump(by_alias=True, exclude_none=True)
    return {name: {"$eq": value} for name, value in members.items() if value}


def _overdue(_: bool, asked: Asked) -> Bson:  # noqa: FBT001 - a filter takes its member's value
    """Unfinished orders whose deadline has passed (domain 6.8)."""
    return every([at_some_time(terms.DEADLINE)((None, asked.now), asked), *_unfinished(asked)])


def _expiring(_: bool, asked: Asked) -> Bson:  # noqa: FBT001 - a filter takes its member's value
    """Unfinished orders whose authorization expires soon, or has (decided 4.1)."""
    days = asked.configuration.order_settings.auth_expires_within_days
    bounds = (None, asked.now + timedelta(days=days))
    return every([at_some_time(terms.AUTHORIZED_UNTIL)(bounds, asked), *_unfinished(asked)])


def _to_come(_: bool, asked: Asked) -> Bson:  # noqa: FBT001 - a filter takes its member's value
    """Orders that are wanted at a time to come."""
    return at_some_time(terms.WANTED_ON)((asked.now + timedelta(milliseconds=1), None), asked)


def _unfinished(asked: Asked) -> Iterator[Bson]:
    finished = {
        status.name.casefold(): status.name
        for kind in asked.configuration.order_types
        for status in kind.order_statuses
        if status.is_canceled_status or status.is_delivered_status
    }
    if finished:
        yield none_of(GROUPS, terms.STATUS)(sorted(finished), asked)
    yield {"order.completed": None}


FILTERS: Final[Mapping[str, Filter]] = {
    "search_text": _words,
    "order_number": any_of(KEYS, terms.NUMBER),
    "selected_stores": any_of(GROUPS, terms.STORE, name_term),
    "selected_warehouses": any_of(GROUPS, terms.WAREHOUSE, name_term),
    "selected_statuses": any_of(GROUPS, terms.STATUS, name_term),
    "excluded_statuses": none_of(GROUPS, terms.STATUS),
    "selected_markets": any_of(GROUPS, terms.MARKET, name_term),
    "order_type": any_of(GROUPS, terms.ORDER_TYPE, name_term),
    "order_types": any_of(GROUPS, terms.ORDER_TYPE, name_term),
    "sales_channels": any_of(GROUPS, terms.CHANNEL, name_term),
    "tags": any_of(GROUPS, terms.TAG, name_term),
    "excluded_tags": none_of(GROUPS, terms.TAG),
    "email": any_of(KEYS, terms.EMAIL, name_term),
    "phone": _phone(terms.PHONE),
    "customer_name": _name,
    "customer_number": _customer_number,
    "customer_id": any_of(KEYS, terms.CUSTOMER),
    "customer_ids": any_of(KEYS, terms.CUSTOMER),
    "customer_contact": any_of(KEYS, terms.CUSTOMER_CONTACT),
    "contact_person_phone": _phone(terms.CONTACT_PHONE),
    "contact_person_email": any_of(KEYS, terms.CONTACT_EMAIL, name_term),
    "sales_person_id": any_of(KEYS, terms.SALES_PERSON),
    "product_numbers": any_of(KEYS, terms.SKU),
    "product_serial_numbers": any_of(KEYS, terms.SERIAL_NUMBER),
    "product_types": any_of(KEYS, terms.PRODUCT_TYPE, name_term),
    "payment_statuses": any_of(GROUPS, terms.PAYMENT_STATE),
    "show_orders_with_auth_expires": _expiring,
    "inventory_status": any_of(GROUPS, terms.INVENTORY_STATE),
    "shipping_method_name": any_of(GROUPS, terms.SHIPPING_METHOD, name_term),
    "shipping_method_names": any_of(GROUPS, terms.SHIPPING_METHOD, name_term),
    "selected_discounts": any_of(KEYS, terms.DISCOUNT, name_term),
    "external_ids": any_of(KEYS, terms.EXTERNAL_ID),
    "shipment_external_ids": any_of(KEYS, terms.SHIPMENT_EXTERNAL_ID),
    "excluded_shipment_external_id_providers": none_of(KEYS, terms.SHIPMENT_PROVIDER),
    "urgent": _overdue,
    "future_deliveries": _to_come,
    "has_errors": lambda _, asked: having(GROUPS, [term(terms.ERRORS, "")], asked),
    "property": _properties,
    "properties": _properties,
    "project_id": any_of(KEYS, terms.PROJECT),
    "subscription_id": any_of(KEYS, terms.SUBSCRIPTION),
    "picklist_ids": any_of(KEYS, terms.PICKLIST),
    "secret_key": lambda key, _: {"secretKeyHash": sha256(key.encode()).digest()},
}
"""How each member of a search filters."""

TOGETHER: Final = frozenset({"selected_stores", "selected_statuses"})
"""What filters by one term for both, if both are asked for."""

NARROW: Final = frozenset(
    {
        *("order_number", "external_ids", "shipment_external_ids", "product_serial_numbers"),
        *("email", "phone", "customer_number", "customer_id", "property", "modified_from"),
    }
)
"""What mostly leaves so few orders that one page holds them all."""

RANGES: Final[Mapping[str, Filter]] = {
    "created": between("order.created"),
    "ready_for_pickup": at_some_time(terms.READY_FOR_PICKUP),
    "completed": at_some_time(terms.COMPLETED),
    "follow_up_date": at_some_time(terms.FOLLOW_UP),
}
"""How each pair of members `…From` and `…To` filters, but modified and payments."""


def modified(search: OrderFilter, until: datetime | None) -> Iterator[Bson]:
    """Yield what leaves orders that changed from and to these times (services/decisions/0008)."""
    since, to = search.modified_from, search.modified_to
    if since is None:
        if to is not None:
            yield {"order.modified": {"$lte": to}}
        return
    last = min((one for one in (to, until) if one is not None), default=None)
    noticed: Bson = {terms.LATE: within(since, to)}
    if last is not None:
        noticed["order.modified"] = {"$lte": last}
    yield {"$or": [{"order.modified": within(since, last)}, noticed]}


_ALL_TYPES: Final = get_args(get_args(TransactionType)[0])
_ALL_STATUSES: Final = get_args(get_args(PaymentStatus)[0])


def payments(search: OrderFilter, asked: Asked) -> Iterator[Bson]:
    """Yield what leaves orders with a payment of which all is true that is said of payments."""
    types, status = search.payment_transaction_types, search.payment_transaction_status
    since, to = search.payment_transaction_date_from, search.payment_transaction_date_to
    payment: Bson = {}
    if types:
        payment["transactionType"] = {"$in": types}
    if status is not None:
        payment["status"] = status
    if since is not None or to is not None:
        bounds = within(since, to)
        payment["$or"] = [{"paidDate": bounds}, {"paidDate": None, "created": bounds}]
    if not payment:
        return
    if types or status:
        both = product(types or _ALL_TYPES, [status] if status else _ALL_STATUSES)
        kinds = [term(terms.PAYMENT, " ".join(one)) for one in both]
        yield having(KEYS, kinds, asked)
    else:
        yield at_some_time(terms.PAID_ON)((since, to), asked)
    yield {"order.orderForm.payments": {"$elemMatch": payment}}
