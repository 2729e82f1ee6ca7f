"""Calls to the outside: promised in a transaction, made after it, recorded in the next one.

A call is a document in `<service>_calls`. Its member `at` says everything about who may touch it:
nobody before that time. While a process holds a call, `at` is the end of its lease; while the call
waits for its next attempt, `at` is that attempt; what nobody has room for has `at` in the past
(services/decisions/0003-calls-to-the-outside.md).

Calls of one lane run strictly one after the other. Every target has its own concurrency, rate and
circuit breaker, so it can only hurt itself.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from contracts.message import Envelope, derived
from contracts.settings import Configuration
from services.chassis import metrics
from services.chassis.claims import LEASE, Claims
from services.chassis.clock import Clock
from services.chassis.faults import crash_point
from services.chassis.gateway import Attempt, Gateway, Verdict
from services.chassis.inbox import Inbox
from services.chassis.kafka import Producer
from services.chassis.lanes import MAX_HELD, Held, Lanes
from services.chassis.mongo import Bson, Database, is_outage
from services.chassis.store import Store
from services.chassis.targets import Limits
from services.chassis.unit_of_work import (
    Batch,
    Call,
    FinishedCalls,
    Lease,
    Overtaken,
    UnitOfWork,
)

__all__ = ["Attempt", "Calls", "Gateway", "Limits", "Verdict"]

POLL = 1.0
RECORD_AT_MOST = 250
GATHER = 0.015
POSTPONED = timedelta(seconds=30)
LONGEST_CALL = 120.0
STOPS_WITHIN = 10.0

_Finished = tuple[Held, object]

log = structlog.get_logger()


class Calls:
    """Makes the calls of one service process."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        service: str,
        gateways: Sequence[Gateway[Any, Any]],  # Any: each gateway has its own types
        database: Database,
        inbox: Inbox,
        producer: Producer,
        clock: Clock,
        configuration: Callable[[], Configuration],
    ) -> None:
        self._gateways: Mapping[str, Gateway[Any, Any]] = {one.kind: one for one in gateways}
        self._claims = Claims(database, service)
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._configuration = configuration
        self._store: Store | None = None
        self._lanes = Lanes(
            gateways=self._gateways,
            clock=clock,
            make=lambda held: self._start(self._make(held)),
        )
        self._taking_up = asyncio.Lock()
        self._finished: asyncio.Queue[_Finished] = asyncio.Queue()
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ---------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Create the indexes behind the lanes and the claims."""
        await self._claims.prepare()

    def start(self, store: Store) -> None:
        """Begin; `store` commits what is recorded."""
        self._store = store
        self._lanes.sure_until = asyncio.get_running_loop().time() + LEASE.total_seconds()
        if self._gateways:
            self._tasks = [
                asyncio.create_task(self._record_finished()),
                asyncio.create_task(self._claim_now_and_then()),
                asyncio.create_task(self._keep_leases()),
            ]

    async def stop(self) -> None:
        """Let the calls in flight end and record them; give the others back."""
        self._lanes.closed = True
        if not self._gateways:
            return
        if self._running:
            await asyncio.wait(self._running, timeout=STOPS_WITHIN)
        try:
            async with asyncio.timeout(STOPS_WITHIN):
                await self._finished.join()
        except TimeoutError:
            log.warning("calls.not_recorded_in_time", calls=self._finished.qsize())
        left = [*self._running, *self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._claims.give_all_back(self._clock.now())

    # -- promises -----------------------------------------------------------------------------

    def leases(self, calls: Sequence[Call]) -> list[tuple[Call, Lease]]:
        """Say which of the calls this process will make, at the moment they are promised."""
        promised = 0
        leases: list[tuple[Call, Lease]] = []
        for call in calls:
            number = self._claims.next_number()
            room = (
                promised < MAX_HELD
                and call.lane not in self._lanes.crowded
                and self._lanes.takes(call.kind, call.target)
            )
            if room:
                promised += 1
                leases.append((call, Lease(number, self._claims.owner, call.at + LEASE)))
            else:
                self._lanes.crowded.add(call.lane)
                leases.append((call, Lease(number, None, call.at)))
        return leases

    def committed(self, batch: Batch) -> None:
        """Take up the calls that the batch promised and this process leased; wake what it woke."""
        mine = [(call, lease) for call, lease in batch.leases if lease.owner is not None]
        if mine:
            self._start(self._take_up(mine))
        for target in batch.woken:
            self._start(self._wake(target))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _take_up(self, calls: Sequence[tuple[Call, Lease]]) -> None:
        """Start the calls, unless an earlier one of their lane is not in this process's hands.

        One batch at a time, so that a later batch sees what became of the lanes of this one.
        """
        first: dict[str, int] = {}
        for call, lease in calls:
            first.setdefault(call.lane, lease.number)
        async with self._taking_up:
            behind = await self._claims.behind(first, self._lanes.holds)
            self._lanes.crowded |= behind
            for call, lease in calls:
                if call.lane not in behind:
                    self._hold_promised(call, lease)
            released = [call.id for call, _ in calls if call.lane in behind]
            await self._claims.give_back(released, self._clock.now())

    def _hold_promised(self, call: Call, lease: Lease) -> None:
        request = self._gateways[call.kind].request.model_validate_json(call.request)
        attempt = Attempt(
            call.id, 1, call.at, call.correlation_id, call.traceparent, call.payload or b""
        )
        self._lanes.hold(
            Held(call.id, call.kind, call.lane, call.target, lease.number, request, attempt)
        )

    async def _make(self, held: Held) -> None:
        gateway = self._gateways[held.kind]
        outcome: object
        try:
            async with asyncio.timeout(LONGEST_CALL):
                outcome = await gateway.call(held.request, held.attempt)
        except Exception as error:
            log.exception("call.broke", call=held.kind, call_id=held.id, target=held.target)
            outcome = error
        crash_point("after_call")
        self._finished.put_nowait((held, outcome))
        self._lanes.ended(held)

    # -- recording ------------------------------------------------------------------------------

    async def _record_finished(self) -> None:
        while True:
            finished = [await self._finished.get()]
            if self._lanes.count > 1:
                # A transaction costs the same for one outcome as for fifty; nobody waits for these
                # but the next call of a lane.
                await asyncio.sleep(GATHER)
            while len(finished) < RECORD_AT_MOST and not self._finished.empty():
                finished.append(self._finished.get_nowait())
            await self._record_surely(finished)
            for _ in finished:
                self._finished.task_done()

    async def _record_surely(self, finished: Sequence[_Finished]) -> None:
        """Record the outcomes, whatever MongoDB does; none holds up the others."""
        pause = 0.0
        while finished:
            try:
                if pause:
                    finished = await self._still_ours(finished)
                await self._record(finished)
            except Exception as error:
                log.warning("calls.not_recorded", error=type(error).__name__, exc_info=error)
                if not isinstance(error, Overtaken) and not is_outage(error):
                    if len(finished) > 1:
                        for one in finished:
                            await self._record_surely([one])
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
                await self._step_back(held.lane, now)
                self._lanes.let_go(held)
        return [one for one in finished if one[0].id in ours]

    async def _record(self, finished: Sequence[_Finished]) -> None:
        store = self._store
        if store is None:
            raise RuntimeError("the calls were not started")
        batch = Batch(self._clock.now(), self._configuration())
        good = [held for held, outcome in finished if not isinstance(outcome, Exception)]
        await store.load(
            batch, (key for held in good for key in self._gateways[held.kind].loads(held.request))
        )
        verdicts = [(held, self._keep(held, outcome, batch)) for held, outcome in finished]
        answering = bool(batch.outgoing or batch.replies)
        batch.finished_calls += self._changes(verdicts, batch, answering=answering)
        await store.commit(batch)
        if batch.leaving:
            await self._producer.send(batch.leaving)
            await self._claims.sent([batch.id])
            await self._inbox.settle([batch.id])
        self.committed(batch)
        for held, verdict in verdicts:
            closed = self._lanes.judge(held, verdict)
            word = "done" if verdict.again_at is None else "again"
            metrics.calls.labels(held.kind, word).inc()
            self._lanes.let_go(held)
            if verdict.again_at is not None:
                await self._step_back(held.lane, verdict.again_at)
            if closed:
                await self._wake(held.target)
        for name in {held.target for held, _ in verdicts}:
            self._lanes.pump(name)

    async def _step_back(self, lane: str, at: datetime) -> None:
        await self._claims.give_back(self._lanes.step_back(lane), at)

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

    async def _wake(self, target: str) -> None:
        await self._claims.wake(target, self._clock.now())
        self._lanes.drained.set()

    # -- claims -----------------------------------------------------------------------------------

    async def _keep_leases(self) -> None:
        """Renew the leases in time; after a long sleep find out which were lost."""
        loop = asyncio.get_running_loop()
        renewed = self._clock.now()
        while True:
            started, now = loop.time(), self._clock.now()
            late = started >= self._lanes.sure_until
            try:
                if self._lanes.count and (late or now - renewed > LEASE / 3):
                    await self._claims.renew(now)
                    if late:
                        await self._forget_lost(await self._claims.ours())
                    renewed, self._lanes.sure_until = now, started + LEASE.total_seconds()
                    if late:
                        self._lanes.pump_all()
                elif not self._lanes.count:
                    renewed, self._lanes.sure_until = now, started + LEASE.total_seconds()
            except PyMongoError as error:
                log.warning("calls.not_renewed", error=type(error).__name__)
            await asyncio.sleep(POLL)

    async def _forget_lost(self, ours: Collection[UUID]) -> None:
        lost = self._lanes.lost(ours)
        for name in lost:
            await self._step_back(name, self._clock.now())
        if lost:
            log.warning("calls.lanes_lost", lanes=len(lost))

    async def _claim_now_and_then(self) -> None:
        while True:
            try:
                async with asyncio.timeout(POLL):
                    await self._lanes.drained.wait()
            except TimeoutError:
                pass  # nothing has drained: time for the regular look
            self._lanes.drained.clear()
            try:
                now = self._clock.now()
                while self._lanes.count < MAX_HELD and await self._claim(now):
                    continue
            except PyMongoError as error:
                log.warning("calls.not_claimed", error=type(error).__name__)

    async def _claim(self, now: datetime) -> bool:
        """Lease what is due and has its turn; says whether there may be more."""
        lanes = await self._claims.due_lanes(now, self._lanes.full())
        if not lanes:
            self._lanes.crowded.intersection_update(self._lanes.names())
            return False
        opened, moved = await self._claims.open_lanes(lanes, now, self._lanes.__contains__)
        turns = await self._claims.turns(opened, now, self._lanes.room_for)
        if turns:
            await self._lease_and_hold(turns, now)
        return bool(turns or moved)

    async def _lease_and_hold(self, turns: Sequence[Bson], now: datetime) -> None:
        """Lease the calls and hold those that no other process was quicker to lease."""
        won = await self._claims.lease(turns, now)
        await self._finish_answered([found for found in won.values() if found.get("answered")])
        lost: set[str] = set()
        behind: list[UUID] = []
        for turn in turns:
            found = won.get(turn["_id"])
            if turn["lane"] in lost:
                behind.append(turn["_id"])
            elif found is None or found.get("again"):
                lost.add(turn["lane"])
            elif not found.get("answered") and not self._hold_found(found):
                lost.add(turn["lane"])
                await self._claims.give_back([found["_id"]], now + POSTPONED)
        await self._claims.give_back(behind, now)

    def _hold_found(self, found: Bson) -> bool:
        """Hold a call that was leased; says no if this process does not understand it."""
        gateway = self._gateways.get(found["kind"])
        try:
            request = gateway.request.model_validate_json(found["request"]) if gateway else None
        except ValidationError:
            request = None
        if request is None:
            log.error("call.unreadable", call=found["kind"], call_id=found["_id"])
            return False
        self._lanes.crowded.discard(found["lane"])
        attempt = Attempt(
            found["_id"],
            found["attempt"] + 1,
            found["promised"],
            found["correlation"],
            found.get("trace"),
            found.get("payload") or b"",
        )
        self._lanes.hold(
            Held(
                found["_id"],
                found["kind"],
                found["lane"],
                found["target"],
                found["n"],
                request,
                attempt,
            )
        )
        return True

    async def _finish_answered(self, answered: Sequence[Bson]) -> None:
        """Finish what a process that died had recorded but perhaps not sent."""
        batches = {found["answered"] for found in answered}
        if batches:
            await self._producer.send(await self._inbox.owed(batches))
            await self._claims.sent(batches)
            await self._inbox.settle(list(batches))
