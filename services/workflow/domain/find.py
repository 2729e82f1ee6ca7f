"""By what searches find an order: terms, the customer's name, and what is counted (domain 1.10).

It is kept beside the order and follows from it alone, so it is written with each change of it. That
is some three times an order, so this is written for speed; `contracts.terms` remembers the words.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

from contracts import terms
from contracts.discount import Discount, LineDiscount
from contracts.note import PropertyItem
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.payment import Payment
from contracts.shipment import Shipment
from contracts.terms import APART, main_groups, moment_term, name_term, pair, term, words
from services.workflow.domain.payment_totals import known_totals

MOST_WORDS: Final = 500
"""Words of an order that are kept; those of later lines are left out."""

_DELETED: Final = "deleted"
_OPEN_ERRORS: Final = frozenset({"new", "active"})
_DONE: Final = frozenset({"Processed", "Paid", "Approved"})
GONE: Final = frozenset({"released", "shipped"})
"""Statuses of shipments whose stock is no question any more."""
_PICKLIST: Final = "picklistid"
_ZERO: Final = Decimal(0)
_NO_FORM: Final = OrderForm()


def found_by(order: Order) -> dict[str, Any]:  # Any: texts and lists of texts, for MongoDB
    """Return the members of the order's document by which it is found, and counted in facets."""
    form = order.order_form or _NO_FORM
    groups = list(dict.fromkeys(_groups(order, form)))
    found = islice(_words(order, form), MOST_WORDS)
    keys = list({**dict.fromkeys(found), **dict.fromkeys(_keys(order, form))})
    # A separator inside a value would make two of it, and count what is not there.
    counted = list(dict.fromkeys(one.replace(terms.BETWEEN, " ") for one in _facets(order, form)))
    if (order.status or "").casefold() == _DELETED:
        groups = [terms.HIDDEN + one for one in groups]
        keys = [terms.HIDDEN + one for one in keys]
        counted = [terms.HIDDEN, *counted]
    return {
        terms.GROUPS: groups,
        terms.KEYS: keys,
        terms.NAME: terms.fold(order.customer_name or ""),
        terms.FACETS: terms.BETWEEN.join(counted),
    }


def payment_state(order: Order, form: OrderForm) -> str:
    """Return how much of the total is authorized (domain 6.4): a `PaymentState`.

    Without an authorization nothing is Paid; where nothing costs anything either, the formulas
    leave PartiallyPaid.
    """
    (authorized, _, credited), total = known_totals(form), form.total or _ZERO
    owed, told = total - authorized, order.remaining_payment
    if told is not None and abs(owed) != abs(told):
        # The order was calculated with the other formula of domain 6.4, or with its sign turned.
        owed = (order.net_total or _ZERO) - (authorized - credited)
    if owed < _ZERO:
        return "OverPaid"
    if not authorized and total > _ZERO:
        return "NotPaid"
    return "Paid" if not owed and authorized > _ZERO else "PartiallyPaid"


def inventory_state(form: OrderForm) -> str:
    """Return for how many lines there is stock (domain 6.5): an `InventoryState`.

    A line has it as far as it is reserved, and once it has left.
    """
    gone = {
        line.line_item_id
        for shipment in form.shipments or ()
        if (shipment.status or "").casefold() in GONE
        for line in shipment.line_items or ()
    }
    is_whole, is_some = True, False
    for line in form.line_items or ():
        units = line.quantity or _ZERO
        if line.canceled_quantity or line.delivered_quantity:
            units -= (line.canceled_quantity or _ZERO) + (line.delivered_quantity or _ZERO)
        reserved = line.reserved_inventory_quantity
        if units <= _ZERO or line.is_virtual_product or line.line_item_id in gone:
            is_some = True
        elif reserved is None or reserved < units:
            is_whole = False
            is_some = is_some or bool(reserved)
        else:
            is_some = True
    if is_whole:
        return "InStock"
    return "PartiallyInStock" if is_some else "NotInStock"


