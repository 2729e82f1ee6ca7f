"""Kafka or MongoDB dies, freezes, changes its mind: work waits, and nothing is lost or doubled.

These tests have a stack of their own, because nobody else could bear what they do to it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from pymongo.errors import PyMongoError

from contracts.message import derived
from deploy.local.stack import Stack
from services.chassis.kafka import Producer
from services.chassis.mongo import Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, running, until
from tests.integration.chassis.process import process
from tests.integration.chassis.seen import (
    a_counter,
    committed,
    counter,
    events,
    left_once,
    nothing_is_owed,
)
from tests.toy import Add

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the embedded stack runs on Linux only"
)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack that may be hurt, whose mongod fails on demand."""
    stack = Stack(
        tmp_path_factory.mktemp("stack"),
        progress=print,
        mongo_arguments=["--setParameter=enableTestCommands=1"],
    )
    await stack.start()
    yield stack
    await stack.stop()


@pytest.fixture(scope="module")
async def settings(stack: Stack) -> ChassisSettings:
    """The environment of a service on that stack."""
    return ChassisSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        mongo_url=stack.mongo_url,
        mongo_database="outages",
        topic_prefix="outages.",
        partitions=4,
    )


@pytest.fixture
async def service(settings: ChassisSettings) -> AsyncIterator[Service]:
    """The toy, on that stack."""
    async with running(toy.service(settings, retry_delays=(0.2,))) as service:
        yield service


@asynccontextmanager
async def under_load(wire: Wire, mongo: Database) -> AsyncIterator[None]:
    """Add to counters for the length of the block; then see that all of it is there."""
    names, enough = [a_counter() for _ in range(10)], asyncio.Event()

    async def load() -> int:
        rounds = 0
        while not enough.is_set():
            adding = [wire.sealed(Add(counter=one, amount=rounds)) for one in names]
            await wire.producer.send(adding, patience=3.0)
            rounds += 1
            await asyncio.sleep(0.02)  # a load, not a flood
        return rounds

    loading = asyncio.create_task(load())
    await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=20)
    yield
    enough.set()
    rounds = await loading
    total = rounds * len(names)
    await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=total, within=60)
    assert [await counter(mongo, name) for name in names] == [[*range(rounds)]] * len(names)
    assert all(left_once(events(wire, name), rounds) for name in names)
    await nothing_is_owed(mongo)


async def fails(mongo: Database, times: int, **data: object) -> None:
    """Let the next commands of some kind fail on the server."""
    await mongo.client.admin.command(
        {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data}
    )


class TestKafka:
    async def test_may_be_killed(
        self, stack: Stack, service: Service, wire: Wire, mongo: Database
    ) -> None:
        """Guards "broker restart": the producer waits and is replaced, offsets wait, and the
        health page says so."""
        async with under_load(wire, mongo):
            os.kill(stack.kafka_pid, signal.SIGKILL)
            kafka = service.checks()["kafka"]
            away = await _fails(kafka)
            await until(stack.restart_dead)

        assert away
        assert await kafka()

    async def test_may_call_the_producer_out_of_sequence(
        self, service: Service, wire: Wire, mongo: Database
    ) -> None:
        """Guards "idempotent producer that became fatal is replaced" (aiokafka issue 1017): its
        sequence numbers are moved, so that the broker refuses them for good."""
        before = _inner(service.producer)
        async with under_load(wire, mongo):
            numbers = before._txn_manager._sequence_numbers  # noqa: SLF001 - that is the fault
            for partition in numbers:
                numbers[partition] += 7
            await until(lambda: _inner(service.producer) not in {None, before})

        assert before._closed  # noqa: SLF001 - nothing goes on trying

    async def test_may_leave_a_producer_without_a_connection(
        self, settings: ChassisSettings, wire: Wire
    ) -> None:
        """Guards the same for a producer that hangs: its time runs out, and another one sends."""
        producer = Producer(settings)
        async with running(producer):
            await _inner(producer).client.close()
            rung = wire.sealed(toy.Rung(lane=a_counter(), number=1))

            await producer.send([rung], patience=1.0)

            await wire.wait_for(toy.EVENTS, lambda event: event.id == rung.id)


