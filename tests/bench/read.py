"""`read`: GET of an order by its id, beside a bare Starlette and PyMongo read of the same document.

`python -m tests.bench.read serve PORT` is the floor: no token, no scope, no amounts to convert.
`python -m tests.bench.read fetch URL TOKEN N` reads N times, 64 at a time, and prints the waits.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import aiohttp
import uvicorn
import uvloop
from pymongo import AsyncMongoClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.bench.client import BODY, order
from tests.bench.flow import Load, post
from tests.bench.places import Say, brokers, free_port, kontor, receiver, wait_for_port

STORED = 500
TOGETHER = 64
DATABASE = "read_floor"


def application(mongo_url: str) -> Starlette:
    """Return the floor: one route, one query, its document as JSON."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    orders = client[DATABASE]["orders"]

    async def get(request: Request) -> JSONResponse:
        return JSONResponse(await orders.find_one({"_id": request.path_params["id"]}))

    return Starlette(routes=[Route("/api/Orders/{id}", get)])


@asynccontextmanager
async def floor(mongo_url: str) -> AsyncIterator[str]:
    """Run the floor with its documents in place; yields where orders are."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(mongo_url)
    async with client:
        body = json.loads(BODY)
        documents = [{**body, "_id": order(number, "W")[0]} for number in range(STORED)]
        await client[DATABASE]["orders"].insert_many(documents)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.read", "serve", str(port)),
        env={**os.environ, "FLOOR_MONGO": mongo_url},
    )
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}/api/Orders"
    finally:
        process.kill()
        await process.wait()


async def fetched(url: str, token: str, reads: int) -> dict[str, float]:
    """Read so often from a process of its own; return reads a second and the waits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.read", "fetch", url, token or "-", str(reads)),
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the reader gave up")
    waits = sorted(json.loads(out)["waits"])
    return {
        "reads_per_second": round(reads / json.loads(out)["seconds"]),
        "p50_ms": round(waits[len(waits) // 2] * 1000, 1),
        "p99_ms": round(waits[int(len(waits) * 0.99)] * 1000, 1),
    }


async def fetch(url: str, token: str, reads: int) -> None:
    """Read closed-loop and print what it took."""
    headers = {"accept-encoding": "identity"}
    if token != "-":
        headers["authorization"] = f"Bearer {token}"
    waits: list[float] = []
    numbers = iter(range(reads))
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def worker() -> None:
            for number in numbers:
                began = monotonic()
                async with session.get(f"{url}/{order(number % STORED, 'W')[0]}") as answer:
                    text = await answer.read()
                    if answer.status != 200:
                        raise RuntimeError(f"{answer.status}: {text[:300]!r}")
                waits.append(monotonic() - began)

        started = monotonic()
        await asyncio.gather(*(worker() for _ in range(TOGETHER)))
        print(json.dumps({"seconds": monotonic() - started, "waits": waits}))


async def run(say: Say, *, reads: int = 12_000) -> dict[str, Any]:
    """Read the same number of times from both, in turn, twice; the better half counts for each."""
    async with brokers(say) as stack:
        with receiver() as hook:
            async with kontor(stack, [hook]) as place, floor(stack.mongo_url) as bare:
                await post(place, Load(STORED, name="W"), hook, stack)
                for url, token in ((bare, ""), (place.orders, place.token)):
                    await fetched(url, token, 2_000)
                low, own = [], []
                for _ in range(2):
                    say("floor")
                    low.append(await fetched(bare, "", reads))
                    say("kontor")
                    own.append(await fetched(place.orders, place.token, reads))

    def best(found: list[dict[str, float]]) -> dict[str, float]:
        return max(found, key=lambda one: one["reads_per_second"])

    ratio = best(own)["reads_per_second"] / best(low)["reads_per_second"]
    row = {"load": f"GET by id, {TOGETHER} in flight", "floor": best(low), "kontor": best(own)}
    return {"benchmark": "read", "rows": [{**row, "ratio": round(ratio, 2)}]}


if __name__ == "__main__":
    command, *rest = sys.argv[1:]
    if command == "serve":
        uvicorn.run(
            application(os.environ["FLOOR_MONGO"]),
            port=int(rest[0]),
            loop="uvloop",
            http="httptools",
            access_log=False,
            log_level="warning",
        )
    else:
        uvloop.run(fetch(rest[0], rest[1], int(rest[2])))
