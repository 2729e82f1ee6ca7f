"""Conditions in MongoDB's words, and the ways in which most filters make them of a value.

Values only ever stand where values stand: as terms, in lists, in bounds, or escaped in a pattern.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.settings import Configuration
from contracts.terms import GROUPS, KEYS, moment_term, name_term, term

# A document as the driver takes it: names and whatever BSON can hold.
Bson = dict[str, Any]

NOTHING: Final[Bson] = {"_id": {"$in": []}}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a filter may know besides its own value.

    :param spaces: what the terms of the orders wanted begin with: those of deleted ones are apart
    """

    spaces: Sequence[str]
    now: datetime
    configuration: Configuration


# Any: each filter knows the type of its member, which `OrderFilter` guarantees.
Filter = Callable[[Any, Asked], Bson]


def having(where: str, spelt: Iterable[str], asked: Asked) -> Bson:
    """Orders that have one of these terms among their groups or keys."""
    found = [space + one for one in spelt for space in asked.spaces]
    return {where: found[0] if len(found) == 1 else {"$in": found}}


def beginning(text: str, asked: Asked) -> Bson:
    """Orders that have a key that begins so."""
    # MongoDB looks a pattern up in the index if it is ^ and plain text.
    return either({KEYS: {"$regex": f"^{re.escape(space + text)}"}} for space in asked.spaces)


def within(since: datetime | None, to: datetime | None) -> Bson:
    """Bounds, which are inclusive; None is none."""
    bounds = {"$gte": since, "$lte": to}
    return {word: bound for word, bound in bounds.items() if bound is not None}


def either(conditions: Iterable[Bson]) -> Bson:
    """Orders that fit one of these."""
    found = list(conditions)
    return found[0] if len(found) == 1 else {"$or": found}


def every(conditions: Iterable[Bson]) -> Bson:
    """Orders that fit all of these."""
    found = list(conditions)
    return found[0] if len(found) == 1 else {"$and": found}


def picks(condition: Bson, where: str) -> bool:
    """Say whether only orders with a certain group, or key, can fit the condition."""
    if "$and" in condition:
        return any(picks(one, where) for one in condition["$and"])
    if "$or" in condition:
        return all(picks(one, where) for one in condition["$or"])
    found = condition.get(where)
    return found is not None and not (isinstance(found, dict) and "$nin" in found)


def fits(condition: Bson, groups: frozenset[str]) -> bool:
    """Say whether an order in these groups fits a condition, as MongoDB would.

    :raises ValueError: if that depends on more than groups
    """
    for word, wanted in condition.items():
        if word == GROUPS:
            found = _is_among(wanted, groups)
        elif word == "$and":
            found = all(fits(one, groups) for one in wanted)
        elif word == "$or":
            found = any(fits(one, groups) for one in wanted)
        else:
            raise ValueError(f"an order's groups do not tell its {word}")
        if not found:
            return False
    return True


def _is_among(wanted: str | Bson, groups: frozenset[str]) -> bool:
    if isinstance(wanted, str):
        return wanted in groups
    for operator, names in wanted.items():
        if operator not in {"$in", "$nin"}:
            raise ValueError(f"groups are not compared by {operator}")
        if groups.isdisjoint(names) is (operator == "$in"):
            return False
    return True


# -- ways to filter --------------------------------------------------------------------------------


def any_of(where: str, kind: str, spell: Callable[[str, str], str] = term) -> Filter:
    """Orders with the term for this value, or for one of these."""

    def condition(value: str | Sequence[str], asked: Asked) -> Bson:
        values = [value] if isinstance(value, str) else value
        return having(where, [spell(kind, one) for one in values], asked)

    return condition


def none_of(where: str, kind: str) -> Filter:
    """Orders without the terms for these names."""

    def condition(values: Sequence[str], asked: Asked) -> Bson:
        found = [space + name_term(kind, one) for one in values for space in asked.spaces]
        return {where: {"$nin": found}}

    return condition


def between(path: str) -> Filter:
    """Orders with a member from and to these times."""
    return lambda bounds, _: {path: within(*bounds)}


def at_some_time(kind: str) -> Filter:
    """Orders with a term for a time from and to these times; few have one."""

    def condition(bounds: tuple[datetime | None, datetime | None], asked: Asked) -> Bson:
        since, to = bounds
        first = moment_term(kind, since) if since is not None else f"#{kind} "
        last = moment_term(kind, to) if to is not None else f"#{kind} :"
        return either(
            {KEYS: {"$elemMatch": {"$gte": space + first, "$lte": space + last}}}
            for space in asked.spaces
        )

    return condition
