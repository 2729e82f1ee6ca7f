"""Receivers of calls: what each may be asked to bear, and whether it is called at all for now."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

FAILURES_TO_OPEN = 10
LANES_TO_OPEN = 3
PROBE_FIRST = 2.0
PROBE_LONGEST = 10.0
ASKED_AGAIN = 0.5

Ready = TypeVar("Ready")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a target may be asked to bear; `rate` is calls a second, None for no limit."""

    concurrency: int = 32
    rate: float | None = None


@dataclass(slots=True)
class Target(Generic[Ready]):
    """What is known of one receiver. Times without a date are the event loop's."""

    kind: str
    limits: Limits
    ready: deque[Ready] = field(default_factory=deque)
    held: int = 0
    in_flight: int = 0
    unjudged: int = 0
    failures: int = 0
    failing_lanes: set[str] = field(default_factory=set)
    open_until: float | None = None
    probe_pause: float = PROBE_FIRST
    quiet_until: datetime | None = None
    tokens: float = 0.0
    refilled: float = 0.0
    alarm: asyncio.Handle | None = None
    alarm_at: float = 0.0

    def pause(self, now: float, clock: datetime) -> float:
        """Return for how many seconds the target must be left alone, at least."""
        wait = 0.0
        if self.quiet_until is not None:
            # Asked again soon, because the clock of `quiet_until` is not the loop's.
            wait = min((self.quiet_until - clock).total_seconds(), ASKED_AGAIN)
            if wait <= 0:
                self.quiet_until = None
        if self.open_until is not None:
            wait = max(wait, self.open_until - now)
        rate = self.limits.rate
        if rate is not None:
            self.tokens = min(max(rate, 1.0), self.tokens + (now - self.refilled) * rate)
            self.refilled = now
            if self.tokens < 1:
                wait = max(wait, (1 - self.tokens) / rate)
        return wait

    def has_room(self) -> bool:
        """Say whether one more call may be made: of a target that failed, one at a time."""
        if self.open_until is not None:
            return self.in_flight + self.unjudged == 0
        # Where the last call failed, as many more may have failed as nobody has judged yet.
        waiting_for = self.in_flight + (self.unjudged if self.failures else 0)
        return waiting_for < self.limits.concurrency

    def begin(self) -> None:
        """Note that a call is made."""
        self.in_flight += 1
        if self.limits.rate is not None:
            self.tokens -= 1

    def end(self) -> None:
        """Note that a call has ended, and that nobody knows yet how."""
        self.in_flight -= 1
        self.unjudged += 1

    def succeeded(self) -> bool:
        """Take a success into account; says whether it closed the circuit."""
        closed = self.open_until is not None
        self.failures, self.open_until, self.probe_pause = 0, None, PROBE_FIRST
        self.failing_lanes.clear()
        return closed

    def failed(self, lane: str, *, began: float, now: float) -> bool:
        """Take a failure into account; says whether it opened the circuit."""
        self.failures += 1
        self.failing_lanes.add(lane)
        if self.open_until is not None:
            if began >= self.open_until:  # a probe, not one that was under way
                self.probe_pause = min(self.probe_pause * 2, PROBE_LONGEST)
                self.open_until = now + self.probe_pause
            return False
        if self.failures < FAILURES_TO_OPEN or len(self.failing_lanes) < LANES_TO_OPEN:
            return False
        self.open_until = now + self.probe_pause
        return True
