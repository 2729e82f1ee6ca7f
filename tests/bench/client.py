"""Posts orders and notes how long each took: `python -m tests.bench.client OUT URL N …`.

Closed loop with `--together K`, open loop with `--rate R` (the latency of an open loop counts from
the moment an order was due). Writes `{order id: [due, answered]}` in monotonic seconds to OUT.
"""

import argparse
import asyncio
from pathlib import Path
from time import monotonic

import aiohttp
import uvloop
from pydantic_core import to_json

BODY = (Path(__file__).parent / "order.json").read_bytes()
SAMPLE_ID = b"ORD-2024-000001"


def order(number: int, name: str) -> tuple[str, bytes]:
    """Return the id and the body of the order with this number."""
    id_ = f"{name}{number:07d}"
    return id_, BODY.replace(SAMPLE_ID, id_.encode())


async def post(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Post all orders; every one must be answered with 201, or 202 when asked for."""
    times: dict[str, tuple[float, float]] = {}
    # Plain answers, so that the floor and Kontor answer with as many bytes.
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if options.token:
        headers["authorization"] = f"Bearer {options.token}"
    if options.prefer:
        headers["prefer"] = options.prefer
    wanted = 202 if options.prefer else 201
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def one(number: int, due: float) -> None:
            id_, body = order(number, options.name)
            async with session.post(options.url, data=body) as answer:
                text = await answer.read()
                if answer.status != wanted:
                    raise RuntimeError(f"{answer.status}: {text[:300]!r}")
            times[id_] = (due, monotonic())

        if options.rate:
            start = monotonic()
            tasks = []
            for number in range(options.n):
                due = start + number / options.rate
                if (wait := due - monotonic()) > 0:
                    await asyncio.sleep(wait)
                tasks.append(asyncio.create_task(one(number, due)))
            await asyncio.gather(*tasks)
        else:
            numbers = iter(range(options.n))

            async def worker() -> None:
                for number in numbers:
                    await one(number, monotonic())

            await asyncio.gather(*(worker() for _ in range(options.together)))
    return times


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("url")
    parser.add_argument("n", type=int)
    parser.add_argument("--name", default="O")
    parser.add_argument("--together", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--token", default="")
    parser.add_argument("--prefer", default="")
    given = parser.parse_args()
    Path(given.out).write_bytes(to_json(uvloop.run(post(given))))
