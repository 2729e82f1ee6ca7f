"""Partitions change hands while batches are in hand: no effect is lost or doubled by that."""

import asyncio
import random
import signal

import pytest
from pymongo.errors import PyMongoError

from contracts.message import derived
from contracts.settings import DEFAULT
from services.chassis.batch import Batch, Overtaken
from services.chassis.mongo import Database, is_duplicate
from services.chassis.settings import ChassisSettings
from services.chassis.unit_of_work import UnitOfWork
from tests import toy
from tests.harness import Wire, running, until
from tests.integration.chassis.process import process
from tests.integration.chassis.seen import (
    a_counter,
    counter,
    counters_everywhere,
    events,
    left_once,
    nothing_is_owed,
)
from tests.toy import Add, Counter

PATIENT = (0.5,) * 60


async def load(wire: Wire, names: list[str], enough: asyncio.Event) -> int:
    """Add 0, 1, 2, … to each counter until told to stop; return how often."""
    rounds = 0
    while not enough.is_set():
        await wire.producer.send([wire.sealed(Add(counter=one, amount=rounds)) for one in names])
        rounds += 1
        await asyncio.sleep(0.02)  # the load goes on while partitions move
    return rounds


class TestRebalance:
    async def test_while_batches_are_in_hand_changes_nothing(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "rebalance while a batch is in hand": `on_partitions_revoked` waits, and what was
        read before and is handled after it is dropped. Processes come and go under load, and some
        messages wait for a retry all the while."""
        names, weak, enough = counters_everywhere(settings, 5), a_counter(), asyncio.Event()
        async with (
            running(toy.service(settings, retry_delays=PATIENT)) as one,
            asyncio.TaskGroup() as tasks,
        ):
            loading = tasks.create_task(load(wire, names, enough))
            waiting = [wire.sealed(Add(counter=weak, amount=n, mood="weak")) for n in (1, 2)]
            await wire.producer.send(waiting)
            async with running(toy.service(settings, retry_delays=PATIENT)) as other:
                await until(lambda: len(other.consumer.positions) == 2, within=30)
                await until(lambda: len(one.consumer.positions) == 2, within=30)
            await until(lambda: len(one.consumer.positions) == 4, within=30)
            toy.CURED.add(weak)
            enough.set()
            rounds = await loading

            total = len(names) * rounds
            await wire.wait_for(toy.EVENTS, lambda e: e.key in names, count=total, within=40)
            await wire.wait_for(toy.EVENTS, lambda e: e.key == weak, count=2)
            await nothing_is_owed(mongo)
        assert [await counter(mongo, name) for name in names] == [[*range(rounds)]] * 20
        assert all(left_once(events(wire, name), rounds) for name in names)
        assert await counter(mongo, weak) == [1, 2]

    async def test_drops_what_was_read_before_it(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the batch in hand that was not begun: a line is so long that nothing more is
        read, and a rebalance empties it. What was read already must not be handled now, because
        the line is read again from its beginning."""
        name = a_counter()
        sent = [wire.sealed(Add(counter=name, amount=n)) for n in range(1, 3_001)]
        async with running(toy.service(settings, retry_delays=PATIENT)) as one:
            await wire.send(Add(counter=name, amount=0, mood="weak"))
            await wire.producer.send(sent)
            await until(lambda: one.consumer.parked > 2_000)

            async with running(toy.service(settings, retry_delays=PATIENT)) as other:
                await until(lambda: max(one.consumer.parked, other.consumer.parked) > 2_000)
                toy.CURED.add(name)
                await wire.wait_for(toy.EVENTS, lambda e: e.key == name, count=3_001, within=40)

        assert await counter(mongo, name) == [*range(3_001)]
        assert left_once(events(wire, name), 3_001)

    async def test_leaves_nothing_to_a_process_that_was_frozen_meanwhile(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "a late twin's writes are refused": marks and revisions fence a process that
        sleeps over its session between reading and writing, and wakes up as if nothing were."""
        name = a_counter()
        first = await wire.send(Add(counter=name, amount=1))
        async with process(settings, KONTOR_CRASH_AT="after_read:1:SIGSTOP") as frozen:
            await until(lambda: frozen.is_frozen, within=30)
            async with process(settings) as heir:
                await heir.is_ready()
                last = await wire.send(Add(counter=name, amount=2))
                await wire.wait_for(
                    toy.EVENTS, lambda event: event.id == derived(last, 1), within=60
                )

                frozen.signal(signal.SIGCONT)
                await until(lambda: frozen.said("message.repeated"))

        assert await counter(mongo, name) == [1, 2]
        assert {event.id for event in events(wire, name)} == {derived(first, 1), derived(last, 1)}
        assert not frozen.said("message.handled")

    @pytest.mark.parametrize("seed", range(3))
    async def test_lets_only_one_of_two_writers_win(
        self, settings: ChassisSettings, wire: Wire, mongo: Database, seed: int
    ) -> None:
        """Guards the two fences themselves, on the store: the unique mark of a message, and the
        revision of a document where two messages meet."""
        same_message = bool(seed % 2)
        name = a_counter()
        service = toy.service(settings)
        cause = wire.sealed(Add(counter=name))
        await mongo["counters"].insert_one({**Counter(id=name).to_bson(), "revision": 1})
        batches = []
        for number in random.Random(seed).sample(range(100), 2):  # noqa: S311 - no secret
            batch = Batch(service.clock.now(), DEFAULT)
            await service.store.load(batch, [(Counter, name)])
            unit = UnitOfWork(batch, cause if same_message else wire.sealed(Add(counter=name)))
            unit.save(unit.get(Counter, name).model_copy(update={"total": number}))
            unit.merge()
            batches.append((number, batch))

        outcomes = await asyncio.gather(
            *(service.store.commit(batch) for _, batch in batches), return_exceptions=True
        )

        service.client.close()
        lost = [one for one in outcomes if one is not None]
        assert len(lost) == 1
        assert isinstance(lost[0], Overtaken) or (
            isinstance(lost[0], PyMongoError) and is_duplicate(lost[0])
        )
        stored = await mongo["counters"].find_one({"_id": name})
        won = [number for (number, _), one in zip(batches, outcomes, strict=True) if one is None]
        assert stored is not None
        assert [stored["total"]] == won
