"""What passes on Kafka, seen from outside: a plain consumer without a group."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from services.chassis.mongo import connect
from services.chassis.settings import ChassisSettings
from services.commands.demo.screen import Screen


@dataclass(frozen=True, slots=True)
class Seen:
    """One record: its topic without the prefix, its headers, its data."""

    topic: str
    headers: Mapping[str, str]
    data: bytes

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return self.headers.get("ce_type", "")


class Listener:
    """Prints every message that passes, and keeps them."""

    def __init__(self, environment: Mapping[str, str], screen: Screen) -> None:
        given = {
            name.removeprefix("KONTOR_").lower(): value
            for name, value in environment.items()
            if name.startswith("KONTOR_")
        }
        self._settings = ChassisSettings.model_validate(given)
        self._screen = screen
        self._consumer: Any = None  # Any: aiokafka publishes no types
        self._listening: asyncio.Task[None] | None = None
        self.seen: list[Seen] = []

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            **self._settings.kafka_arguments(), auto_offset_reset="earliest", group_id=None
        )
        # Before the start: then it knows all partitions once it has started.
        self._consumer.subscribe(pattern=f"^{re.escape(self._settings.topic_prefix)}")
        await self._consumer.start()
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._consumer.stop()

    def of(self, topic: str, order_id: str) -> list[Seen]:
        """Return what came on a topic about this order, in the order in which it came."""
        return [
            one
            for one in self.seen
            if one.topic == topic and one.headers.get("ce_subject") == order_id
        ]

    async def clean_up(self) -> None:
        """Take database and topics away again."""
        client = connect(self._settings.mongo_url)
        await client.drop_database(self._settings.mongo_database)
        client.close()
        admin = AIOKafkaAdminClient(**self._settings.kafka_arguments())
        await admin.start()
        prefix = self._settings.topic_prefix
        await admin.delete_topics([t for t in await admin.list_topics() if t.startswith(prefix)])
        await admin.close()

    async def _listen(self) -> None:
        prefix = self._settings.topic_prefix
        while True:
            found = await self._consumer.getmany(timeout_ms=1000)
            for partition, records in found.items():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers}
                    one = Seen(partition.topic.removeprefix(prefix), headers, record.value)
                    self.seen.append(one)
                    self._screen.seen(one.topic, _described(one))


def _described(one: Seen) -> str:
    about = one.headers.get("ce_subject", "")
    sequence = one.headers.get("ce_sequence")
    return f"{one.type}  {about}" + (f"  sequence {sequence}" if sequence else "")
