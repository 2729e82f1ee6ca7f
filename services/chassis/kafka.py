"""Kafka: topics and the producer."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaConnectionError,
    KafkaError,
    TopicAlreadyExistsError,
    for_code,
)
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.message import Envelope
from services.chassis.faults import crash_point
from services.chassis.settings import ChassisSettings

REPLIES = "replies"
REPLY_PARTITIONS = 64
MAX_MESSAGE = 10 * 1024 * 1024
MAX_BATCH = 250
BROKERS_AWAITED = 15
WORTH_PACKING = 5
_ANSWERS_WITHIN = 5.0

Records = tuple["ConsumerRecord[bytes, bytes]", ...]

log = structlog.get_logger()


async def create_topics(settings: ChassisSettings, topics: Iterable[str]) -> None:
    """Create what is missing of `topics` (given without the prefix); keep what exists.

    A cluster that has just started may have no broker to put them on yet: it is waited for.

    :raises KafkaError: if a topic cannot be created
    """
    missing = list(topics)
    admin = AIOKafkaAdminClient(**settings.kafka_arguments())
    await admin.start()
    try:
        for _ in range(BROKERS_AWAITED):
            missing = await _created(admin, settings, missing)
            if not missing:
                return
            await asyncio.sleep(1)
        raise InvalidReplicationFactorError(f"no broker takes the topics {', '.join(missing)}")
    finally:
        await admin.close()


async def _created(
    admin: AIOKafkaAdminClient, settings: ChassisSettings, topics: Sequence[str]
) -> list[str]:
    """Create the topics; return those for which no broker was there."""
    response = await admin.create_topics(
        [
            NewTopic(
                name=settings.topic_prefix + topic,
                num_partitions=REPLY_PARTITIONS if topic == REPLIES else settings.partitions,
                replication_factor=-1,  # the broker's default, which aiokafka lets through
                replica_assignments={},  # only together with an empty assignment
                topic_configs={"max.message.bytes": str(MAX_MESSAGE)},
            )
            for topic in topics
        ]
    )
    left: list[str] = []
    for name, code, *_ in response.topic_errors:
        error = for_code(code)
        if error is InvalidReplicationFactorError:
            left.append(name.removeprefix(settings.topic_prefix))
        elif code and error is not TopicAlreadyExistsError:
            raise error(name)
    return left


async def is_answered(client: AIOKafkaConsumer) -> bool:
    """Say whether brokers answer this client, whatever else of it hangs."""
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN):
            await client.topics()
    except (KafkaError, TimeoutError):
        return False
    return True


class NotTaken(Exception):
    """Kafka did not take the record: it was refused, or no broker can be reached."""


class Producer:
    """Sends envelopes and waits until the brokers have them, whatever it takes.

    Idempotent, `acks=all`. A producer that became fatal (aiokafka #1017) is replaced by a fresh
    one and everything not yet acknowledged is sent again: receivers know repeats by their id.
    """

    def __init__(self, settings: ChassisSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._replacing = asyncio.Lock()
        self._replacement: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = await self._connected()

    async def _connected(self) -> AIOKafkaProducer:
        fresh = AIOKafkaProducer(
            **self._settings.kafka_arguments(),
            enable_idempotence=True,
            acks="all",
            partitioner=chosen,
            max_batch_size=262_144,
            max_request_size=MAX_MESSAGE,
            request_timeout_ms=10_000,
        )
        try:
            await fresh.start()
        except BaseException:
            await fresh.stop()
            raise
        return fresh

    async def reaches_a_broker(self) -> bool:
        """Say whether a broker answers now; may raise a KafkaError instead of saying no."""
        if self._producer is None:
            return False
        await self._producer.client.fetch_all_metadata()
        return True

    async def partitioner(self, topic: str) -> Callable[[str], int]:
        """Return what tells the partition of a key on this topic, which is the one it is sent to.

        :raises NotTaken: if no broker knows the topic
        """
        if self._producer is None:
            raise NotTaken("no producer is connected")
        try:
            found = await self._producer.partitions_for(self._settings.topic_prefix + topic)
        except KafkaError as error:
            raise NotTaken(type(error).__name__) from error
        partitions = sorted(found)
        return lambda key: chosen(key.encode(), partitions)

    async def stop(self) -> None:
        """Flush and disconnect."""
        if self._replacement is not None:
            self._replacement.cancel()
            await asyncio.gather(self._replacement, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            await _discard(producer)

    async def send(self, envelopes: Sequence[Envelope], *, patience: float = 30.0) -> None:
        """Return when every envelope is acknowledged.

        A broker that is away is waited for: each round gives it `patience` seconds, then the
        producer is replaced. Ends only with success or with cancellation.
        """
        pending = list(envelopes)
        while pending:
            producer = self._producer
            try:
                pending = await self._round(producer, pending, patience)
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "kafka.produce_failed", error=type(error).__name__, pending=len(pending)
                )
            else:
                if not pending:
                    return
            await self._replace(producer)

    async def send_once(self, *envelopes: Envelope, patience: float) -> None:
        """Return when the envelopes are acknowledged; many tasks may do so at a time.

        A producer that fails is replaced meanwhile; until then this fails at once. Of several
        envelopes some may have been taken when it fails.

        :raises TimeoutError: if that took longer than `patience` seconds; they may still arrive
        :raises NotTaken: if the broker refused one, or no producer is connected
        """
        producer = self._producer
        try:
            async with asyncio.timeout(patience):
                taken = [await self._enqueue(producer, envelope) for envelope in envelopes]
                await asyncio.gather(*taken)
        except TimeoutError:
            self._replace_soon(producer)
            raise
        except KafkaError as error:
            self._replace_soon(producer)
            raise NotTaken(type(error).__name__) from error

    async def _round(
        self, producer: AIOKafkaProducer | None, envelopes: list[Envelope], patience: float
    ) -> list[Envelope]:
        """Send all, return those whose acknowledgement failed."""
        if producer is None:
            raise KafkaConnectionError("the producer is not connected")
        async with asyncio.timeout(patience):
            sent = await self._handed_over(producer, envelopes)
            crash_point("during_produce")
            results = await asyncio.gather(*(taken for taken, _ in sent), return_exceptions=True)
        failed: list[Envelope] = []
        for (_, together), result in zip(sent, results, strict=True):
            if isinstance(result, KafkaError):
                failed += together
            elif isinstance(result, BaseException):
                raise result
        if failed:
            log.warning("kafka.records_refused", records=len(failed))
        return failed

    async def _handed_over(
        self, producer: AIOKafkaProducer, envelopes: Sequence[Envelope]
    ) -> list[tuple[Awaitable[object], list[Envelope]]]:
        """Hand the records to the producer; return each acknowledgement to come, and of what.

        A packed batch waits until its partition's last one has left, so a few records, which many
        tasks may send at a time, go one by one: the producer packs those of all tasks together.
        """
        if len(envelopes) < WORTH_PACKING:
            return [(await self._enqueue(producer, one), [one]) for one in envelopes]
        return [
            (
                await producer.send_batch(part.records, part.topic, partition=part.partition),
                part.envelopes,
            )
            for part in await self._packed(producer, envelopes)
        ]

    async def _packed(
        self, producer: AIOKafkaProducer, envelopes: Iterable[Envelope]
    ) -> list["_Part"]:
        """Pack the records by partition, as many together as one batch of Kafka's holds.

        One by one each of them would have a future and a way through the producer of its own, which
        costs three times as much.
        """
        partitions: dict[str, Sequence[int]] = {}
        parts: list[_Part] = []
        last: dict[tuple[str, int], _Part] = {}
        for envelope in envelopes:
            topic, key = self._settings.topic_prefix + envelope.topic, envelope.key.encode()
            partition = envelope.partition
            if partition is None:
                if topic not in partitions:
                    partitions[topic] = sorted(await producer.partitions_for(topic))
                partition = chosen(key, partitions[topic])
            part = last.get((topic, partition))
            if part is None or not part.takes(envelope, key):
                part = last[topic, partition] = _Part(topic, partition, producer.create_batch())
                part.takes(envelope, key)
                parts.append(part)
        return parts

    async def _enqueue(
        self, producer: AIOKafkaProducer | None, envelope: Envelope
    ) -> Awaitable[object]:
        """Hand the record to the producer; the result is its acknowledgement to come."""
        if producer is None:
            raise KafkaConnectionError("the producer is not connected")
        acknowledged: Awaitable[object] = await producer.send(
            self._settings.topic_prefix + envelope.topic,
            envelope.data,
            key=envelope.key.encode(),
            partition=envelope.partition,
            headers=envelope.headers(),
        )
        return acknowledged

    def _replace_soon(self, broken: AIOKafkaProducer | None) -> None:
        if self._replacement is None or self._replacement.done():
            self._replacement = asyncio.create_task(self._replace(broken))

    async def _replace(self, broken: AIOKafkaProducer | None) -> None:
        """Build a new producer: `broken` may be fatally out of sequence.

        Several tasks may find the same one broken; only the first replaces it.
        """
        async with self._replacing:
            if self._producer is not broken:
                return
            self._producer = None
            if broken is not None:
                await _discard(broken)
            while self._producer is None:
                try:
                    self._producer = await self._connected()
                except KafkaError as error:
                    log.warning("kafka.unreachable", error=type(error).__name__)
                    await asyncio.sleep(1)


@dataclass(slots=True)
class _Part:
    """Records that go to one partition together."""

    topic: str
    partition: int
    records: BatchBuilder
    envelopes: list[Envelope] = field(default_factory=list)

    def takes(self, envelope: Envelope, key: bytes) -> bool:
        """Add a record if there is room; the first one always fits."""
        added = self.records.append(
            timestamp=None, key=key, value=envelope.data, headers=envelope.headers()
        )
        if added is None:
            return False
        self.envelopes.append(envelope)
        return True


def chosen(key: bytes, partitions: Sequence[int], _available: object = None) -> int:
    """Return the partition of a key: the one that Kafka's own clients choose."""
    return partitions[_hashed(key) % len(partitions)]


@functools.lru_cache(maxsize=4096)
def _hashed(key: bytes) -> int:
    # In Python it takes as long as all the rest of sending, and every message of an order has its
    # key.
    return int(murmur2(key)) & 0x7FFFFFFF


async def _discard(broken: AIOKafkaProducer) -> None:
    """Close a producer that cannot deliver what it holds; all of that is sent again by another.

    Its own `stop` waits for delivery. Given up half-way, it leaves a task behind that goes on
    trying for ever, and would deliver old records late when the broker is back.
    """
    try:
        async with asyncio.timeout(2):
            await broken.stop()
    except (KafkaError, TimeoutError) as error:
        log.warning("kafka.producer_discarded", error=type(error).__name__)
        sending = broken._sender.sender_task  # noqa: SLF001 - see above; nothing public ends it
        if sending is not None:
            sending.cancel()
            await asyncio.wait([sending], timeout=2)
        await broken.client.close()