def _groups(order: Order, form: OrderForm) -> Iterator[str]:
    yield from main_groups(order.store_id, order.market_id, order.status, order.order_type)
    if order.sales_channel is not None:
        yield name_term(terms.CHANNEL, order.sales_channel)
    for tag in order.tags or ():
        yield name_term(terms.TAG, tag)
    for shipment in form.shipments or ():
        if shipment.shipping_method_name is not None:
            yield name_term(terms.SHIPPING_METHOD, shipment.shipping_method_name)
        if shipment.warehouse_code is not None:
            yield name_term(terms.WAREHOUSE, shipment.warehouse_code)
    yield term(terms.PAYMENT_STATE, payment_state(order, form))
    yield term(terms.INVENTORY_STATE, inventory_state(form))
    if any((one.status or "").casefold() in _OPEN_ERRORS for one in order.errors or ()):
        yield term(terms.ERRORS, "")


def _words(order: Order, form: OrderForm) -> Iterator[str]:
    """Yield the words of what searchText looks in (domain 1.10), of the order before its lines."""
    for text in _texts(order, form):
        if text:
            yield from words(text)


def _texts(order: Order, form: OrderForm) -> Iterator[str | None]:
    yield order.id
    yield order.order_number
    yield order.customer_name
    yield order.customer_email
    yield order.customer_number
    yield order.customer_phone
    yield _phone(order.customer_phone)
    for external in order.external_ids or ():
        yield external.id
    for shipment in form.shipments or ():
        yield shipment.shipment_tracking_number
        for package in shipment.packages or ():
            tracking = package.shipment_tracking
            yield tracking.shipment_tracking_number if tracking is not None else None
    for line in form.line_items or ():
        yield line.code
        yield line.display_name


def _keys(order: Order, form: OrderForm) -> Iterator[str]:
    for kind, value in _ids(order):
        if value is not None:
            yield term(kind, value)
    for kind, email in _emails(order):
        if email is not None:
            yield name_term(kind, email)
    for kind, at in _moments(order, form):
        if at is not None:
            yield moment_term(kind, at)
    several = chain.from_iterable
    yield from several(map(_property, order.properties or ()))
    yield from several(map(_line, form.line_items or ()))
    yield from several(map(_shipment, form.shipments or ()))
    yield from several(map(_payment, form.payments or ()))
    yield from several(map(_discount, form.discounts or ()))


def _emails(order: Order) -> Iterator[tuple[str, str | None]]:
    yield terms.EMAIL, order.customer_email
    if order.contact_person is not None:
        yield terms.CONTACT_EMAIL, order.contact_person.email


def _ids(order: Order) -> Iterator[tuple[str, str | None]]:
    """Yield what is found by exactly this; customer numbers that are ids are found by these."""
    yield terms.NUMBER, order.id
    yield terms.NUMBER, order.order_number
    yield terms.CUSTOMER, order.customer_id
    if order.customer_number != order.customer_id:
        yield terms.CUSTOMER_NUMBER, order.customer_number
    yield terms.CUSTOMER_CONTACT, order.customer_contact
    yield terms.PHONE, _phone(order.customer_phone)
    if order.contact_person is not None:
        yield terms.CONTACT_PHONE, _phone(order.contact_person.phone)
    yield terms.SALES_PERSON, order.sales_person_id
    yield terms.SUBSCRIPTION, order.subscription_id
    yield terms.PROJECT, order.project_id
    for project in order.project_ids or ():
        yield terms.PROJECT, project
    for external in order.external_ids or ():
        yield terms.EXTERNAL_ID, external.id


def _phone(number: str | None) -> str | None:
    return None if number is None else terms.phone_number(number)


