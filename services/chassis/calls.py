"""Calls to the outside: promised in a transaction, made after it, recorded in the next one.

A call is a document in `<service>_calls`. Its member `at` says everything about who may touch it:
nobody before that time. While a process holds a call, `at` is the end of its lease; while the call
waits for its next attempt, `at` is that attempt; what nobody has room for has `at` in the past
(services/decisions/0003-calls-to-the-outside.md).

Calls of one lane run strictly one after the other. Every target has its own concurrency, rate and
circuit breaker, so it can only hurt itself.
"""

import asyncio
import os
import socket
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import time_ns
from typing import Any, Generic, TypeVar
from uuid import UUID, uuid4

import structlog
from pydantic import BaseModel
from pymongo import UpdateMany
from pymongo.errors import PyMongoError

from contracts.message import Envelope, derived
from contracts.settings import Configuration
from services.chassis import metrics
from services.chassis.clock import Clock
from services.chassis.faults import crash_point
from services.chassis.inbox import Inbox
from services.chassis.kafka import Producer
from services.chassis.mongo import Bson, Database
from services.chassis.unit_of_work import Batch, Call, Lease, Loads, Store, UnitOfWork

LEASE = timedelta(seconds=60)
POLL = 0.5
MAX_HELD = 2_000
MAX_HELD_BYTES = 64 * 1024 * 1024
MAX_HELD_PER_TARGET = 500
FEW = 64  # what a target may hold when the process is half full, so that there is room for others
CLAIM_AT_MOST = 500
RECORD_AT_MOST = 250
BEHIND = timedelta(seconds=1)
FAILURES_TO_OPEN = 10
LANES_TO_OPEN = 3
PROBE_FIRST = 2.0
PROBE_LONGEST = 10.0
POSTPONED = timedelta(seconds=30)

