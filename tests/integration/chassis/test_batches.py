"""What Kafka hands over at once is one transaction, and still each order's messages are in line."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer
from pydantic_core import from_json
from pymongo.errors import ConnectionFailure

from contracts.message import Envelope, derived
from services.chassis.dead_letters import DeadLetters
from services.chassis.mongo import Database
from services.chassis.patience import RETRY_DELAYS
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, running, until
from tests.integration.chassis.seen import (
    a_counter,
    committed,
    counter,
    dead_letter,
    events,
    left_once,
    nothing_is_owed,
    partition_of,
)
from tests.toy import Add, Open

SHORT = (0.4, 0.4)
NOTE = "kari@example.no"


async def sent_together(wire: Wire, *messages: Add, reply_to: int | None = None) -> None:
    """Put the messages on Kafka in one request."""
    await wire.producer.send([wire.sealed(message, reply_to=reply_to) for message in messages])


def about(name: str) -> Callable[[Envelope], bool]:
    """Return what recognises the answers that name the counter."""
    return lambda answer: name.encode() in answer.data


class TestBatch:
    async def test_is_one_transaction(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "batch in one transaction" and step 4 of design 3: one outbox, one mark each."""
        name = a_counter()
        sent = [wire.sealed(Add(counter=name, amount=n)) for n in range(1, 51)]
        await wire.producer.send(sent)

        async with running(toy.service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=50)

        marks = await mongo["toy_inbox"].find({"_id": {"$in": [e.id for e in sent]}}).to_list(None)
        assert len(marks) == 50
        assert len({mark["b"] for mark in marks}) == 1

    async def test_lets_messages_of_one_order_see_each_other_in_their_order(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "per-order sequence inside a batch" and "see each other's change"."""
        name = a_counter()
        await sent_together(wire, *(Add(counter=name, amount=n) for n in range(1, 31)))

        async with running(toy.service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=30)

        assert await counter(mongo, name) == list(range(1, 31))
        assert left_once(events(wire, name), 30)
        assert [from_json(event.data)["total"] for event in events(wire, name)][-1] == 465

    async def test_keeps_nothing_of_what_was_refused_or_ignored(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the outcomes: `Refused` answers with its problem, `Ignore` is silent."""
        name = a_counter()
        moods = ("good", "no", "late", "good")
        await sent_together(wire, *(Add(counter=name, mood=mood) for mood in moods), reply_to=5)

        async with running(toy.service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=2)
            answers = await wire.wait_for(
                "replies", lambda e: e.data.find(name.encode()) > 0, count=3
            )

        assert await counter(mongo, name) == [1, 1]
        assert sorted(from_json(one.data)["statusCode"] for one in answers) == [200, 200, 409]

    async def test_leaves_no_trace_of_what_is_no_business_of_the_service(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards `Unconcerned`: a service pays next to nothing for what it only overhears."""
        name = a_counter()
        foreign = await wire.send(Add(counter=name, mood="foreign"))
        last = await wire.send(Add(counter=name))

        async with running(toy.service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)

        assert await counter(mongo, name) == [1]
        assert await mongo["toy_inbox"].find_one({"_id": last}) is not None
        assert await mongo["toy_inbox"].find_one({"_id": foreign}) is None

    async def test_settles_its_outbox_with_its_offsets(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "no outbox document older than its offsets", and that all offsets follow."""
        before = sum((await committed(settings)).values())
        names = [a_counter() for _ in range(40)]
        await sent_together(wire, *(Add(counter=name) for name in names))

        async with running(toy.service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=40)

            await nothing_is_owed(mongo)

            async def caught_up() -> bool:
                return sum((await committed(settings)).values()) == before + 40

            await until(caught_up)


class TestWhatAMessageCreates:
    async def test_is_found_if_it_is_there_though_nobody_looked(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards `Route.creates`: the unique id tells, whatever else the batch writes, and the
        whole batch is handled again."""
        old, new, other = a_counter(), a_counter(), a_counter()
        async with running(toy.service(settings)):
            await sent_together(wire, Add(counter=old, amount=7), Add(counter=other, amount=8))
            await wire.wait_for(toy.EVENTS, lambda event: event.key in {old, other}, count=2)

            await wire.producer.send(
                [
                    wire.sealed(message, reply_to=5)
                    for message in (Open(counter=new), Add(counter=other), Open(counter=old))
                ]
            )

            answers = [await wire.wait_for("replies", about(name)) for name in (old, new, other)]

        assert [from_json(found[-1].data)["statusCode"] for found in answers] == [409, 201, 200]
        assert [await counter(mongo, name) for name in (old, new, other)] == [[7], [], [8, 1]]

    async def test_is_looked_for_before_it_is_refused_for_another_reason(
        self, settings: ChassisSettings, wire: Wire
    ) -> None:
        """Guards `Unsure`: nothing was written, so no unique id could have told."""
        name = a_counter()
        async with running(toy.service(settings)):
            await wire.send(Add(counter=name))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)

            await wire.producer.send([wire.sealed(Open(counter=name, is_valid=False), reply_to=5)])

            answers = await wire.wait_for("replies", about(name))

        assert "duplicate-order-id" in from_json(answers[-1].data)["problem"]["type"]

    async def test_is_seen_by_the_other_messages_of_the_batch_as_it_is(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        name = a_counter()
        async with running(toy.service(settings)):
            await wire.send(Add(counter=name, amount=1))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)

            await wire.producer.send(
                [
                    wire.sealed(Add(counter=name, amount=2)),
                    wire.sealed(Open(counter=name)),
                    wire.sealed(Add(counter=name, amount=3)),
                ]
            )

            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=3)

        assert await counter(mongo, name) == [1, 2, 3]
        assert left_once(events(wire, name), 3)


class TestWhatFollowsTheCommit:
    async def test_is_told_while_the_messages_leave_and_again_until_it_went_well(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards `AfterCommit`: offsets wait for it, messages do not."""
        name = a_counter()
        told: list[tuple[Collection[str], datetime | None]] = []
        may_go_on = asyncio.Event()

        async def tell(_: Database, ids: Collection[str], at: datetime | None) -> None:
            told.append((ids, at))
            await may_go_on.wait()
            if len(told) == 1:
                raise ConnectionFailure

        async with running(toy.service(settings, after_commit=tell)):
            before = await committed(settings)
            await wire.send(Add(counter=name))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)
            meanwhile = await committed(settings)
            may_go_on.set()

            async def caught_up() -> bool:
                return sum((await committed(settings)).values()) == sum(before.values()) + 1

            await until(caught_up)

        assert meanwhile == before
        assert [(set(ids), at is None) for ids, at in told] == [({name}, False), ({name}, True)]
        assert await counter(mongo, name) == [1]

    async def test_does_not_hold_up_the_next_batch_while_offsets_are_committed(
        self, settings: ChassisSettings, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = [a_counter(), a_counter()]
        is_committing, may_go_on = asyncio.Event(), asyncio.Event()
        commit = AIOKafkaConsumer.commit

        async def slow(kafka: AIOKafkaConsumer, offsets: object) -> None:
            is_committing.set()
            await may_go_on.wait()
            await commit(kafka, offsets)

        async with running(toy.service(settings)):
            before = sum((await committed(settings)).values())
            monkeypatch.setattr(AIOKafkaConsumer, "commit", slow)
            await wire.send(Add(counter=names[0]))
            await asyncio.wait_for(is_committing.wait(), 30)

            await wire.send(Add(counter=names[1]))

            await wire.wait_for(toy.EVENTS, lambda event: event.key == names[1])
            may_go_on.set()

            async def caught_up() -> bool:
                return sum((await committed(settings)).values()) == before + 2

            await until(caught_up)


class TestFailure:
    async def test_waits_alone_while_later_messages_of_its_order_wait_behind_it(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "retried alone, then waits with back-off while later messages of the same order
        wait and others go on": the parking, and the offset that stays below it."""
        name, others = a_counter(), [a_counter() for _ in range(20)]
        messages = [Add(counter=name, amount=1), Add(counter=name, amount=2, mood="weak")]
        messages += [Add(counter=one) for one in [name, *others, *others, name]]
        on = Counter(partition_of(settings, message.counter) for message in messages)
        stuck = partition_of(settings, name)
        async with running(toy.service(settings, retry_delays=(1.5, 1.5))):
            before = await committed(settings)
            await sent_together(wire, *messages)

            async def all_others() -> bool:
                now = await committed(settings)
                return all(now[one] - before.get(one, 0) == on[one] for one in on if one != stuck)

            await wire.wait_for(toy.EVENTS, lambda event: event.key in others, count=40)
            await until(all_others)
            waiting = await counter(mongo, name), (await committed(settings))[stuck]
            toy.CURED.add(name)
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=4)

        assert waiting == ([1], before.get(stuck, 0) + 1)
        assert await counter(mongo, name) == [1, 2, 1, 1]
        assert left_once(events(wire, name), 4)

    async def test_becomes_a_dead_letter_and_the_order_goes_on(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "then dead-lettered with reason": raw bytes, topic, document, answer; and that
        the reason never quotes the payload."""
        name = a_counter()
        bad = wire.sealed(Add(counter=name, mood="bad", note=NOTE), reply_to=7)
        async with running(toy.service(settings, retry_delays=SHORT)):
            await wire.producer.send([bad, wire.sealed(Add(counter=name, amount=7))])

            letter = await dead_letter(mongo, orderId=name)
            (record,) = await wire.wait_for(toy.DEAD, lambda event: event.key == name)
            (answer,) = await wire.wait_for("replies", lambda e: e.key == str(bad.id))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name)

        assert (letter["data"], record.data) == (bad.data, bad.data)
        assert letter["attempts"] == len(SHORT) + 1
        assert letter["reason"].startswith("ValueError in _suffer (")
        assert NOTE not in letter["reason"]
        assert from_json(answer.data)["problem"]["type"].endswith("/command-failed")
        assert await counter(mongo, name) == [7]

    async def test_is_redriven_to_the_end_of_its_line(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "and redriven" (decided 10.3), twice over: the second time there is nothing."""
        name = a_counter()
        service = toy.service(settings, retry_delays=())
        letters = DeadLetters(mongo, wire.producer, settings.topic_prefix)
        async with running(service):
            await sent_together(
                wire, Add(counter=name, amount=1, mood="weak"), Add(counter=name, amount=2)
            )
            letter = await dead_letter(mongo, orderId=name)
            toy.CURED.add(name)

            first = await letters.redrive(letter["_id"], now=datetime.now(UTC))
            second = await letters.redrive(letter["_id"], now=datetime.now(UTC))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=2)

        assert (first, second) == (True, False)
        assert await counter(mongo, name) == [2, 1]

    async def test_of_what_is_written_hits_one_message_alone(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "a message that fails is retried alone" where the transaction itself fails: the
        rest of the batch is handled one by one."""
        odd, others = a_counter(), [a_counter() for _ in range(10)]
        async with running(toy.service(settings, retry_delays=())):
            await sent_together(
                wire,
                *(Add(counter=other) for other in others),
                Add(counter=odd, amount=2**70),  # more than BSON can hold
                *map(_again, others),
            )

            await wire.wait_for(toy.EVENTS, lambda event: event.key in others, count=20)
            letter = await dead_letter(mongo, orderId=odd)

        assert letter["reason"].startswith("OverflowError")

    def test_is_tried_five_times_within_thirty_seconds(self) -> None:
        """Guards decided 10.3."""
        assert len(RETRY_DELAYS) + 1 == 5
        assert sum(RETRY_DELAYS) < 30


class TestRepeat:
    @pytest.mark.parametrize("together", [True, False])
    async def test_is_answered_and_has_no_effect(
        self, settings: ChassisSettings, wire: Wire, mongo: Database, together: bool
    ) -> None:
        """Guards step 1 of design 3, "its recorded answers are sent again": also to somebody else,
        and also if the copy comes in the same batch."""
        name = a_counter()
        first = wire.sealed(Add(counter=name), reply_to=1)
        copy = wire.sealed(Add(counter=name), id=first.id, reply_to=2)
        async with running(toy.service(settings)):
            if together:
                await wire.producer.send([first, copy])
            else:
                await wire.producer.send([first])
                await wire.wait_for("replies", lambda e: e.key == str(first.id))
                await wire.producer.send([copy])

            def answers() -> bool:
                return sum(one.key == str(first.id) for one in wire.on("replies")) >= 2

            await until(answers)

        assert await counter(mongo, name) == [1]
        assert {event.id for event in events(wire, name)} == {derived(first.id, 1)}

    async def test_that_can_no_longer_be_handled_is_no_failure(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the look at the marks before anything is parked: the handler of a repeat may well
        fail, because the first copy has changed what it finds."""
        name = a_counter()
        once = wire.sealed(Add(counter=name, mood="once"), reply_to=3)
        async with running(toy.service(settings, retry_delays=(60.0,))):
            await wire.producer.send([once])
            await wire.wait_for("replies", lambda e: e.key == str(once.id))

            await wire.producer.send([once, wire.sealed(Add(counter=name, amount=2))])
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=2)

        assert await counter(mongo, name) == [1, 2]
        assert not [letter for letter in wire.on(toy.DEAD) if letter.key == name]
        assert all(
            from_json(one.data)["statusCode"] == 200
            for one in wire.on("replies")
            if one.key == str(once.id)
        )


def _again(name: str) -> Add:
    return Add(counter=name, amount=2)
