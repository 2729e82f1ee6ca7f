"""Several processes make the calls of one service: leases keep them out of each other's way."""

import asyncio
import signal
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from services.chassis.clock import MovableClock
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, running, until
from tests.integration.chassis.process import process
from tests.integration.chassis.seen import a_counter, counters_everywhere, events, nothing_is_owed
from tests.integration.chassis.world import World, no_call_is_left, promise
from tests.toy import Add

LEASE = timedelta(seconds=61)


async def rings(mongo: Database, lane: str) -> list[dict[str, Any]]:  # Any: documents
    return await mongo["rings"].find({"lane": lane}).to_list(None)


def in_its_place(settings: ChassisSettings) -> ChassisSettings:
    """Return the environment of a process to which Kafka gives its partitions back at once."""
    return settings.model_copy(update={"instance": "only"})


class TestLane:
    async def test_keeps_its_order_while_it_changes_hands(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "lanes keep their order with two processes" under failures and rebalances."""
        world, names = World(), counters_everywhere(settings, 3)
        world.fails_now_and_then = 97
        enough = asyncio.Event()

        async def promises() -> int:
            rounds = 0
            while not enough.is_set():
                await promise(wire, names, "shop", [rounds])
                rounds += 1
                await asyncio.sleep(0.1)  # the load goes on while partitions move
            return rounds

        async with (
            running(toy.service(settings, gateways=[world.gateway()])) as one,
            asyncio.TaskGroup() as tasks,
        ):
            promising = tasks.create_task(promises())
            async with running(toy.service(settings, gateways=[world.gateway()])) as other:
                await until(lambda: len(other.consumer.positions) == 2, within=30)
            await until(lambda: len(one.consumer.positions) == 4, within=30)
            enough.set()
            rounds = await promising
            await until(lambda: all(len(world.rung[name]) == rounds for name in names), within=40)
            await no_call_is_left(mongo)
            await nothing_is_owed(mongo)

        assert [world.rung[name] for name in names] == [[*range(rounds)]] * 12
        assert max(world.most_at_once[name] for name in names) == 1

    async def test_keeps_its_order_though_the_next_process_has_another_time(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the same where clocks differ: places in a lane are MongoDB's time."""
        name, world, ahead = a_counter(), World(), MovableClock()
        ahead.advance(timedelta(seconds=3))
        world.fails.add("shop")
        one = toy.service(settings, gateways=[world.gateway()], clock=ahead)
        async with running(one):
            await promise(wire, [name], "shop", [0])
            await until(lambda: world.keys, within=30)
        world.fails.clear()

        async with running(toy.service(settings, gateways=[world.gateway()])):
            await promise(wire, [name], "shop", [1])
            await until(lambda: len(world.rung[name]) == 2, within=30)
            await no_call_is_left(mongo)

        assert world.rung[name] == [0, 1]


class TestLease:
    async def test_of_a_process_that_was_killed_is_taken_over_with_the_same_key(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "a process killed between the call and its record repeats it with the same key":
        at once on the same machine, where it can be seen that the process is gone."""
        name = a_counter()
        async with process(settings, instance="only", KONTOR_CRASH_AT="after_call") as first:
            await first.is_ready()
            await wire.send(Add(counter=name, call="shop"))
            assert await first.ends() == -signal.SIGKILL

        heir = toy.service(in_its_place(settings), gateways=[toy.bells(mongo)])
        async with running(heir):
            await wire.wait_for(toy.EVENTS, lambda e: _rung(e.type, e.key, name))
            await no_call_is_left(mongo)

        made = await rings(mongo, name)
        assert len(made) == 2
        assert len({one["key"] for one in made}) == 1

    async def test_of_a_process_on_another_machine_is_taken_over_when_it_has_run_out(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "a lease that ran out is taken over", but not before it has."""
        name, clock = a_counter(), MovableClock()
        async with process(settings, instance="only", KONTOR_CRASH_AT="after_call") as first:
            await first.is_ready()
            await wire.send(Add(counter=name, call="shop"))
            assert await first.ends() == -signal.SIGKILL
        await mongo["toy_calls"].update_one({"lane": name}, {"$set": {"owner": "elsewhere/1/ab"}})

        heir = toy.service(in_its_place(settings), clock=clock, gateways=[toy.bells(mongo)])
        async with running(heir):
            too_early = len(await rings(mongo, name))
            clock.advance(LEASE)
            (rung,) = await wire.wait_for(toy.EVENTS, lambda e: _rung(e.type, e.key, name))
            await no_call_is_left(mongo)

        made = await rings(mongo, name)
        assert (too_early, len(made)) == (1, 2)
        assert len({one["key"] for one in made}) == 1
        assert rung.causation_id is not None

    async def test_of_a_process_that_was_frozen_is_lost_to_it(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the same for one that wakes up and wants to record: the call is no longer its
        own, it tells nothing, and goes on."""
        name, clock, world = a_counter(), MovableClock(), World()
        world.hangs.add("shop")
        async with process(
            settings, instance="only", KONTOR_CRASH_AT="after_call:1:SIGSTOP"
        ) as frozen:
            await frozen.is_ready()
            await wire.send(Add(counter=name, call="shop"))
            await until(lambda: frozen.is_frozen)
            clock.advance(LEASE)
            heir = toy.service(in_its_place(settings), clock=clock, gateways=[world.gateway()])
            async with running(heir):
                await until(lambda: world.at_once["shop"])

                frozen.signal(signal.SIGCONT)
                await until(lambda: frozen.said("call.taken_over"))
                still_there = await mongo["toy_calls"].count_documents({"lane": name})
                world.released.set()
                await wire.wait_for(toy.EVENTS, lambda e: _rung(e.type, e.key, name))
                await no_call_is_left(mongo)

        copies = [event for event in events(wire, name) if event.type == "toy.rung"]
        assert (still_there, len(copies)) == (1, 1)
        assert {one["key"] for one in await rings(mongo, name)} == set(world.keys)


class TestMemory:
    async def test_stays_bounded_whatever_waits(
        self, settings: ChassisSettings, mongo: Database
    ) -> None:
        """Guards "memory stays bounded with 100,000 waiting calls": what does not fit waits in
        MongoDB, and does not stand in the way of those whose target answers."""
        async with process(settings) as busy:
            await busy.is_ready()
            at_first = busy.memory

            for part in range(20):
                calls = [_call(f"full-{part}-{n % 500}", "nobody", n) for n in range(5_000)]
                await mongo["toy_calls"].insert_many(calls, ordered=False)
            await mongo["toy_calls"].insert_many([_call(f"free-{n}", "shop", n) for n in range(50)])

            async def made() -> bool:
                return await mongo["rings"].count_documents({"target": "shop", "number": -1}) == 50

            await until(made, within=30)
            await no_call_is_left(mongo, target="shop")
            grown = busy.memory - at_first

        left = await mongo["toy_calls"].count_documents({})
        await mongo["toy_calls"].delete_many({})
        assert left == 100_000
        assert grown < 60


def _rung(kind: str, key: str, name: str) -> bool:
    return kind == "toy.rung" and key == name


def _call(lane: str, target: str, number: int) -> dict[str, object]:
    now = datetime.now(UTC)
    return {
        "_id": uuid4(),
        "kind": "ring",
        "lane": lane,
        "target": target,
        "request": toy.Ring(target=target, lane=lane, number=-1).model_dump_json().encode(),
        "n": number,
        "at": now,
        "owner": None,
        "promised": now,
        "attempt": 0,
        "correlation": "none",
        "trace": None,
        "payload": b"x" * 1_000,
    }
