"""`ingest`: POST with `Prefer: respond-async`, beside a bare front that only produces."""

from typing import Any

from tests.bench.flow import Load, post
from tests.bench.places import Say, brokers, floor, kontor, receiver


async def run(say: Say, *, orders: int = 6000) -> dict[str, Any]:
    """Post closed-loop and answer with 202; the floor answers when the whole flow has ended."""
    async with brokers(say) as stack:
        with receiver() as hook:
            async with floor(stack, hook) as place:
                say("floor")
                await post(place, Load(300, name="W"), hook, stack)
                low = await post(place, Load(orders, name="F"), hook, stack)
        with receiver() as hook:
            async with kontor(stack, [hook]) as place:
                say("kontor")
                await post(place, Load(300, name="W"), hook, stack)
                load = Load(orders, together=64, name="K", prefer="respond-async")
                own = await post(place, load, None, stack)
    return {
        "benchmark": "ingest",
        "rows": [
            {
                "load": "respond-async, 64 in flight",
                "kontor": {
                    "accepted_per_second": round(own.orders_per_second),
                    "p50_ms": round(own.p50, 1),
                    "p99_ms": round(own.p99, 1),
                    "cpu_us_api": round(own.cpu["api"]),
                },
                "floor": {"orders_per_second": round(low.orders_per_second)},
                "ratio": round(own.orders_per_second / low.orders_per_second, 2),
            }
        ],
    }
