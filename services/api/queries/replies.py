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
from services.chassis.kafka import MAX_MESSAGE, is_answered
from services.chassis.settings import ChassisSettings

BEGUN = 202
"""The status of a reply that says, without a body, only that a run has begun.

The answer is still to come."""

LOOK_EVERY = 5.0
ANSWERS_WITHIN = 5.0
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
        # Where each partition that was ever leased was last seen to stand. Lost ones are read on:
        # answers may still be on their way to them.
        self._positions: dict[TopicPartition, int] = {}
        self.partition = -1

    async def start(self) -> None:
        """Lease a partition and stand at its end; what arrives from now on is seen.

        :raises LookupError: if every partition is leased by another process
        """
        self._consumer = await self._connected()
        await self._take_partition()
        work = self._listen(), self._renew(), self._watch()
        self._tasks = [asyncio.create_task(one) for one in work]

    async def stop(self) -> None:
        """Stop listening and give the partition back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._consumer is not None:
            await _disconnect(self._consumer)
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

    async def _connected(self) -> AIOKafkaConsumer:
        fresh = AIOKafkaConsumer(
            **self._settings.kafka_arguments(),
            group_id=None,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=MAX_MESSAGE,
        )
        try:
            await fresh.start()
        except BaseException:
            await _disconnect(fresh)
            raise
        return fresh

    async def _take_partition(self) -> None:
        partition = await self._leases.take()
        taken = TopicPartition(self._settings.topic_prefix + REPLIES, partition)
        self._positions |= await self._consumer.end_offsets([taken])
        self._read_on()
        self.partition = partition
        log.info("replies.leased", partition=partition)

    def _read_on(self) -> None:
        """Read each partition from where it stood; what comes twice is dropped."""
        self._consumer.assign(list(self._positions))
        for one, position in self._positions.items():
            self._consumer.seek(one, position)

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
        if result.status == BEGUN and result.body is None:
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

    async def _watch(self) -> None:
        """Replace a client that reads no more although there are answers and brokers.

        Once in a while one that lost its only broker waits for ever for news of it.
        """
        ends: dict[TopicPartition, int] = {}
        while True:
            await asyncio.sleep(LOOK_EVERY)
            consumer, stood, unread = self._consumer, dict(self._positions), ends
            try:
                async with asyncio.timeout(ANSWERS_WITHIN):
                    ends = await consumer.end_offsets(list(stood))
                    for one in stood:
                        self._positions[one] = await consumer.position(one)
                is_stuck = any(self._positions[one] == stood[one] < unread[one] for one in unread)
            except (KafkaError, TimeoutError):
                is_stuck = await is_answered(consumer)
            if is_stuck:
                ends = {}
                await self._replace_client()

    async def _replace_client(self) -> None:
        log.warning("replies.client_stuck", partition=self.partition)
        try:
            fresh = await self._connected()
        except KafkaError as error:
            log.warning("replies.unreachable", error=type(error).__name__)
            return
        stuck, self._consumer = self._consumer, fresh
        self._read_on()
        await _disconnect(stuck)


async def _disconnect(consumer: AIOKafkaConsumer) -> None:
    """Stop a client; whatever it fails with, it is left to itself."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            await asyncio.gather(consumer.stop(), return_exceptions=True)
    except TimeoutError:
        log.warning("replies.not_closed", reason="the client of Kafka does not end")


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
