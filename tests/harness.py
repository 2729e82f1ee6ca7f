"""What integration tests stand on: a wire to Kafka, a database, and patience with a deadline."""

import asyncio
import inspect
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID, uuid4

from aiohttp import web
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from contracts.message import Envelope, Message
from services.chassis.clock import Clock
from services.chassis.kafka import REPLIES, REPLY_PARTITIONS, Producer, create_topics
from services.chassis.mongo import Database, connect
from services.chassis.mongo import database as open_database
from services.chassis.settings import ChassisSettings

TOPICS = (
    "orders.commands",
    "orders.events",
    "payments.commands",
    "inventory.commands",
    "inventory.events",
    "notifications.commands",
    "webhooks.commands",
    "webhooks.events",
    REPLIES,
)

Found = TypeVar("Found")


async def served(app: web.Application, *, port: int = 0) -> tuple[web.AppRunner, str]:
    """Serve an application on loopback; return its runner, to clean up, and its address.

    Who hangs up is noticed, and nobody who hangs holds up the end.
    """
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, site.name


@overload
async def until(
    condition: Callable[[], Coroutine[Any, Any, Found]], *, within: float = ...
) -> Found: ...


@overload
async def until(condition: Callable[[], Found], *, within: float = ...) -> Found: ...


# Any: mypy cannot infer one type for both kinds of condition; the overloads above can.
async def until(condition: Callable[[], Any], *, within: float = 15.0) -> Any:
    """Return what `condition` returns as soon as that is true; fail after `within` seconds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    pause = 0.01
    while True:
        answer = condition()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        if loop.time() > deadline:
            raise AssertionError(
                f"still {found!r} after {within} s: {inspect.getsource(condition).strip()}"
            )
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.25)


async def forget_topics(settings: ChassisSettings) -> None:
    """Delete the topics of a test module: a broker with ten thousand partitions is slow."""
    admin = AIOKafkaAdminClient(**settings.kafka_arguments())
    await admin.start()
    try:
        topics = await admin.list_topics()
        await admin.delete_topics(
            [name for name in topics if name.startswith(settings.topic_prefix)]
        )
    finally:
        await admin.close()


class Startable(Protocol):
    """A service, or anything else that is started and stopped."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


AnyStartable = TypeVar("AnyStartable", bound=Startable)


@asynccontextmanager
async def running(service: AnyStartable) -> AsyncIterator[AnyStartable]:
    """Run a service for the length of the block."""
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@asynccontextmanager
async def database(settings: ChassisSettings) -> AsyncIterator[Database]:
    """Open the database of a test module."""
    client = connect(settings.mongo_url)
    try:
        yield open_database(client, settings.mongo_database)
    finally:
        client.close()


class Wire:
    """Sends messages as a service would, and keeps everything that passes on every topic."""

    def __init__(self, settings: ChassisSettings, topics: tuple[str, ...] = TOPICS) -> None:
        self._settings = settings
        self._topics = topics
        self.producer = Producer(settings)
        self._seen: dict[str, list[Envelope]] = defaultdict(list)
        self._clock = Clock()
        self._task: asyncio.Task[None] | None = None
        self._consumer: Any = None  # Any: aiokafka publishes no types

    async def start(self) -> None:
        await create_topics(self._settings, self._topics)
        await self.producer.start()
        prefix = self._settings.topic_prefix
        self._consumer = AIOKafkaConsumer(
            **self._settings.kafka_arguments(), auto_offset_reset="earliest", group_id=None
        )
        await self._consumer.start()
        self._consumer.assign(
            [
                TopicPartition(prefix + topic, number)
                for topic in self._topics
                for number in range(
                    REPLY_PARTITIONS if topic == REPLIES else self._settings.partitions
                )
            ]
        )
        self._task = asyncio.create_task(self._listen())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()
        await self.producer.stop()

    async def _listen(self) -> None:
        prefix = self._settings.topic_prefix
        while True:
            for partition, records in (await self._consumer.getmany(timeout_ms=500)).items():
                topic = partition.topic.removeprefix(prefix)
                for record in records:
                    self._seen[topic].append(
                        Envelope.read(
                            topic=topic, key=record.key, headers=record.headers, data=record.value
                        )
                    )

    def sealed(
        self, message: Message, *, id: UUID | None = None, reply_to: int | None = None
    ) -> Envelope:
        """Return the message in an envelope of its own, as the api would send it."""
        own = id or uuid4()
        return Envelope(
            id=own,
            type=message.type,
            topic=message.topic,
            key=message.key,
            data=message.sealed(own),
            time=self._clock.now(),
            correlation_id=str(own),
            sequence=message.sequence_number,
            reply_to=reply_to,
        )

    async def send(
        self,
        message: Message,
        *,
        id: UUID | None = None,
        reply_to: int | None = None,
        times: int = 1,
    ) -> UUID:
        """Put the message on its topic `times` times under one id; return the id."""
        envelope = self.sealed(message, id=id, reply_to=reply_to)
        await self.producer.send([envelope] * times)
        return envelope.id

    def on(self, topic: str) -> list[Envelope]:
        """Return all that has passed on a topic so far, copies included."""
        return list(self._seen[topic])

    async def wait_for(
        self,
        topic: str,
        predicate: Callable[[Envelope], bool] = lambda _: True,
        *,
        count: int = 1,
        within: float = 15.0,
    ) -> list[Envelope]:
        """Return the envelopes on `topic` that fit, as soon as there are `count` different ones."""

        def fitting() -> list[Envelope]:
            found = {e.id: e for e in self._seen[topic] if predicate(e)}
            return list(found.values()) if len(found) >= count else []

        return await until(fitting, within=within)
