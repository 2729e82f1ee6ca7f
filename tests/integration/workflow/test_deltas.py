"""Reads of changes while orders change: none is missed, whatever races with what."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic_core import from_json

from contracts.order_search import OrderSearch
from contracts.settings import DEFAULT
from services.api.queries.search import Page, Searches
from services.api.queries.search.deltas import LEASE
from services.chassis.clock import Clock
from services.chassis.mongo import Bson, Database
from services.workflow.queries import fill_in, mark_late
from tests.builders import an_order
from tests.harness import until
from tests.integration.api.found import EVERYTHING, a_body, keep, stored
from tests.integration.workflow.conftest import Workflow

TAKE = 7


@pytest.fixture(scope="module")
async def searches(workflow: Workflow) -> Searches:
    searches = Searches(workflow.db, secret="s" * 32)
    await searches.prepare()
    return searches


class Poller:
    """Somebody who asks for what changed in a store since the last time, page by page."""

    def __init__(self, searches: Searches, store: str) -> None:
        self.seen: dict[str, int] = {}
        self.reads = 0
        self._searches = searches
        self._store = store
        self._client = replace(EVERYTHING, id=uuid4().hex)
        self._clock = Clock()

    async def poll(self, since: datetime, after_page: Callable[[], Any] | None = None) -> datetime:
        """Read all that changed since then; return the latest `modified` that was answered.

        Only the first page is asked for facets, as one does who shows them.
        """
        search = OrderSearch(selected_stores=[self._store], modified_from=since, take=TAKE)
        total, read, last = 1, 0, since
        while read < total:
            found = await self._searches.find(
                search.model_copy(update={"disable_facets": read > 0}),
                Page(read, TAKE),
                self._client,
                now=self._clock.now(),
                configuration=DEFAULT,
            )
            total, read = found.total, read + TAKE
            for order in map(from_json, found.orders):
                # A new order has no version until its first run has ended.
                version = order.get("version", 0)
                self.seen[order["id"]] = max(version, self.seen.get(order["id"], 0))
                last = max(last, datetime.fromisoformat(order["modified"]))
            if after_page is not None:
                await after_page()
        self.reads += 1
        return last

    async def by_what_was_answered(self, begin: datetime, stop: asyncio.Event) -> None:
        since = begin
        while not stop.is_set():
            since = await self.poll(since)
        await self.poll(since)

    async def by_the_clock(self, begin: datetime, stop: asyncio.Event) -> None:
        since = begin
        while not stop.is_set():
            asked = self._clock.now()
            await self.poll(since)
            since = asked
        await self.poll(since)


@asynccontextmanager
async def changing(database: Database, order_id: str, members: Bson) -> AsyncIterator[None]:
    """Change an order in a transaction that is committed at the end of the block."""
    async with await database.client.start_session() as session, session.start_transaction():
        change = {"$set": members}
        await database["orders"].update_one({"_id": order_id}, change, session=session)
        yield


async def somebody_waits_to_write(database: Database) -> None:
    """Return when a write of orders has met a transaction, whose end it has to wait for."""
    met = {"ns": f"{database.name}.orders", "op": "update", "writeConflicts": {"$gt": 0}}

    async def waits() -> bool:
        running = database.client.admin.aggregate([{"$currentOp": {}}, {"$match": met}])
        return bool(await running.to_list(None))

    await until(waits, within=30)


class TestChanges:
    async def test_are_all_seen_while_orders_are_written(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        store, begin, stop = uuid4().hex, Clock().now(), asyncio.Event()
        answered, clocked = Poller(searches, store), Poller(searches, store)
        polling = asyncio.gather(
            answered.by_what_was_answered(begin, stop), clocked.by_the_clock(begin, stop)
        )

        async def life(number: int) -> None:
            order = an_order(id=f"D{store[:6]}-{number}", store_id=store)
            await workflow.placed(order)
            for status in ("InProgress", "PackedAndReady", "InProgress"):
                await workflow.entered(order.id, status)

        await asyncio.gather(*(life(number) for number in range(60)))
        stop.set()
        await polling

        kept = await workflow.db["orders"].find({"order.storeId": store}).to_list(None)
        versions = {one["_id"]: one["version"] for one in kept}
        assert len(versions) == 60
        assert answered.reads > 5
        assert clocked.reads > 5
        assert answered.seen == versions
        assert clocked.seen == versions

    async def test_that_become_visible_after_a_read_are_found_by_the_next(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        store, begin = uuid4().hex, Clock().now() - timedelta(seconds=1)
        poller = Poller(searches, store)
        body = a_body(f"L{store[:8]}", {"storeId": store, "modified": begin, "version": 1})
        asked = Clock().now()
        await poller.poll(begin)

        await keep(workflow.db, body)
        missed = dict(poller.seen)
        await mark_late(workflow.db, [body["id"]], begin)
        await poller.poll(asked)

        assert missed == {}
        assert poller.seen == {body["id"]: 1}

    async def test_are_announced_once_for_all_reads_of_a_while(self, workflow: Workflow) -> None:
        searches, reads = Searches(workflow.db, secret="s" * 32), workflow.db["delta_reads"]
        begin, before = Clock().now(), await reads.find({}, {"_id": 1}).to_list(None)
        others = [one["_id"] for one in before]
        search = OrderSearch(selected_stores=[uuid4().hex], modified_from=begin)

        async def announced(now: datetime) -> list[datetime]:
            """Read up to a time; return until when this process has announced that it reads."""
            page = Page(0, TAKE)
            await searches.find(search, page, EVERYTHING, now=now, configuration=DEFAULT)
            found = await reads.find({"_id": {"$nin": others}}).to_list(None)
            return [one["read"] for one in found]

        first, within = await announced(begin), await announced(begin + LEASE / 2)
        after = await announced(begin + 2 * LEASE)

        assert len(first) == 1
        assert first[0] >= begin + LEASE / 2
        assert within == first
        assert len(after) == 1
        assert after[0] >= begin + 2 * LEASE

    async def test_that_become_visible_amid_reads_that_share_an_announcement_are_found(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        store, begin = uuid4().hex, Clock().now() - timedelta(seconds=1)
        poller = Poller(searches, store)
        body = a_body(f"M{store[:8]}", {"storeId": store, "modified": begin, "version": 1})
        await poller.poll(begin)
        asked = Clock().now()
        await poller.poll(begin)

        await keep(workflow.db, body)
        await mark_late(workflow.db, [body["id"]], begin)
        late = await workflow.db["orders"].find_one({"_id": body["id"]}, {"late": 1})
        await poller.poll(asked)

        assert late is not None
        assert late["late"] > asked
        assert poller.seen == {body["id"]: 1}

    async def test_that_another_read_missed_while_they_were_marked_are_found_by_the_next(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        """The writer looks again when its mark is visible: reads may have come before that."""
        store, begin = uuid4().hex, Clock().now() - timedelta(seconds=1)
        poller = Poller(searches, store)
        body = a_body(f"N{store[:8]}", {"storeId": store, "modified": begin, "version": 1})
        asked = Clock().now()
        await poller.poll(begin)
        await keep(workflow.db, body)
        async with changing(workflow.db, body["id"], {"touched": True}):
            marking = asyncio.create_task(mark_late(workflow.db, [body["id"]], begin))
            await somebody_waits_to_write(workflow.db)
            (known,) = (
                await workflow.db["delta_reads"].find().sort("read", -1).limit(1).to_list(None)
            )
            await until(lambda: Clock().now() > known["read"] + LEASE)

            since, asked = asked, Clock().now()
            await poller.poll(since)
        await marking
        missed = dict(poller.seen)
        await poller.poll(asked)

        assert missed == {}
        assert poller.seen == {body["id"]: 1}

    async def test_are_of_one_moment_on_all_pages(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        store, begin = uuid4().hex, Clock().now()
        names = [f"P{store[:6]}-{number:02}" for number in range(3 * TAKE)]
        bodies = [
            a_body(
                name,
                {
                    "storeId": store,
                    "version": 1,
                    "modified": begin,
                    "created": begin + timedelta(seconds=place),
                },
            )
            for place, name in enumerate(names)
        ]
        await keep(workflow.db, *bodies)
        poller = Poller(searches, store)

        async def leave() -> None:
            """Take the newest orders out of the list, so that all others move up."""
            gone = names[-TAKE:]
            await workflow.db["orders"].delete_many({"_id": {"$in": gone}})

        await poller.poll(begin, leave)

        assert set(poller.seen) == set(names)

    async def test_are_of_each_readers_own_moment_although_another_reads_the_same(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        store, begin = uuid4().hex, Clock().now()
        names = [f"R{store[:6]}-{number:02}" for number in range(4 * TAKE)]
        each = {"storeId": store, "version": 1, "modified": begin}
        created = [begin - timedelta(seconds=place) for place in range(len(names))]
        bodies = [a_body(n, each | {"created": at}) for n, at in zip(names, created, strict=True)]
        await keep(workflow.db, *bodies)
        search = OrderSearch(selected_stores=[store], modified_from=begin, take=TAKE)
        client = replace(EVERYTHING, id=uuid4().hex)

        async def page(number: int, reader: bytes) -> list[str]:
            """Return the ids of a page, the first of which is 0."""
            part, now = Page(number * TAKE, TAKE, reader), Clock().now()
            found = await searches.find(search, part, client, now=now, configuration=DEFAULT)
            return [from_json(one)["id"] for one in found.orders]

        async def leave(place: int) -> None:
            """Take as many orders out of the list as make a page, so that all behind move up."""
            gone = names[place * TAKE : (place + 1) * TAKE]
            await workflow.db["orders"].delete_many({"_id": {"$in": gone}})

        first = await page(0, b"one")
        await leave(0)
        other = await page(0, b"other")
        await leave(1)
        first += [id_ for number in (1, 2, 3) for id_ in await page(number, b"one")]
        other += await page(1, b"other")
        other += await page(2, b"other, with a new token")

        assert first == names
        assert other == names[TAKE:]


class TestOrdersFromBefore:
    async def test_are_found_once_they_were_filled_in(
        self, workflow: Workflow, searches: Searches
    ) -> None:
        store, orders = uuid4().hex, workflow.db["orders"]
        await keep(workflow.db, *(a_body(f"{n}-{store}", {"storeId": store}) for n in range(201)))
        gone = {"groups": "", "keys": "", "facets": "", "name": ""}
        await orders.update_many({"order.storeId": store}, {"$unset": gone})
        search = OrderSearch(selected_stores=[store])

        async def count() -> int:
            now = Clock().now()
            return await searches.count(search, EVERYTHING, now=now, configuration=DEFAULT)

        before = await count()
        await fill_in(workflow.db)

        assert before == 0
        assert await count() == 201

    async def test_stay_as_they_are_if_they_change_meanwhile(self, workflow: Workflow) -> None:
        id_, orders = f"F{uuid4().hex[:8]}", workflow.db["orders"]
        before, after = (stored(a_body(id_, {"storeId": store})) for store in ("Oslo", "Rome"))
        by = {name: after[name] for name in ("groups", "keys", "facets", "name")}
        await orders.insert_one({name: before[name] for name in before.keys() - by.keys()})

        async with changing(workflow.db, id_, {**after, "revision": 2}):
            filling = asyncio.create_task(fill_in(workflow.db))
            await somebody_waits_to_write(workflow.db)
        await filling

        found = await workflow.stored(id_)
        assert {name: found[name] for name in by} == by
        assert before["groups"] != after["groups"]
