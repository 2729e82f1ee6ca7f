"""A service with as little business as possible, to hold the chassis to its promises.

`python -m tests.toy` runs it alone, so that a test can kill it. Then it retries quickly, and its
calls are entries in the collection `rings`: the outside world of a process that dies.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from contracts.message import Message
from contracts.problems import problem
from services.chassis.calls import Attempt, Gateway, Limits, Verdict
from services.chassis.clock import Clock
from services.chassis.consumer import Table
from services.chassis.document import Document
from services.chassis.mongo import Database, connect, database
from services.chassis.outcomes import Ignore, Refused, Unconcerned
from services.chassis.patience import RETRY_DELAYS
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.chassis.unit_of_work import Route, UnitOfWork

COMMANDS = "toy.commands"
EVENTS = "toy.events"
DEAD = "toy.dead"
TOPICS = (COMMANDS, EVENTS, DEAD, "replies")

CURED: set[str] = set()


class Add(Message):
    """Add to a counter; every addition is told."""

    type: ClassVar[str] = "toy.add"
    topic: ClassVar[str] = COMMANDS

    counter: str
    amount: int = 1
    mood: str = "good"
    """`bad` fails always, `weak` until the counter is in CURED, `once` if the counter exists;
    `late` is ignored, `foreign` is no business of the toy's, `no` is refused, `odd` writes what
    BSON cannot hold."""
    after: float | None = None
    """Add it only so many seconds later."""
    call: str | None = None
    """Ring this target besides."""
    note: str = Field("", max_length=1000)
    """Something personal."""

    @property
    def key(self) -> str:
        return self.counter


class Open(Message):
    """Open a counter that is not there yet."""

    type: ClassVar[str] = "toy.open"
    topic: ClassVar[str] = COMMANDS

    counter: str
    is_valid: bool = True
    """One that is not is refused, but only if the counter is not there."""

    @property
    def key(self) -> str:
        return self.counter


class Cancel(Message):
    """Take a delayed addition back."""

    type: ClassVar[str] = "toy.cancel"
    topic: ClassVar[str] = COMMANDS

    counter: str
    timer: UUID

    @property
    def key(self) -> str:
        return self.counter


class Added(Message):
    """The counter has had so many additions, and stands at `total` now."""

    type: ClassVar[str] = "toy.added"
    topic: ClassVar[str] = EVENTS

    counter: str
    total: int
    count: int

    @property
    def key(self) -> str:
        return self.counter

    @property
    def sequence_number(self) -> int | None:
        return self.count


class Rung(Message):
    """A call was made, and nobody tells it again."""

    type: ClassVar[str] = "toy.rung"
    topic: ClassVar[str] = EVENTS

    lane: str
    number: int

    @property
    def key(self) -> str:
        return self.lane


class Counter(Document):
    """A number, and what was added in which order."""

    collection: ClassVar[str] = "counters"

    total: int = 0
    history: tuple[int, ...] = ()


class Ring(BaseModel):
    """A request to the outside."""

    target: str
    lane: str
    number: int


def add(command: Add, uow: UnitOfWork) -> None:
    """Count, tell, and do what else is asked."""
    if command.after is not None:
        later = command.model_copy(update={"after": None})
        uow.send(later, not_before=uow.now + timedelta(seconds=command.after))
        return
    found = uow.find(Counter, command.counter)
    counter = found or Counter(id=command.counter)
    _suffer(command, found)
    counter = counter.model_copy(
        update={
            "total": counter.total + command.amount,
            "history": (*counter.history, command.amount),
        }
    )
    uow.save(counter)
    if command.call is not None:
        ring = Ring(target=command.call, lane=command.counter, number=command.amount)
        uow.call("ring", ring, lane=command.counter, target=command.call)
    count = len(counter.history)
    uow.send(Added(counter=counter.id, total=counter.total, count=count))
    uow.reply(200, order_id=counter.id, version=count, body=b'{"ok":true}')


def _suffer(command: Add, counter: Counter | None) -> None:
    match command.mood:
        case "bad":
            raise ValueError(f"a bad mood: {command.note}")
        case "weak" if command.counter not in CURED:
            raise ValueError(f"too weak: {command.note}")
        case "once" if counter is not None:
            raise ValueError("once is enough")
        case "late":
            raise Ignore
        case "foreign":
            raise Unconcerned
        case "no":
            raise Refused(problem("order-locked"))


def open_counter(command: Open, uow: UnitOfWork) -> None:
    """Let there be a counter."""
    if uow.find(Counter, command.counter) is not None:
        raise Refused(problem("duplicate-order-id"))
    if not command.is_valid:
        raise Refused(problem("order-not-valid"))
    uow.save(Counter(id=command.counter))
    uow.send(Added(counter=command.counter, total=0, count=0))
    uow.reply(201, order_id=command.counter, version=0, body=b'{"ok":true}')


def cancel(command: Cancel, uow: UnitOfWork) -> None:
    """Take it back."""
    uow.cancel(command.timer)


TABLE: Table = {
    Add: Route(Add, add, loads=lambda command: [(Counter, command.counter)]),
    Open: Route(
        Open,
        open_counter,
        loads=lambda command: [(Counter, command.counter)],
        creates=lambda command: (Counter, command.counter),
    ),
    Cancel: Route(Cancel, cancel),
}


def service(
    settings: ChassisSettings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
    gateways: Sequence[Gateway[Ring, bool]] = (),
    after_commit: Callable[..., Awaitable[None]] | None = None,
) -> Service:
    return Service(
        name="toy",
        settings=settings,
        listens_to=[COMMANDS],
        speaks_on=[EVENTS, "replies"],
        table=TABLE,
        gateways=gateways,
        after_commit=after_commit,
        clock=clock,
        retry_delays=retry_delays,
    )


def gateway(
    ring: Callable[[Ring, Attempt], Awaitable[bool]],
    *,
    limits: Limits = Limits(),  # noqa: B008 - it is frozen
    again: Callable[[Attempt, UnitOfWork], Verdict] | None = None,
) -> Gateway[Ring, bool]:
    """Return a gateway whose calls are made by `ring`; False is a failure.

    `again` says what becomes of a call that failed; without it the call is over.
    """

    def record(request: Ring, good: bool, attempt: Attempt, uow: UnitOfWork) -> Verdict:
        if not good:
            return again(attempt, uow) if again else Verdict(failed=True)
        uow.send(Rung(lane=request.lane, number=request.number))
        return Verdict()

    return Gateway("ring", Ring, ring, record, limits=lambda _: limits)


def bells(mongo: Database) -> Gateway[Ring, bool]:
    """Return a gateway to an outside world that outlives this process, and keeps every call.

    Who rings at `nobody` waits for ever.
    """
    rings = mongo["rings"]

    async def ring(request: Ring, attempt: Attempt) -> bool:
        if request.target == "nobody":
            await asyncio.Event().wait()
        await rings.insert_one(
            {**request.model_dump(), "key": attempt.key, "attempt": attempt.number}
        )
        return True

    return gateway(ring)


def main() -> None:
    """Run the service in this process until it is told to stop."""
    settings = ChassisSettings.from_environment()
    delays = [float(delay) for delay in os.environ.get("TOY_RETRY_DELAYS", "0.2,0.2").split(",")]
    world = database(connect(settings.mongo_url), settings.mongo_database)
    asyncio.run(service(settings, retry_delays=delays, gateways=[bells(world)]).run())


if __name__ == "__main__":
    main()
