"""What a process holds: it makes no call too early, and forgets none."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import uvloop

from services.chassis.clock import Clock
from services.chassis.gateway import Attempt, Gateway, Verdict
from services.chassis.lanes import Held, Lanes
from services.chassis.targets import Limits
from tests.harness import until
from tests.toy import Ring


async def ring(_: Ring, __: Attempt) -> bool:
    return True


def a_call(lane: str) -> Held:
    id_, request = uuid4(), Ring(target="shop", lane=lane, number=1)
    attempt = Attempt(id_, 1, datetime(2026, 3, 1, tzinfo=UTC), "c", None)
    return Held(id_, "ring", lane, "shop", 1, request, attempt)


async def test_calls_wait_while_the_lease_is_not_sure() -> None:
    made: list[str] = []
    gateway = Gateway("ring", Ring, ring, lambda *_: Verdict())
    lanes = Lanes(
        gateways={"ring": gateway}, clock=Clock(), make=lambda held: made.append(held.lane)
    )
    now = asyncio.get_running_loop().time()

    lanes.sure_until = now - 1  # it has slept too long
    lanes.hold(a_call("one"))
    before = list(made)
    lanes.sure_until = now + 60
    lanes.pump_all()

    assert before == []
    assert made == ["one"]


class HastyLoop(asyncio.SelectorEventLoop):
    """Rings a little early, and knows no time of what is due at once: as uvloop does by chance."""

    def call_later(  # type: ignore[override] # uvloop's is a handle without a time, too
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,  # noqa: ANN401 - whatever the callback takes
        context: Context | None = None,
    ) -> asyncio.Handle:
        if delay < 0.002:
            return self.call_soon(callback, *args, context=context)
        return super().call_later(delay - 0.001, callback, *args, context=context)


@pytest.mark.parametrize("loop", [HastyLoop, uvloop.new_event_loop])
def test_calls_that_wait_for_their_pace_are_all_made(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    made: list[str] = []
    pace = Limits(concurrency=100, rate=50)
    gateway = Gateway("ring", Ring, ring, lambda *_: Verdict(), limits=lambda _: pace)

    async def hold_more_than_may_be_made_at_once() -> None:
        lanes = Lanes(
            gateways={"ring": gateway}, clock=Clock(), make=lambda held: made.append(held.lane)
        )
        lanes.sure_until = asyncio.get_running_loop().time() + 60
        for number in range(80):
            lanes.hold(a_call(str(number)))
        await until(lambda: len(made) == 80, within=30)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(hold_more_than_may_be_made_at_once())

    assert made == [str(number) for number in range(80)]
