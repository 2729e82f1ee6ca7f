"""The sort orders: by what, and where the next page begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from contracts import terms
from contracts.order_search import OrderFilter
from contracts.settings import Configuration
from contracts.terms import APART
from services.chassis.mongo import Bson

USUAL: Final = "Created"
_DESCENDING: Final = "Descending"
_RANK: Final = "rank"
_LAST: Final = 1_000_000
_ALWAYS: Final = frozenset({"order.created", "order.modified", terms.NAME, "_id"})
"""What every order has."""

FIELDS: Final[Mapping[str, Sequence[str]]] = {
    "Created": ("order.created",),
    "Modified": ("order.modified",),
    "CustomerName": (terms.NAME,),
    "Status": (_RANK, "order.status"),
    "OrderId": (),
    "Store": ("order.storeId",),
    "Total": ("order.orderForm.total",),
}
"""What each sorts by; the id comes last, so that no two orders are equal."""

Place = Sequence[Any]
"""Where an order stands: the values of the fields sorted by. Any: texts, dates, numbers."""


@dataclass(frozen=True, slots=True)
class Sorting:
    """In which order orders come."""

    fields: tuple[str, ...]
    direction: int
    statuses: Mapping[str, int] = field(default_factory=dict)
    """What the settings number each status of each type, where that counts."""

    def prepared(self) -> list[Bson]:
        """Return the stages that add to orders what they are sorted by."""
        if _RANK not in self.fields:
            return []
        own = {"$toLower": {"$concat": ["$order.orderType", APART, "$order.status"]}}
        place = {"$indexOfArray": [{"$literal": list(self.statuses)}, own]}
        # What is not among the settings' is at -1, which is the last of them.
        numbers = {"$literal": [*self.statuses.values(), _LAST]}
        return [{"$set": {_RANK: {"$arrayElemAt": [numbers, place]}}}]

    def stage(self) -> Bson:
        """Return the stage that sorts."""
        return {"$sort": dict.fromkeys(self.fields, self.direction)}

    def place(self, found: Bson) -> Place:
        """Return where an order stands that was found."""
        return [_at(found, path) for path in self.fields]

    def projection(self) -> Bson:
        """Return the members that `place` looks at."""
        return dict.fromkeys((path for path in self.fields if not path.startswith("order.")), 1)

    def after(self, place: Place) -> Bson:
        """Return the filter of the orders that come after the one that stands there."""
        branches: list[Bson] = []
        equal: Bson = {}
        for path, value in zip(self.fields, place, strict=True):
            branches += [{**equal, path: bound} for bound in self._beyond(value)]
            equal[path] = value
        found: Bson = {"$or": branches}
        if self.fields[0] in _ALWAYS:
            # The first bound is said apart, so that an index can be entered there.
            found[self.fields[0]] = {"$gte" if self.direction > 0 else "$lte": place[0]}
        return found

    def _beyond(self, value: object) -> list[object]:
        """Return what comes after a value; None is the least, but compares to nothing."""
        if self.direction > 0:
            return [{"$ne": None} if value is None else {"$gt": value}]
        return [] if value is None else [{"$lt": value}, None]


def sorting(search: OrderFilter, configuration: Configuration) -> Sorting:
    """Return the order that a search asks for; the newest first where it asks for none."""
    word = search.sort_order or f"{USUAL}{_DESCENDING}"
    direction = -1 if word.endswith(_DESCENDING) else 1
    name = word.removesuffix(_DESCENDING).removesuffix("Ascending")
    fields = (*FIELDS[name], "_id")
    return Sorting(fields, direction, _statuses(configuration) if _RANK in fields else {})


def _statuses(configuration: Configuration) -> Mapping[str, int]:
    """Return the number of each status of each type: orders sort by it (decided 4.2).

    Names are the same in any case, as everywhere.
    """
    return {
        _lowered(f"{kind.name}{APART}{status.name}"): status.order
        for kind in configuration.order_types
        for status in kind.order_statuses
    }


def _lowered(name: str) -> str:
    """Return the name as MongoDB's $toLower does, which leaves letters that are not ASCII alone."""
    return name.encode().lower().decode()


def _at(found: Bson, path: str) -> Any:  # noqa: ANN401 - whatever is sorted by
    value: Any = found  # Any: a step of the path may lead to any member
    for name in path.split("."):
        value = None if value is None else value.get(name)
    # Amounts are read as they are written, but compared as they are stored.
    return Decimal(repr(value)) if isinstance(value, float) else value
