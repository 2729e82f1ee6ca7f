"""`webhooks`: deliveries a second, to 1 and to 10 endpoints, one of which hangs."""

import asyncio
import os
import signal
from time import monotonic
from typing import Any

import aiohttp

from deploy.local.stack import Stack
from tests.bench.flow import Load, post
from tests.bench.machine import cpu_seconds
from tests.bench.places import Place, Say, brokers, kontor, receiver

HANG = 20
WANTED = 1000


async def run(say: Say, *, orders: int = 2000) -> dict[str, Any]:
    """Stop the webhooks service, place orders, let it go on: how fast is the backlog delivered?"""
    rows = []
    async with brokers(say) as stack:
        for endpoints, hanging in ((1, 0), (10, 1)):
            with receiver() as hook:
                good = [f"{hook}/{number}" for number in range(endpoints - hanging)]
                bad = [f"{hook}/hangs?hang={HANG}"] * hanging
                say(f"{endpoints} endpoints, {hanging} hanging")
                async with kontor(stack, [*good, *bad]) as place:
                    rows.append(
                        await _measure(
                            place, stack, hook, good=len(good), orders=orders, hanging=hanging
                        )
                    )
    return {"benchmark": "webhooks", "rows": rows}


async def _measure(
    place: Place, stack: Stack, hook: str, *, good: int, orders: int, hanging: int
) -> dict[str, Any]:
    pid = place.pids["webhooks"]
    before = cpu_seconds(pid)
    os.kill(pid, signal.SIGSTOP)
    try:
        await post(place, Load(orders, together=64, name="W"), None, stack)
    finally:
        os.kill(pid, signal.SIGCONT)
    begun = monotonic()
    wanted = orders * good
    while (arrived := await _arrived(hook)) < wanted:
        if monotonic() - begun > 180:
            raise TimeoutError(f"{arrived} of {wanted} deliveries")
        await asyncio.sleep(0.05)
    spent = monotonic() - begun
    cpu = (cpu_seconds(pid) - before) / wanted * 1e6
    # A lone rate at which nothing queues: what a delivery waits while another endpoint hangs.
    calm = await post(place, Load(300, rate=30, name="C"), hook, stack)
    row: dict[str, Any] = {
        "load": f"{good + hanging} endpoints, {hanging} hanging",
        "kontor": {
            "deliveries_per_second": round(wanted / spent),
            "delivered_p99_ms_at_30_orders_per_second": round(calm.delivered_p99 or 0, 1),
            "cpu_us_webhooks_a_delivery": round(cpu),
        },
        "floor": {"deliveries_per_second": WANTED},
        "ratio": round(wanted / spent / WANTED, 2),
    }
    return row


async def _arrived(hook: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{hook}/seen") as answer:
        return int((await answer.json())["all"])