def _property(item: PropertyItem) -> Iterator[str]:
    if item.key is not None:
        yield term(terms.PROPERTY, pair(item.key, item.value or ""))
    if item.value is not None:
        yield term(terms.PROPERTY_VALUE, item.value)
    if item.key_group is not None:
        yield term(terms.PROPERTY_GROUP, item.key_group)
    if item.value_type is not None:
        yield term(terms.PROPERTY_TYPE, item.value_type)


def _line(line: OrderLine) -> Iterator[str]:
    if line.code is not None:
        yield term(terms.SKU, line.code)
    if line.serial_number is not None:
        yield term(terms.SERIAL_NUMBER, line.serial_number)
    if line.product_type is not None:
        yield name_term(terms.PRODUCT_TYPE, line.product_type)
    for discount in line.order_line_discounts or ():
        yield from _discount(discount)


def _shipment(shipment: Shipment) -> Iterator[str]:
    for external in shipment.external_ids or ():
        if external.id is not None:
            yield term(terms.SHIPMENT_EXTERNAL_ID, external.id)
        if external.provider_name is not None:
            yield name_term(terms.SHIPMENT_PROVIDER, external.provider_name)
    for item in shipment.properties or ():
        if item.value is not None and (item.key or "").casefold() == _PICKLIST:
            yield term(terms.PICKLIST, item.value)
    for discount in shipment.discounts or ():
        yield from _discount(discount)


def _payment(payment: Payment) -> Iterator[str]:
    yield term(terms.PAYMENT, f"{payment.transaction_type} {payment.status}")
    paid = payment.paid_date or payment.created
    if paid is not None:
        yield moment_term(terms.PAID_ON, paid)


def _discount(discount: Discount | LineDiscount) -> Iterator[str]:
    for name in (discount.discount_id, discount.discount_name, discount.discount_code):
        if name is not None:
            yield name_term(terms.DISCOUNT, name)


def _moments(order: Order, form: OrderForm) -> Iterator[tuple[str, datetime | None]]:
    lines = form.line_items or ()
    yield terms.READY_FOR_PICKUP, order.ready_for_pickup
    yield terms.COMPLETED, order.completed
    yield terms.FOLLOW_UP, order.follow_up_date
    wanted = [order.requested_delivery_date, *(one.requested_delivery_date for one in lines)]
    yield terms.WANTED_ON, max(filter(None, wanted), default=None)
    deadlines = [order.customer_pickup_deadline, *(one.customer_pickup_deadline for one in lines)]
    if order.ready_for_pickup is None:  # else it was picked
        deadlines += [order.store_pick_date, *(one.store_pick_date for one in lines)]
    yield terms.DEADLINE, min(filter(None, deadlines), default=None)
    authorized, captured, _ = known_totals(form)
    if authorized > captured:
        expiries = (
            payment.authorization_expires
            for payment in form.payments or ()
            if payment.transaction_type == "Authorization" and payment.status in _DONE
        )
        yield terms.AUTHORIZED_UNTIL, min(filter(None, expiries), default=None)


def _facets(order: Order, form: OrderForm) -> Iterator[str]:
    for kind, value in (
        ("status", order.status),
        ("orderType", order.order_type),
        ("market", order.market_id),
        ("store", order.store_id),
        ("salesChannel", order.sales_channel),
    ):
        if value is not None:
            yield f"{kind}{APART}{value}"
    for tag in order.tags or ():
        yield f"tags{APART}{tag}"
    shipments = form.shipments or ()
    for shipment in shipments:
        if shipment.shipping_method_name is not None:
            yield f"shippingMethodName{APART}{shipment.shipping_method_name}"
    for payment in form.payments or ():
        yield f"paymentMethodName{APART}{payment.payment_method_name}"
    discounts: Iterable[Discount | LineDiscount] = chain(
        form.discounts or (),
        *(shipment.discounts or () for shipment in shipments),
        *(line.order_line_discounts or () for line in form.line_items or ()),
    )
    for discount in discounts:
        name = discount.discount_name or discount.discount_code or discount.discount_id
        if name is not None:
            yield f"discount{APART}{name}"
