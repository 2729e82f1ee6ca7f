"""`import`: ImportMany with 1,000 orders a call, beside the same writes and records by hand."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from time import monotonic
from typing import Any
from uuid import uuid4

import aiohttp
import zstandard
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic_core import from_json, to_json
from pymongo import AsyncMongoClient, InsertOne, WriteConcern

from deploy.local.stack import Stack
from tests.bench.client import order
from tests.bench.machine import Watch
from tests.bench.places import PARTITIONS, Place, Say, brokers, kontor, one_more

AT_ONCE = 1000
TOGETHER = (1, 4)
"""Calls at a time; the guide allows four."""


async def run(say: Say, *, calls: int = 12) -> dict[str, Any]:
    """Import the orders with one call at a time, then with several; first by hand."""
    name = "import" + uuid4().hex[:6]
    environment = {"KONTOR_MONGO_DATABASE": name, "KONTOR_TOPIC_PREFIX": f"{name}."}
    async with brokers(say) as stack:
        say("by hand")
        low = await _by_hand(stack, calls)
        async with kontor(stack, [], environment=environment) as place:
            await _posted(place, calls=2, together=1, name="W")
            rows = [await _row(place, stack, say, low, calls, together) for together in TOGETHER]
            # It waits for MongoDB between its batches: another one works meanwhile.
            async with one_more("workflow", stack, environment) as pid:
                both = replace(place, pids={**place.pids, "workflow 2": pid})
                await _posted(both, calls=2, together=1, name="V")
                rows.append(await _row(both, stack, say, low, calls, TOGETHER[-1]))
    return {"benchmark": "import", "rows": rows}


async def _row(  # noqa: PLR0917 - where, beside what, and how much
    place: Place, stack: Stack, say: Say, low: float, calls: int, together: int
) -> dict[str, Any]:
    processes = sum(name.startswith("workflow") for name in place.pids)
    load = f"{AT_ONCE} orders a call, {together} at a time"
    if processes > 1:
        load += f", {processes} processes of workflow"
    say(f"kontor: {load}")
    pids = {**place.pids, "mongod": stack.mongo_pid, "kafka": stack.kafka_pid}
    watch = Watch(pids.values())
    begun = monotonic()
    waits = await _posted(place, calls=calls, together=together, name=f"I{together}x{processes}x")
    rate = calls * AT_ONCE / (monotonic() - begun)
    busy = watch.look()
    spent = {one: watch.spent(pid) for one, pid in pids.items()}
    return {
        "load": load,
        "floor": {"orders_per_second": round(low)},
        "kontor": {
            "orders_per_second": round(rate),
            "call_p50_ms": round(median(waits) * 1000),
            "call_max_ms": round(max(waits) * 1000),
            "cpu_us": {
                one: round(seconds / calls / AT_ONCE * 1e6) for one, seconds in spent.items()
            },
            "others_cores": round(busy.others, 2),
        },
        "ratio": round(rate / low, 2),
    }


def _bodies(calls: int, name: str) -> Iterator[bytes]:
    for call in range(calls):
        numbers = range(call * AT_ONCE, (call + 1) * AT_ONCE)
        yield b"[" + b",".join(order(number, name)[1] for number in numbers) + b"]"


async def _posted(place: Place, *, calls: int, together: int, name: str) -> list[float]:
    """Post so many calls; every one must be answered with 204. Returns how long each took."""
    url = f"{place.api}/api/Orders/ImportMany"
    headers = {"content-type": "application/json", "authorization": f"Bearer {place.token}"}
    bodies = iter(list(_bodies(calls, name)))
    waits: list[float] = []
    async with aiohttp.ClientSession(headers=headers) as session:

        async def worker() -> None:
            for body in bodies:
                begun = monotonic()
                async with session.post(url, data=body) as answer:
                    text = await answer.read()
                    if answer.status != 204:
                        raise RuntimeError(f"{answer.status}: {text[:300]!r}")
                waits.append(monotonic() - begun)

        await asyncio.gather(*(worker() for _ in range(together)))
    return waits


async def _by_hand(stack: Stack, calls: int) -> float:
    """Store each order and its version in transactions of 250, and produce an event for each."""
    name = "byhand" + uuid4().hex[:6]
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{name}.events", PARTITIONS, 1)])
    await admin.close()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    database = client.get_database(name, write_concern=WriteConcern("majority", j=True))
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap,
        enable_idempotence=True,
        acks="all",
        max_batch_size=262_144,
    )
    await producer.start()
    compressor = zstandard.ZstdCompressor(level=1)
    bodies = list(_bodies(calls, "H"))
    begun = monotonic()
    for body in bodies:
        found = from_json(body)
        for start in range(0, len(found), 250):
            orders = found[start : start + 250]
            texts = [to_json(one) for one in orders]
            versions = [
                InsertOne({"_id": f"{one['id']}/1", "event": compressor.compress(text)})
                for one, text in zip(orders, texts, strict=True)
            ]
            async with client.start_session() as session, await session.start_transaction():
                await database["orders"].bulk_write(
                    [InsertOne({"_id": one["id"], "order": one}) for one in orders],
                    ordered=False,
                    session=session,
                )
                await database["versions"].bulk_write(versions, ordered=False, session=session)
            sent = [
                await producer.send(f"{name}.events", text, key=one["id"].encode())
                for one, text in zip(orders, texts, strict=True)
            ]
            await asyncio.gather(*sent)
    spent = monotonic() - begun
    await producer.stop()
    await client.close()
    return calls * AT_ONCE / spent
