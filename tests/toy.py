"""A service with as little business as possible, to hold the chassis to its promises.

`python -m tests.toy` runs it alone, so that a test can kill it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar

from pydantic import BaseModel

from contracts.message import Message
from services.chassis.calls import Attempt, Gateway, Limits, Verdict
from services.chassis.clock import Clock
from services.chassis.consumer import RETRY_DELAYS
from services.chassis.outcomes import Ignore, Refused
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.chassis.unit_of_work import Document, Route, UnitOfWork
from contracts.problems import problem

COMMANDS = "toy.commands"
EVENTS = "toy.events"


class Add(Message):
    """Add to a counter; every addition is told."""

    type: ClassVar[str] = "toy.add"
    topic: ClassVar[str] = COMMANDS

    counter: str
    amount: int = 1
    mood: str = "good"
    """`bad` fails always, `weak` fails until the counter `cure` stands above zero."""
    later: float | None = None
    call: str | None = None

    @property
    def key(self) -> str:
        return self.counter


class Added(Message):
    """The counter stands at `total` now."""

    type: ClassVar[str] = "toy.added"
    topic: ClassVar[str] = EVENTS

    counter: str
    total: int
    history: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        return self.counter

    @property
    def sequence_number(self) -> int | None:
        return self.total


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


CURED: set[str] = set()


def add(command: Add, uow: UnitOfWork) -> None:
    """Count, tell, and do what else is asked."""
    if command.mood == "bad" or (command.mood == "weak" and command.counter not in CURED):
        raise ValueError("a bad mood")
    if command.mood == "late":
        raise Ignore
    if command.mood == "no":
        raise Refused(problem("order-locked"))
    counter = uow.find(Counter, command.counter) or Counter(id=command.counter)
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
    uow.send(Added(counter=counter.id, total=counter.total, history=counter.history))
    uow.reply(200, order_id=counter.id, version=counter.total, body=b'{"ok":true}')


TABLE = {Add: Route(Add, add, loads=lambda command: [(Counter, command.counter)])}


def service(
    settings: ChassisSettings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
    gateways: Sequence[Gateway[Ring, object]] = (),
) -> Service:
    return Service(
        name="toy",
        settings=settings,
        listens_to=[COMMANDS],
        speaks_on=[EVENTS, "replies"],
        table=TABLE,
        gateways=gateways,
        clock=clock,
        retry_delays=retry_delays,
    )


def gateway(
    ring: Callable[[Ring, Attempt], Awaitable[bool]],
    *,
    limits: Limits = Limits(),
    again: Callable[[Attempt, UnitOfWork], Verdict] | None = None,
) -> Gateway[Ring, bool]:
    """Return a gateway whose calls are made by `ring`; False is a failure."""

    def record(request: Ring, good: bool, attempt: Attempt, uow: UnitOfWork) -> Verdict:
        if good:
            uow.send(Added(counter=request.lane, total=-request.number))
            return Verdict()
        return again(attempt, uow) if again else Verdict(failed=True)

    return Gateway("ring", Ring, ring, record, limits=lambda _: limits)


if __name__ == "__main__":
    asyncio.run(service(ChassisSettings.from_environment()).run())
