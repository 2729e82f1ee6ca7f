"""The indexes by which orders are found: those that `contracts.search` and the sort orders need."""

from typing import Final

from pymongo import IndexModel

from contracts.terms import FACETS, GROUPS, KEYS, LATE, NAME

INDEXES: Final = (
    # A group from its newest order on, so that a page of it is read without sorting it.
    IndexModel([(GROUPS, 1), ("order.created", -1), ("_id", -1)]),
    IndexModel([(KEYS, 1)]),
    # What changed lately; and `late`, which few orders have (services/decisions/0008).
    IndexModel([("order.modified", -1), ("_id", -1)]),
    IndexModel([(LATE, 1)], sparse=True),
    # Any part of a customer's name: all names are looked through, but not the orders.
    IndexModel([(NAME, 1), ("_id", 1)]),
    # The facets of all orders, which are counted without reading one of them.
    IndexModel([(FACETS, 1)]),
)
"""`secretKeyHash` has an index of its own."""
