"""`flow`: from POST to the delivered webhook, beside the floor in the same run."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import aiohttp

from deploy.local.stack import Stack
from tests.bench.machine import Watch, cpu_seconds, resident
from tests.bench.places import Place, Say, brokers, floor, kontor, receiver

RATES = (50, 100, 200)


@dataclass(frozen=True)
class Load:
    """What the client is to do."""

    orders: int
    together: int = 256
    rate: float = 0
    name: str = "O"
    prefer: str = ""


@dataclass(frozen=True)
class Measured:
    """What came of a load."""

    orders_per_second: float
    p50: float
    p99: float
    delivered_p50: float | None
    delivered_p99: float | None
    cpu: Mapping[str, float]
    """Microseconds an order, by process."""
    others: float
    """Cores that others used meanwhile."""


async def post(place: Place, load: Load, hook: str | None, stack: Stack) -> Measured:
    """Post the load and wait until the last webhook has arrived."""
    pids = {**place.pids, "mongod": stack.mongo_pid, "kafka": stack.kafka_pid}
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "times.json"
        before = await _seen(hook) if hook else 0
        watch = Watch(pids.values())
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.client", str(out), place.orders, str(load.orders)),
            *("--name", load.name, "--together", str(load.together), "--rate", str(load.rate)),
            *("--token", place.token, "--prefer", load.prefer),
        )
        if await client.wait():
            raise RuntimeError("the client gave up")
        if hook:
            await _wait_for(hook, before + load.orders)
        times: dict[str, list[float]] = json.loads(out.read_bytes())
    busy = watch.look()
    started = min(due for due, _ in times.values())
    answered = max(end for _, end in times.values())
    arrived = await _times(hook) if hook else {}
    delivered = sorted(arrived[id_] - due for id_, (due, _) in times.items() if id_ in arrived)
    waits = sorted(end - due for due, end in times.values())
    ended = max([answered, *(arrived[id_] for id_ in times if id_ in arrived)])
    cpu = {name: watch.spent(pid) / load.orders * 1e6 for name, pid in pids.items()}
    return Measured(
        orders_per_second=load.orders / (ended - started),
        p50=at(waits, 0.5),
        p99=at(waits, 0.99),
        delivered_p50=at(delivered, 0.5) if delivered else None,
        delivered_p99=at(delivered, 0.99) if delivered else None,
        cpu=cpu,
        others=busy.others,
    )


def at(values: Sequence[float], share: float) -> float:
    """Return the value, in milliseconds, that this share of the sorted values does not pass."""
    return values[min(len(values) - 1, int(len(values) * share))] * 1000


async def _seen(hook: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{hook}/seen") as answer:
        return int((await answer.json())["orders"])


async def _times(hook: str) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"{hook}/times") as answer:
        found: dict[str, float] = await answer.json()
        return found


async def _wait_for(hook: str, orders: int, *, within: float = 120) -> None:
    deadline = monotonic() + within
    while (seen := await _seen(hook)) < orders:
        if monotonic() > deadline:
            raise TimeoutError(f"{seen} of {orders} webhooks after {within} s")
        await asyncio.sleep(0.05)


async def measure(place: Place, hook: str, stack: Stack, say: Say, orders: int) -> dict[str, Any]:
    """Run every load against one place."""
    mark = place.name[0].upper()
    await post(place, Load(1000, name=f"{mark}warm"), hook, stack)
    found: dict[str, Any] = {}
    loads = {
        "closed": Load(orders, name=f"{mark}c"),
        **{f"{rate}/s": Load(rate * 10, rate=rate, name=f"{mark}r{rate}x") for rate in RATES},
        "alone": Load(60, together=1, name=f"{mark}a"),
    }
    for name, load in loads.items():
        say(f"{place.name}: {name}")
        found[name] = await post(place, load, hook, stack)
    return found


async def run(say: Say, *, orders: int = 4000, rounds: int = 2) -> dict[str, Any]:
    """Measure floor and Kontor in turn; return the table and the ratios."""
    results: dict[str, list[dict[str, Measured]]] = {"floor": [], "kontor": []}
    memory: dict[str, int] = {}
    async with brokers(say) as stack:
        for _ in range(rounds):
            with receiver() as hook:
                async with floor(stack, hook) as place:
                    results["floor"].append(await measure(place, hook, stack, say, orders))
            with receiver() as hook:
                async with kontor(stack, [hook]) as place:
                    results["kontor"].append(await measure(place, hook, stack, say, orders))
                    memory = {name: resident(pid) for name, pid in place.pids.items()}
                    idle = await _idle(place, stack)
    rows = []
    for name in results["floor"][0]:
        low = _median([one[name] for one in results["floor"]])
        own = _median([one[name] for one in results["kontor"]])
        rows.append({"load": name, "floor": low, "kontor": own, "ratio": _ratio(name, low, own)})
    return {"benchmark": "flow", "rows": rows, "memory_mb": memory, "idle_cores": idle}


async def _idle(place: Place, stack: Stack, seconds: float = 15) -> dict[str, float]:
    """Return what each process costs with nothing to do, in cores."""
    await asyncio.sleep(3)
    pids = {**place.pids, "mongod": stack.mongo_pid, "kafka": stack.kafka_pid}
    before = {name: cpu_seconds(pid) for name, pid in pids.items()}
    await asyncio.sleep(seconds)
    spent = {name: (cpu_seconds(pid) - before[name]) / seconds for name, pid in pids.items()}
    return {**{name: round(cores, 4) for name, cores in spent.items()}, "all": sum(spent.values())}


def _median(found: Sequence[Measured]) -> dict[str, Any]:
    def of(name: str) -> float | None:
        values = [value for one in found if (value := getattr(one, name)) is not None]
        return round(median(values), 1) if values else None

    return {
        "orders_per_second": of("orders_per_second"),
        "p50_ms": of("p50"),
        "p99_ms": of("p99"),
        "delivered_p50_ms": of("delivered_p50"),
        "delivered_p99_ms": of("delivered_p99"),
        "cpu_us": {name: round(median([one.cpu[name] for one in found])) for name in found[0].cpu},
        "others_cores": of("others"),
    }


def _ratio(name: str, low: Mapping[str, Any], own: Mapping[str, Any]) -> float:
    """Return orders a second against the floor's; for a given rate, latency against the floor's."""
    if name == "closed":
        return float(round(own["orders_per_second"] / low["orders_per_second"], 2))
    member = "p50_ms" if name == "alone" else "p99_ms"
    return float(round(own[member] / low[member], 2))
