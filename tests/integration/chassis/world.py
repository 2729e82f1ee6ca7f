"""The outside world, as far as the toy calls it."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from services.chassis.calls import Attempt, Gateway, Limits, Verdict
from services.chassis.mongo import Database
from services.chassis.unit_of_work import UnitOfWork
from tests import toy
from tests.harness import Wire, until
from tests.toy import Add, Ring


class World:
    """The outside: notes every call, and fails or hangs on demand."""

    def __init__(self) -> None:
        self.rung: dict[str, list[int]] = defaultdict(list)
        self.keys: dict[UUID, list[int]] = defaultdict(list)
        self.at_once: dict[str, int] = defaultdict(int)
        self.most_at_once: dict[str, int] = defaultdict(int)
        self.fails: set[str] = set()
        self.hangs: set[str] = set()
        self.breaks: set[int] = set()
        self.fails_now_and_then = 0
        self._calls = 0
        self.released = asyncio.Event()

    async def ring(self, request: Ring, attempt: Attempt) -> bool:
        self.keys[attempt.key].append(attempt.number)
        self.at_once[request.lane] += 1
        self.at_once[request.target] += 1
        for name in (request.lane, request.target):
            self.most_at_once[name] = max(self.most_at_once[name], self.at_once[name])
        try:
            await asyncio.sleep(0)
            if request.target in self.hangs:
                await self.released.wait()
            if request.number in self.breaks:
                self.breaks.discard(request.number)
                raise RuntimeError("kari@example.no")
        finally:
            self.at_once[request.lane] -= 1
            self.at_once[request.target] -= 1
        self._calls += 1
        moody = self.fails_now_and_then and self._calls % self.fails_now_and_then == 0
        if moody or request.target in self.fails:
            return False
        self.rung[request.lane].append(request.number)
        return True

    def gateway(self, limits: Limits | None = None) -> Gateway[Ring, bool]:
        """Return the way to it; what fails is tried again after a tenth of a second."""
        return toy.gateway(self.ring, limits=limits or Limits(), again=soon)


def soon(_: Attempt, uow: UnitOfWork) -> Verdict:
    return Verdict(again_at=uow.now + timedelta(seconds=0.1), failed=True)


async def promise(wire: Wire, names: Sequence[str], target: str, numbers: Sequence[int]) -> None:
    """Let each counter promise a call for each number, all in one request."""
    await wire.producer.send(
        [
            wire.sealed(Add(counter=name, amount=number, call=target))
            for number in numbers
            for name in names
        ]
    )


async def no_call_is_left(mongo: Database, **which: object) -> None:
    async def none() -> bool:
        return not await mongo["toy_calls"].count_documents(which)

    await until(none, within=30)
