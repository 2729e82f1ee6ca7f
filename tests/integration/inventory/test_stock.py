"""The inventory service on the real Kafka and MongoDB; every message comes twice."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import pytest

from contracts.messages.inventory import (
    EVENTS,
    STOCK_EVENTS,
    ReduceStock,
    ReleaseStock,
    ReserveStock,
    SetStock,
    StockEvent,
    StockItem,
    StockLine,
    StockUpdateResult,
)
from contracts.messages.orders import COMMANDS, StepFinished, StepStatus
from contracts.messages.replies import REPLIES
from services.chassis.mongo import Bson, Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.inventory import app
from services.inventory.settings import Settings
from tests.harness import Wire, database, running


def a_service(settings: ChassisSettings) -> Service:
    return app.service(Settings(**settings.model_dump()), retry_delays=(0.1, 0.1))


@pytest.fixture(scope="module")
async def db(settings: ChassisSettings) -> AsyncIterator[Database]:
    async with database(settings) as opened:
        yield opened


class Stock:
    """What a test does to one SKU of its own, and what it finds."""

    def __init__(self, wire: Wire, db: Database) -> None:
        self.sku = f"SKU-{uuid4().hex[:8]}"
        self._wire = wire
        self._db = db

    async def put(
        self, inventory: int, warehouse: str = "OSLO", **others: object
    ) -> StockUpdateResult:
        """Set the inventory; return the answer."""
        item = StockItem.model_validate(
            {"sku": self.sku, "warehouse_code": warehouse, "inventory": inventory} | others
        )
        command_id = str(uuid4())
        command = SetStock(command_id=command_id, items=(item,), user="erp")
        id_ = await self._wire.send(command, reply_to=3, times=2)
        (reply, *_) = await self._wire.wait_for(REPLIES, lambda e: e.key == str(id_))
        body = reply.data.split(b'"body":')[1][:-1]
        return StockUpdateResult.model_validate_json(body)

    def line(self, quantity: int, warehouse: str = "OSLO") -> StockLine:
        """Return the line of an order that wants so many."""
        return StockLine(
            line_item_id="1",
            sku=self.sku,
            warehouse_code=warehouse,
            quantity=Decimal(quantity),
            shipment_id="S1",
        )

    async def ask(self, command: ReserveStock | ReleaseStock | ReduceStock) -> StepFinished:
        """Send the command twice; return the answer."""
        id_ = await self._wire.send(command, times=2)
        (found, *_) = await self._wire.wait_for(COMMANDS, lambda e: e.causation_id == str(id_))
        return StepFinished.model_validate_json(found.data)

    async def record(self, warehouse: str = "OSLO") -> Bson:
        """Return the stored record."""
        found = await self._db["stock"].find_one({"_id": f"{self.sku}@{warehouse}"})
        assert found is not None
        return found

    async def ledger(self) -> list[Bson]:
        """Return the movements."""
        return await self._db["stock_transactions"].find({"variant": self.sku}).to_list(None)

    async def held(self) -> Decimal:
        """Return what all orders hold."""
        cursor = self._db["reservations"].find({"lines.sku": self.sku})
        return sum(
            (line["quantity"] for one in await cursor.to_list(None) for line in one["lines"]),
            Decimal(0),
        )

    async def events(self, up_to: int) -> list[StockEvent]:
        """Return the events up to this sequence, in order."""
        key = f"{self.sku}@OSLO"
        found = await self._wire.wait_for(EVENTS, lambda e: e.key == key, count=up_to)
        kinds = {kind.type: kind for kind in STOCK_EVENTS}
        return [kinds[e.type].model_validate_json(e.data) for e in found]


@pytest.fixture
def stock(wire: Wire, db: Database) -> Stock:
    return Stock(wire, db)


def reserve(order_id: str, *lines: StockLine) -> ReserveStock:
    return ReserveStock(order_id=order_id, run_id="R", step=1, lines=lines)


def an_order_id() -> str:
    return f"O-{uuid4().hex[:8]}"


@pytest.fixture(scope="class")
async def service(settings: ChassisSettings) -> AsyncIterator[Service]:
    async with running(a_service(settings)) as service:
        yield service


@pytest.mark.usefixtures("service")
class TestOneService:
    async def test_keeps_the_books_from_the_count_to_the_delivery(self, stock: Stock) -> None:
        order = an_order_id()

        added = await stock.put(10, cost=4.5)
        reserved = await stock.ask(reserve(order, stock.line(3)))
        reduced = await stock.ask(
            ReduceStock(order_id=order, run_id="R", step=2, lines=(stock.line(3),))
        )

        assert (added.updated_count, added.total_count) == (1, 1)
        assert reserved.reserved == {"1": Decimal(3)}
        assert reduced.status is StepStatus.SUCCESS
        assert reduced.costs == {"1": Decimal("4.5")}
        record = await stock.record()
        assert (record["inventory"], record["reservedInventory"]) == (Decimal(7), Decimal(0))
        assert [
            (entry["transactionType"], entry["newInventory"], entry["newReservedInventory"])
            for entry in await stock.ledger()
        ] == [
            ("Set", Decimal(10), Decimal(0)),
            ("Reserved", Decimal(10), Decimal(3)),
            ("Reduced", Decimal(7), Decimal(0)),
        ]

    async def test_tells_every_change_once_and_without_a_gap(self, stock: Stock) -> None:
        order = an_order_id()
        await stock.put(10)
        await stock.ask(reserve(order, stock.line(3)))
        await stock.ask(ReleaseStock(order_id=order, run_id="R", step=2))
        await stock.put(12)

        events = await stock.events(4)

        assert [(event.type, event.sequence) for event in events] == [
            ("inventory.updated", 1),
            ("inventory.reserved", 2),
            ("inventory.released", 3),
            ("inventory.updated", 4),
        ]
        assert [event.available_inventory for event in events] == [10, 7, 10, 12]

    async def test_says_which_request_an_event_goes_back_to(self, stock: Stock, wire: Wire) -> None:
        await stock.put(10)
        command = reserve(an_order_id(), stock.line(3))

        id_ = await wire.send(command)

        (event,) = await wire.wait_for(EVENTS, lambda e: e.causation_id == str(id_))
        assert event.key == f"{stock.sku}@OSLO"
        assert event.correlation_id == str(id_)

    async def test_skips_what_is_unchanged(self, stock: Stock) -> None:
        await stock.put(10)

        again = await stock.put(10)

        assert (again.is_modified, again.unchanged_count) == (False, 1)
        assert (await stock.record())["revision"] == 1

    async def test_takes_out_of_stock_only_once(self, stock: Stock) -> None:
        order = an_order_id()
        await stock.put(10)
        command = ReduceStock(order_id=order, run_id="R", step=2, lines=(stock.line(3),))
        await stock.ask(command)

        again = await stock.ask(command)

        assert again.status is StepStatus.WARNING
        assert (await stock.record())["inventory"] == Decimal(7)

    async def test_warns_of_a_sku_that_nobody_knows(self, stock: Stock) -> None:
        answer = await stock.ask(reserve(an_order_id(), stock.line(3)))

        assert answer.status is StepStatus.WARNING
        assert answer.reason == f"not enough stock: {stock.sku} (0 of 3)"

    async def test_moves_a_reservation_to_another_warehouse(self, stock: Stock) -> None:
        order = an_order_id()
        await stock.put(10)
        await stock.put(10, "BERGEN")
        await stock.ask(reserve(order, stock.line(3)))

        answer = await stock.ask(reserve(order, stock.line(3, "BERGEN")))

        assert answer.reserved == {"1": Decimal(3)}
        assert (await stock.record())["reservedInventory"] == Decimal(0)
        assert (await stock.record("BERGEN"))["reservedInventory"] == Decimal(3)

    async def test_undoes_a_reservation_that_was_just_made(self, stock: Stock, wire: Wire) -> None:
        order = an_order_id()
        await stock.put(10)

        await wire.send(reserve(order, stock.line(3)))
        await stock.ask(ReleaseStock(order_id=order, run_id="R", step=2))

        assert (await stock.record())["reservedInventory"] == Decimal(0)
        assert await stock.held() == 0

    async def test_takes_a_thousand_items_at_once(self, wire: Wire, db: Database) -> None:
        mark = uuid4().hex[:8]
        items = tuple(
            StockItem(sku=f"{mark}-{n}", warehouse_code="OSLO", inventory=Decimal(n))
            for n in range(1000)
        )

        id_ = await wire.send(SetStock(command_id="c", items=items, user="erp"), reply_to=3)
        await wire.wait_for(REPLIES, lambda e: e.key == str(id_))

        assert await db["stock"].count_documents({"sku": {"$regex": f"^{mark}"}}) == 1000

    async def test_never_oversells_when_everybody_wants_the_same(
        self, stock: Stock, wire: Wire
    ) -> None:
        await rush(stock, wire, inventory=120, orders=500)

        await assert_all_is_reserved(stock, 120)
        assert (await stock.record())["revision"] < 60


class TestTwoProcesses:
    async def test_never_oversell_the_same_sku(
        self, settings: ChassisSettings, stock: Stock, wire: Wire
    ) -> None:
        async with running(a_service(settings)) as one, running(a_service(settings)) as other:
            await rush(stock, wire, inventory=900, orders=1000)

            await assert_all_is_reserved(stock, 900)
            assert one.consumer.positions  # both have handled something
            assert other.consumer.positions


async def rush(stock: Stock, wire: Wire, *, inventory: int, orders: int) -> None:
    """Let so many orders want one unit each, every message twice, and wait for all answers."""
    await stock.put(inventory)
    envelopes = [wire.sealed(reserve(an_order_id(), stock.line(1))) for _ in range(orders)]
    await asyncio.gather(wire.producer.send(envelopes), wire.producer.send(envelopes))
    causes = {str(envelope.id) for envelope in envelopes}
    answers = await wire.wait_for(
        COMMANDS, lambda e: e.causation_id in causes, count=orders, within=60
    )
    steps = [StepFinished.model_validate_json(answer.data) for answer in answers]
    assert sum(step.reserved["1"] for step in steps) == inventory
    assert sum(step.status is StepStatus.WARNING for step in steps) == orders - inventory


async def assert_all_is_reserved(stock: Stock, inventory: int) -> None:
    record = await stock.record()
    assert record["inventory"] == record["reservedInventory"] == Decimal(inventory)
    assert record["isInStock"] is False
    assert await stock.held() == inventory
    ledger = await stock.ledger()
    assert len(ledger) == inventory + 1
    assert sum(entry["reservedInventoryChange"] for entry in ledger) == inventory
    sequences = [event.sequence for event in await stock.events(record["revision"])]
    assert sequences == list(range(1, record["revision"] + 1))
