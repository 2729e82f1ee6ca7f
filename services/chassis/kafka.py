"""Kafka: topics, the producer, and the subscription that feeds the consumer.

Why FastStream only delivers batches here and never acknowledges:
services/decisions/0001-one-batch-one-transaction.md.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage

from contracts.message import Envelope
from services.chassis.faults import crash_point
from services.chassis.settings import ChassisSettings

REPLIES = "replies"
REPLY_PARTITIONS = 64
MAX_MESSAGE = 10 * 1024 * 1024
MAX_BATCH = 250

Records = Sequence["ConsumerRecord[bytes, bytes]"]

log = structlog.get_logger()


async def create_topics(settings: ChassisSettings, topics: Iterable[str]) -> None:
    """Create what is missing of `topics` (given without the prefix); keep what exists."""
    admin = AIOKafkaAdminClient(**settings.kafka_arguments())
    await admin.start()
    try:
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
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise error(name)
    finally:
        await admin.close()


class Producer:
    """Sends envelopes and waits until the brokers have them, whatever it takes.

    Idempotent, `acks=all`. A producer that became fatal (aiokafka #1017) is replaced by a fresh
    one and everything not yet acknowledged is sent again: receivers know repeats by their id.
    """

    def __init__(self, settings: ChassisSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(
            **self._settings.kafka_arguments(),
            enable_idempotence=True,
            acks="all",
            max_batch_size=262_144,
            max_request_size=MAX_MESSAGE,
            request_timeout_ms=10_000,
        )
        await self._producer.start()

    async def stop(self) -> None:
        """Flush and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def send(self, envelopes: Sequence[Envelope], *, patience: float = 30.0) -> None:
        """Return when every envelope is acknowledged.

        A broker that is away is waited for: each round gives it `patience` seconds, then the
        producer is replaced. Ends only with success or with cancellation.
        """
        pending = list(envelopes)
        while pending:
            try:
                pending = await self._round(pending, patience)
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "kafka.produce_failed", error=type(error).__name__, pending=len(pending)
                )
                await self._replace()

    async def send_once(self, envelope: Envelope, *, patience: float) -> None:
        """Return when the envelope is acknowledged.

        :raises TimeoutError: if that took longer than `patience` seconds; it may still arrive
        :raises KafkaError: if the broker refused it
        """
        async with asyncio.timeout(patience):
            left = await self._round([envelope], patience)
        if left:
            await self._replace()
            raise KafkaConnectionError("the record was not acknowledged")

    async def _round(self, envelopes: list[Envelope], patience: float) -> list[Envelope]:
        """Send all, return those whose acknowledgement failed."""
        producer = self._producer
        if producer is None:
            raise KafkaConnectionError("the producer is not started")
        prefix = self._settings.topic_prefix
        async with asyncio.timeout(patience):
            futures = [
                await producer.send(
                    prefix + envelope.topic,
                    envelope.data,
                    key=envelope.key.encode(),
                    partition=envelope.partition,
                    headers=envelope.headers(),
                )
                for envelope in envelopes
            ]
            crash_point("during_produce")
            results = await asyncio.gather(*futures, return_exceptions=True)
        failed = []
        for envelope, result in zip(envelopes, results, strict=True):
            if isinstance(result, KafkaError):
                failed.append(envelope)
            elif isinstance(result, BaseException):
                raise result
        if failed:
            log.warning("kafka.records_refused", records=len(failed))
            await self._replace()
        return failed

    async def _replace(self) -> None:
        """Build a new producer: the old one may be fatally out of sequence."""
        old, self._producer = self._producer, None
        if old is not None:
            try:
                async with asyncio.timeout(2):
                    await old.stop()
            except (KafkaError, TimeoutError) as error:
                log.warning("kafka.producer_discarded", error=type(error).__name__)
        while self._producer is None:
            try:
                await self.start()
            except KafkaError as error:
                self._producer = None
                log.warning("kafka.unreachable", error=type(error).__name__)
                await asyncio.sleep(1)


async def _keep_bytes(_: object) -> None:
    """Leave the record alone: the chassis validates records one by one."""


def subscribe(
    broker: KafkaBroker,
    *,
    settings: ChassisSettings,
    group: str,
    topics: Sequence[str],
    listener: ConsumerRebalanceListener,
    handle: Callable[[Records, AIOKafkaConsumer], Awaitable[None]],
) -> None:
    """Feed what arrives on `topics` to `handle`, a batch at a time, and commit nothing.

    `handle` gets the records of each partition in order and commits offsets itself. What it
    raises is swallowed by FastStream, so it must not raise.
    """

    async def receive(_: Any, message: KafkaMessage) -> None:  # Any: no decoding by FastStream
        records = message.raw_message
        await handle(records if isinstance(records, tuple) else (records,), message.consumer)

    broker.subscriber(
        *(settings.topic_prefix + topic for topic in topics),
        group_id=settings.topic_prefix + group,
        batch=True,
        max_records=MAX_BATCH,
        batch_timeout_ms=10,
        ack_policy=AckPolicy.MANUAL,
        decoder=_keep_bytes,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_MESSAGE,
        session_timeout_ms=15_000,
        listener=listener,
    )(receive)
