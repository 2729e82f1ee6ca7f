"""`growth`: the flow with few orders stored and with many, and without the indexes of searches."""

from typing import Any
from uuid import uuid4

from pymongo import AsyncMongoClient

from deploy.local.stack import Stack
from services.api.queries.search.indexes import INDEXES
from tests.bench.flow import Load, post
from tests.bench.places import Place, Say, brokers, kontor, receiver

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
                bare = await _without_indexes(place, hook, stack, name, orders)
                say(f"storing {many} orders")
                await _fill(stack.mongo_url, name, many)
                await post(place, Load(FEW, name="G"), hook, stack)
                lots = [await post(place, Load(orders, name=f"B{n}"), hook, stack) for n in (1, 2)]
                index_mb = await _index_size(stack.mongo_url, name)
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
            },
            {
                "load": f"with the indexes of searches against without ({index_mb} MiB of them)",
                "floor": {"orders_per_second": round(max(bare))},
                "kontor": {"orders_per_second": round(before)},
                "ratio": round(before / max(bare), 2),
            },
        ],
    }


async def _without_indexes(
    place: Place, hook: str, stack: Stack, name: str, orders: int
) -> list[float]:
    """Return the rates of the flow while there are no indexes by which orders are searched."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    stored = client[name]["orders"]
    for index in INDEXES:
        await stored.drop_index(index.document["name"])
    found = [await post(place, Load(orders, name=f"N{n}"), hook, stack) for n in (1, 2)]
    await stored.create_indexes(list(INDEXES))
    await client.close()
    return [one.orders_per_second for one in found]


async def _index_size(url: str, name: str) -> int:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(url)
    sizes = (await client[name].command("collstats", "orders"))["indexSizes"]
    await client.close()
    return int(sum(sizes[index.document["name"]] for index in INDEXES) / 2**20)


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
