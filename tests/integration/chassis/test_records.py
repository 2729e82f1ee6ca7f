"""Whatever stands on a topic: what is no message dies without harm, and copies change nothing."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaProducer

from contracts.message import derived
from services.chassis.batch import TooLarge
from services.chassis.dead_letters import DeadLetters
from services.chassis.kafka import MAX_MESSAGE
from services.chassis.mongo import Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, running
from tests.integration.chassis.seen import (
    a_counter,
    counter,
    dead_letter,
    events,
    left_once,
    nothing_is_owed,
)
from tests.toy import Add

SECRET = "kari@example.no"
GOOD = Add(counter="whoever", note=SECRET).data()

Headers = dict[str, bytes | None]


@pytest.fixture(scope="module")
async def raw(settings: ChassisSettings) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that puts anything on a topic."""
    producer = AIOKafkaProducer(**settings.kafka_arguments(), max_request_size=MAX_MESSAGE)
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture(scope="module")
async def service(settings: ChassisSettings) -> AsyncIterator[Service]:
    """The toy, running for the whole module: no poison may end it."""
    async with running(toy.service(settings, retry_delays=())) as service:
        yield service


def headers(**changed: bytes | None) -> Headers:
    """Return the headers of a message, some of them changed; `...` leaves one out."""
    return {
        "ce_id": str(uuid4()).encode(),
        "ce_type": Add.type.encode(),
        "ce_subject": b"whoever",
        "ce_time": b"2026-01-01T00:00:00Z",
        **changed,
    }


POISON: dict[str, tuple[bytes | None, Headers, str]] = {
    "not JSON": (f"{{{SECRET}".encode(), headers(), "the body: Invalid JSON"),
    "wrong schema": (
        Add(counter="x").data().replace(b":1", f':"{SECRET}"'.encode()),
        headers(),
        "amount: Input should be a valid integer",
    ),
    "unknown type": (GOOD, headers(ce_type=b"toy.dance"), "no handler for messages of this type"),
    "no headers": (GOOD, {}, "the header ce_id is missing"),
    "a header without a value": (GOOD, headers(ce_time=None), "malformed"),
    "a header in no encoding": (GOOD, headers(ce_type=b"\xff\xfe"), "no handler"),
    "a key in no encoding": (GOOD, {**headers(), "key": b"\xff\xfe"}, "malformed"),
    "no time at all": (GOOD, headers(ce_time=b"0001-01-01T00:00:00+14:00"), "out of range"),
    "nobody to reply to": (GOOD, headers(ce_replyto=b"9999"), "names no partition"),
    "a header without end": (GOOD, headers(ce_type=b"t" * 100_000), "longer than"),
    "no body": (None, headers(), "the body: Invalid JSON"),
    "too large": (
        Add.model_construct(counter="x", note=SECRET * 680_000).data(),
        headers(),
        "note: String should have at most 1000 characters",
    ),
    "larger than its dead letter": (
        b"x" * (MAX_MESSAGE - 1_000),
        headers(),
        "the body: Invalid JSON",
    ),
}


