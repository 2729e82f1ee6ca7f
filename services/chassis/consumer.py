"""From Kafka records to handlers: each message once, each order in its order, nothing dropped.

The seven steps of a batch and why they stand in this order:
services/decisions/0001-one-batch-one-transaction.md. A message that fails alone waits, with the
later messages of its key behind it, and everything else goes on.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from contracts.message import Envelope, Message, Undecodable
from contracts.messages.replies import Reply
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis import dead_letters, metrics
from services.chassis.clock import Clock
from services.chassis.faults import crash_point
from services.chassis.inbox import Inbox, Mark, Outcome, mark
from services.chassis.kafka import Producer, Records
from services.chassis.mongo import is_duplicate, is_outage
from services.chassis.outcomes import Ignore, Refused
from services.chassis.unit_of_work import (
    Batch,
    Everything,
    Key,
    Overtaken,
    Route,
    Store,
    UnitOfWork,
)

Table = Mapping[type[Message], Route[Any]]  # Any: a table holds routes of every message type
Tracer = Callable[[Envelope], AbstractContextManager[object]]

RETRY_DELAYS = (1.0, 3.0, 8.0, 16.0)
COMMIT_EVERY = 0.2
MAX_PARKED = 2_000
TOO_MANY_DEAD = 100
_PATIENT_REDOS = 20

log = structlog.get_logger()


class Unreadable(Exception):
    """The record can never be handled: its headers, its type or its body are wrong."""


class TooManyFailures(Exception):
    """So many messages became dead letters that going on would hide a fault of the system."""


@dataclass(slots=True)
class Work:
    """One record on its way through the consumer."""

    record: "ConsumerRecord[bytes, bytes]"
    envelope: Envelope
    route: Route[Any] | None
    message: Message | None
    attempts: int = 0
    fault: str = ""

    @property
    def partition(self) -> TopicPartition:
        """Where it was read."""
        return TopicPartition(self.record.topic, self.record.partition)

    @property
    def line(self) -> tuple[str, str]:
        """The line of messages in which it must keep its place."""
        return self.envelope.topic, self.envelope.key


@dataclass(slots=True)
class Parked:
    """A message that failed alone, and the later ones of its line."""

    waiting: deque[Work] = field(default_factory=deque)
    due: float = 0.0


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka publishes no types
    """Handles what one service listens to."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        service: str,
        table: Table,
        topic_prefix: str,
        store: Store,
        inbox: Inbox,
        producer: Producer,
        clock: Clock,
        configuration: Callable[[], Configuration],
        committed: Callable[[Batch], None],
        retry_delays: Sequence[float] = RETRY_DELAYS,
    ) -> None:
        self._service = service
        self._routes = {kind.type: route for kind, route in table.items()}
        self._prefix = topic_prefix
        self._store = store
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._configuration = configuration
        self._committed = committed
        self._retry_delays = retry_delays
        self._lock = asyncio.Lock()
        self._kafka: AIOKafkaConsumer | None = None
        self._has_assignment = False
        self._next: dict[TopicPartition, int] = {}
        self._dirty = asyncio.Event()
        self._parked: dict[tuple[str, str], Parked] = {}
        self._wake = asyncio.Event()
        self._settled: list[Any] = []
        self._dead = 0
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
        """Finish the batch in hand and commit its offsets; take nothing more."""
        async with self._lock:
            for task in self._tasks:
                task.cancel()
            await self._commit_offsets()

    async def failed(self) -> None:
        """Return never, unless the consumer must not go on; then raise why.

        :raises TooManyFailures: when a fault of the system is likely
        """
        if self._stopped is not None:
            await self._stopped

    @property
    def parked(self) -> int:
        """How many messages wait for a retry or behind one."""
        return sum(len(parked.waiting) for parked in self._parked.values())

    @property
    def assigned(self) -> bool:
        """Whether Kafka has told this consumer which partitions are its own."""
        return self._has_assignment

    # -- Kafka's side --------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Wait for the batch in hand, commit, forget: the next owner reads on from there."""
        self._has_assignment = False
        async with self._lock:
            await self._commit_offsets()
            self._store.forget()
            gone = set(revoked)
            for partition in gone:
                self._next.pop(partition, None)
            for line, parked in list(self._parked.items()):
                kept = deque(work for work in parked.waiting if work.partition not in gone)
                if kept:
                    parked.waiting = kept
                else:
                    del self._parked[line]
            self._count_parked()

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Note the assignment; positions start at the committed offsets."""
        self._store.forget()
        self._has_assignment = True
        log.debug("consumer.assigned", partitions=len(list(assigned)))

    async def receive(self, records: Records, kafka: AIOKafkaConsumer) -> None:
        """Handle a batch of records. Never raises: what fails waits or becomes a dead letter."""
        crash_point("before_read")
        await self._room.wait()
        async with self._lock:
            self._kafka = kafka
            assignment = kafka.assignment()
            mine = [r for r in records if TopicPartition(r.topic, r.partition) in assignment]
            try:
                await self._take(mine)
            except Exception as error:  # noqa: BLE001 - FastStream would swallow it and read on
                self._fail(error)
                return
            for record in mine:
                self._next[TopicPartition(record.topic, record.partition)] = record.offset + 1
            self._dirty.set()

    def _fail(self, error: Exception) -> None:
        log.error("consumer.stopped", reason=str(error), exc_info=error)
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_exception(error)
        self._room.clear()

    async def _take(self, records: Records) -> None:
        fresh: list[Work] = []
        unreadable: list[Work] = []
        for record in records:
            work = self._decode(record)
            if work.route is None:
                unreadable.append(work)
            elif work.line in self._parked:
                self._parked[work.line].waiting.append(work)
            else:
                fresh.append(work)
        for work in unreadable:
            await self._bury(work)
        if fresh:
            await self._handle(fresh)
        self._count_parked()

    def _decode(self, record: "ConsumerRecord[bytes, bytes]") -> Work:
        topic = record.topic.removeprefix(self._prefix)
        data = record.value if record.value is not None else b""
        try:
            envelope = Envelope.read(topic=topic, key=record.key, headers=record.headers, data=data)
        except (Undecodable, UnicodeDecodeError) as error:
            return Work(record, self._raw(record), None, None, fault=str(error))
        route = self._routes.get(envelope.type)
        if route is None:
            fault = f"no handler for messages of type {envelope.type!r}"
            return Work(record, envelope, None, None, fault=fault)
        try:
            return Work(record, envelope, route, route.message.model_validate_json(data))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            return Work(record, envelope, None, None, fault=f"{where}: {first['msg']}")

    def _raw(self, record: "ConsumerRecord[bytes, bytes]") -> Envelope:
        """Stand in for the envelope of a record that has none."""
        id_ = dead_letters.id_of(record.topic, record.partition, record.offset)
        return Envelope(
            id=id_,
            type="unreadable",
            topic=record.topic.removeprefix(self._prefix),
            key=str(id_),
            data=record.value or b"",
            time=self._clock.now(),
            correlation_id=str(id_),
        )

    # -- one batch -----------------------------------------------------------------------------

    async def _handle(self, works: Sequence[Work]) -> None:
        """See the works through: handled, refused, parked or dead, whatever MongoDB does."""
        known: dict[Any, Mark] | None = None
        pause = 0.1
        for redo in range(1_000_000):
            try:
                await self._attempt(works, known)
            except Exception as error:
                if is_outage(error):
                    log.warning("batch.waiting", error=type(error).__name__, messages=len(works))
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5.0)
                elif (isinstance(error, Overtaken) or is_duplicate(error)) and (
                    redo < _PATIENT_REDOS or len(works) == 1
                ):
                    metrics.redone.inc()
                elif isinstance(error, TooManyFailures):
                    raise
                elif len(works) > 1:
                    await self._one_by_one(works)
                    return
                else:
                    await self._park(works[0], error)
                    return
                known = await self._look_up(works)
            else:
                return

    async def _look_up(self, works: Sequence[Work]) -> dict[Any, Mark]:
        while True:
            try:
                return await self._inbox.handled(work.envelope.id for work in works)
            except PyMongoError as error:
                if not is_outage(error):
                    raise
                await asyncio.sleep(0.5)

    async def _one_by_one(self, works: Sequence[Work]) -> None:
        for work in works:
            if work.line in self._parked:
                self._parked[work.line].waiting.append(work)
            else:
                await self._handle([work])

    async def _attempt(self, works: Sequence[Work], known: Mapping[Any, Mark] | None) -> None:
        """Handle the works in one transaction and send what comes of it.

        `known` are the marks of those handled before; None means optimism: the unique key of the
        marks tells.
        """
        started = perf_counter()
        marks = known or {}
        repeated = [(w, marks[w.envelope.id]) for w in works if w.envelope.id in marks]
        fresh, twins = _without_twins([w for w in works if w.envelope.id not in marks])
        batch = Batch(self._clock.now(), self._configuration())
        failures: list[tuple[Work, Exception]] = []
        outcomes: list[tuple[Work, str]] = []
        if fresh:
            await self._store.load(
                batch,
                (key for work in fresh for key in work.route.loads(work.message)),  # type: ignore[union-attr] # fresh works have a route
            )
            await self._store.load(batch, _then(fresh, batch))
            crash_point("after_read")
            loaded = perf_counter()
            failures, outcomes = _run(fresh, batch)
            handled = perf_counter()
            if batch.marks:
                await self._store.commit(batch)
                crash_point("after_commit")
            stored = perf_counter()
            metrics.batch_size.observe(len(fresh))
            metrics.seconds.labels("load").observe(loaded - started)
            metrics.seconds.labels("handle").observe(handled - loaded)
            metrics.seconds.labels("commit").observe(stored - handled)
        if repeated:
            await self._producer.send(await self._owed(repeated))
        if batch.leaving:
            before = perf_counter()
            await self._producer.send(batch.leaving)
            metrics.seconds.labels("produce").observe(perf_counter() - before)
            self._settled.append(batch.id)
        self._committed(batch)
        await self._set_aside(failures)
        outcomes += [(work, "repeated") for work in (*(work for work, _ in repeated), *twins)]
        self._tell(outcomes, perf_counter() - started)

    async def _owed(self, repeated: Sequence[tuple[Work, Mark]]) -> list[Envelope]:
        """Return what repeats must send again: their batch's outbox, and recorded answers."""
        envelopes = await self._inbox.owed({found.batch for _, found in repeated})
        for work, found in repeated:
            if found.outcome is not None and work.envelope.reply_to is not None:
                envelopes.append(self._answer(work, found.outcome))
        return envelopes

    def _answer(self, work: Work, outcome: Outcome) -> Envelope:
        reply = Reply(
            command_id=work.envelope.correlation_id,
            status_code=outcome.status,
            problem=problem(outcome.problem) if outcome.problem else None,
            order_id=outcome.order_id,
            version=outcome.version,
        )
        return Envelope(
            id=work.envelope.id,
            type=Reply.type,
            topic=Reply.topic,
            key=reply.key,
            data=reply.data(),
            time=self._clock.now(),
            correlation_id=reply.command_id,
            partition=work.envelope.reply_to,
        )

    def _tell(self, outcomes: Iterable[tuple[Work, str]], seconds: float) -> None:
        rounded = round(seconds, 4)
        for work, outcome in outcomes:
            metrics.handled.labels(work.envelope.type, outcome).inc()
            log.info(
                "message." + outcome,
                message=work.envelope.type,
                message_id=work.envelope.id,
                key=work.envelope.key,
                correlation_id=work.envelope.correlation_id,
                seconds=rounded,
            )

    # -- what fails ----------------------------------------------------------------------------

    async def _set_aside(self, failures: Sequence[tuple[Work, Exception]]) -> None:
        """Park what failed; what stood behind it waits there, or goes on if it died at once."""
        followers = [work for work, error in failures if isinstance(error, BehindAnother)]
        for work, error in failures:
            if not isinstance(error, BehindAnother):
                await self._park(work, error)
        free = [work for work in followers if work.line not in self._parked]
        for work in followers:
            if work.line in self._parked:
                self._parked[work.line].waiting.append(work)
        if free:
            await self._handle(free)

    async def _park(self, work: Work, error: Exception) -> None:
        """Let a message that failed alone wait, or bury it after its last attempt."""
        work.attempts += 1
        work.fault = f"{type(error).__name__}: {error}"[:500]
        if work.attempts > len(self._retry_delays):
            await self._bury(work)
            return
        delay = self._retry_delays[work.attempts - 1]
        parked = self._parked.setdefault(work.line, Parked())
        parked.waiting.appendleft(work)
        parked.due = asyncio.get_running_loop().time() + delay
        metrics.retried.labels(work.envelope.type).inc()
        log.warning(
            "message.failed",
            message=work.envelope.type,
            message_id=work.envelope.id,
            key=work.envelope.key,
            attempt=work.attempts,
            retry_in=delay,
            error=type(error).__name__,
            exc_info=error,
        )
        self._wake.set()

    async def _bury(self, work: Work) -> None:
        """Write the dead letter, its mark and the answer in one transaction; wait if need be.

        :raises TooManyFailures: when this is one too many
        """
        self._dead += 1
        record, envelope = work.record, work.envelope
        now = self._clock.now()
        batch = Batch(now, self._configuration())
        batch.marks.append(
            mark(envelope.id, batch=batch.id, at=now, outcome=Outcome(500, "command-failed"))
        )
        unit = UnitOfWork(batch, envelope)
        if envelope.reply_to is not None:
            unit.reply(500, problem=problem("command-failed"))
        unit.merge(marked=False)
        letter = dead_letters.document(
            service=self._service,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            headers=record.headers,
            data=record.value or b"",
            reason=work.fault,
            attempts=work.attempts,
            at=now,
        )
        batch.dead_letters.append(letter)
        batch.outgoing.append(
            Envelope(
                id=dead_letters.id_of(record.topic, record.partition, record.offset),
                type=envelope.type,
                topic=f"{self._service}.dead",
                key=envelope.key,
                data=record.value or b"",
                time=now,
                correlation_id=envelope.correlation_id,
                causation_id=str(envelope.id),
            )
        )
        while True:
            try:
                await self._store.commit(batch)
                break
            except PyMongoError as error:
                if is_duplicate(error):
                    break
                if not is_outage(error):
                    raise TooManyFailures("a dead letter cannot be written") from error
                await asyncio.sleep(1)
        await self._producer.send(batch.leaving)
        self._settled.append(batch.id)
        metrics.dead.labels(envelope.type).inc()
        log.error(
            "message.dead",
            message=envelope.type,
            message_id=envelope.id,
            key=envelope.key,
            reason=work.fault,
            attempts=work.attempts,
        )
        if self._dead >= TOO_MANY_DEAD:
            raise TooManyFailures(f"{self._dead} messages became dead letters since the start")

    async def _retry_parked(self) -> None:
        """Give parked lines their next attempt when it is due."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            due = [parked.due for parked in self._parked.values()]
            try:
                async with asyncio.timeout(max(0.0, min(due) - loop.time()) if due else None):
                    await self._wake.wait()
            except TimeoutError:
                async with self._lock:
                    try:
                        await self._retry_due(loop.time())
                    except TooManyFailures as error:
                        self._fail(error)
                        return

    async def _retry_due(self, now: float) -> None:
        for line, parked in list(self._parked.items()):
            if parked.due > now:
                continue
            first, rest = parked.waiting.popleft(), parked.waiting
            del self._parked[line]
            await self._handle([first])
            if rest:
                if line in self._parked:
                    self._parked[line].waiting.extend(rest)
                else:
                    await self._handle(list(rest))
        self._dirty.set()
        self._count_parked()

    def _count_parked(self) -> None:
        waiting = self.parked
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
                await self._commit_offsets()

    async def _commit_offsets(self) -> None:
        """Commit exactly what was handled, below anything that waits; settle the outbox."""
        self._dirty.clear()
        if self._kafka is None:
            return
        assignment = self._kafka.assignment()
        offsets = {tp: offset for tp, offset in self._next.items() if tp in assignment}
        for parked in self._parked.values():
            for work in parked.waiting:
                tp = work.partition
                if tp in offsets:
                    offsets[tp] = min(offsets[tp], work.record.offset)
        crash_point("before_offset_commit")
        if offsets:
            try:
                await self._kafka.commit(offsets)
            except KafkaError as error:
                # A rebalance took the partitions: their next owner reads these records again,
                # and the inbox knows them.
                log.warning("offsets.not_committed", error=type(error).__name__)
            for tp in offsets:
                end = self._kafka.highwater(tp)
                if end is not None:
                    metrics.lag.labels(tp.topic, tp.partition).set(max(0, end - self._next[tp]))
        settled, self._settled = self._settled, []
        crash_point("before_outbox_delete")
        try:
            await self._inbox.settle(settled)
        except PyMongoError as error:
            self._settled = settled + self._settled
            self._dirty.set()
            log.warning("outbox.not_settled", error=type(error).__name__)


def _then(works: Iterable[Work], batch: Batch) -> Iterator[Key | Everything]:
    """Name what the messages need besides, now that the first documents are at hand."""
    for work in works:
        if work.route is not None and work.route.then is not None:
            yield from work.route.then(work.message, batch)


def _without_twins(works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """Separate second copies inside one batch: the mark can be written only once."""
    seen: set[Any] = set()
    first: list[Work] = []
    twins: list[Work] = []
    for work in works:
        (twins if work.envelope.id in seen else first).append(work)
        seen.add(work.envelope.id)
    return first, twins


def _run(
    works: Sequence[Work], batch: Batch
) -> tuple[list[tuple[Work, Exception]], list[tuple[Work, str]]]:
    """Run the handlers in order; return what failed, and the outcome of the others."""
    failures: list[tuple[Work, Exception]] = []
    outcomes: list[tuple[Work, str]] = []
    blocked: set[tuple[str, str]] = set()
    for work in works:
        if work.line in blocked:
            failures.append((work, BehindAnother()))
            continue
        unit = UnitOfWork(batch, work.envelope)
        try:
            work.route.handler(work.message, unit)  # type: ignore[union-attr] # readable works have a route
        except Ignore:
            unit = UnitOfWork(batch, work.envelope)
            outcomes.append((work, "ignored"))
        except Refused as refusal:
            unit = UnitOfWork(batch, work.envelope)
            unit.reply(refusal.problem.status, problem=refusal.problem, order_id=work.envelope.key)
            outcomes.append((work, "refused"))
        except Exception as error:  # noqa: BLE001 - a failing message must not fail its batch
            failures.append((work, error))
            blocked.add(work.line)
            continue
        else:
            outcomes.append((work, "handled"))
        unit.merge()
    return failures, outcomes


class BehindAnother(Exception):
    """An earlier message of the same line failed; this one waits for it."""