AnyRequest = TypeVar("AnyRequest", bound=BaseModel)
AnyOutcome = TypeVar("AnyOutcome")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call: `key` is the same at every try, `number` begins with 1."""

    key: UUID
    number: int
    promised: datetime
    correlation_id: str
    traceparent: str | None
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target may be asked to bear; `rate` is calls a second, None for no limit."""

    concurrency: int = 32
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call after an attempt.

    `again_at` is the time of the next attempt, None when the call is over. `failed` counts against
    the target's circuit; `quiet_until` makes the whole target wait. `postponed` says that nobody
    was called: the attempt is not counted, and the circuit has learned nothing.
    """

    again_at: datetime | None = None
    failed: bool = False
    quiet_until: datetime | None = None
    postponed: bool = False


@dataclass(frozen=True, slots=True)
class Gateway(Generic[AnyRequest, AnyOutcome]):
    """One kind of call.

    `call` makes the request and returns what happened; it raises only on a bug. `record` is a
    handler: it keeps the outcome, sends what follows from it and gives the verdict. `limits` is
    asked again and again, so it must be quick, and may change its mind.
    """

    kind: str
    request: type[AnyRequest]
    call: Callable[[AnyRequest, Attempt], Awaitable[AnyOutcome]]
    record: Callable[[AnyRequest, AnyOutcome, Attempt, UnitOfWork], Verdict]
    loads: Callable[[AnyRequest], Loads] = lambda _: ()
    limits: Callable[[str], Limits] = lambda _: Limits()


@dataclass(slots=True)
class _Held:
    """A call that this process has leased."""

    id: UUID
    kind: str
    lane: str
    target: str
    number: int
    request: BaseModel
    attempt: Attempt
    began: float = 0.0


@dataclass(slots=True)
class _Target:
    """What is known of one receiver."""

    kind: str
    limits: Limits
    ready: deque[_Held] = field(default_factory=deque)
    in_flight: int = 0
    held: int = 0
    failures: int = 0
    failing_lanes: set[str] = field(default_factory=set)
    open_until: float | None = None
    probe_pause: float = PROBE_FIRST
    quiet_until: datetime | None = None
    tokens: float = 0.0
    refilled: float = 0.0
    alarm: asyncio.TimerHandle | None = None


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
        self._service = service
        self._gateways: Mapping[str, Gateway[Any, Any]] = {one.kind: one for one in gateways}
        self._collection = database[f"{service}_calls"]
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._configuration = configuration
        self._store: Store | None = None
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._lanes: dict[str, deque[_Held]] = {}
        self._targets: dict[str, _Target] = {}
        self._held = 0
        self._held_bytes = 0
        self._crowded: set[str] = set()
        self._drained = asyncio.Event()
        self._taking_up = asyncio.Lock()
        self._number = time_ns()
        self._finished: asyncio.Queue[tuple[_Held, Any]] = asyncio.Queue()
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    # -- life ---------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Create the indexes behind the lanes and the claims."""
        await self._collection.create_index([("lane", 1), ("n", 1)])
        await self._collection.create_index([("at", 1), ("target", 1), ("lane", 1)])
        await self._collection.create_index([("target", 1), ("owner", 1)])

    def start(self, store: Store) -> None:
        """Begin; `store` commits what is recorded."""
        self._store = store
        if self._gateways:
            self._tasks = [
                asyncio.create_task(self._record_finished()),
                asyncio.create_task(self._claim_and_renew()),
            ]

    async def stop(self) -> None:
        """Let the calls in flight end and record them; give the others back."""
        self._stopping = True
        if not self._gateways:
            return
        if self._running:
            await asyncio.wait(self._running, timeout=10)
        try:
            async with asyncio.timeout(10):
                await self._finished.join()
        except TimeoutError:
            log.warning("calls.not_recorded_in_time", calls=self._finished.qsize())
        left = [*self._running, *self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._collection.update_many(
            {"owner": self._owner}, {"$set": {"at": self._clock.now(), "owner": None}}
        )

    # -- promises -----------------------------------------------------------------------------

    def lease(self, call: Call) -> Lease:
        """Say whether this process will make the call, at the moment it is promised.

        Numbers grow within a process, and from one process to the next as far as their clocks
        agree: when a lane moves to another process, what was promised first stays first.
        """
        self._number = max(self._number + 1, time_ns())
        room = (
            not self._stopping
            and call.lane not in self._crowded
            and not self._is_full(self._target(call.kind, call.target))
        )
        if not room:
            self._crowded.add(call.lane)
            return Lease(self._number, None, call.at)
        return Lease(self._number, self._owner, call.at + LEASE)

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
            behind = await self._behind(first)
            self._crowded |= behind
            for call, lease in calls:
                if call.lane not in behind:
                    self._hold_promised(call, lease)
            released = [call.id for call, _ in calls if call.lane in behind]
            if released:
                await self._give_back(released, self._clock.now())

    async def _behind(self, first: Mapping[str, int]) -> set[str]:
        """Return the lanes that have a call before their number here which we do not hold."""
        earlier: list[tuple[str, int]] = []
        try:
            # Both indexes of the answer are in the index, so no document is read.
            cursor = self._collection.find(
                {"lane": {"$in": list(first)}, "n": {"$lt": max(first.values())}},
                {"_id": 0, "lane": 1, "n": 1},
            )
            earlier = [
                (found["lane"], found["n"])
                for found in await cursor.to_list(None)
                if found["n"] < first[found["lane"]]
            ]
        except PyMongoError as error:
            log.warning("calls.lanes_unknown", error=type(error).__name__)
            return set(first)
        return {
            lane
            for lane, number in earlier
            if all(held.number != number for held in self._lanes.get(lane, ()))
        }

    def _hold_promised(self, call: Call, lease: Lease) -> None:
        request = self._gateways[call.kind].request.model_validate_json(call.request)
        attempt = Attempt(
            call.id, 1, call.at, call.correlation_id, call.traceparent, call.payload or b""
        )
        self._hold(
            _Held(call.id, call.kind, call.lane, call.target, lease.number, request, attempt)
        )

    async def _give_back(self, ids: Sequence[UUID], at: datetime) -> None:
        try:
            await self._collection.update_many(
                {"_id": {"$in": list(ids)}}, {"$set": {"at": at, "owner": None}}
            )
        except PyMongoError as error:
            # Their leases run out by themselves; they are late, not lost.
            log.warning("calls.not_given_back", error=type(error).__name__, calls=len(ids))

    # -- lanes and targets ----------------------------------------------------------------------

    def _target(self, kind: str, name: str) -> _Target:
        target = self._targets.get(name)
        if target is None:
            target = self._targets[name] = _Target(kind, self._gateways[kind].limits(name))
        return target

    def _is_full(self, target: _Target) -> bool:
        """Say whether this process must not hold more calls to the target for now.

        Targets that hang may fill half of the process; what is left is shared in small portions.
        """
        most = MAX_HELD_PER_TARGET if self._held < MAX_HELD // 2 else FEW
        return target.held >= most or self._held >= MAX_HELD or self._held_bytes >= MAX_HELD_BYTES

    def _hold(self, held: _Held) -> None:
        self._held += 1
        self._held_bytes += len(held.attempt.payload)
        metrics.calls_waiting.set(self._held)
        target = self._target(held.kind, held.target)
        target.held += 1
        lane = self._lanes.setdefault(held.lane, deque())
        lane.append(held)
        if len(lane) == 1:
            target.ready.append(held)
            self._pump(held.target, target)

    def _drop(self, held: _Held) -> None:
        """Have nothing more to do with a call; wake the claims when its target has room again."""
        self._held -= 1
        self._held_bytes -= len(held.attempt.payload)
        metrics.calls_waiting.set(self._held)
        target = self._targets[held.target]
        target.held -= 1
        if self._crowded and target.held in {FEW // 2, MAX_HELD_PER_TARGET // 2}:
            self._drained.set()

    def _let_go(self, held: _Held) -> None:
        """Drop a finished call and let the next one of its lane be ready."""
        self._drop(held)
        lane = self._lanes[held.lane]
        lane.popleft()
        if lane:
            self._targets[held.target].ready.append(lane[0])
        else:
            del self._lanes[held.lane]

    def _pump(self, name: str, target: _Target) -> None:
        """Start what the target may bear now; set an alarm for what it may bear later."""
        loop = asyncio.get_running_loop()
        target.limits = self._gateways[target.kind].limits(name)
        while target.ready and not self._stopping:
            now = loop.time()
            wait = self._pause(target, now)
            if wait > 0:
                self._set_alarm(name, target, now, wait)
                return
            if target.in_flight >= (
                1 if target.open_until is not None else target.limits.concurrency
            ):
                return
            if target.limits.rate is not None:
                target.tokens -= 1
            held = target.ready.popleft()
            target.in_flight += 1
            held.began = now
            self._start(self._make(held))

    def _set_alarm(self, name: str, target: _Target, now: float, wait: float) -> None:
        alarm = target.alarm
        if alarm is not None and now < alarm.when() <= now + wait:
            return
        if alarm is not None:
            alarm.cancel()
        target.alarm = asyncio.get_running_loop().call_later(wait, self._pump, name, target)

    def _pause(self, target: _Target, now: float) -> float:
        """Return for how many seconds the target must be left alone, at least."""
        wait = 0.0
        if target.quiet_until is not None:
            # Asked again soon, because the clock of `quiet_until` is not the loop's.
            wait = min((target.quiet_until - self._clock.now()).total_seconds(), POLL)
            if wait <= 0:
                target.quiet_until = None
        if target.open_until is not None:
            wait = max(wait, target.open_until - now)
        rate = target.limits.rate
        if rate is not None:
            target.tokens = min(max(rate, 1.0), target.tokens + (now - target.refilled) * rate)
            target.refilled = now
            if target.tokens < 1:
                wait = max(wait, (1 - target.tokens) / rate)
        return wait

    async def _make(self, held: _Held) -> None:
        gateway = self._gateways[held.kind]
        try:
            outcome = await gateway.call(held.request, held.attempt)
        except Exception as error:
            log.exception("call.broke", call=held.kind, call_id=held.id, target=held.target)
            outcome = error
        crash_point("after_call")
        self._targets[held.target].in_flight -= 1
        self._finished.put_nowait((held, outcome))
        self._pump(held.target, self._targets[held.target])

    def _judge(self, held: _Held, verdict: Verdict) -> bool:
        """Keep the target's circuit; says whether it has just closed."""
        target = self._targets[held.target]
        loop = asyncio.get_running_loop()
        if verdict.quiet_until is not None:
            target.quiet_until = verdict.quiet_until
        if verdict.postponed:
            return False
        if not verdict.failed:
            closed = target.open_until is not None
            target.failures, target.open_until, target.probe_pause = 0, None, PROBE_FIRST
            target.failing_lanes.clear()
            if closed:
                metrics.circuit_open.dec()
                log.info("circuit.closed", target=held.target)
            return closed
        target.failures += 1
        target.failing_lanes.add(held.lane)
        if target.open_until is not None:
            if held.began >= target.open_until:  # a probe, not one that was under way
                target.probe_pause = min(target.probe_pause * 2, PROBE_LONGEST)
                target.open_until = loop.time() + target.probe_pause
        elif target.failures >= FAILURES_TO_OPEN and len(target.failing_lanes) >= LANES_TO_OPEN:
            target.open_until = loop.time() + target.probe_pause
            metrics.circuit_open.inc()
            log.warning("circuit.opened", target=held.target, failures=target.failures)
        return False

    # -- recording ------------------------------------------------------------------------------

    async def _record_finished(self) -> None:
        while True:
            finished = [await self._finished.get()]
            while len(finished) < RECORD_AT_MOST and not self._finished.empty():
                finished.append(self._finished.get_nowait())
            pause = 0.1
            while True:
                try:
                    await self._record(finished)
                    break
                except Exception as error:
                    log.warning("calls.not_recorded", error=type(error).__name__, exc_info=error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, 5.0)
            for _ in finished:
                self._finished.task_done()

    async def _record(self, finished: Sequence[tuple[_Held, Any]]) -> None:
        store = self._store
        if store is None:
            raise RuntimeError("the calls were not started")
        batch = Batch(self._clock.now(), self._configuration())
        good = [(held, outcome) for held, outcome in finished if not isinstance(outcome, Exception)]
        await store.load(
            batch,
            (key for held, _ in good for key in self._gateways[held.kind].loads(held.request)),
        )
        verdicts: list[tuple[_Held, Verdict]] = []
        for held, outcome in finished:
            verdicts.append((held, self._keep(held, outcome, batch)))
        answering = bool(batch.outgoing or batch.replies)
        for held, verdict in verdicts:
            batch.finished_calls.append((held.id, self._change(verdict, batch, answering)))
        await store.commit(batch)
        if answering:
            await self._producer.send(batch.leaving)
            await self._collection.delete_many({"answered": batch.id})
            await self._inbox.settle([batch.id])
        self.committed(batch)
        for held, verdict in verdicts:
            closed = self._judge(held, verdict)
            word = "done" if verdict.again_at is None else "again"
            metrics.calls.labels(held.kind, word).inc()
            self._let_go(held)
            if verdict.again_at is not None:
                await self._step_back(held.lane, verdict.again_at)
            if closed:
                await self._wake(held.target)
        for name in {held.target for held, _ in verdicts}:
            self._pump(name, self._targets[name])

    def _keep(self, held: _Held, outcome: Any, batch: Batch) -> Verdict:
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
            log.exception("call.not_recorded", call=held.kind, call_id=held.id)
            return Verdict(again_at=batch.now + POSTPONED, failed=True)
        unit.merge(marked=False)
        return verdict

    def _change(self, verdict: Verdict, batch: Batch, answering: bool) -> Bson | None:  # noqa: FBT001 - private
        if verdict.again_at is not None:
            return {
                "$set": {"at": verdict.again_at, "owner": None},
                "$inc": {"attempt": 0 if verdict.postponed else 1},
            }
        if answering:
            return {"$set": {"answered": batch.id, "at": batch.now + LEASE}}
        return None

    async def _step_back(self, name: str, again_at: datetime) -> None:
        """Give back what stands behind a call that waits for its next attempt, to wait with it."""
        lane = self._lanes.pop(name, None)
        if not lane:
            return
        target = self._targets[lane[0].target]
        target.ready = deque(one for one in target.ready if one.lane != name)
        for held in lane:
            self._drop(held)
        await self._give_back([one.id for one in lane], again_at)

    async def _wake(self, target: str) -> None:
        """Bring forward what waits for its next attempt at a target."""
        try:
            await self._collection.update_many(
                {"target": target, "owner": None, "answered": None},
                {"$set": {"at": self._clock.now()}},
            )
        except PyMongoError as error:
            # They come when they are due.
            log.warning("calls.not_woken", error=type(error).__name__, target=target)
        self._drained.set()

    # -- claims -----------------------------------------------------------------------------------

    async def _claim_and_renew(self) -> None:
        renewed = self._clock.now()
        while True:
            try:
                async with asyncio.timeout(POLL):
                    await self._drained.wait()
            except TimeoutError:
                pass  # nothing has drained: time for the regular look
            self._drained.clear()
            try:
                now = self._clock.now()
                if self._held and now - renewed > LEASE / 3:
                    await self._collection.update_many(
                        {"owner": self._owner, "answered": None}, {"$set": {"at": now + LEASE}}
                    )
                    renewed = now
                while self._held < MAX_HELD and await self._claim(now):
                    continue
            except PyMongoError as error:
                log.warning("calls.not_claimed", error=type(error).__name__)

    async def _claim(self, now: datetime) -> bool:
        """Lease what is due and has its turn; says whether there may be more."""
        full = [name for name, target in self._targets.items() if self._is_full(target)]
        due = {"at": {"$lte": now}, **({"target": {"$nin": full}} if full else {})}
        oldest = self._collection.find(due, {"_id": 0, "lane": 1}).sort("at", 1)
        found = await oldest.limit(2 * CLAIM_AT_MOST).to_list(None)
        lanes = list(dict.fromkeys(one["lane"] for one in found))
        if not lanes:
            self._crowded.intersection_update(self._lanes)
            return False
        opened, moved = await self._open(lanes, now)
        turns = await self._turns(opened, now)
        if turns:
            await self._lease_and_hold(turns, now)
        return bool(turns or moved)

    async def _open(self, lanes: Sequence[str], now: datetime) -> tuple[list[str], int]:
        """Return the lanes whose first call is due; move the others out of the way of the claims.

        What stands behind a call that waits for its next attempt waits with it; what stands behind
        one that somebody is making now is looked at again in a second.
        """
        cursor = self._collection.aggregate(
            [
                {"$match": {"lane": {"$in": list(lanes)}}},
                {"$sort": {"lane": 1, "n": 1}},
                {"$group": {"_id": "$lane", "at": {"$first": "$at"}, "by": {"$first": "$owner"}}},
            ]
        )
        later: dict[datetime, list[str]] = {}
        for head in await cursor.to_list(None):
            if head["_id"] in self._lanes or (head["by"] is not None and head["at"] > now):
                later.setdefault(now + BEHIND, []).append(head["_id"])
            elif head["at"] > now:
                later.setdefault(head["at"], []).append(head["_id"])
        if not later:
            return list(lanes), 0
        result = await self._collection.bulk_write(
            [
                UpdateMany(
                    {"lane": {"$in": names}, "at": {"$lte": now}, "owner": {"$ne": self._owner}},
                    {"$set": {"at": at, "owner": None}},
                )
                for at, names in later.items()
            ],
            ordered=False,
        )
        closed = {name for names in later.values() for name in names}
        return [lane for lane in lanes if lane not in closed], result.modified_count

    async def _turns(self, lanes: Sequence[str], now: datetime) -> list[Bson]:
        """Return what is due at the head of these lanes, without gaps, as far as there is room."""
        turns: list[Bson] = []
        closed: set[str] = set()
        more: Counter[str] = Counter()
        cursor = self._collection.find(
            {"lane": {"$in": list(lanes)}}, {"lane": 1, "n": 1, "at": 1, "target": 1}
        ).sort([("lane", 1), ("n", 1)])
        async for found in cursor.limit(4 * CLAIM_AT_MOST):
            if found["lane"] in closed:
                continue
            target = self._targets.get(found["target"])
            held = target.held if target is not None else 0
            if found["at"] > now or held + more[found["target"]] >= MAX_HELD_PER_TARGET:
                closed.add(found["lane"])
                continue
            more[found["target"]] += 1
            turns.append(found)
            if len(turns) >= CLAIM_AT_MOST:
                break
        return turns

    async def _lease_and_hold(self, turns: Sequence[Bson], now: datetime) -> None:
        """Lease the calls and hold those that no other process was quicker to lease."""
        until = now + LEASE
        ids = [found["_id"] for found in turns]
        await self._collection.update_many(
            {"_id": {"$in": ids}, "at": {"$lte": now}},
            {"$set": {"at": until, "owner": self._owner}},
        )
        cursor = self._collection.find({"_id": {"$in": ids}, "owner": self._owner, "at": until})
        won = {found["_id"]: found for found in await cursor.to_list(None)}
        await self._settle_answered([found for found in won.values() if found.get("answered")])
        lost: set[str] = set()
        behind: list[UUID] = []
        for turn in turns:
            found = won.get(turn["_id"])
            if found is None:
                lost.add(turn["lane"])
            elif turn["lane"] in lost:
                behind.append(turn["_id"])
            elif not found.get("answered"):
                self._hold_found(found)
        if behind:
            await self._give_back(behind, now)

    def _hold_found(self, found: Bson) -> None:
        gateway = self._gateways[found["kind"]]
        attempt = Attempt(
            found["_id"],
            found["attempt"] + 1,
            found["promised"],
            found["correlation"],
            found.get("trace"),
            found.get("payload") or b"",
        )
        self._crowded.discard(found["lane"])
        request = gateway.request.model_validate_json(found["request"])
        self._hold(
            _Held(
                found["_id"],
                found["kind"],
                found["lane"],
                found["target"],
                found["n"],
                request,
                attempt,
            )
        )

    async def _settle_answered(self, answered: Iterable[Bson]) -> None:
        """Finish what a process that died had recorded but perhaps not sent."""
        batches = {found["answered"] for found in answered}
        if not batches:
            return
        await self._producer.send(await self._inbox.owed(batches))
        await self._collection.delete_many({"answered": {"$in": list(batches)}})
        await self._inbox.settle(list(batches))
