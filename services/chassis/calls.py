"""Calls to the outside: promised in a transaction, made after it, recorded in the next one.

A call is a document in `<service>_calls`. Its member `at` says everything about who may touch it:
nobody before that time. While a process holds a call, `at` is the end of its lease; while the call
waits for its next attempt, `at` is that attempt; what nobody has room for has `at` in the past
(services/decisions/0003-calls-to-the-outside.md).

Calls of one lane run strictly one after the other. Every target has its own concurrency, rate and
circuit breaker, so it can only hurt itself.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from contracts.settings import Configuration
from services.chassis.batch import Batch, Call, Lease
from services.chassis.claims import LEASE, Claims
from services.chassis.clock import Clock
from services.chassis.faults import crash_point
from services.chassis.gateway import Attempt, Gateway, Verdict
from services.chassis.inbox import Inbox
from services.chassis.kafka import Producer
from services.chassis.lanes import MAX_HELD, Held, Lanes
from services.chassis.mongo import Bson, Database
from services.chassis.recording import POSTPONED, Recording
from services.chassis.store import Store
from services.chassis.targets import Limits

__all__ = ["Attempt", "Calls", "Gateway", "Limits", "Verdict"]

POLL = 1.0
SELDOM = 3.0
SEVERAL = 10
LONGEST_CALL = 120.0
COMPARE_EVERY = 30.0
STOPS_WITHIN = 10.0

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
        gather: float = 0,
    ) -> None:
        self._gateways: Mapping[str, Gateway[Any, Any]] = {one.kind: one for one in gateways}
        self._claims = Claims(database, service, clock)
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._lanes = Lanes(
            gateways=self._gateways,
            clock=clock,
            make=lambda held: self._start(self._make(held)),
        )
        self._taking_up = asyncio.Lock()
        self._recording = Recording(
            gateways=self._gateways,
            claims=self._claims,
            lanes=self._lanes,
            inbox=inbox,
            producer=producer,
            clock=clock,
            configuration=configuration,
            committed=self.committed,
            gather=gather,
        )
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ---------------------------------------------------------------------------------

    async def prepare(self) -> None:
        """Create the indexes behind the lanes and the claims; inherit from processes that died."""
        await self._claims.prepare()
        await self._claims.compare_clocks()
        await self._claims.inherit(self._clock.now())

    def start(self, store: Store) -> None:
        """Begin; `store` commits what is recorded."""
        self._lanes.sure_until = asyncio.get_running_loop().time() + LEASE.total_seconds()
        if self._gateways:
            self._tasks = [
                asyncio.create_task(self._recording.run(store)),
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
                await self._recording.all_recorded()
        except TimeoutError:
            log.warning("calls.not_recorded_in_time", calls=self._recording.waiting)
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
            self._start(self._recording.wake(target))

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
        self._recording.add(held, outcome)
        self._lanes.ended(held)

    # -- claims -----------------------------------------------------------------------------------

    async def _keep_leases(self) -> None:
        """Renew the leases in time; after a long sleep find out which were lost."""
        loop = asyncio.get_running_loop()
        renewed, compared = self._clock.now(), loop.time()
        while True:
            started, now = loop.time(), self._clock.now()
            late = started >= self._lanes.sure_until
            try:
                if started - compared > COMPARE_EVERY:
                    await self._claims.compare_clocks()
                    compared = started
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
            await self._recording.step_back(name, self._clock.now())
        if lost:
            log.warning("calls.lanes_lost", lanes=len(lost))

    async def _claim_now_and_then(self) -> None:
        looks = 0
        while True:
            try:
                # Nothing is due soon where nothing was for a while: an idle service costs less.
                async with asyncio.timeout(POLL if looks < SEVERAL else SELDOM):
                    await self._lanes.drained.wait()
            except TimeoutError:
                pass  # nothing has drained: time for the regular look
            self._lanes.drained.clear()
            looks += 1
            try:
                now = self._clock.now()
                while self._lanes.count < MAX_HELD and await self._claim(now):
                    looks = 0
            except PyMongoError as error:
                log.warning("calls.not_claimed", error=type(error).__name__)
            if self._lanes.count:
                looks = 0

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
            elif not found.get("answered") and not self._hold_found(found, turn["owner"]):
                lost.add(turn["lane"])
                await self._claims.give_back([found["_id"]], now + POSTPONED)
        await self._claims.give_back(behind, now)

    def _hold_found(self, found: Bson, before: str | None) -> bool:
        """Hold a call that was leased; says no if this process does not understand it.

        :param before: which process had it until then
        """
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
            taken_over=before is not None,
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
