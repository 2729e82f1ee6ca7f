"""How far each partition is handled, and the outbox documents that are no longer owed."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ConsumerStoppedError, KafkaError
from pymongo.errors import PyMongoError

from services.chassis import metrics
from services.chassis.faults import crash_point
from services.chassis.inbox import Inbox
from services.chassis.kafka import Records, is_answered
from services.chassis.parking import Parking

COMMITS_WITHIN = 30.0

log = structlog.get_logger()


class ClientStuck(Exception):
    """The brokers answer, but the client does not go on: only a new one will."""


@dataclass(frozen=True, slots=True)
class Due:
    """What can be committed: batches that owe nothing any more, and how far all is handled."""

    settled: Sequence[UUID]
    offsets: Mapping[TopicPartition, int]


class Offsets:
    """Commits exactly what was handled, below anything that waits."""

    def __init__(self, inbox: Inbox, parking: Parking) -> None:
        self._inbox = inbox
        self._parking = parking
        self.positions: dict[TopicPartition, int] = {}
        self._settled: list[UUID] = []
        self._committing = asyncio.Lock()

    def advance(self, records: Records) -> None:
        """Note that these records were handled, or wait in the parking."""
        for record in records:
            self.positions[TopicPartition(record.topic, record.partition)] = record.offset + 1

    def settle(self, batches: Iterable[UUID]) -> None:
        """Note that Kafka has acknowledged all that these batches sent."""
        self._settled += batches

    def leave(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that somebody else will read on."""
        for partition in partitions:
            self.positions.pop(partition, None)

    def due(self) -> Due:
        """Return what is to be committed as things stand, between two batches."""
        offsets = dict(self.positions)
        self._parking.hold_back(offsets)
        settled, self._settled = self._settled, []
        return Due(settled, offsets)

    async def commit(self, due: Due, kafka: AIOKafkaConsumer | None) -> bool:
        """Settle the outbox, then commit the offsets; says whether MongoDB let it.

        In this order, because nobody would look for an outbox document once its offsets are
        committed; it owes nothing, for its messages were acknowledged before.

        :raises ClientStuck: after half a minute in which nothing came of it although brokers answer
        """
        async with self._committing:
            return await self._commit(due, kafka)

    async def _commit(self, due: Due, kafka: AIOKafkaConsumer | None) -> bool:
        if due.settled:
            crash_point("before_outbox_delete")
        try:
            await self._inbox.settle(due.settled)
        except PyMongoError as error:
            log.warning("outbox.not_settled", error=type(error).__name__)
            self._settled += due.settled
            return False
        if kafka is None:
            return True
        assignment = kafka.assignment()
        offsets = {tp: offset for tp, offset in due.offsets.items() if tp in assignment}
        if offsets:
            crash_point("before_offset_commit")
            try:
                async with asyncio.timeout(COMMITS_WITHIN):
                    await kafka.commit(offsets)
                _measure(kafka, offsets)
            except TimeoutError as error:
                # Once in a while a client that lost its only broker waits for ever for news of it.
                if await is_answered(kafka):
                    raise ClientStuck("a commit of offsets does not end") from error
                log.warning("offsets.not_committed", error="no broker answers")
            except (KafkaError, ConsumerStoppedError) as error:
                # A rebalance took the partitions: their next owner reads these records again,
                # and the inbox knows them.
                log.warning("offsets.not_committed", error=type(error).__name__)
        return True


def _measure(kafka: AIOKafkaConsumer, offsets: dict[TopicPartition, int]) -> None:
    for tp, offset in offsets.items():
        end = kafka.highwater(tp)
        if end is not None:
            metrics.lag.labels(tp.topic, tp.partition).set(max(0, end - offset))
