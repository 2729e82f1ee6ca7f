"""Time is delayed messages: they come when they are due, once, whoever of us is alive."""

from collections import Counter
from datetime import timedelta

from contracts.message import derived
from services.chassis.clock import MovableClock
from services.chassis.inbox import to_bytes
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.chassis.timers import THOROUGH
from tests import toy
from tests.harness import Wire, running, until
from tests.integration.chassis.seen import a_counter, counter
from tests.toy import Add, Cancel

HOUR = 3600.0


async def wait_there(mongo: Database, count: int) -> None:
    """Wait until so many timers are stored."""

    async def stored() -> bool:
        return await mongo["timers"].count_documents({}) == count

    await until(stored)


class TestTimer:
    async def test_is_sent_when_it_is_due_and_not_before(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "due" and "clock only through the chassis": an hour is a step of the clock, and
        what is due leaves in the order of its times."""
        name, clock = a_counter(), MovableClock()
        async with running(toy.service(settings, clock=clock)):
            for amount, after in ((1, HOUR + 1), (2, HOUR), (3, 3 * HOUR)):
                await wire.send(Add(counter=name, amount=amount, after=after))
            await wait_there(mongo, 3)
            clock.advance(timedelta(hours=1, seconds=2))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=2)
            at_first = await counter(mongo, name)
            clock.advance(timedelta(hours=2))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=3)

            await wait_there(mongo, 0)
        assert at_first == [2, 1]
        assert await counter(mongo, name) == [2, 1, 3]

    async def test_that_is_cancelled_is_never_sent(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "cancelled": also in the batch in which it was set, and harmlessly too late."""
        name, clock = a_counter(), MovableClock()
        delayed = [wire.sealed(Add(counter=name, amount=n, after=HOUR)) for n in (1, 2, 3)]
        timers = [derived(one.id, 1) for one in delayed]
        async with running(toy.service(settings, clock=clock)):
            await wire.producer.send(
                [*delayed[:2], wire.sealed(Cancel(counter=name, timer=timers[0])), delayed[2]]
            )
            await wait_there(mongo, 2)
            await wire.send(Cancel(counter=name, timer=timers[1]))
            await wait_there(mongo, 1)
            clock.advance(timedelta(hours=1, seconds=1))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)

            await wire.send(Cancel(counter=name, timer=timers[2]))
            last = await wire.send(Add(counter=name, amount=4))
            await wire.wait_for(toy.EVENTS, lambda event: event.id == derived(last, 1))
        assert await counter(mongo, name) == [3, 4]

    async def test_outlives_its_process(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "after restart": what came due while nobody was there is sent at once."""
        name, clock = a_counter(), MovableClock()
        async with running(toy.service(settings, clock=clock)):
            await wire.send(Add(counter=name, after=HOUR))
            await wait_there(mongo, 1)
        clock.advance(timedelta(hours=2))

        async with running(toy.service(settings, clock=clock)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)

        assert await counter(mongo, name) == [1]

    async def test_that_was_written_late_is_found_within_a_minute(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the thorough look: others begin where the last one ended."""
        name, clock = a_counter(), MovableClock()
        async with running(toy.service(settings, clock=clock)):
            await wire.send(Add(counter=name, amount=1, after=HOUR))
            await wait_there(mongo, 1)
            clock.advance(timedelta(hours=1, seconds=1))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)
            late = wire.sealed(Add(counter=name, amount=2))

            await mongo["timers"].insert_one(
                {"_id": late.id, "at": clock.now() - timedelta(hours=1), "m": to_bytes(late)}
            )
            clock.advance(THOROUGH)
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=2)

        assert await counter(mongo, name) == [1, 2]

    async def test_has_one_sender_among_many_processes(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "one sender among many processes": the lease, and that another process takes it
        over when its holder stops."""
        names, clock = [a_counter() for _ in range(80)], MovableClock()
        one, two, three = (toy.service(settings, clock=clock) for _ in range(3))
        listening = Wire(settings, topics=(toy.COMMANDS,))
        async with running(listening), running(one), running(two):
            async with running(three):
                await come_due(wire, mongo, clock, names[:40])
                await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=40)
            await come_due(wire, mongo, clock, names[40:])
            await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=80)

        times = Counter(
            sent.id for sent in listening.on(toy.COMMANDS) if sent.causation_id is not None
        )
        assert Counter(times.values())[1] == len(times) >= 80


async def come_due(wire: Wire, mongo: Database, clock: MovableClock, names: list[str]) -> None:
    """Set a timer for each counter, and let all of them become due at once."""
    await wire.producer.send([wire.sealed(Add(counter=name, after=HOUR)) for name in names])
    await wait_there(mongo, len(names))
    clock.advance(timedelta(hours=1, seconds=1))
