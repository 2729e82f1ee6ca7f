"""More work than can be done now: it waits where it is safe, and a stop leaves nothing half-way."""

import signal
from dataclasses import replace
from uuid import uuid4

from services.chassis.mongo import Database
from services.chassis.patience import TOO_MANY_DEAD
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


class TestStop:
    async def test_finishes_the_batch_in_hand(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "graceful stop finishes the batch in hand": after SIGTERM amid a load, what is
        marked is exactly what is committed, all of it has left, and nothing is handled twice."""
        names = [a_counter() for _ in range(30)]
        for amount in range(400):
            await wire.producer.send(
                [wire.sealed(Add(counter=name, amount=amount)) for name in names]
            )
        async with process(settings) as stopped:
            await until(lambda: len(stopped.said("message.handled")) > 100)
            stopped.signal(signal.SIGTERM)
            code = await stopped.ends()

        handled = len(stopped.said("message.handled"))
        offsets = sum((await committed(settings)).values())
        assert code == 0
        assert stopped.said("service.stopped")
        assert 0 < handled < 12_000
        assert (await mongo["toy_inbox"].count_documents({}), offsets) == (handled, handled)
        await nothing_is_owed(mongo)

        async with running(toy.service(settings)):
            await wire.wait_for(toy.EVENTS, lambda e: e.key in names, count=12_000, within=30)
        assert [await counter(mongo, name) for name in names] == [[*range(400)]] * 30
        assert all(left_once(events(wire, name), 400) for name in names)


class TestParking:
    async def test_takes_nothing_more_while_too_much_waits(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "no unbounded memory" for messages that wait behind a failed one: beyond a bound
        nothing is read, and later all of it is handled in its order."""
        name = a_counter()
        before = sum((await committed(settings)).values())
        service = toy.service(settings, retry_delays=(0.5,) * 100)
        async with running(service):
            await wire.send(Add(counter=name, amount=0, mood="weak"))
            await until(lambda: service.consumer.parked == 1)
            for part in range(8):
                await wire.producer.send(
                    [wire.sealed(Add(counter=name, amount=1 + part * 500 + n)) for n in range(500)]
                )
            await until(lambda: service.consumer.parked > 2_000)
            most = service.consumer.parked
            toy.CURED.add(name)
            await wire.wait_for(toy.EVENTS, lambda e: e.key == name, count=4_001, within=40)

            async def caught_up() -> bool:
                return sum((await committed(settings)).values()) == before + 4_001

            await until(caught_up)

        assert most < 2_600
        assert await counter(mongo, name) == [*range(4_001)]


class TestTooManyFailures:
    async def test_stop_the_process_which_says_so(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "a consumer that meets too many dead letters stops and says so"; what it had not
        handled is left to the next one, which goes on behind the dead."""
        name = a_counter()
        bad = [Add(counter=a_counter(), mood="bad") for _ in range(TOO_MANY_DEAD)]
        await wire.producer.send([wire.sealed(message) for message in bad])
        async with process(settings, TOY_RETRY_DELAYS="0.1", instance="only") as failing:
            code = await failing.ends()
        last = [wire.sealed(Add(counter=name, amount=n)) for n in range(5)]
        await wire.producer.send(last)

        async with process(settings, TOY_RETRY_DELAYS="0.1", instance="only"):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=5)

        (said,) = failing.said("consumer.stopped")
        assert code == 1
        assert "100 messages became dead letters" in said["reason"]
        assert await mongo["dead_letters"].count_documents({}) == TOO_MANY_DEAD

    async def test_in_one_batch_stop_it_only_while_they_are_new(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards that a hundred records in a batch that nobody can read do not stop a service again
        at every start."""
        name = a_counter()
        before = await mongo["dead_letters"].count_documents({})
        message = wire.sealed(Add(counter=name))
        garbage = [replace(message, id=uuid4(), data=b"?") for _ in range(TOO_MANY_DEAD + 1)]
        await wire.producer.send([*garbage, message])
        async with process(settings, instance="only") as failing:
            code = await failing.ends()

        async with process(settings, instance="only"):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=1)

        assert code == 1
        assert await mongo["dead_letters"].count_documents({}) == before + TOO_MANY_DEAD + 1
