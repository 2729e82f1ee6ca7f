"""What became of calls to the outside, written down many at a time (see `calls.py`)."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog

from contracts.message import Envelope, derived
from contracts.settings import Configuration
from services.chassis import metrics
from services.chassis.batch import Batch, Everything, FinishedCalls, Key, Overtaken
from services.chassis.claims import Claims
from services.chassis.clock import Clock
from services.chassis.gateway import Gateway, Verdict
from services.chassis.inbox import Inbox
from services.chassis.kafka import Producer
from services.chassis.lanes import Held, Lanes
from services.chassis.mongo import is_outage
from services.chassis.store import Store
from services.chassis.unit_of_work import UnitOfWork

RECORD_AT_MOST = 250
GATHER = 0.015
POSTPONED = timedelta(seconds=30)

_Finished = tuple[Held, object]

log = structlog.get_logger()


class Recording:
    """Records the outcomes of one process's calls, and what follows for their lanes."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        gateways: Mapping[str, Gateway[Any, Any]],  # Any: each gateway has its own types
        claims: Claims,
        lanes: Lanes,
        inbox: Inbox,
        producer: Producer,
        clock: Clock,
        configuration: Callable[[], Configuration],
        committed: Callable[[Batch], None],
        gather: float,
    ) -> None:
        """Begin with nothing to record.

        :param committed: is told of every batch that was committed
        :param gather: the most seconds that outcomes may gather, beyond a moment, where nobody
            waits for them but the next call of a lane
        """
        self._gateways = gateways
        self._claims = claims
        self._lanes = lanes
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._configuration = configuration
        self._committed = committed
        self._gather = gather
        self._queue: asyncio.Queue[_Finished] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        """How many outcomes are not recorded yet."""
        return self._queue.qsize()

    def add(self, held: Held, outcome: object) -> None:
        """Take an outcome; an exception means that nobody knows it."""
        self._queue.put_nowait((held, outcome))

    async def all_recorded(self) -> None:
        """Return when everything taken so far is recorded."""
        await self._queue.join()

    async def run(self, store: Store) -> None:
        """Record outcomes for ever, in transactions of `store`."""
        took = 0.0
        while True:
            finished = [await self._queue.get()]
            if self._lanes.count > 1:
                # A transaction costs the same for one outcome as for fifty, so the slower they are,
                # the more may gather; the next call of a lane waits for it at least.
                await asyncio.sleep(max(GATHER, min(2 * took, self._gather)))
            while len(finished) < RECORD_AT_MOST and not self._queue.empty():
                finished.append(self._queue.get_nowait())
            began = perf_counter()
            await self._record_surely(finished, store)
            took = perf_counter() - began
            for _ in finished:
                self._queue.task_done()

    async def _record_surely(self, finished: Sequence[_Finished], store: Store) -> None:
        """Record the outcomes, whatever MongoDB does; none holds up the others."""
        pause = 0.0
        while finished:
            try:
                if pause:
                    finished = await self._still_ours(finished)
                await self._record(finished, store)
            except Exception as error:
                log.warning("calls.not_recorded", error=type(error).__name__, exc_info=error)
                if not isinstance(error, Overtaken) and not is_outage(error):
                    if len(finished) > 1:
                        for one in finished:
                            await self._record_surely([one], store)
                        return
                    # Then at least that it has to be made again.
                    finished = [(held, error) for held, _ in finished]
                pause = min(pause * 2 or 0.1, 5.0)
                await asyncio.sleep(pause)
            else:
                return

    async def _still_ours(self, finished: Sequence[_Finished]) -> list[_Finished]:
        """Drop the calls that are recorded already, or that another process has taken over."""
        ours = await self._claims.ours()
        now = self._clock.now()
        for held, _ in finished:
            if held.id not in ours:
                log.warning("call.taken_over", call=held.kind, call_id=held.id, target=held.target)
                self._lanes.unjudged(held)
                await self.step_back(held.lane, now)
                self._lanes.let_go(held)
        return [one for one in finished if one[0].id in ours]

    async def _record(self, finished: Sequence[_Finished], store: Store) -> None:
        batch = Batch(self._clock.now(), self._configuration())
        await store.load(batch, (key for one in finished for key in self._needed(*one)))
        verdicts = [(held, self._keep(held, outcome, batch)) for held, outcome in finished]
        answering = bool(batch.outgoing or batch.replies)
        batch.finished_calls += self._changes(verdicts, batch, answering=answering)
        await store.commit(batch)
        if batch.leaving:
            await self._producer.send(batch.leaving)
            await self._claims.sent([batch.id])
            await self._inbox.settle([batch.id])
        self._committed(batch)
        for held, verdict in verdicts:
            closed = self._lanes.judge(held, verdict)
            word = "done" if verdict.again_at is None else "again"
            metrics.calls.labels(held.kind, word).inc()
            self._lanes.let_go(held)
            if verdict.again_at is not None:
                await self.step_back(held.lane, verdict.again_at)
            if closed:
                await self.wake(held.target)
        for name in {held.target for held, _ in verdicts}:
            self._lanes.pump(name)

    # -- what follows for a lane or a target ------------------------------------------------------

    async def step_back(self, lane: str, at: datetime) -> None:
        """Let nobody touch what this process holds of a lane before `at`."""
        await self._claims.give_back(self._lanes.step_back(lane), at)

    async def wake(self, target: str) -> None:
        """Bring forward what waits for its next attempt at a target."""
        await self._claims.wake(target, self._clock.now())
        self._lanes.drained.set()

    def _needed(self, held: Held, outcome: object) -> Iterator[Key | Everything]:
        gateway = self._gateways[held.kind]
        if not isinstance(outcome, Exception):
            yield from gateway.loads(held.request)
            yield from gateway.then(held.request, outcome)

    # -- one outcome ------------------------------------------------------------------------------

    def _keep(self, held: Held, outcome: object, batch: Batch) -> Verdict:
        if isinstance(outcome, Exception):
            return Verdict(again_at=batch.now + POSTPONED, failed=True)
        envelope = Envelope(
            id=derived(held.id, held.attempt.number),
            type=held.kind,
            topic="calls",
            key=held.lane,
            data=b"",
            time=batch.now,
            correlation_id=held.attempt.correlation_id,
            traceparent=held.attempt.traceparent,
        )
        unit = UnitOfWork(batch, envelope)
        try:
            verdict = self._gateways[held.kind].record(held.request, outcome, held.attempt, unit)
        except Exception:
            # The call is made again under the same key, which makes that harmless; the others of
            # this batch are recorded all the same.
            log.exception("call.not_recorded", call=held.kind, call_id=held.id)
            return Verdict(again_at=batch.now + POSTPONED, failed=True)
        unit.merge(marked=False)
        return verdict

    def _changes(
        self, verdicts: Sequence[tuple[Held, Verdict]], batch: Batch, *, answering: bool
    ) -> Iterator[FinishedCalls]:
        sender = batch.id if answering else None
        over: dict[int, list[UUID]] = {}
        for held, verdict in verdicts:
            number = held.attempt.number
            if verdict.again_at is None:
                over.setdefault(number, []).append(held.id)
                continue
            again = self._claims.again(
                held.id,
                number,
                verdict.again_at,
                counted=not verdict.postponed,
                answering=sender,
                now=batch.now,
            )
            yield FinishedCalls(again, 1)
        for number, ids in over.items():
            write = self._claims.over(ids, number, answering=sender, now=batch.now)
            yield FinishedCalls(write, len(ids))
