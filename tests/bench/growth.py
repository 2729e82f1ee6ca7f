"""`growth`: the flow with few orders stored and with many."""

from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient

from tests.bench.flow import Load, post
from tests.bench.places import Say, brokers, kontor, receiver

FEW, MANY = 1_000, 200_000


async def run(say: Say, *, orders: int = 3000, many: int = MANY) -> dict[str, Any]:
    """Measure the flow, store copies of an order until there are `many`, measure again."""
    name = "growth" + uuid4().hex[:6]
    environment = {"KONTOR_MONGO_DATABASE": name, "KONTOR_TOPIC_PREFIX": f"{name}."}
    async with brokers(say) as stack:
        with receiver() as hook:
            async with kontor(stack, [hook], environment=environment) as place:
                await post(place, Load(FEW, name="F"), hook, stack)
                few = [await post(place, Load(orders, name=f"A{n}"), hook, stack) for n in (1, 2)]
                say(f"storing {many} orders")
                await _fill(stack.mongo_url, name, many)
                await post(place, Load(FEW, name="G"), hook, stack)
                lots = [await post(place, Load(orders, name=f"B{n}"), hook, stack) for n in (1, 2)]
    before = max(one.orders_per_second for one in few)
    after = max(one.orders_per_second for one in lots)
    return {
        "benchmark": "growth",
        "rows": [
            {
                "load": f"{many} orders stored against {FEW}",
                "floor": {
                    "orders_per_second": round(before),
                    "p50_ms": round(min(one.p50 for one in few), 1),
                    "p99_ms": round(min(one.p99 for one in few), 1),
                },
                "kontor": {
                    "orders_per_second": round(after),
                    "p50_ms": round(min(one.p50 for one in lots), 1),
                    "p99_ms": round(min(one.p99 for one in lots), 1),
                },
                "ratio": round(after / before, 2),
            }
        ],
    }


async def _fill(url: str, name: str, many: int) -> None:
    """Copy one finished order, with its version, reservation and delivery, under other ids."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    database = client[name]
    for collection, id_of in (
        ("orders", lambda id_: id_),
        ("order_versions", lambda id_: f"{id_}/0000000001"),
    ):
        sample = await database[collection].find_one({})
        if sample is None:
            raise RuntimeError(f"nothing in {collection} to copy")
        for start in range(0, many, 2000):
            rows = [
                {**sample, "_id": id_of(f"COPY{number:07d}")}
                for number in range(start, start + 2000)
            ]
            await database[collection].insert_many(rows, ordered=False)
    await client.close()
