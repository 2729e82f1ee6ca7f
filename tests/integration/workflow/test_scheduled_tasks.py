"""Scheduled tasks on the real Kafka and MongoDB: whom they look at, and how their runs go on."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pydantic_core import from_json

from contracts.message import Envelope
from contracts.messages.orders import COMMANDS, EVENTS, PlaceOrder, RunReservations
from contracts.settings import DEFAULT, OrderAutomation, OrderAutomationSettings, OrderSettings
from services.chassis.clock import MovableClock
from services.chassis.configuration import DOCUMENT
from services.chassis.mongo import Bson, Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.workflow.app import service
from services.workflow.domain.clean_up import Old
from services.workflow.domain.order import OrderDocument, Run, Shortage
from services.workflow.domain.scheduled import Position
from services.workflow.queries import (
    missing_runs,
    orders_before,
    orders_behind,
    orders_waiting,
    prepare,
)
from services.workflow.settings import Settings
from tests.builders import a_form, a_payment, an_order
from tests.harness import Wire, running, until
from tests.integration.workflow.conftest import fresh

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG = 40.0
"""Seconds: the chain is looked after every ten."""
PAID = OrderAutomation(
    order_type="Own", status="Unpaid", condition="PaymentCaptured", new_status="Paid"
)


@dataclass
class Automated:
    """What tests do to the automations of a database of their own."""

    settings: ChassisSettings
    wire: Wire
    db: Database
    clock: MovableClock

    def process(self) -> AbstractAsyncContextManager[Service]:
        """Run the workflow service for the length of the block."""
        return running(service(Settings(**self.settings.model_dump()), clock=self.clock))

    async def configure(
        self, version: int, seconds: int, automations: tuple[OrderAutomation, ...] = (PAID,)
    ) -> None:
        """Let the automations run every so many seconds."""
        order_settings = OrderSettings(
            order_automation_settings=OrderAutomationSettings(order_automations=automations),
            automation_interval_seconds=seconds,
        )
        stored = DEFAULT.model_copy(update={"version": version, "order_settings": order_settings})
        await self.db["settings"].replace_one(
            {"_id": DOCUMENT},
            {"version": version, "json": stored.model_dump_json(by_alias=True)},
            upsert=True,
        )

    async def paid(self) -> str:
        """Send the command that places an order for which the automation is; return its id."""
        sale = a_payment(transaction_type="Sale", status="Processed")
        form = a_form(payments=[sale])
        order = an_order(id=fresh(), order_type="Own", status="Unpaid", order_form=form)
        command = PlaceOrder(order_id=order.id, order=order, user="shop", origin="POST /api/Orders")
        await self.wire.send(command, times=2)
        return order.id

    async def moved(self, order_id: str) -> list[str]:
        """Wait until the order has moved on; return what was told of it."""
        query = {"_id": order_id, "order.status": "Paid"}
        await until(lambda: self.db["orders"].find_one(query), within=LONG)
        found = await self.wire.wait_for(EVENTS, lambda one: one.key == order_id, count=2)
        return [one.type for one in found]

    async def run(self) -> Bson:
        """Return the last run."""
        return await self.db["scheduled_runs"].find_one({}) or {"number": 0}

    async def ended(self, number: int) -> None:
        """Wait until this run, or a later one, has ended."""
        query = {"number": {"$gte": number}, "hasEnded": True}
        await until(lambda: self.db["scheduled_runs"].find_one(query), within=LONG)

    async def is_at_rest(self) -> bool:
        """Say whether nothing is left that could begin a run, or go on with one."""
        waiting = [await self.db[one].find_one({}) for one in ("timers", "workflow_calls")]
        return waiting == [None, None] and (await self.run())["hasEnded"] is True

    def announced(self) -> dict[UUID, int]:
        """Return the numbers of the runs that the one before has announced, by the message."""
        return {
            one.id: from_json(one.data)["number"]
            for one in self.of_automations()
            if one.type == "orders.run_automations" and one.causation_id is not None
        }

    def of_automations(self) -> list[Envelope]:
        """Return the commands that nobody gave."""
        kinds = {"orders.run_automations", "orders.automate_order"}
        return [one for one in self.wire.on(COMMANDS) if one.type in kinds]


@pytest.fixture
async def automated(
    settings: ChassisSettings, wire: Wire, db: Database
) -> AsyncIterator[Automated]:
    """Automations that begin from nothing, and leave nothing behind."""
    yield Automated(settings, wire, db, MovableClock())
    for collection in ("settings", "timers", "scheduled_runs", "orders"):
        await db[collection].delete_many({})


class TestTheChain:
    async def test_is_one_however_many_processes_begin_it_and_start_again(
        self, automated: Automated
    ) -> None:
        await automated.configure(1, seconds=1)

        async with automated.process(), automated.process():
            first = await automated.moved(await automated.paid())
            before = (await automated.run())["number"]
        async with automated.process():
            second = await automated.moved(await automated.paid())
            await automated.ended(before + 3)

        assert first == second == ["order.created", "order.status_changed"]
        numbers = Counter(automated.announced().values())
        assert set(numbers.values()) == {1}
        assert set(range(2, before + 4)) <= set(numbers)
        assert all(one.correlation_id == str(one.id) for one in automated.of_automations())
        assert await automated.db["dead_letters"].find({}).to_list(None) == []

    async def test_goes_by_a_new_interval_and_is_begun_anew_when_it_was_lost(
        self, automated: Automated
    ) -> None:
        await automated.configure(1, seconds=7200)

        async with automated.process():
            await automated.ended(1)
            late = await automated.paid()
            automated.clock.advance(HOUR)
            await automated.configure(2, seconds=1800)
            await automated.moved(late)
            await automated.ended(2)
            # As if the next message had become a dead letter.
            await automated.db["timers"].delete_many({})
            lost = await automated.paid()
            automated.clock.advance(HOUR)
            await automated.moved(lost)

        assert (await automated.run())["number"] == 3

    async def test_ends_when_there_are_no_automations_any_more(self, automated: Automated) -> None:
        await automated.configure(1, seconds=1)

        async with automated.process():
            await automated.ended(2)
            await automated.configure(2, seconds=1, automations=())
            await until(automated.is_at_rest, within=LONG)
            last = (await automated.run())["number"]
            automated.clock.advance(HOUR)
            await automated.configure(3, seconds=1)
            await automated.ended(last + 1)


class TestOrdersBehind:
    async def test_are_the_oldest_first_page_by_page_without_those_that_a_run_holds(
        self, automated: Automated
    ) -> None:
        ages = {"e": 0, "d": 1, "b": 2, "c": 2, "a": 3, "held": 1, "other": 1}
        run = Run(id="r", command_id="c", status="Unpaid", since=NOW, user="u", origin="o")
        documents = [
            OrderDocument(
                id=id_,
                order=an_order(
                    id=id_,
                    order_type="Own",
                    status="unpaid" if id_ != "other" else "Paid",
                    created=NOW + timedelta(seconds=age),
                ),
                run=run if id_ == "held" else None,
            )
            for id_, age in ages.items()
        ]
        await automated.db["orders"].insert_many(
            [one.to_bson() | {"revision": 1} for one in documents]
        )

        pages: list[list[str]] = []
        position: Position | None = None
        while not pages or pages[-1]:
            found = await orders_behind(
                automated.db, PAID, position, most=3, now=NOW, configuration=DEFAULT
            )
            pages.append([one.id for one in found])
            if found:
                last = found[-1]
                assert last.order.created is not None
                position = Position(automation=PAID, at=last.order.created, order_id=last.id)

        assert pages == [["e", "d", "b"], ["c", "a"], []]


class TestOrdersWaiting:
    async def in_line(self, automated: Automated, waits: Mapping[str, int | None]) -> None:
        """Store orders of which one line waits since so many seconds after NOW; None: not at all.

        A run holds the order "held".
        """
        run = Run(id="r", command_id="c", status="New", since=NOW, user="u", origin="o")
        documents = [
            OrderDocument(
                id=id_,
                order=an_order(id=id_),
                run=run if id_ == "held" else None,
                shortage=None
                if since is None
                else Shortage(since=NOW + timedelta(seconds=since), lines=("1",)),
            )
            for id_, since in waits.items()
        ]
        await prepare(automated.db)
        await automated.db["orders"].insert_many(
            [one.to_bson() | {"revision": 1} for one in documents]
        )

    async def test_stand_in_line_by_how_long_they_wait_those_of_a_run_too(
        self, automated: Automated
    ) -> None:
        waits = {"e": 0, "d": 1, "b": 2, "c": 2, "a": 3, "held": 1, "full": None}
        await self.in_line(automated, waits)

        pages: list[list[str]] = []
        position: Position | None = None
        while not pages or pages[-1]:
            found = await orders_waiting(automated.db, position, most=3)
            pages.append([one.id for one in found])
            for one in found:
                assert one.shortage is not None
                position = Position(at=one.shortage.since, order_id=one.id)

        assert pages == [["e", "d", "held"], ["b", "c", "a"], []]

    async def test_begin_the_chain_when_there_are_any_and_the_task_is_on(
        self, automated: Automated
    ) -> None:
        off = DEFAULT.model_copy(update={"scheduled_tasks": ()})
        nobody = await missing_runs(automated.db, NOW, DEFAULT)

        await self.in_line(automated, {"full": None})
        still_nobody = await missing_runs(automated.db, NOW, DEFAULT)
        await self.in_line(automated, {"a": 0})
        begun = await missing_runs(automated.db, NOW, DEFAULT)

        assert (nobody, still_nobody) == ([], [])
        assert begun == [RunReservations(number=1)]
        assert await missing_runs(automated.db, NOW, off) == []


class TestOrdersBefore:
    async def test_are_the_oldest_first_hidden_ones_too_without_those_that_a_run_holds(
        self, automated: Automated
    ) -> None:
        ages = {"e": 5, "d": 4, "b": 3, "c": 3, "a": 2, "held": 4, "young": 0}
        run = Run(id="r", command_id="c", status="New", since=NOW, user="u", origin="o")
        documents = [
            OrderDocument(
                id=id_,
                order=an_order(
                    id=id_,
                    status="Deleted" if id_ in {"d", "b"} else "New",
                    created=NOW - timedelta(days=age),
                ),
                version=7,
                run=run if id_ == "held" else None,
            )
            for id_, age in ages.items()
        ]
        await automated.db["orders"].insert_many(
            [one.to_bson() | {"revision": 1} for one in documents]
        )

        pages: list[list[Old]] = []
        position: Position | None = None
        while not pages or pages[-1]:
            since = NOW - timedelta(days=1)
            found = await orders_before(automated.db, since, position, most=3)
            pages.append(found)
            for one in found:
                position = Position(at=one.created, order_id=one.order_id)

        names = [[one.order_id for one in page] for page in pages]
        assert names == [["e", "d", "b"], ["c", "a"], []]
        assert pages[0][0] == Old("e", 7, NOW - timedelta(days=5))
