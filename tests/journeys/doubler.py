"""Puts every record of every topic on its topic a second time, as soon as it appears."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.chassis.kafka import MAX_MESSAGE, REPLIES, REPLY_PARTITIONS, create_topics
from services.chassis.settings import ChassisSettings
from tests.harness import TOPICS

COPY: Final = "copy"
"""The header by which it knows its own copies; nobody else looks at it."""


class Doubler:
    """While it runs every message is delivered twice, on the same partition and under its id."""

    def __init__(self, settings: ChassisSettings) -> None:
        self._settings = settings
        self._consumer: Any = None  # Any: aiokafka publishes no types
        self._producer: Any = None
        self._reader: Any = None
        self._admin: Any = None
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._places = [
            TopicPartition(settings.topic_prefix + topic, number)
            for topic in TOPICS
            for number in range(REPLY_PARTITIONS if topic == REPLIES else settings.partitions)
        ]

    async def start(self) -> None:
        """Stand at the beginning of every topic."""
        settings = self._settings
        await create_topics(settings, TOPICS)
        self._producer = AIOKafkaProducer(
            **settings.kafka_arguments(), max_request_size=2 * MAX_MESSAGE
        )
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(
            **settings.kafka_arguments(), auto_offset_reset="earliest", group_id=None
        )
        await self._consumer.start()
        self._consumer.assign(self._places)
        # A client of its own: a look at the ends must not wait behind a fetch.
        self._reader = AIOKafkaConsumer(**settings.kafka_arguments(), group_id=None)
        await self._reader.start()
        self._admin = AIOKafkaAdminClient(**settings.kafka_arguments())
        await self._admin.start()
        self._task = asyncio.create_task(self._double())

    async def stop(self) -> None:
        """Double nothing more; what went wrong while it ran is raised here."""
        if self._task is not None:
            self._task.cancel()
            (ended,) = await asyncio.gather(self._task, return_exceptions=True)
            if not isinstance(ended, asyncio.CancelledError):
                raise RuntimeError("the doubler ended by itself") from ended
        for client in (self._consumer, self._reader, self._producer):
            await client.stop()
        await self._admin.close()

    async def ends(self) -> dict[TopicPartition, int]:
        """Return where each partition ends."""
        return dict(await self._reader.end_offsets(self._places))

    async def has_doubled(self, ends: dict[TopicPartition, int]) -> bool:
        """Say whether everything up to here was doubled."""
        for place in self._places:
            if await self._consumer.position(place) < ends[place]:
                return False
        return self._idle.is_set()

    async def committed(self, service: str) -> dict[TopicPartition, int]:
        """Return how far a service has come by its own word."""
        group = self._settings.topic_prefix + service
        found = await self._admin.list_consumer_group_offsets(group)
        return {place: known.offset for place, known in found.items()}

    async def _double(self) -> None:
        while True:
            found = await self._consumer.getmany(timeout_ms=500)
            self._idle.clear()
            sent = [
                await self._again(record)
                for records in found.values()
                for record in records
                if all(name != COPY for name, _ in record.headers)
            ]
            await asyncio.gather(*sent)
            self._idle.set()

    async def _again(self, record: "ConsumerRecord[bytes, bytes]") -> Awaitable[object]:
        acknowledged: Awaitable[object] = await self._producer.send(
            record.topic,
            record.value,
            key=record.key,
            partition=record.partition,
            headers=[*record.headers, (COPY, b"1")],
        )
        return acknowledged
