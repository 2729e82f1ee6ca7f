"""Finding orders: searches, lists, counts, scrolls, and what changed since a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from bson import Timestamp

from contracts.order_search import Facet, OrderFilter, OrderScroll
from contracts.search import Query, compiled
from contracts.settings import Configuration
from contracts.terms import FACETS
from services.api.domain import Client
from services.api.queries.search.deltas import Delta, Deltas
from services.api.queries.search.facets import counting, facets, total_of, values_in
from services.api.queries.search.indexes import INDEXES
from services.api.queries.search.reading import Reader, TooOld, bodies
from services.api.queries.search.scrolls import OpenScrolls, Scroll, Seal, TooLong, TooMany
from services.api.queries.search.sorting import Sorting, sorting
from services.chassis.mongo import Bson, Database

__all__ = ["Found", "Page", "Scrolled", "Searches", "TooLong", "TooMany", "paged"]

_FOUND: Final = "found"
_TOTAL: Final = "total"
_READ: Final[Bson] = {"order": 1, FACETS: 1}


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of what is found: so many orders after so many.

    `reader` tells who turns the pages from others who do so for the same client.
    """

    skip: int
    take: int
    reader: bytes = b""


@dataclass(frozen=True, slots=True)
class Found:
    """A page of orders as JSON, and how many there are in all."""

    orders: list[bytes]
    total: int
    facets: list[Facet] | None = None


@dataclass(frozen=True, slots=True)
class Scrolled:
    """The next orders of a scroll, and the id by which it goes on."""

    orders: list[bytes]
    total: int
    scroll_id: str


class Searches:
    """Everything by which clients find orders."""

    def __init__(self, database: Database, *, secret: str) -> None:
        self._database = database
        self._reader = Reader(database)
        self._deltas = Deltas(database)
        self._scrolls = OpenScrolls(database)
        self._seal = Seal(secret)

    async def prepare(self) -> None:
        """Create the indexes; MongoDB builds them beside the writes of a live collection."""
        await self._deltas.prepare()
        await self._scrolls.prepare()
        await self._database["orders"].create_indexes(list(INDEXES))

    async def find(
        self,
        search: OrderFilter,
        page: Page,
        client: Client,
        *,
        now: datetime,
        configuration: Configuration,
    ) -> Found:
        """Return a page of the orders that fit, how many there are, and their facets."""
        if search.modified_from is None:
            return await self._find(search, page, client, None, now, configuration)
        delta = await self._deltas.resume(search, client, page.reader) if page.skip else None
        if delta is not None:
            try:
                return await self._find(search, page, client, delta, now, configuration)
            except TooOld:
                pass  # the client took too long between two pages: this one is as of now
        await self._deltas.announce(now)
        found = await self._find(search, page, client, None, now, configuration)
        if len(found.orders) < page.take:
            return found
        # There may be more pages: they and this one are to be of one moment.
        delta = await self._deltas.keep(search, client, page.reader, until=now)
        return await self._find(search, page, client, delta, now, configuration)

    def close(self) -> None:
        """Find nothing more."""
        self._reader.close()

    async def count(
        self, search: OrderFilter, client: Client, *, now: datetime, configuration: Configuration
    ) -> int:
        """Return how many orders fit."""
        query = compiled(search, client.scope, now=now, configuration=configuration)
        return await self._reader.count(query.match)

    async def query(
        self, search: OrderFilter, client: Client, *, now: datetime, configuration: Configuration
    ) -> Query:
        """Return the query of the orders that fit, for who reads all of them themselves."""
        if search.modified_from is not None:
            await self._deltas.announce(now)
        return compiled(search, client.scope, now=now, configuration=configuration, until=now)

    async def scroll(
        self,
        search: OrderScroll,
        client: Client,
        *,
        now: datetime,
        configuration: Configuration,
        most: int,
    ) -> Scrolled:
        """Begin a scroll and return its first orders.

        :param most: scrolls that a client may have open; 0 is no limit
        :raises TooMany: if it has
        :raises TooLong: if the search is
        """
        if search.modified_from is not None:
            await self._deltas.announce(now)
        scroll = await self._scrolls.open(search, client, now=now, most=most)
        query = self._compiled(scroll, client, configuration)
        total = await self._reader.count(query.match, at=scroll.at)
        scroll = replace(scroll, total=total)
        return await self._next(scroll, query, client, now=now, configuration=configuration)

    async def go_on(
        self, scroll_id: str, client: Client, *, now: datetime, configuration: Configuration
    ) -> Scrolled | None:
        """Return the next orders of a scroll, none when it has ended.

        None if this client has no such scroll, or not any more.
        """
        scroll = self._seal.opened(scroll_id, client, now=now)
        if scroll is None:
            return None
        if scroll.is_done:
            return Scrolled([], scroll.total, scroll_id)
        query = self._compiled(scroll, client, configuration)
        try:
            return await self._next(scroll, query, client, now=now, configuration=configuration)
        except TooOld:
            await self._scrolls.close(scroll.id)
            return None

    async def _find(  # noqa: PLR0913, PLR0917 - what `find` was given, and how
        self,
        search: OrderFilter,
        page: Page,
        client: Client,
        delta: Delta | None,
        now: datetime,
        configuration: Configuration,
    ) -> Found:
        until, at = (now, None) if delta is None else (delta.until, delta.at)
        query = compiled(search, client.scope, now=now, configuration=configuration, until=until)
        order = sorting(search, configuration)
        properties = configuration.order_settings.facet_properties
        values: list[Bson] = []
        if query.is_narrow:
            found = await self._reader.aggregate(paged(query, order, page), at=at)
            if not page.skip and len(found) < page.take:  # that is all there are
                total, values = len(found), values_in(found, properties)
            else:
                total, values = await self._counted(search, query, properties, at)
        elif search.disable_facets:
            rows = await self._reader.aggregate(paged_and_counted(query, order, page), at=at)
            found = [row[_FOUND] for row in rows if _FOUND in row]
            total = rows[-1].get(_TOTAL, 0) if rows else 0
        else:
            found, (total, values) = await asyncio.gather(
                self._reader.aggregate(paged(query, order, page), at=at),
                self._counted(search, query, properties, at),
            )
        kinds = None if search.disable_facets else facets(values, properties, configuration)
        return Found(bodies(found), total, kinds)

    async def _counted(
        self, search: OrderFilter, query: Query, properties: Sequence[str], at: Timestamp | None
    ) -> tuple[int, list[Bson]]:
        """Return how many orders fit, and how many have each value if facets are wanted."""
        values: list[Bson] = []
        total = None
        if not search.disable_facets:
            values = await self._reader.aggregate(counting(query.counted, properties), at=at)
            total = total_of(values)
        if total is None:
            total = await self._reader.count(query.match, at=at)
        return total, values

    async def _next(
        self,
        scroll: Scroll,
        query: Query,
        client: Client,
        *,
        now: datetime,
        configuration: Configuration,
    ) -> Scrolled:
        order, take = sorting(scroll.search, configuration), scroll.search.at_a_time
        stages = paged(query, order, Page(0, take), after=scroll.place)
        found = await self._reader.aggregate(stages, at=scroll.at)
        scroll = replace(
            scroll,
            place=order.place(found[-1]) if found else scroll.place,
            is_done=len(found) < take,
        )
        until = await self._scrolls.wait_longer(scroll.id, now=now)
        if scroll.is_done:
            await self._scrolls.close(scroll.id)
        scroll_id = self._seal.scroll_id(scroll, client, until=until)
        return Scrolled(bodies(found), scroll.total, scroll_id)

    @staticmethod
    def _compiled(scroll: Scroll, client: Client, configuration: Configuration) -> Query:
        search, begun = scroll.search, scroll.begun
        return compiled(search, client.scope, now=begun, configuration=configuration, until=begun)


