"""`patch`: PatchOrder from the call to the answer, beside one hop of the floor.

The floor reads the order, sets the member, writes it with a mark in one transaction, and produces
event and answer. `python -m tests.bench.patch OUT URL N …` is the client, in a process of its own.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import uvloop
from pydantic_core import from_json, to_json
from pymongo import AsyncMongoClient

from deploy.local.stack import Stack
from tests.bench.client import order
from tests.bench.flow import Load, at, post
from tests.bench.machine import Watch
from tests.bench.places import Place, Say, brokers, floor, kontor

TOGETHER = 64
"""Patches under way, each of an order of its own."""


async def run(say: Say, *, patches: int = 6000, alone: int = 200) -> dict[str, Any]:
    """Patch closed-loop, many at a time and one at a time."""
    async with brokers(say) as stack:
        async with floor(stack, roles=("api", "workflow")) as place:
            await _seed(stack, place)
            low = await _measured(stack, place, say, patches, alone)
        async with kontor(stack, []) as place:
            await post(place, Load(TOGETHER, name="P"), None, stack)
            own = await _measured(stack, place, say, patches, alone)
    return {
        "benchmark": "patch",
        "rows": [
            {
                "load": f"closed, {TOGETHER} in flight",
                "floor": low["closed"],
                "kontor": own["closed"],
                "ratio": _ratio(own["closed"], low["closed"], "patches_per_second"),
            },
            {
                "load": "alone",
                "floor": low["alone"],
                "kontor": own["alone"],
                "ratio": _ratio(own["alone"], low["alone"], "p50_ms"),
            },
        ],
    }


def _ratio(own: dict[str, Any], low: dict[str, Any], name: str) -> float:
    return float(round(own[name] / low[name], 2))


async def _seed(stack: Stack, place: Place) -> None:
    """Put the floor's orders in place: it has nobody else to end their first run."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    documents = []
    for number in range(TOGETHER):
        id_, body = order(number, "P")
        documents.append({**from_json(body), "_id": id_, "version": 1})
    await client[place.database]["orders"].insert_many(documents)
    await client.close()


async def _measured(
    stack: Stack, place: Place, say: Say, patches: int, alone: int
) -> dict[str, dict[str, Any]]:
    await _patch(stack, place, TOGETHER, min(TOGETHER, patches))  # warm
    say(f"{place.name}: closed")
    closed = await _patch(stack, place, patches, TOGETHER)
    say(f"{place.name}: alone")
    return {"closed": closed, "alone": await _patch(stack, place, alone, 1)}


async def _patch(stack: Stack, place: Place, patches: int, together: int) -> dict[str, Any]:
    pids = {name: place.pids[name] for name in ("api", "workflow")}
    pids |= {"mongod": stack.mongo_pid, "kafka": stack.kafka_pid}
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "times.json"
        watch = Watch(pids.values())
        client = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.patch", str(out), place.orders, str(patches)),
            *("--together", str(together), "--token", place.token),
        )
        if await client.wait():
            raise RuntimeError("the client gave up")
        times: list[tuple[float, float]] = json.loads(out.read_bytes())
    waits = sorted(end - begun for begun, end in times)
    spent = max(end for _, end in times) - min(begun for begun, _ in times)
    return {
        "patches_per_second": round(patches / spent),
        "p50_ms": round(at(waits, 0.5), 1),
        "p99_ms": round(at(waits, 0.99), 1),
        "cpu_us": {name: round(watch.spent(pid) / patches * 1e6) for name, pid in pids.items()},
    }


async def _send(options: argparse.Namespace) -> list[tuple[float, float]]:
    """Patch until there are enough, each worker an order of its own; all must be answered 200."""
    times: list[tuple[float, float]] = []
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if options.token:
        headers["authorization"] = f"Bearer {options.token}"
    numbers = iter(range(options.n))
    stamp = int(monotonic() * 1000)  # no two runs send the same value
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def worker(place: int) -> None:
            url = f"{options.url}/{order(place, 'P')[0]}/PatchOrder"
            for number in numbers:
                value = f"SAP-{stamp}-{number}"
                body = to_json({"properties": [{"key": "ErpReference", "value": value}]})
                begun = monotonic()
                async with session.patch(url, data=body) as answer:
                    text = await answer.read()
                    if answer.status >= 300:
                        raise RuntimeError(f"{answer.status}: {text[:300]!r}")
                times.append((begun, monotonic()))

        await asyncio.gather(*(worker(place) for place in range(options.together)))
    return times


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("url")
    parser.add_argument("n", type=int)
    parser.add_argument("--together", type=int, default=TOGETHER)
    parser.add_argument("--token", default="")
    given = parser.parse_args()
    Path(given.out).write_bytes(to_json(uvloop.run(_send(given))))
