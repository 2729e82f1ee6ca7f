"""The floor of the order flow: the same hops, documents and transactions, and nothing else.

`python -m tests.bench.floor ROLE RUN` with FLOOR_KAFKA, FLOOR_MONGO, FLOOR_RECEIVER, FLOOR_PORT in
the environment. No validation, no rules, no errors handled: plain aiokafka and PyMongo loops in
batches of up to 250, one transaction a batch, offsets committed every 200 ms. Prints `ready`.
"""

import asyncio
import gc
import hashlib
import hmac
import os
import sys
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any
from uuid import uuid4

import aiohttp
import uvicorn
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pydantic_core import from_json, to_json
from pymongo import AsyncMongoClient, InsertOne, UpdateOne, WriteConcern

TOPICS = (
    "orders.commands",
    "orders.events",
    "inventory.commands",
    "payments.commands",
    "notifications.commands",
    "replies",
)
ROLES = ("api", "workflow", "inventory", "payments", "notifications", "webhooks")
Json = dict[str, Any]  # Any: JSON and BSON, as it comes
Out = list[tuple[str, str, bytes]]
Work = Callable[[list[Json]], Awaitable[tuple[list[tuple[str, list[Any]]], Out]]]


class Floor:
    """One role."""

    def __init__(self, role: str, run: str) -> None:
        self.role, self.run = role, run
        self.kafka = os.environ["FLOOR_KAFKA"]
        client: AsyncMongoClient[Json] = AsyncMongoClient(os.environ["FLOOR_MONGO"])
        self.client = client
        self.database = client.get_database(run, write_concern=WriteConcern("majority", j=True))
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.kafka,
            enable_idempotence=True,
            acks="all",
            max_batch_size=262_144,
        )

    def topic(self, name: str) -> str:
        return f"{self.run}.{name}"

    async def send(self, out: Out) -> None:
        futures = [
            await self.producer.send(self.topic(topic), value, key=key.encode())
            for topic, key, value in out
        ]
        if futures:
            await asyncio.gather(*futures)

    async def store(self, writes: list[tuple[str, list[Any]]], messages: list[Json]) -> None:
        marks = [InsertOne({"_id": message["mid"]}) for message in messages]
        async with self.client.start_session() as session, await session.start_transaction():
            for collection, operations in (*writes, (f"inbox_{self.role}", marks)):
                if operations:
                    await self.database[collection].bulk_write(
                        operations, ordered=False, session=session
                    )

    async def serve(self, topic: str, work: Work) -> None:
        consumer = AIOKafkaConsumer(
            self.topic(topic),
            bootstrap_servers=self.kafka,
            group_id=self.topic(self.role),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        print("ready", flush=True)
        offsets: dict[Any, int] = {}
        last = 0.0
        while True:
            got = await consumer.getmany(timeout_ms=1000, max_records=250)
            if not got:
                continue
            messages = [from_json(record.value) for part in got.values() for record in part]
            ids = [message["mid"] for message in messages]
            await self.database[f"inbox_{self.role}"].find({"_id": {"$in": ids}}).to_list(None)
            writes, out = await work(messages)
            if messages:
                await self.store(writes, messages)
            await self.send(out)
            offsets.update({tp: part[-1].offset + 1 for tp, part in got.items()})
            if monotonic() - last > 0.2:
                await consumer.commit(offsets)
                last = monotonic()

    # -- roles -------------------------------------------------------------------------------------

    async def workflow(self) -> None:
        async def work(messages: list[Json]) -> tuple[list[tuple[str, list[Any]]], Out]:
            known = [message["oid"] for message in messages if message["k"] != "new"]
            found = self.database.orders.find({"_id": {"$in": known}}) if known else None
            stored = {one["_id"]: one for one in await found.to_list(None)} if found else {}
            operations: list[Any] = []
            out: Out = []
            change: Json
            for message in messages:
                id_, mid = message["oid"], message["mid"]
                if message["k"] == "new":
                    order = message["order"]
                    operations.append(
                        InsertOne(
                            {**order, "_id": id_, "version": 1, "status": "Queued", "run": {"s": 1}}
                        )
                    )
                    lines = [[x["code"], x["quantity"]] for x in order["orderForm"]["lineItems"]]
                    ask = to_json({"mid": mid + "r", "oid": id_, "lines": lines})
                    out.append(("inventory.commands", id_, ask))
                    continue
                document = stored[id_]
                guard = {"_id": id_, "version": document["version"]}
                if message["k"] == "patch":
                    change = {"$set": message["order"], "$inc": {"version": 1}}
                    operations.append(UpdateOne(guard, change))
                    document |= {**message["order"], "version": document["version"] + 1}
                    seq = document["version"]
                    event = to_json({"mid": mid + "e", "oid": id_, "seq": seq, "data": document})
                    out += [("orders.events", id_, event), ("replies", id_, event)]
                    continue
                if message["k"] == "reserved":
                    change = {"$set": {"run.s": 2}, "$inc": {"version": 1}}
                    ask = to_json({"mid": mid + "p", "oid": id_, "amount": "998.00"})
                    out.append(("payments.commands", id_, ask))
                else:
                    change = {
                        "$set": {"status": "New"},
                        "$unset": {"run": 1},
                        "$inc": {"version": 1},
                    }
                    document["status"] = "New"
                    document.pop("run", None)
                    event = to_json({"mid": mid + "e", "oid": id_, "seq": 1, "data": document})
                    mail = to_json({"mid": mid + "n", "oid": id_})
                    out += [
                        ("orders.events", id_, event),
                        ("notifications.commands", id_, mail),
                        ("replies", id_, event),
                    ]
                operations.append(UpdateOne(guard, change))
            return [("orders", operations)], out

        await self.serve("orders.commands", work)

    async def inventory(self) -> None:
        async def work(messages: list[Json]) -> tuple[list[tuple[str, list[Any]]], Out]:
            need: dict[str, float] = {}
            for message in messages:
                for sku, quantity in message["lines"]:
                    need[sku] = need.get(sku, 0) + quantity
            stock = [
                UpdateOne({"_id": sku, "free": {"$gte": units}}, {"$inc": {"free": -units}})
                for sku, units in need.items()
            ]
            held = [
                InsertOne({"_id": one["mid"], "oid": one["oid"], "lines": one["lines"]})
                for one in messages
            ]
            return [("stock", stock), ("reservations", held)], _answers(messages, "reserved")

        for number in range(1, 4):
            await self.database.stock.update_one(
                {"_id": f"SKU-0000{number}"}, {"$set": {"free": 10**9}}, upsert=True
            )
        await self.serve("inventory.commands", work)

    async def payments(self) -> None:
        async def work(messages: list[Json]) -> tuple[list[tuple[str, list[Any]]], Out]:
            rows = [
                InsertOne({"_id": one["mid"], "oid": one["oid"], "amount": one["amount"]})
                for one in messages
            ]
            return [("payments", rows)], _answers(messages, "paid")

        await self.serve("payments.commands", work)

    async def notifications(self) -> None:
        async def work(messages: list[Json]) -> tuple[list[tuple[str, list[Any]]], Out]:
            rows = [InsertOne({"_id": one["mid"], "oid": one["oid"]}) for one in messages]
            return [("notifications", rows)], []

        await self.serve("notifications.commands", work)

    async def webhooks(self) -> None:
        url = os.environ["FLOOR_RECEIVER"]
        connector = aiohttp.TCPConnector(limit=64)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def deliver(message: Json) -> int:
                body = to_json(message["data"])
                signed = hmac.new(b"k" * 32, message["mid"].encode() + b"." + body, hashlib.sha256)
                headers = {
                    "webhook-id": message["mid"],
                    "webhook-signature": signed.hexdigest(),
                    "content-type": "application/json",
                }
                async with session.post(url, data=body, headers=headers) as answer:
                    await answer.read()
                    return answer.status

            async def store_and_deliver(messages: list[Json]) -> None:
                rows = [
                    InsertOne(
                        {
                            "_id": one["mid"],
                            "oid": one["oid"],
                            "state": "pending",
                            "body": one["data"],
                        }
                    )
                    for one in messages
                ]
                await self.store([("deliveries", rows)], messages)
                states = await asyncio.gather(*(deliver(one) for one in messages))
                done = [
                    UpdateOne(
                        {"_id": one["mid"]}, {"$set": {"state": state}, "$unset": {"body": 1}}
                    )
                    for one, state in zip(messages, states, strict=True)
                ]
                await self.database.deliveries.bulk_write(done, ordered=False)

            async def work(messages: list[Json]) -> tuple[list[tuple[str, list[Any]]], Out]:
                await store_and_deliver(messages)
                messages.clear()
                return [], []

            await self.serve("orders.events", work)

    async def api(self) -> None:  # noqa: C901 - a server in one piece, as plain as can be
        waiting: dict[str, asyncio.Future[bytes]] = {}
        consumer = AIOKafkaConsumer(
            self.topic("replies"),
            bootstrap_servers=self.kafka,
            group_id=None,
            auto_offset_reset="latest",
            fetch_max_wait_ms=100,
        )
        await consumer.start()
        await consumer.seek_to_end()

        async def listen() -> None:
            while True:
                for part in (await consumer.getmany(timeout_ms=500)).values():
                    for record in part:
                        future = waiting.pop(record.key.decode(), None)
                        if future is not None:
                            future.set_result(record.value)

        listening = asyncio.create_task(listen())

        async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
            if scope["type"] != "http":
                return
            raw = b""
            while True:
                message = await receive()
                raw += message.get("body", b"")
                if not message.get("more_body"):
                    break
            kind = b"new"
            if scope["method"] == "PATCH":  # /api/Orders/{id}/PatchOrder
                kind, key = b"patch", scope["path"].split("/")[3].encode()
            else:
                start = raw.index(b'"id":"') + 6
                key = raw[start : raw.index(b'"', start)]
            future = waiting[key.decode()] = asyncio.get_running_loop().create_future()
            head = b'{"k":"' + kind + b'","mid":"' + uuid4().hex.encode() + b'","oid":"' + key
            await self.producer.send(
                self.topic("orders.commands"), head + b'","order":' + raw + b"}", key=key
            )
            body = await future
            length = str(len(body)).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 201, "headers": headers})
            await send({"type": "http.response.body", "body": body})

        server = uvicorn.Server(
            uvicorn.Config(
                application,
                port=int(os.environ["FLOOR_PORT"]),
                log_level="error",
                access_log=False,
                lifespan="off",
            )
        )
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.05)
        print("ready", flush=True)
        await asyncio.gather(serving, listening)


def _answers(messages: list[Json], kind: str) -> Out:
    return [
        (
            "orders.commands",
            one["oid"],
            to_json({"k": kind, "mid": one["mid"] + "f", "oid": one["oid"]}),
        )
        for one in messages
    ]


async def main(role: str, run: str) -> None:
    """Serve one role until killed."""
    floor = Floor(role, run)
    await floor.producer.start()
    await getattr(floor, role)()


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    uvloop.run(main(sys.argv[1], sys.argv[2]))
