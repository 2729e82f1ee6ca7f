"""Answers to commands, on a partition of `replies` that only this process has leased (design 2)."""

import asyncio
from contextlib import suppress
from typing import Any
from uuid import UUID

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from contracts.messages.replies import REPLIES, Reply
from services.api.domain import Result
from services.api.queries.leases import RENEW_SECONDS, Leases
from services.chassis.kafka import MAX_MESSAGE
from services.chassis.settings import ChassisSettings

BEGUN = 202
"""The status of a reply that says only that a run has begun: the answer is still to come."""

_BODY = b',"body":'

log = structlog.get_logger()
Waiter = asyncio.Future[Result | None]


class Replies:
    """Hands each answer to whoever waits for it, and drops what nobody here waits for."""

    def __init__(self, settings: ChassisSettings, leases: Leases) -> None:
        self._settings = settings
        self._leases = leases
        self._waiting: dict[bytes, list[Waiter]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._consumer: Any = None  # Any: aiokafka publishes no types
        self._read: list[TopicPartition] = []
        self.partition = -1

    async def start(self) -> None:
        """Lease a partition and stand at its end; what arrives from now on is seen.

        :raises LookupError: if every partition is leased by another process
        """
        self._consumer = AIOKafkaConsumer(
            **self._settings.kafka_arguments(),
            group_id=None,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=MAX_MESSAGE,
        )
        await self._consumer.start()
        await self._take_partition()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._renew())]

    async def stop(self) -> None:
        """Stop listening and give the partition back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()
        with suppress(PyMongoError, TimeoutError):
            # A lease that cannot be given back runs out by itself.
            async with asyncio.timeout(1):
                await self._leases.release(self.partition)

    def expect(self, command: UUID, *, patience: float) -> Waiter:
        """Return what will be the answer to this command, or None after `patience` seconds.

        Call it before publishing.
        """
        loop = asyncio.get_running_loop()
        waiter: Waiter = loop.create_future()
        timer = loop.call_later(patience, _give_up, waiter)
        waiter.add_done_callback(lambda _: timer.cancel())
        self._waiting.setdefault(str(command).encode(), []).append(waiter)
        return waiter

    def forget(self, command: UUID, waiter: Waiter) -> None:
        """Wait no longer."""
        waiter.cancel()
        key = str(command).encode()
        waiters = self._waiting.get(key)
        if waiters is not None and waiter in waiters:
            waiters.remove(waiter)
            if not waiters:
                del self._waiting[key]

    async def _take_partition(self) -> None:
        self.partition = await self._leases.take()
        taken = TopicPartition(self._settings.topic_prefix + REPLIES, self.partition)
        # Partitions that were lost are read on: answers may still be on their way to them.
        self._read.append(taken)
        consumer = self._consumer
        positions = {one: await consumer.position(one) for one in self._read[:-1]}
        consumer.assign(self._read)
        for one, position in positions.items():
            consumer.seek(one, position)
        await consumer.seek_to_end(taken)
        await consumer.position(taken)
        log.info("replies.leased", partition=self.partition)

    async def _listen(self) -> None:
        while True:
            try:
                found = await self._consumer.getmany(timeout_ms=1000)
            except KafkaError as error:
                log.warning("replies.unreachable", error=type(error).__name__)
                await asyncio.sleep(0.5)
                continue
            for records in found.values():
                for record in records:
                    waiters = self._waiting.get(record.key)
                    if waiters is not None:
                        self._hand_over(record, waiters)

    def _hand_over(self, record: "ConsumerRecord[bytes, bytes]", waiters: list[Waiter]) -> None:
        try:
            result = read(record.value)
        except ValidationError:
            log.exception("replies.unreadable", offset=record.offset)
            return
        if result.status == BEGUN:
            return
        del self._waiting[record.key]
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(result)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                if not await self._leases.renew(self.partition):
                    log.warning("replies.lease_lost", partition=self.partition)
                    await self._take_partition()
            except (PyMongoError, KafkaError, LookupError) as error:
                log.warning("replies.lease_not_renewed", error=type(error).__name__)


def _give_up(waiter: Waiter) -> None:
    if not waiter.done():
        waiter.set_result(None)


def read(raw: bytes) -> Result:
    """Read a reply without reading its body, which is JSON already.

    :raises ValidationError: if it is no reply
    """
    # `"body"` is the last member and a quote inside a text is escaped, so the first match is it.
    head, found, body = raw.partition(_BODY)
    reply = Reply.model_validate_json(head + b"}" if found else head)
    return Result(
        status=reply.status_code,
        body=body[:-1] if found else None,
        problem=reply.problem,
        order_id=reply.order_id,
        version=reply.version,
        shape=reply.shape,
    )
