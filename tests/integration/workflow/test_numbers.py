"""Numbers of orders under fire: no gap and no twin, wherever the process dies."""

import asyncio
import os
import signal
import sys
from uuid import uuid4

import pytest
from pydantic_core import from_json

from contracts.messages.orders import EVENTS, Numbering, PlaceNumberedOrder
from contracts.messages.replies import REPLIES
from contracts.order import NewOrder
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.workflow.app import service
from services.workflow.settings import Settings
from tests.harness import Wire, running

_RUN = """
import asyncio
from services.workflow.app import service
from services.workflow.settings import Settings
asyncio.run(service(Settings.from_environment()).run())
"""


def a_command(sequence: str) -> PlaceNumberedOrder:
    return PlaceNumberedOrder(
        command_id=uuid4().hex,
        order=NewOrder(market_id="NOR", store_id="Oslo", order_type="Pos"),
        numbering=Numbering(sequence=sequence, prefix=f"{sequence}-", start=100),
        user="shop",
        origin="PUT /api/Orders",
    )


class TestAProcessThatDies:
    @pytest.mark.parametrize("point", ["after_read", "after_commit", "during_produce"])
    async def test_leaves_no_gap_and_no_twin(
        self, settings: ChassisSettings, wire: Wire, db: Database, point: str
    ) -> None:
        # Whoever comes after a dead process takes its place at once.
        ours = Settings(**settings.model_dump() | {"instance": "only"})
        sequence = f"s{uuid4().hex[:8]}"
        commands = [wire.sealed(a_command(sequence), reply_to=1) for _ in range(8)]
        async with running(service(ours)):
            await wire.producer.send(commands[:2] * 2)
            await wire.wait_for(EVENTS, lambda one: one.key.startswith(sequence), count=2)

        await wire.producer.send(commands[2:] * 2)
        dying = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _RUN,
            env={
                **os.environ,
                "KONTOR_MONGO_DATABASE": settings.mongo_database,
                "KONTOR_TOPIC_PREFIX": settings.topic_prefix,
                "KONTOR_PARTITIONS": str(settings.partitions),
                "KONTOR_INSTANCE": "only",
                "KONTOR_CRASH_AT": f"{point}:1",
            },
            stdout=asyncio.subprocess.DEVNULL,
        )
        died = await asyncio.wait_for(dying.wait(), 60)
        async with running(service(ours)):
            ids = {str(command.id) for command in commands}
            answers = await wire.wait_for(
                REPLIES, lambda one: one.key in ids, count=len(ids), within=60
            )
            events = await wire.wait_for(
                EVENTS, lambda one: one.key.startswith(sequence), count=len(ids), within=60
            )

        assert died == -signal.SIGKILL
        expected = [f"{sequence}-{number}" for number in range(100, 108)]
        stored = db["orders"].find({"_id": {"$regex": f"^{sequence}-"}}, {"order.orderNumber": 1})
        numbers = [one["order"]["orderNumber"] for one in await stored.to_list(None)]
        assert sorted(numbers) == expected
        told = {one.key: from_json(one.data)["orderId"] for one in answers}
        assert sorted(told.values()) == expected
        assert sorted(one.key for one in events) == expected
        kept = await db["numbers"].find_one({"_id": sequence})
        assert kept is not None
        assert kept["last"] == 107
