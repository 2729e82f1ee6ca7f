"""The terms by which orders are found: stored beside each order, asked for by each search.

An order document has two lists of terms besides the order, each with an index:

* `groups`: what it has in common with many orders (status, store, market). Within a group the index
  holds orders by creation, so that a page of even the largest is read from its end.
* `keys`: what tells it from most others: its words, and everything else that is searched by value.

A term is `#kind value`; a word stands as it is. What an order in the status Deleted is found by
begins with `HIDDEN`, so that no search meets it that does not ask for it (domain 3 no. 25).
"""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from unicodedata import combining, normalize

GROUPS: Final = "groups"
KEYS: Final = "keys"
NAME: Final = "name"
"""The customer's name, folded."""
FACETS: Final = "facets"
"""What searches count of an order, as it is spelt there: kind `APART` value, `BETWEEN` each two.

Of a deleted order it begins with `HIDDEN` and `BETWEEN`, so that those of all others can be counted
in their index alone.
"""
LATE: Final = "late"
"""When a change was noticed to have become visible only after a read that should have seen it."""

HIDDEN: Final = "~"
APART: Final = "\x1f"
BETWEEN: Final = "\x1e"
LIVE: Final = "#live"
"""The group of all orders that are not deleted."""

# Groups.
STATUS: Final = "status"
STORE: Final = "store"
STORE_AND_STATUS: Final = "storeStatus"
"""Both in one, for those who ask all day what is new in their store."""
MARKET: Final = "market"
ORDER_TYPE: Final = "type"
CHANNEL: Final = "channel"
TAG: Final = "tag"
WAREHOUSE: Final = "warehouse"
"""The store or warehouse that a shipment leaves from."""
SHIPPING_METHOD: Final = "shipping"
PAYMENT_STATE: Final = "paid"
INVENTORY_STATE: Final = "stock"
ERRORS: Final = "errors"

# Keys.
NUMBER: Final = "number"
"""The order number, and the id."""
CUSTOMER: Final = "customer"
CUSTOMER_NUMBER: Final = "customerNumber"
EMAIL: Final = "email"
PHONE: Final = "phone"
CUSTOMER_CONTACT: Final = "customerContact"
CONTACT_EMAIL: Final = "contactEmail"
CONTACT_PHONE: Final = "contactPhone"
SALES_PERSON: Final = "salesPerson"
SKU: Final = "sku"
SERIAL_NUMBER: Final = "serial"
PRODUCT_TYPE: Final = "productType"
PAYMENT: Final = "payment"
DISCOUNT: Final = "discount"
EXTERNAL_ID: Final = "external"
SHIPMENT_EXTERNAL_ID: Final = "shipmentExternal"
SHIPMENT_PROVIDER: Final = "shipmentProvider"
PROPERTY: Final = "property"
PROPERTY_VALUE: Final = "propertyValue"
PROPERTY_GROUP: Final = "propertyGroup"
PROPERTY_TYPE: Final = "propertyType"
PROJECT: Final = "project"
SUBSCRIPTION: Final = "subscription"
PICKLIST: Final = "picklist"

# Keys that are points in time.
READY_FOR_PICKUP: Final = "readyForPickup"
COMPLETED: Final = "completed"
FOLLOW_UP: Final = "followUp"
PAID_ON: Final = "paidOn"
AUTHORIZED_UNTIL: Final = "authorizedUntil"
"""Until when money is held that was not taken yet; of several the earliest."""
DEADLINE: Final = "deadline"
"""When it is to be picked, or to be picked up; the earlier of both."""
WANTED_ON: Final = "wantedOn"
"""When it is wanted to be delivered; of several the latest."""

LONGEST_WORD: Final = 64
"""Characters of a word that are looked at."""
_LONGEST_VALUE: Final = 200
_LONGEST_TEXT: Final = 512
_REMEMBERED: Final = 20_000

_PART: Final = re.compile(r"[^\W_]+")
_INNER: Final = re.compile(r"[^\W_](.*[^\W_])?")
# Letters that are no plain letter with an accent, as they are written without.
_LETTERS: Final = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ħ": "h"}
)


def term(kind: str, value: str) -> str:
    """Return the term for a value; of a very long one its beginning and a digest."""
    if len(value) > _LONGEST_VALUE:
        digest = blake2b(value.encode(), digest_size=16).hexdigest()
        value = f"{value[: _LONGEST_VALUE // 2]}{APART}{digest}"
    return f"#{kind} {value}"


def name_term(kind: str, value: str) -> str:
    """Return the term for a name that is the same in any case."""
    return term(kind, value.casefold())


def pair(first: str, second: str) -> str:
    """Return the value of a term that stands for two."""
    return f"{first}{APART}{second}"


def main_groups(
    store: str | None, market: str | None, status: str | None, order_type: str | None
) -> Iterator[str]:
    """Yield the groups that follow from what an event, too, tells of its order."""
    yield LIVE
    if store is not None:
        yield name_term(STORE, store)
    if market is not None:
        yield name_term(MARKET, market)
    if status is not None:
        yield name_term(STATUS, status)
        if store is not None:
            yield name_term(STORE_AND_STATUS, pair(store, status))
    if order_type is not None:
        yield name_term(ORDER_TYPE, order_type)


def moment_term(kind: str, at: datetime) -> str:
    """Return the term for a point in time in UTC: later ones sort after it."""
    # Not isoformat, which takes twice as long to find out that the offset is nothing.
    day = f"{at.year:04d}-{at.month:02d}-{at.day:02d}"
    milliseconds = at.microsecond // 1000
    return f"#{kind} {day}T{at.hour:02d}:{at.minute:02d}:{at.second:02d}.{milliseconds:03d}"


def phone_number(text: str) -> str:
    """Return a phone number without what people put between its digits: `+47 400 00 000`."""
    number = "".join(sign for sign in text if sign.isalnum() or sign == "+")
    return f"+{number[2:]}" if number.startswith("00") else number


def fold(text: str) -> str:
    """Return the text with case and accents folded: `Søren Åberg` is `soren aberg`."""
    if text.isascii():
        return text.lower()
    plain = normalize("NFKD", text.casefold().translate(_LETTERS))
    return "".join(sign for sign in plain if not combining(sign))


@lru_cache(maxsize=_REMEMBERED)
def _words(text: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for piece in fold(text).split():
        # Not the end of an e-mail address, which says nothing.
        end = piece.rfind(".") if "@" in piece else -1
        for part in _PART.finditer(piece):
            start = part.start()
            if start - 1 != end or not start:
                found[piece[start : start + LONGEST_WORD]] = None
    return tuple(found)


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text, folded; what begins one of them is a match.

    A word goes on until the next space, and another begins after each sign within it: `ORD-17` is
    found by `ord-1` and by `17`.
    """
    return _words(text[:_LONGEST_TEXT])


def asked_words(text: str) -> list[str]:
    """Return the words that are searched for: each must begin a word of what is to be found."""
    pieces = (_INNER.search(piece) for piece in fold(text).split())
    return list(dict.fromkeys(piece[0][:LONGEST_WORD] for piece in pieces if piece is not None))