class TestPoison:
    @pytest.mark.parametrize(("body", "its_headers", "reason"), POISON.values(), ids=POISON)
    async def test_dies_at_once_with_its_bytes_and_without_harm(  # noqa: PLR0917 - fixtures
        self,
        settings: ChassisSettings,
        wire: Wire,
        mongo: Database,
        raw: AIOKafkaProducer,
        service: Service,  # noqa: ARG002 - it has to run
        body: bytes | None,
        its_headers: Headers,
        reason: str,
    ) -> None:
        """Guards "a poison record is dead-lettered with the raw bytes kept, never loops, never
        blocks others", and that the reason quotes nothing of it."""
        name = a_counter()
        topic = settings.topic_prefix + toy.COMMANDS

        key = its_headers.get("key", b"whoever")
        found = await raw.send_and_wait(
            topic, body, partition=2, key=key, headers=list(its_headers.items())
        )
        good = wire.sealed(Add(counter=name))
        await raw.send_and_wait(topic, good.data, partition=2, headers=good.headers())

        await wire.wait_for(toy.EVENTS, lambda event: event.key == name)
        letter = await dead_letter(mongo, reason, partition=2, offset=found.offset)
        assert (letter["data"], letter["key"]) == (body or b"", key)
        assert (letter["attempts"], SECRET in letter["reason"]) == (0, False)
        expected = [[name, value or b""] for name, value in its_headers.items()]
        assert letter["headers"] == expected
        await nothing_is_owed(mongo)

    async def test_that_was_compressed_may_be_larger_than_a_document(
        self,
        settings: ChassisSettings,
        wire: Wire,
        mongo: Database,
        service: Service,  # noqa: ARG002 - it has to run
    ) -> None:
        """Guards "too large" where Kafka's limit, which is for what is compressed, lets it in."""
        name, body = a_counter(), b"x" * (17 * 2**20)
        packing = AIOKafkaProducer(
            **settings.kafka_arguments(), max_request_size=2**26, compression_type="gzip"
        )
        letters = DeadLetters(mongo, wire.producer, settings.topic_prefix)

        async with running(packing):
            found = await packing.send_and_wait(
                settings.topic_prefix + toy.COMMANDS,
                body,
                partition=2,
                headers=list(headers().items()),
            )
        await wire.send(Add(counter=name))

        await wire.wait_for(toy.EVENTS, lambda event: event.key == name)
        id_ = (await dead_letter(mongo, partition=2, offset=found.offset))["_id"]
        letter = await letters.get(id_)
        assert letter is not None
        assert letter["data"] == body
        with pytest.raises(TooLarge):
            await letters.redrive(id_, now=datetime.now(UTC))

    async def test_under_the_id_of_a_message_does_not_pass_for_it(
        self,
        settings: ChassisSettings,
        wire: Wire,
        mongo: Database,
        raw: AIOKafkaProducer,
        service: Service,  # noqa: ARG002 - it has to run
    ) -> None:
        """Guards the mark of an unreadable record, which is its own."""
        name = a_counter()
        good = wire.sealed(Add(counter=name))
        poison = headers(ce_id=str(good.id).encode())

        topic = settings.topic_prefix + toy.COMMANDS
        found = await raw.send_and_wait(topic, b"?", partition=1, headers=list(poison.items()))
        await wire.producer.send([good])

        await wire.wait_for(toy.EVENTS, lambda event: event.key == name)
        assert (await dead_letter(mongo, partition=1, offset=found.offset))["data"] == b"?"


class TestCopies:
    async def test_change_nothing_wherever_and_whenever_they_come(
        self,
        settings: ChassisSettings,
        wire: Wire,
        mongo: Database,
        raw: AIOKafkaProducer,
        service: Service,  # noqa: ARG002 - it has to run
    ) -> None:
        """Guards "duplicates, and messages out of order between partitions": the inbox knows ids,
        not places, and a batch with copies from several partitions is one order's line each."""
        name = a_counter()
        sent = [wire.sealed(Add(counter=name, amount=n)) for n in range(20)]
        topic = settings.topic_prefix + toy.COMMANDS

        await wire.producer.send(sent * 2)
        await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=20)
        for partition in (3, 1, 0, 2):
            for message in reversed(sent):
                await raw.send(
                    topic,
                    message.data,
                    partition=partition,
                    key=message.key.encode(),
                    headers=message.headers(),
                )
        last = await wire.send(Add(counter=name, amount=99))

        await wire.wait_for(toy.EVENTS, lambda event: event.id == derived(last, 1))
        assert await counter(mongo, name) == [*range(20), 99]
        assert left_once(events(wire, name), 21)

    async def test_of_orders_in_other_partitions_do_not_wait_for_each_other(
        self,
        settings: ChassisSettings,
        wire: Wire,
        mongo: Database,
        raw: AIOKafkaProducer,
        service: Service,  # noqa: ARG002 - it has to run
    ) -> None:
        """Guards the same where the batches are written: one message in two partitions at once
        leaves one effect, whichever partition comes first."""
        names = [a_counter() for _ in range(30)]
        topic = settings.topic_prefix + toy.COMMANDS
        ids: list[UUID] = []
        for name in names:
            message = wire.sealed(Add(counter=name))
            ids.append(message.id)
            for partition in (2, 0):
                await raw.send(
                    topic,
                    message.data,
                    partition=partition,
                    key=name.encode(),
                    headers=message.headers(),
                )
        await raw.flush()

        await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=30)
        assert [await counter(mongo, name) for name in names] == [[1]] * 30
