"""`hop`: one hop Kafka → MongoDB → Kafka through the chassis, beside the same hop by hand."""

import asyncio
import gc
import logging
import sys
from time import monotonic, process_time
from typing import Any
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic_core import from_json, to_json
from pymongo import AsyncMongoClient, InsertOne, WriteConcern

from deploy.local.stack import Stack
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.bench.places import Say, brokers
from tests.harness import Wire

MESSAGES = 20_000


async def run(say: Say, *, messages: int = MESSAGES) -> dict[str, Any]:
    """Let both work off a backlog of small commands, each with a document and an event."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    gc.set_threshold(20_000, 50, 100)
    async with brokers(say) as stack:
        say("by hand")
        low, low_cpu = await _by_hand(stack, messages)
        say("chassis")
        own, own_cpu = await _chassis(stack, messages)
    return {
        "benchmark": "hop",
        "rows": [
            {
                "load": f"a backlog of {messages}",
                "floor": {"messages_per_second": round(low), "cpu_us": round(low_cpu)},
                "kontor": {"messages_per_second": round(own), "cpu_us": round(own_cpu)},
                "ratio": round(own / low, 2),
            }
        ],
    }


async def _chassis(stack: Stack, messages: int) -> tuple[float, float]:
    name = "hop" + uuid4().hex[:6]
    settings = ChassisSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        mongo_url=stack.mongo_url,
        mongo_database=name,
        topic_prefix=f"{name}.",
        partitions=4,
    )
    wire = Wire(settings, topics=(toy.COMMANDS, toy.EVENTS, "replies", "toy.dead"))
    await wire.start()
    try:
        commands = [wire.sealed(toy.Add(counter=f"c{number}")) for number in range(messages)]
        for start in range(0, messages, 2000):
            await wire.producer.send(commands[start : start + 2000])
        service = toy.service(settings)
        begun, cpu = monotonic(), process_time()
        await service.start()
        await wire.wait_for(toy.EVENTS, count=messages, within=120)
        spent = monotonic() - begun
        used = process_time() - cpu
        await service.stop()
    finally:
        await wire.stop()
    return messages / spent, used / messages * 1e6


async def _by_hand(stack: Stack, messages: int) -> tuple[float, float]:
    run = "byhand" + uuid4().hex[:6]
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{run}.{one}", 4, 1) for one in ("in", "out")])
    await admin.close()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(stack.mongo_url)
    database = client.get_database(run, write_concern=WriteConcern("majority", j=True))
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.kafka_bootstrap,
        enable_idempotence=True,
        acks="all",
        max_batch_size=262_144,
    )
    await producer.start()
    for start in range(0, messages, 2000):
        sent = [
            await producer.send(
                f"{run}.in",
                to_json({"mid": uuid4().hex, "counter": f"c{number}"}),
                key=f"c{number}".encode(),
            )
            for number in range(start, start + 2000)
        ]
        await asyncio.gather(*sent)
    consumer = AIOKafkaConsumer(
        f"{run}.in",
        bootstrap_servers=stack.kafka_bootstrap,
        group_id=run,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    begun, cpu = monotonic(), process_time()
    await consumer.start()
    done = 0
    while done < messages:
        got = await consumer.getmany(timeout_ms=1000, max_records=250)
        records = [record for part in got.values() for record in part]
        if not records:
            continue
        read = [from_json(record.value) for record in records]
        async with client.start_session() as session, await session.start_transaction():
            for collection, rows in (
                ("counters", [InsertOne({"_id": one["counter"], "total": 1}) for one in read]),
                ("inbox", [InsertOne({"_id": one["mid"]}) for one in read]),
            ):
                await database[collection].bulk_write(rows, ordered=False, session=session)
        futures = [
            await producer.send(f"{run}.out", record.value, key=record.key) for record in records
        ]
        await asyncio.gather(*futures)
        done += len(records)
    await consumer.commit()
    spent, used = monotonic() - begun, process_time() - cpu
    await consumer.stop()
    await producer.stop()
    await client.close()
    return messages / spent, used / messages * 1e6
