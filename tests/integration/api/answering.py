"""Whoever answers the api's commands, where a test is about the api alone."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from pydantic_core import from_json, to_json

from contracts.message import Envelope
from contracts.messages.replies import REPLIES, Reply
from services.chassis.clock import Clock
from services.chassis.kafka import Producer, create_topics
from services.chassis.settings import ChassisSettings

TOPICS = ("orders.commands", "inventory.commands", "webhooks.commands")

Script = Callable[[Envelope, Any], "tuple[Reply, object] | None"]


def created(command: Envelope, data: dict[str, object]) -> tuple[Reply, object]:
    """Answer every command with 201 and the order that it brought."""
    order = data.get("order") or {"id": command.key}
    return answer(command, 201, version=1), order


def answer(
    command: Envelope, status: int, *, version: int | None = None, **members: object
) -> Reply:
    """Return a reply to this command."""
    return Reply.model_validate(
        {
            "command_id": command.correlation_id,
            "status_code": status,
            "order_id": command.key,
            "version": version,
            **members,
        }
    )


class Answerer:
    """Reads what the api sends, and answers by `script`; None leaves a command unanswered."""

    def __init__(
        self,
        settings: ChassisSettings,
        script: Script = created,
        topics: Sequence[str] = TOPICS,
    ) -> None:
        self.scripts: dict[str, Script] = {}
        """How the commands with a key are answered; the others by `script`."""
        self.script = script
        self.seen: list[Envelope] = []
        self._settings = settings
        self._topics = topics
        self._producer = Producer(settings)
        self._clock = Clock()
        self._consumer: Any = None  # Any: aiokafka publishes no types
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await create_topics(self._settings, (*self._topics, REPLIES))
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(
            **self._settings.kafka_arguments(), auto_offset_reset="earliest", group_id=None
        )
        await self._consumer.start()
        self._consumer.assign(
            [
                TopicPartition(self._settings.topic_prefix + topic, number)
                for topic in self._topics
                for number in range(self._settings.partitions)
            ]
        )
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._consumer.stop()
        await self._producer.stop()

    def named(self, key: str) -> list[Envelope]:
        """Return what has come for this key, copies included."""
        return [one for one in self.seen if one.key == key]

    async def answer_now(self, key: str) -> None:
        """Answer the command with this key, which was left unanswered, with 201."""
        command = self.named(key)[0]
        await self._producer.send([self._sealed(command, *created(command, {}))])

    async def _serve(self) -> None:
        prefix = self._settings.topic_prefix
        while True:
            found = await self._consumer.getmany(timeout_ms=500)
            answers = []
            for partition, records in found.items():
                topic = partition.topic.removeprefix(prefix)
                for record in records:
                    envelope = Envelope.read(
                        topic=topic, key=record.key, headers=record.headers, data=record.value
                    )
                    self.seen.append(envelope)
                    script = self.scripts.get(envelope.key, self.script)
                    said = script(envelope, from_json(envelope.data))
                    if said is not None and envelope.reply_to is not None:
                        answers.append(self._sealed(envelope, *said))
            await self._producer.send(answers)

    def _sealed(self, command: Envelope, reply: Reply, body: object) -> Envelope:
        return Envelope(
            id=uuid4(),
            type=Reply.type,
            topic=REPLIES,
            key=reply.key,
            data=reply.data() if body is None else reply.with_body(to_json(body)),
            time=self._clock.now(),
            correlation_id=reply.command_id,
            partition=command.reply_to,
        )
