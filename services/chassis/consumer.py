"""From Kafka records to handlers: each message once, each order in its order, nothing dropped.

The steps of a batch and why they stand in this order:
services/decisions/0001-one-batch-one-transaction.md. A message that fails alone waits, with the
later messages of its key behind it, and everything else goes on.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from contracts.message import Message
from services.chassis import metrics, works
from services.chassis.clock import Clock
from services.chassis.dead_letters import Burial
from services.chassis.faults import crash_point
from services.chassis.handling import Handling
from services.chassis.inbox import Inbox
from services.chassis.kafka import MAX_BATCH, Records
from services.chassis.logging import described
from services.chassis.offsets import ClientStuck, Due, Offsets
from services.chassis.parking import Parking
from services.chassis.patience import RETRY_DELAYS, Leaving, Patience
from services.chassis.store import Store
from services.chassis.unit_of_work import Route
from services.chassis.works import Work

Table = Mapping[type[Message], Route[Any]]  # Any: a table holds routes of every message type

COMMIT_EVERY = 0.2
SEVERAL = 5
MAX_PARKED = 2_000
MAX_BYTES = 2 * 1024 * 1024
"""Bytes of messages in one transaction: what is made of them in memory is fifty times as much."""
STOPS_WITHIN = 10.0
_PATIENCE = 1_000

log = structlog.get_logger()


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka publishes no types
    """Handles what one service listens to."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        table: Table,
        topic_prefix: str,
        handling: Handling,
        store: Store,
        inbox: Inbox,
        burial: Burial,
        clock: Clock,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        gather: float = 0,
    ) -> None:
        """Prepare to consume; `start` begins.

        :param gather: seconds that a service under load lets its next batch gather; for services
            whose work nobody waits for. A transaction costs the same for ten messages as for one.
        """
        self._routes = {kind.type: route for kind, route in table.items()}
        self._prefix = topic_prefix
        self._store = store
        self._clock = clock
        self._gather = gather
        self._lock = asyncio.Lock()
        self._kafka: AIOKafkaConsumer | None = None
        self._has_assignment = False
        self._count = 0
        self._read_under: object = None
        self._revoked: object = None
        self._dirty = asyncio.Event()
        self._parking = Parking()
        self._offsets = Offsets(inbox, self._parking)
        self._patience = Patience(
            handling=handling,
            inbox=inbox,
            burial=burial,
            parking=self._parking,
            settle=self._offsets.settle,
            retry_delays=retry_delays,
        )
        self._stopped: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._room = asyncio.Event()
        self._room.set()

    # -- life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin committing offsets and retrying what waits."""
        self._stopped = asyncio.get_running_loop().create_future()
        self._tasks = [
            asyncio.create_task(self._commit_now_and_then()),
            asyncio.create_task(self._retry_parked()),
        ]

    async def stop(self) -> None:
        """Finish the batch in hand and commit its offsets; take nothing more.

        While Kafka or MongoDB is away the batch cannot be finished: then it is left to whoever
        reads it next.
        """
        self._patience.leaving = True
        try:
            async with asyncio.timeout(STOPS_WITHIN):
                async with self._lock:
                    await self._commit(self._offsets.due())
        except TimeoutError:
            log.warning("consumer.batch_left", reason="Kafka or MongoDB is away")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._room.set()

    async def failed(self) -> None:
        """Return never, unless the consumer must not go on; then raise why.

        :raises TooManyFailures: when a fault of the system is likely
        :raises ClientStuck: when only a new client of Kafka will go on
        """
        if self._stopped is not None:
            await self._stopped

    @property
    def parked(self) -> int:
        """How many messages wait for a retry or behind one."""
        return len(self._parking)

    @property
    def positions(self) -> Mapping[TopicPartition, int]:
        """Up to which offset each partition has been handled, or waits for a retry."""
        return self._offsets.positions

    @property
    def assigned(self) -> bool:
        """Whether Kafka has told this consumer which partitions are its own."""
        return self._has_assignment

    # -- Kafka's side --------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait for the batch in hand, commit, forget: the next owner reads on from there."""
        self._has_assignment = False
        async with self._lock:
            await self._commit(self._offsets.due())
            self._store.forget()
            gone = set(revoked)
            self._offsets.leave(gone)
            self._parking.leave(gone)
            self._count_parked()
            if self._kafka is not None:
                self._revoked = self._kafka.assignment()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note the assignment; positions start at the committed offsets."""
        self._store.forget()
        self._has_assignment = True
        log.debug("consumer.assigned", partitions=len(list(assigned)))

    async def read(self, kafka: AIOKafkaConsumer) -> Records:
        """Wait until there are records, and return at most a batch of them.

        After a batch of several that was not full, more may gather first (see `gather`).
        """
        if self._gather and SEVERAL <= self._count < MAX_BATCH:
            await asyncio.sleep(self._gather)
        found = await kafka.getmany(timeout_ms=_PATIENCE, max_records=MAX_BATCH)
        self._kafka = kafka
        self._read_under = kafka.assignment()
        records = tuple(record for records in found.values() for record in records)
        self._count = len(records)
        return records

    async def receive(self, records: Records) -> None:
        """Handle what `read` returned. Never raises: what fails waits or becomes a dead letter."""
        crash_point("before_read")
        await self._room.wait()
        async with self._lock:
            if self._patience.leaving or self._is_stale():
                return
            try:
                for some in portions(records):
                    await self._take(some)
                    self._offsets.advance(some)
                    self._dirty.set()
            except Leaving:
                return
            except Exception as error:  # noqa: BLE001 - or the batch would be lost
                self._fail(error)

    def _is_stale(self) -> bool:
        """Say whether a rebalance came between reading and handling.

        Even if the partitions came back, they are read again from the committed offsets, which
        may lie before the records in hand: handling these first would overtake a message that
        waited for its retry. Every assignment is a set of its own, so identity tells them apart.
        """
        if self._kafka is None:
            return False
        current = self._kafka.assignment()
        return current is not self._read_under or current is self._revoked

    def _fail(self, error: Exception) -> None:
        log.error("consumer.stopped", reason=described(error), exc_info=error)
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_exception(error)
        self._room.clear()

    async def _take(self, records: Records) -> None:
        now = self._clock.now()
        fresh: list[Work] = []
        unreadable: list[Work] = []
        for record in records:
            topic = record.topic.removeprefix(self._prefix)
            work = works.read(record, routes=self._routes, topic=topic, now=now)
            if work.route is None:
                unreadable.append(work)
            elif work.line in self._parking:
                self._parking.queue([work])
            else:
                fresh.append(work)
        for work in unreadable:
            await self._patience.bury(work)
        if fresh:
            await self._patience.handle(fresh)
        self._count_parked()

    # -- what waits ----------------------------------------------------------------------------

    async def _retry_parked(self) -> None:
        """Give parked lines their next attempt when it is due."""
        while True:
            await self._patience.until_due()
            async with self._lock:
                try:
                    await self._patience.retry_due()
                except Leaving:
                    return
                except Exception as error:  # noqa: BLE001 - nobody else would hear of it
                    self._fail(error)
                    return
                self._dirty.set()
                self._count_parked()

    def _count_parked(self) -> None:
        waiting = len(self._parking)
        metrics.parked.set(waiting)
        if waiting > MAX_PARKED:
            self._room.clear()
        elif self._stopped is None or not self._stopped.done():
            self._room.set()

    # -- offsets -------------------------------------------------------------------------------

    async def _commit_now_and_then(self) -> None:
        while True:
            await self._dirty.wait()
            await asyncio.sleep(COMMIT_EVERY)
            async with self._lock:
                self._dirty.clear()
                due = self._offsets.due()
            # The next batch need not wait for it.
            try:
                await self._commit(due)
            except ClientStuck as error:
                self._fail(error)
                return

    async def _commit(self, due: Due) -> None:
        if not await self._offsets.commit(due, self._kafka):
            self._dirty.set()


def portions(records: Records) -> Iterator[Records]:
    """Yield the records in their order, as many together as one transaction should hold.

    A record that is larger than that by itself is alone.
    """
    first = size = 0
    for place, record in enumerate(records):
        more = len(record.value or b"")
        if place > first and size + more > MAX_BYTES:
            yield records[first:place]
            first, size = place, 0
        size += more
    yield records[first:]
