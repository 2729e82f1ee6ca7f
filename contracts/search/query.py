"""A search and a scope become one query."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Final

from contracts import terms
from contracts.fields import LONGEST_LIST
from contracts.note import PropertyItem
from contracts.order_search import OrderFilter
from contracts.search.conditions import Asked, Bson, any_of, every, having, picks
from contracts.search.table import FILTERS, NARROW, RANGES, TOGETHER, modified, payments, said
from contracts.settings import Configuration
from contracts.terms import APART, GROUPS, KEYS, LIVE, name_term, pair

_IN_ONE_INDEX: Final = frozenset({GROUPS, "order.created"})
"""What the index of the groups knows of an order."""
_DELETED: Final = "deleted"
_ALL: Final[Bson] = {GROUPS: LIVE}


@dataclass(frozen=True, slots=True)
class Scope:
    """The stores and markets, in lower case, whose orders alone may be found; None is all of them.

    What names none of one finds nothing (decided 13.4).
    """

    stores: frozenset[str] | None = None
    markets: frozenset[str] | None = None


EVERYTHING: Final = Scope()


@dataclass(frozen=True, slots=True)
class Query:
    """Which orders are wanted, as a filter of MongoDB.

    :param match: fits them and no others
    :param paged: the same, said so that their newest can be found without looking at all of them
    :param counted: the same, said so that facets can be counted in an index where that is possible
    :param is_narrow: whether to look first if one page holds them all: then nothing is counted
    :param is_indexed: whether one index leads to them, so that a page of them is found at once
    """

    match: Bson
    paged: Bson
    counted: Bson
    is_narrow: bool
    is_indexed: bool


def compiled(
    search: OrderFilter,
    scope: Scope,
    *,
    now: datetime,
    configuration: Configuration,
    until: datetime | None = None,
) -> Query:
    """Return the orders that this search finds within this scope.

    :param until: orders that changed after it are left out, where `modifiedFrom` is given
    """
    spaces = _spaces(search)
    asked = Asked(spaces, now, configuration)
    conditions = [*_within(scope, asked), *_conditions(search, asked, until)]
    live = having(GROUPS, [LIVE], asked)
    found_by_group = any(picks(one, GROUPS) for one in conditions)
    found_by_term = found_by_group or any(picks(one, KEYS) for one in conditions)
    match = conditions if found_by_term else [*conditions, live]
    paged = match if found_by_group or not found_by_term else [*match, live]
    found = every(match)
    counted = {terms.FACETS: {"$lt": terms.HIDDEN}} if found == _ALL else found
    is_one_key = found_by_term and not found_by_group and "$and" not in found
    return Query(
        match=found,
        paged=every(paged),
        counted=counted,
        is_narrow=any(getattr(search, member) for member in NARROW)
        or (is_one_key and not search.disable_facets),
        is_indexed=is_one_key or all(one.keys() <= _IN_ONE_INDEX for one in match),
    )


def _within(scope: Scope, asked: Asked) -> Iterator[Bson]:
    """Yield what keeps to the scope's stores and markets."""
    if scope.stores is not None:
        yield any_of(GROUPS, terms.STORE, name_term)(sorted(scope.stores), asked)
    if scope.markets is not None:
        yield any_of(GROUPS, terms.MARKET, name_term)(sorted(scope.markets), asked)


def _conditions(search: OrderFilter, asked: Asked, until: datetime | None) -> Iterator[Bson]:
    together = _store_and_status(search, asked)
    if together is not None:
        yield together
    for member, condition in FILTERS.items():
        value = getattr(search, member)
        if member in TOGETHER and together is not None:
            continue
        if value and not _is_empty(value):  # what is false restricts nothing either
            yield condition(value, asked)
    for member, between in RANGES.items():
        since, to = getattr(search, f"{member}_from"), getattr(search, f"{member}_to")
        if since is not None or to is not None:
            yield between((since, to), asked)
    yield from modified(search, until)
    yield from payments(search, asked)


def _store_and_status(search: OrderFilter, asked: Asked) -> Bson | None:
    """Return what filters by stores and statuses at once; None where they are not both asked for.

    Then they are counted in the index; of two terms MongoDB looks one up, and reads the orders.
    """
    lists = (search.selected_stores or (), search.selected_statuses or ())
    stores, statuses = ([name for name in names if name.strip()] for names in lists)
    pairs = [pair(store, status) for store, status in product(stores, statuses)]
    if not 0 < len(pairs) <= LONGEST_LIST or any(one.count(APART) > 1 for one in pairs):
        return None
    return any_of(GROUPS, terms.STORE_AND_STATUS, name_term)(pairs, asked)


def _spaces(search: OrderFilter) -> Sequence[str]:
    """Return where to look: deleted orders are found by their status alone (domain 3 no. 25)."""
    statuses = {status.casefold() for status in search.selected_statuses or ()}
    if _DELETED not in statuses:
        return ("",)
    return (terms.HIDDEN,) if statuses == {_DELETED} else ("", terms.HIDDEN)


def _is_empty(value: object) -> bool:
    """Say whether there is nothing in it: no text, nothing said of a property, only such things."""
    if isinstance(value, list):
        return all(_is_empty(one) for one in value)
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, PropertyItem) and not said(value)