class TestMongo:
    async def test_may_be_killed(
        self, stack: Stack, service: Service, wire: Wire, mongo: Database
    ) -> None:
        """Guards "mongod restart": batches wait under the names of their errors."""
        async with under_load(wire, mongo):
            os.kill(stack.mongo_pid, signal.SIGKILL)
            await until(stack.restart_dead)

        assert await service.checks()["mongo"]()

    async def test_may_step_down(self, service: Service, wire: Wire, mongo: Database) -> None:
        """Guards "primary step-down": no primary for a second, and connections that break."""
        async with under_load(wire, mongo):
            await mongo.client.admin.command(
                {"replSetStepDown": 1, "secondaryCatchUpPeriodSecs": 0, "force": True}
            )

            async def is_primary_again() -> bool:
                try:
                    hello = await mongo.client.admin.command("hello")
                except PyMongoError:
                    return False
                return bool(hello["isWritablePrimary"])

            await until(is_primary_again, within=30)

        assert await service.checks()["mongo"]()

    @pytest.mark.parametrize(
        "failure",
        [
            pytest.param(
                {
                    "failCommands": ["insert"],
                    "errorCode": 112,
                    "errorLabels": ["TransientTransactionError"],
                },
                id="transient within",
            ),
            pytest.param(
                {
                    "failCommands": ["commitTransaction"],
                    "errorCode": 251,
                    "errorLabels": ["TransientTransactionError"],
                },
                id="transient at the commit",
            ),
            pytest.param(
                {"failCommands": ["insert", "update"], "closeConnection": True},
                id="connection lost within",
            ),
            pytest.param(
                {"failCommands": ["commitTransaction"], "closeConnection": True},
                id="connection lost at the commit",
            ),
            pytest.param(
                {
                    "failCommands": ["commitTransaction"],
                    "writeConcernError": {"code": 64, "errmsg": "waiting timed out"},
                },
                id="committed but not known to be",
            ),
            pytest.param(
                {
                    "failCommands": ["commitTransaction"],
                    "writeConcernError": {"code": 50, "errmsg": "operation exceeded time limit"},
                },
                id="committed and the driver gives up",
            ),
            pytest.param(
                {"failCommands": ["commitTransaction"], "errorCode": 50},
                id="the driver gives up",
            ),
            pytest.param({"failCommands": ["find"], "closeConnection": True}, id="at the reading"),
            pytest.param({"failCommands": ["delete"], "closeConnection": True}, id="at settling"),
        ],
    )
    async def test_may_fail_in_every_way_that_the_driver_names(
        self,
        service: Service,  # noqa: ARG002 - it has to run
        wire: Wire,
        mongo: Database,
        failure: dict[str, Any],  # Any: a document of MongoDB
    ) -> None:
        """Guards "TransientTransactionError, UnknownTransactionCommitResult handled as the driver's
        documentation says": again from the start, or the commit again, or a look at the marks."""
        name = a_counter()
        sent = [wire.sealed(Add(counter=name, amount=n), reply_to=1) for n in range(5)]
        await fails(mongo, 1 if failure.get("closeConnection") else 3, **failure)

        await wire.producer.send(sent)

        await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=5)
        assert await counter(mongo, name) == [*range(5)]
        assert {event.id for event in events(wire, name)} == {derived(one.id, 1) for one in sent}
        await nothing_is_owed(mongo)
        await mongo.client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

    async def test_may_freeze_without_filling_the_memory(
        self, stack: Stack, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "back-pressure when MongoDB is slow (no unbounded memory)", and the health page,
        which says 503 while MongoDB is away and lives on."""
        names = [a_counter() for _ in range(50)]
        before = sum((await committed(settings)).values())
        async with process(settings) as toy_process, aiohttp.ClientSession() as session:
            await toy_process.is_ready()
            os.kill(stack.mongo_pid, signal.SIGSTOP)
            try:
                at_first = toy_process.memory
                for amount in range(160):
                    await wire.producer.send(
                        [
                            wire.sealed(Add(counter=name, amount=amount, note="x" * 1000))
                            for name in names
                        ]
                    )
                async with session.get(f"{toy_process.url}/health/ready") as answer:
                    ready, told = answer.status, await answer.json()
                async with session.get(f"{toy_process.url}/health/live") as answer:
                    live = answer.status
                grown = toy_process.memory - at_first
            finally:
                os.kill(stack.mongo_pid, signal.SIGCONT)

            async def caught_up() -> bool:
                return sum((await committed(settings)).values()) == before + 8_000

            await until(caught_up, within=60)

        assert (ready, live) == (503, 200)
        assert told["parts"] == {"mongo": "TimeoutError", "kafka": "ok", "consumer": "ok"}
        assert grown < 60
        assert [await counter(mongo, name) for name in names] == [[*range(160)]] * 50


def _inner(producer: Producer) -> Any:  # noqa: ANN401 - aiokafka publishes no types
    return producer._producer  # noqa: SLF001 - nothing else shows that it was replaced


async def _fails(check: Any) -> bool:  # noqa: ANN401 - a check of health.py
    try:
        async with asyncio.timeout(2):
            return not await check()
    except Exception:  # noqa: BLE001 - as health.report sees it
        return True