def paged(
    query: Query, order: Sorting, page: Page, *, after: Sequence[object] | None = None
) -> list[Bson]:
    """Return the pipeline that reads a page of the orders that fit, in their order.

    :param after: where the order stands that comes before the page
    """
    return [
        {"$match": query.paged},
        *order.prepared(),
        *([] if after is None else [{"$match": order.after(after)}]),
        order.stage(),
        *([{"$skip": page.skip}] if page.skip else []),
        {"$limit": page.take},
        {"$project": _READ | order.projection()},
    ]


def paged_and_counted(query: Query, order: Sorting, page: Page) -> list[Bson]:
    """Return the pipeline that reads a page of the orders that fit, and how many there are.

    Where one index leads to them a page takes no time beside their number, so both are asked for.
    Elsewhere all have to be looked at to count them, and the page is found at the same time.
    """
    if query.is_indexed:
        counted = [{"$match": query.match}, {"$count": _TOTAL}]
        return [
            *paged(query, order, page),
            {"$project": {_FOUND: "$$ROOT"}},
            {"$unionWith": {"coll": "orders", "pipeline": counted}},
        ]
    ids = {"n": page.skip + page.take, "sortBy": order.stage()["$sort"], "output": "$_id"}
    one = {"localField": "ids", "foreignField": "_id", "pipeline": [{"$project": _READ}]}
    return [
        {"$match": query.match},
        *order.prepared(),
        {"$group": {"_id": None, _TOTAL: {"$sum": 1}, "ids": {"$topN": ids}}},
        {"$project": {_TOTAL: 1, "ids": {"$slice": ["$ids", page.skip, page.take]}}},
        {"$unwind": {"path": "$ids", "preserveNullAndEmptyArrays": True}},
        {"$lookup": {"from": "orders", "as": _FOUND, **one}},
        {"$unwind": {"path": f"${_FOUND}", "preserveNullAndEmptyArrays": True}},
    ]
