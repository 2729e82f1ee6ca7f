"""What a process holds: it makes no call of which somebody else may have the lease by now."""

import asyncio
from datetime import UTC, datetime
from uuid import uuid4

from services.chassis.clock import Clock
from services.chassis.gateway import Attempt, Gateway, Verdict
from services.chassis.lanes import Held, Lanes
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
