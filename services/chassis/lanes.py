"""The calls that a process holds: in lanes, each under its target, bounded in number and size."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from pydantic import BaseModel

from services.chassis import metrics
from services.chassis.clock import Clock
from services.chassis.gateway import Attempt, Gateway, Verdict
from services.chassis.targets import Target

MAX_HELD = 2_000
MAX_HELD_BYTES = 64 * 1024 * 1024
MAX_HELD_PER_TARGET = 500
SHORTEST_WAIT = 0.001
FEW = 64  # what a target may hold when the process is half full, so that there is room for others

log = structlog.get_logger()


@dataclass(slots=True)
class Held:
    """A call that this process has leased."""

    id: UUID
    kind: str
    lane: str
    target: str
    number: int
    request: BaseModel
    attempt: Attempt
    began: float = 0.0


class Lanes:
    """Starts one call a lane, as far as its target may bear it."""

    def __init__(
        self,
        *,
        gateways: Mapping[str, Gateway[Any, Any]],  # Any: each gateway has its own types
        clock: Clock,
        make: Callable[[Held], None],
    ) -> None:
        self._gateways = gateways
        self._clock = clock
        self._make = make
        self._lanes: dict[str, deque[Held]] = {}
        self._targets: dict[str, Target[Held]] = {}
        self._bytes = 0
        self.count = 0
        # Lanes of which calls wait in MongoDB, so that new ones must wait there too.
        self.crowded: set[str] = set()
        self.drained = asyncio.Event()
        self.closed = False
        # The event loop's time until which nobody else can have leased what we hold.
        self.sure_until = 0.0

    def __contains__(self, lane: object) -> bool:
        return lane in self._lanes

    def holds(self, lane: str, number: int) -> bool:
        """Say whether the call with this number is here."""
        return any(held.number == number for held in self._lanes.get(lane, ()))

    def names(self) -> Collection[str]:
        """Return the lanes of which a call is here."""
        return self._lanes.keys()

    def full(self) -> list[str]:
        """Return the targets of which this process must not hold more for now."""
        return [name for name, target in self._targets.items() if self._is_full(target)]

    def room_for(self, name: str) -> int:
        """Return how many more calls to a target may be held."""
        target = self._targets.get(name)
        return MAX_HELD_PER_TARGET - (target.held if target is not None else 0)

    def takes(self, kind: str, name: str) -> bool:
        """Say whether one more call to a target may be held."""
        return not self.closed and not self._is_full(self._target(kind, name))

    def hold(self, held: Held) -> None:
        """Take a call in at the end of its lane."""
        self.count += 1
        self._bytes += len(held.attempt.payload)
        metrics.calls_waiting.set(self.count)
        target = self._target(held.kind, held.target)
        target.held += 1
        lane = self._lanes.setdefault(held.lane, deque())
        lane.append(held)
        if len(lane) == 1:
            target.ready.append(held)
            self.pump(held.target)

    def ended(self, held: Held) -> None:
        """Note that a call has been made; its lane goes on when it is let go."""
        self._targets[held.target].end()
        self.pump(held.target)

    def let_go(self, held: Held) -> None:
        """Drop a call that is judged and recorded, and let the next one of its lane be ready."""
        self._drop(held)
        lane = self._lanes[held.lane]
        lane.popleft()
        if lane:
            self._targets[held.target].ready.append(lane[0])
        else:
            del self._lanes[held.lane]

    def step_back(self, name: str) -> list[UUID]:
        """Drop what of a lane is not under way; return it, to be given back."""
        lane = self._lanes.pop(name, None)
        if not lane:
            return []
        target = self._targets[lane[0].target]
        under_way = lane[0] not in target.ready
        target.ready = deque(one for one in target.ready if one.lane != name)
        if under_way:
            self._lanes[name] = deque([lane.popleft()])
        for held in lane:
            self._drop(held)
        return [one.id for one in lane]

    def lost(self, ours: Collection[UUID]) -> list[str]:
        """Return the lanes of which a call is no longer ours."""
        return [
            name for name, lane in self._lanes.items() if any(one.id not in ours for one in lane)
        ]

    def pump_all(self) -> None:
        """Start whatever may be started."""
        for name in self._targets:
            self.pump(name)

    def pump(self, name: str) -> None:
        """Start what the target may bear now; set an alarm for what it may bear later."""
        loop = asyncio.get_running_loop()
        target = self._targets[name]
        target.limits = self._gateways[target.kind].limits(name)
        # Without a sure lease somebody else may be making the same calls.
        while target.ready and not self.closed and loop.time() < self.sure_until:
            now = loop.time()
            wait = target.pause(now, self._clock.now())
            if wait > 0:
                self._set_alarm(name, target, now, wait)
                return
            if not target.has_room():
                return
            held = target.ready.popleft()
            target.begin()
            held.began = now
            self._make(held)

    def unjudged(self, held: Held) -> None:
        """Learn nothing from a call that another process has taken over."""
        self._targets[held.target].unjudged -= 1

    def judge(self, held: Held, verdict: Verdict) -> bool:
        """Keep the target's circuit; says whether it has just closed."""
        target = self._targets[held.target]
        target.unjudged -= 1
        if verdict.quiet_until is not None:
            target.quiet_until = verdict.quiet_until
        if verdict.postponed:
            return False
        if not verdict.failed:
            closed = target.succeeded()
            if closed:
                metrics.circuit_open.dec()
                log.info("circuit.closed", target=held.target)
            return closed
        now = asyncio.get_running_loop().time()
        if target.failed(held.lane, began=held.began, now=now):
            metrics.circuit_open.inc()
            log.warning("circuit.opened", target=held.target, failures=target.failures)
        return False

    def _target(self, kind: str, name: str) -> Target[Held]:
        target = self._targets.get(name)
        if target is None:
            target = self._targets[name] = Target(kind, self._gateways[kind].limits(name))
        return target

    def _is_full(self, target: Target[Held]) -> bool:
        # Targets that hang may fill half of the process; what is left is shared in small portions.
        most = MAX_HELD_PER_TARGET if self.count < MAX_HELD // 2 else FEW
        return target.held >= most or self.count >= MAX_HELD or self._bytes >= MAX_HELD_BYTES

    def _drop(self, held: Held) -> None:
        self.count -= 1
        self._bytes -= len(held.attempt.payload)
        metrics.calls_waiting.set(self.count)
        target = self._targets[held.target]
        target.held -= 1
        if self.crowded and target.held in {FEW // 2, MAX_HELD_PER_TARGET // 2}:
            self.drained.set()

    def _set_alarm(self, name: str, target: Target[Held], now: float, wait: float) -> None:
        wait = max(wait, SHORTEST_WAIT)
        if target.alarm is not None:
            if target.alarm_at <= now + wait:
                return
            target.alarm.cancel()
        target.alarm_at = now + wait
        target.alarm = asyncio.get_running_loop().call_later(wait, self._ring, name)

    def _ring(self, name: str) -> None:
        # uvloop counts in milliseconds and may be early: then there has to be another alarm.
        self._targets[name].alarm = None
        self.pump(name)
