"""Facets: how many of the orders found have each value (domain 4.3)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from contracts import terms
from contracts.order_search import Facet, FacetValue
from contracts.settings import Configuration
from contracts.terms import APART, BETWEEN
from services.chassis.mongo import Bson

KINDS: Final = (
    "status",
    "orderType",
    "market",
    "store",
    "salesChannel",
    "tags",
    "shippingMethodName",
    "paymentMethodName",
    "discount",
)
"""The facets that every search has, in the order of the answer."""

MOST_VALUES: Final = 250
"""Values of one facet that are answered, the most frequent."""
_MOST_COUNTED: Final = 10_000
_MARKET: Final = f"market{APART}"
_PROPERTY: Final = "@"
"""What a property's kind begins with, so that one called `status` is another facet."""


def counting(match: Bson, properties: Sequence[str]) -> list[Bson]:
    """Return the pipeline that counts the values of the orders that fit.

    :param properties: the keys of those properties that are counted too
    """
    alike: Bson = {"facets": f"${terms.FACETS}"}
    each: Bson = {"$split": ["$_id.facets", BETWEEN]}
    if properties:
        alike["properties"] = _property_values(properties)
        each = {"$concatArrays": [each, "$_id.properties"]}
    return [
        {"$match": match},
        # Those first that have all in common: there are far fewer of these than orders.
        {"$group": {"_id": alike, "orders": {"$sum": 1}}},
        {"$project": {"_id": 0, "orders": 1, "each": each}},
        {"$unwind": "$each"},
        {"$group": {"_id": "$each", "count": {"$sum": "$orders"}}},
        # Of two that are as frequent those of properties, of which there may be any number, last.
        {"$sort": {"count": -1, "_id": -1}},
        {"$limit": _MOST_COUNTED},
    ]


def _property_values(keys: Sequence[str]) -> Bson:
    """Return the expression for the different values that an order has of these properties."""
    # Not $filter with $$item.key in keys: a name with a dollar would be taken for a variable.
    wanted = {
        "$filter": {
            "input": {"$ifNull": ["$order.properties", []]},
            "as": "one",
            "cond": {"$in": ["$$one.key", [{"$literal": key} for key in keys]]},
        }
    }
    value = {"$ifNull": ["$$one.value", ""]}
    named = {"$concat": [_PROPERTY, "$$one.key", APART, value]}
    return {"$setUnion": [{"$map": {"input": wanted, "as": "one", "in": named}}]}


def values_in(found: Iterable[Bson], properties: Sequence[str]) -> list[Bson]:
    """Count the same in orders that have been read."""
    counts: Counter[str] = Counter()
    for one in found:
        counts.update(one[terms.FACETS].split(BETWEEN))
        counts.update(
            {
                f"{_PROPERTY}{item['key']}{APART}{item.get('value') or ''}"
                for item in one["order"].get("properties", ())
                if item.get("key") in properties
            }
        )
    return [{"_id": value, "count": count} for value, count in counts.items()]


def facets(
    counted: Iterable[Bson], properties: Sequence[str], configuration: Configuration
) -> list[Facet]:
    """Return the facets in their order, each with its values, the most frequent first."""
    kinds = {kind: kind for kind in KINDS} | {_PROPERTY + key: key for key in properties}
    values: dict[str, list[FacetValue]] = {kind: [] for kind in kinds}
    for one in sorted(counted, key=lambda one: (-one["count"], one["_id"])):
        kind, _, value = one["_id"].partition(APART)
        if kind in values and len(values[kind]) < MOST_VALUES:
            name = _display_name(kind, value, configuration)
            values[kind].append(FacetValue(name=name, value=value, count=one["count"]))
    return [Facet(facet_type=kinds[kind], facets=found) for kind, found in values.items()]


def total_of(counted: Sequence[Bson]) -> int | None:
    """Return how many orders were counted: each has one market.

    None if there are so many values that rare markets may have been left out.
    """
    if len(counted) == _MOST_COUNTED:
        return None
    total: int = sum(one["count"] for one in counted if one["_id"].startswith(_MARKET))
    return total


def _display_name(kind: str, value: str, configuration: Configuration) -> str:
    """Return how people call it; the value itself where the settings know no better."""
    match kind:
        case "market":
            market = configuration.market(value)
            return (market.name if market is not None else None) or value
        case "store":
            store = configuration.store(value)
            return (store.name if store is not None else None) or value
        case "status":
            return next(_status_names(value, configuration), value)
        case _:
            return value


def _status_names(value: str, configuration: Configuration) -> Iterator[str]:
    for kind in configuration.order_types:
        status = kind.status(value)
        if status is not None and status.display_name:
            yield status.display_name
