"""A batch of messages in one transaction, and what leaves after it.

The steps and why they stand in this order: services/decisions/0001-one-batch-one-transaction.md.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog

from contracts.message import Envelope
from contracts.messages.replies import Reply
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis import metrics
from services.chassis.batch import Batch, Everything, Key
from services.chassis.clock import Clock
from services.chassis.faults import crash_point
from services.chassis.inbox import Inbox, Mark, Outcome
from services.chassis.kafka import Producer
from services.chassis.outcomes import Ignore, Refused, Unconcerned
from services.chassis.store import Store
from services.chassis.tracing import Tracing
from services.chassis.unit_of_work import UnitOfWork
from services.chassis.works import Line, Work

_LINES = {
    "handled": "message.handled",
    "ignored": "message.ignored",
    "refused": "message.refused",
    "repeated": "message.repeated",
}

AfterCommit = Callable[[Collection[str], datetime | None], Awaitable[None]]
"""Is told which documents a batch has written, and the time of the batch; None if it is not known.

It is told while the batch's messages leave, before its offsets are committed: so again if the
process dies.
"""

log = structlog.get_logger()


class Unsure(Exception):
    """Something failed, or was not created, that may have been before: that must be looked up."""


@dataclass(slots=True)
class Handled:
    """What became of the works: all the others were handled, refused, ignored or repeats."""

    failed: list[tuple[Work, Exception]] = field(default_factory=list)
    behind: list[Work] = field(default_factory=list)
    settled: list[UUID] = field(default_factory=list)


class Handling:
    """Handles batches for one service."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        store: Store,
        inbox: Inbox,
        producer: Producer,
        clock: Clock,
        configuration: Callable[[], Configuration],
        committed: Callable[[Batch], None],
        after_commit: AfterCommit | None = None,
        tracing: Tracing | None,
    ) -> None:
        self._store = store
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._configuration = configuration
        self._committed = committed
        self._after_commit = after_commit
        self._tracing = tracing

    async def handle(self, works: Sequence[Work], known: Mapping[UUID, Mark] | None) -> Handled:
        """Handle the works in one transaction and send what comes of it.

        `known` are the marks of those handled before; None means optimism: the unique key of the
        marks tells, and that of what the messages create.

        :raises Unsure: if optimism was not enough, because something failed or was not created
        :raises PyMongoError: as the driver does; a duplicate mark says that a message of this
            batch was handled before
        """
        started = perf_counter()
        marks = known or {}
        repeated = [(w, marks[w.envelope.id]) for w in works if w.envelope.id in marks]
        fresh, twins = _without_twins([w for w in works if w.envelope.id not in marks])
        batch = Batch(self._clock.now(), self._configuration())
        result = Handled()
        outcomes: list[tuple[Work, str]] = []
        if fresh:
            outcomes = await self._commit(fresh, batch, result, optimistic=known is None)
        if repeated:
            result.settled += await self._repeat(repeated)
        sending = asyncio.create_task(self._send(batch))
        try:
            if self._after_commit is not None:
                # What was handled before has perhaps not been told: then its time is not known.
                ids = {work.envelope.key for work in works} | {id_ for _, id_ in batch.current}
                await self._after_commit(ids, None if marks else batch.now)
        finally:
            result.settled += await sending
        self._committed(batch)
        if twins:
            await self._answer_twins(fresh, twins, result)
        outcomes += [(work, "repeated") for work in (*(one for one, _ in repeated), *twins)]
        self._tell(outcomes, perf_counter() - started)
        if self._tracing is not None:
            self._tracing.end((*outcomes, *((work, "failed") for work, _ in result.failed)))
        return result

    async def _send(self, batch: Batch) -> list[UUID]:
        """Send what the batch owes; returns the batch, if it owed anything."""
        if not batch.leaving:
            return []
        before = perf_counter()
        await self._producer.send(batch.leaving)
        metrics.seconds.labels("produce").observe(perf_counter() - before)
        return [batch.id]

    async def _commit(
        self, fresh: Sequence[Work], batch: Batch, result: Handled, *, optimistic: bool
    ) -> list[tuple[Work, str]]:
        began = perf_counter()
        # What is there after all will not be created, or its unique id tells.
        absent = list(_created(fresh)) if optimistic else []
        await self._store.load(batch, _first(fresh), absent)
        while wanted := _then(fresh, batch):
            await self._store.load(batch, wanted)
        crash_point("after_read")
        loaded = perf_counter()
        if self._tracing is not None:
            self._tracing.begin(fresh)
        outcomes = _run(fresh, batch, result)
        if optimistic and (result.failed or any(batch.current.get(key) is None for key in absent)):
            raise Unsure
        handled = perf_counter()
        if batch.marks:
            await self._store.commit(batch)
            crash_point("after_commit")
        metrics.batch_size.observe(len(fresh))
        metrics.seconds.labels("load").observe(loaded - began)
        metrics.seconds.labels("handle").observe(handled - loaded)
        metrics.seconds.labels("commit").observe(perf_counter() - handled)
        return outcomes

    async def _repeat(self, repeated: Sequence[tuple[Work, Mark]]) -> set[UUID]:
        """Send again what was perhaps not sent: the outbox of a batch, and recorded answers."""
        batches = {found.batch for _, found in repeated}
        envelopes = await self._inbox.owed(batches)
        await self._producer.send([*envelopes, *self._answers(repeated)])
        return batches

    async def _answer_twins(
        self, works: Sequence[Work], twins: Sequence[Work], result: Handled
    ) -> None:
        """Answer second copies that somebody else waits for; keep those of what failed."""
        failed = {work.envelope.id for work, _ in result.failed}
        failed |= {work.envelope.id for work in result.behind}
        result.behind += [work for work in twins if work.envelope.id in failed]
        answered = {(work.envelope.id, work.envelope.reply_to) for work in works}
        others = [
            work
            for work in twins
            if (work.envelope.id, work.envelope.reply_to) not in answered
            and work.envelope.id not in failed
        ]
        if others:
            marks = await self._inbox.handled(work.envelope.id for work in others)
            found = [(work, marks[work.envelope.id]) for work in others]
            await self._producer.send(list(self._answers(found)))

    def _answers(self, repeated: Iterable[tuple[Work, Mark]]) -> Iterator[Envelope]:
        for work, found in repeated:
            if found.outcome is not None and work.envelope.reply_to is not None:
                yield self._answer(work, found.outcome)

    def _answer(self, work: Work, outcome: Outcome) -> Envelope:
        reply = Reply(
            command_id=work.envelope.correlation_id,
            status_code=outcome.status,
            problem=problem(outcome.problem) if outcome.problem else None,
            order_id=outcome.order_id,
            version=outcome.version,
            shape=outcome.shape,
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

    def _tell(self, outcomes: Sequence[tuple[Work, str]], seconds: float) -> None:
        rounded = round(seconds, 4)
        for (name, outcome), count in Counter((work.name, said) for work, said in outcomes).items():
            metrics.handled.labels(name, outcome).inc(count)
        for work, outcome in outcomes:
            log.info(
                _LINES[outcome],
                message=work.name,
                message_id=work.envelope.id,
                key=work.envelope.key,
                correlation_id=work.envelope.correlation_id,
                seconds=rounded,
            )


def _first(works: Iterable[Work]) -> Iterator[Key | Everything]:
    """Name what the messages say they need."""
    for work in works:
        if work.route is not None:
            yield from work.route.loads(work.message)


def _created(works: Iterable[Work]) -> Iterator[Key]:
    """Name the documents that the messages create."""
    for work in works:
        if work.route is not None and work.route.creates is not None:
            yield work.route.creates(work.message)


def _then(works: Iterable[Work], batch: Batch) -> list[Key]:
    """Name what the messages need besides, now that other documents are at hand."""
    asked: dict[Any, list[Any]] = {}  # Any: routes of every message type pass here
    for work in works:
        if work.route is not None and work.route.then is not None:
            asked.setdefault(work.route.then, []).append(work.message)
    return [
        key
        for then, messages in asked.items()
        for key in then(messages, batch)
        if not batch.has_loaded(*key)
    ]


def _without_twins(works: Sequence[Work]) -> tuple[list[Work], list[Work]]:
    """Separate second copies inside one batch: the mark can be written only once."""
    seen: set[UUID] = set()
    first: list[Work] = []
    twins: list[Work] = []
    for work in works:
        (twins if work.envelope.id in seen else first).append(work)
        seen.add(work.envelope.id)
    return first, twins


def _run(works: Sequence[Work], batch: Batch, result: Handled) -> list[tuple[Work, str]]:
    """Run the handlers in order; note what failed, return the outcome of the others."""
    outcomes: list[tuple[Work, str]] = []
    blocked: set[Line] = set()
    for work in works:
        if work.line in blocked:
            result.behind.append(work)
            continue
        unit = UnitOfWork(batch, work.envelope)
        try:
            work.route.handler(work.message, unit)  # type: ignore[union-attr] # these have a route
        except Unconcerned:
            outcomes.append((work, "ignored"))
            continue
        except Ignore:
            unit = UnitOfWork(batch, work.envelope)
            outcomes.append((work, "ignored"))
        except Refused as refusal:
            unit = UnitOfWork(batch, work.envelope)
            unit.reply(refusal.problem.status, problem=refusal.problem, order_id=work.envelope.key)
            outcomes.append((work, "refused"))
        except Exception as error:  # noqa: BLE001 - a failing message must not fail its batch
            result.failed.append((work, error))
            blocked.add(work.line)
            continue
        else:
            outcomes.append((work, "handled"))
        unit.merge()
    return outcomes
