"""Calls to the outside: made after the commit, in lanes, and whoever hangs hurts only himself."""

import asyncio
from datetime import timedelta

from prometheus_client import REGISTRY

from contracts.message import derived
from services.chassis import targets
from services.chassis.calls import Limits
from services.chassis.clock import MovableClock
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, running, until
from tests.integration.chassis.seen import a_counter, nothing_is_owed
from tests.integration.chassis.world import World, no_call_is_left, promise
from tests.toy import Add


class TestLane:
    async def test_is_called_in_the_order_of_its_promises_and_tells_once(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "lanes keep their order" without trouble, and that an outcome is told once."""
        world, names = World(), [a_counter() for _ in range(20)]
        async with running(toy.service(settings, gateways=[world.gateway()])):
            await promise(wire, names, "shop", range(10))
            await wire.wait_for(
                toy.EVENTS, lambda e: e.key in names and e.type == "toy.rung", count=200
            )
            await no_call_is_left(mongo)
            await nothing_is_owed(mongo)

        assert [world.rung[name] for name in names] == [[*range(10)]] * 20
        assert max(world.most_at_once[name] for name in names) == 1
        assert all(attempts == [1] for attempts in world.keys.values())

    async def test_keeps_its_order_when_calls_fail_or_break(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the same under failures: what stands behind a call that waits for its next
        attempt waits with it, and every attempt has the same key."""
        world, names, clock = World(), [a_counter() for _ in range(10)], MovableClock()
        world.fails.add("moody")
        world.breaks = {3}
        async with running(toy.service(settings, gateways=[world.gateway()], clock=clock)):
            await promise(wire, names, "moody", range(5))
            await until(lambda: len(world.keys) == 10 and max(map(len, world.keys.values())) > 1)
            world.fails.clear()

            async def all_rung() -> bool:
                clock.advance(timedelta(seconds=31))  # a gateway that breaks is left for 30 s
                return all(len(world.rung[name]) == 5 for name in names)

            await until(all_rung, within=30)
            await no_call_is_left(mongo)

        assert [world.rung[name] for name in names] == [[*range(5)]] * 10
        assert max(world.most_at_once[name] for name in names) == 1
        assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in world.keys.values())


class TestTarget:
    async def test_that_hangs_slows_nobody_else(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "a target that hangs slows nothing else": more calls than a process may hold
        hang, and the others are made at once; its own concurrency stays as it is limited."""
        world = World()
        world.hangs.add("hanging")
        stuck, well = [a_counter() for _ in range(700)], [a_counter() for _ in range(50)]
        gateway = world.gateway(Limits(concurrency=7))
        async with running(toy.service(settings, gateways=[gateway])):
            await promise(wire, stuck, "hanging", range(1))
            await until(lambda: world.at_once["hanging"] == 7)

            await promise(wire, well, "prompt", range(4))
            await until(lambda: all(len(world.rung[name]) == 4 for name in well), within=10)
            still_hanging = world.at_once["hanging"], world.most_at_once["hanging"]
            world.released.set()
            await no_call_is_left(mongo, target="hanging")

        assert still_hanging == (7, 7)
        assert all(world.rung[name] == [0] for name in stuck)

    async def test_bears_no_more_calls_a_second_than_it_may(
        self, settings: ChassisSettings, wire: Wire
    ) -> None:
        """Guards the rate of a target."""
        world, names = World(), [a_counter() for _ in range(40)]
        loop = asyncio.get_running_loop()
        gateway = world.gateway(Limits(rate=20))
        async with running(toy.service(settings, gateways=[gateway])):
            began = loop.time()
            await promise(wire, names, "slow", range(1))
            await until(lambda: all(world.rung[name] for name in names))

        assert loop.time() - began > 0.9  # the first twenty at once, the others in a second

    async def test_that_fails_is_left_alone_until_a_probe_succeeds(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "the circuit opens and closes": ten failures over three lanes open it, then one
        probe comes after two seconds, and the first success wakes what waits."""
        world, names = World(), [a_counter() for _ in range(30)]
        world.fails.add("down")
        loop = asyncio.get_running_loop()
        before = open_circuits()  # another test of this process may have ended with one
        async with running(toy.service(settings, gateways=[world.gateway()])):
            await promise(wire, names, "down", range(2))
            await until(lambda: open_circuits() == before + 1)
            opened = loop.time()
            await until(lambda: world.at_once["down"] == 0)
            world.fails.clear()
            await until(lambda: any(world.rung.values()))
            probed = loop.time()
            await until(lambda: all(len(world.rung[name]) == 2 for name in names), within=10)
            still_open = open_circuits()
            await no_call_is_left(mongo)

        assert probed - opened > targets.PROBE_FIRST - 0.2
        assert still_open == before
        assert [world.rung[name] for name in names] == [[0, 1]] * 30


def open_circuits() -> float:
    return REGISTRY.get_sample_value("kontor_circuits_open") or 0


class TestPromise:
    async def test_is_kept_only_if_its_message_was_handled(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "written in the same transaction": a repeat promises nothing anew."""
        world, name = World(), a_counter()
        async with running(toy.service(settings, gateways=[world.gateway()])):
            id_ = await wire.send(Add(counter=name, call="shop"), times=3)
            await wire.send(Add(counter=name, mood="bad", call="shop"))
            await until(lambda: world.rung[name])
            await no_call_is_left(mongo)

        assert dict(world.keys) == {derived(id_, 1): [1]}
