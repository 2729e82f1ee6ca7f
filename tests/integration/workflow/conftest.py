"""The workflow service on the real Kafka and MongoDB; the services it asks are scripted."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic_core import from_json

from contracts.history import unpacked
from contracts.messages.orders import EVENTS, PlaceOrder, UpdateOrderStatus
from contracts.messages.replies import REPLIES
from contracts.order import Order
from contracts.settings import Configuration
from services.chassis.clock import MovableClock
from services.chassis.configuration import DOCUMENT
from services.chassis.mongo import Bson, Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.workflow.app import service
from services.workflow.settings import Settings
from tests.harness import Wire, database, running, until
from tests.integration.workflow.others import Others

Json = Any  # Any: JSON, for tests to look into


@dataclass
class Workflow:
    """What tests do to the workflow, each message twice, and what they find."""

    service: Service
    wire: Wire
    others: Others
    db: Database
    clock: MovableClock

    async def place(self, order: Order) -> UUID:
        """Send the command that places the order; return its id."""
        command = PlaceOrder(order_id=order.id, order=order, user="shop", origin="POST /api/Orders")
        return await self.wire.send(command, reply_to=1, times=2)

    async def enter(
        self, order_id: str, status: str, *, id: UUID | None = None, skip: bool = False
    ) -> UUID:
        """Send the command that makes the order enter the status; return its id."""
        command = UpdateOrderStatus(
            order_id=order_id,
            status=status,
            skip_run_workflow=skip,
            user="shop",
            origin="POST /api/Orders/{orderId}/UpdateStatus",
        )
        return await self.wire.send(command, id=id, reply_to=1, times=2)

    async def reply(self, command: UUID) -> Json:
        """Wait for the answer to a command."""
        (found, *_) = await self.wire.wait_for(
            REPLIES, lambda one: one.key == str(command) and b'"statusCode":202' not in one.data
        )
        return from_json(found.data)

    async def placed(self, order: Order) -> Json:
        """Place an order and return the answer."""
        return await self.reply(await self.place(order))

    async def entered(self, order_id: str, status: str, *, skip: bool = False) -> Json:
        """Make the order enter the status and return the answer."""
        return await self.reply(await self.enter(order_id, status, skip=skip))

    async def stored(self, order_id: str) -> Bson:
        """Return the order's document."""
        found = await self.db["orders"].find_one({"_id": order_id})
        assert found is not None
        return found

    async def waiting(self, order_id: str, step: str) -> None:
        """Return when the order's run waits for the step."""

        async def found() -> bool:
            query = {"_id": order_id, "run.waitingFor": step}
            return await self.db["orders"].find_one(query) is not None

        await until(found)

    async def versions(self, order_id: str) -> list[Bson]:
        """Return the order's history, the oldest version first."""
        found = self.db["order_versions"].find({"orderId": order_id}).sort("_id", 1)
        return await found.to_list(None)

    async def events(self, order_id: str, last: int) -> list[Json]:
        """Wait for the event of this sequence; return all of the order.

        What is kept as its history must be the same.
        """
        found = await self.wire.wait_for(EVENTS, lambda one: one.key == order_id, count=last)
        assert [one.sequence for one in found] == list(range(1, last + 1))
        kept = await self.versions(order_id)
        assert [one["version"] for one in kept] == list(range(1, last + 1))
        version = None
        for envelope, stored in zip(found, kept, strict=True):
            version = unpacked(stored, version)
            assert version is not None
            assert envelope.data == version.event
            assert from_json(envelope.data)["order"] == from_json(version.order)
            assert envelope.type == stored["type"]
        return [from_json(one.data) for one in found]

    async def configure(self, **changes: object) -> None:
        """Put other settings in force."""
        before = self.service.watched.current
        version = before.version + 1
        after = before.model_copy(update={**changes, "version": version})
        assert isinstance(after, Configuration)
        await self.db["settings"].replace_one(
            {"_id": DOCUMENT},
            {"version": version, "json": after.model_dump_json(by_alias=True)},
            upsert=True,
        )
        await until(lambda: self.service.watched.current.version == version)


def fresh() -> str:
    """Return an order id that no other test uses."""
    return f"ORD-{uuid4().hex[:10]}"


@pytest.fixture(scope="module")
async def db(settings: ChassisSettings) -> AsyncIterator[Database]:
    async with database(settings) as db:
        yield db


@pytest.fixture(scope="module")
async def others(wire: Wire) -> AsyncIterator[Others]:
    async with running(Others(wire)) as others:
        yield others


@pytest.fixture(scope="module")
async def workflow(
    settings: ChassisSettings, wire: Wire, others: Others, db: Database
) -> AsyncIterator[Workflow]:
    clock = MovableClock()
    ours = Settings(**settings.model_dump())
    async with running(service(ours, clock=clock, retry_delays=(0.1, 0.1))) as running_service:
        yield Workflow(running_service, wire, others, db, clock)
        assert await db["dead_letters"].find({}, {"reason": 1}).to_list(None) == []
        # A deadline is a timer of the run: none outlives the last one.
        assert await db["timers"].find({}, {"at": 1}).to_list(None) == []
