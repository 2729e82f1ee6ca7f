"""Chains of delayed messages: what happens again and again is a message that sends its successor.

Each link is as safe as any message. What no message can do is begin the chain, or notice that one
was lost to a bug, or waits for a time that the settings have changed: that is looked after here, by
every process of the service, since a link that is sent twice has one effect.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog
from pymongo.errors import PyMongoError

from contracts.message import Envelope, Message
from contracts.settings import Configuration
from services.chassis.clock import Clock
from services.chassis.ids import new_id
from services.chassis.kafka import NotTaken, Producer
from services.chassis.mongo import Database

NOTICE = 1.0
LOOK = 10.0
PATIENCE = 10.0

MissingLinks = Callable[[Database, datetime, Configuration], Awaitable[Sequence[Message]]]
"""Returns the messages that should have come by now and have not, at most one of each chain."""

log = structlog.get_logger()


class Chain:
    """Keeps the chains of one service going; it looks every ten seconds, and at new settings."""

    def __init__(
        self,
        missing: MissingLinks,
        *,
        database: Database,
        producer: Producer,
        clock: Clock,
        configuration: Callable[[], Configuration],
    ) -> None:
        self._missing = missing
        self._database = database
        self._producer = producer
        self._clock = clock
        self._configuration = configuration
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; the chain goes on without."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        seen: Configuration | None = None
        looked = 0.0
        while True:
            configuration = self._configuration()
            if configuration is not seen or loop.time() >= looked + LOOK:
                seen, looked = configuration, loop.time()
                try:
                    await self._look(configuration)
                except (PyMongoError, NotTaken, TimeoutError) as error:
                    log.warning("chain.not_looked_after", error=type(error).__name__)
                except Exception:  # it must not be left alone for one bug
                    log.exception("chain.broke")
            await asyncio.sleep(NOTICE)

    async def _look(self, configuration: Configuration) -> None:
        now = self._clock.now()
        for message in await self._missing(self._database, now, configuration):
            await self._send(message, now)

    async def _send(self, message: Message, now: datetime) -> None:
        # An id of its own: the last such message may have come too early to have an effect.
        id_ = new_id()
        log.info("chain.begun", message=message.type, message_id=id_)
        envelope = Envelope(
            id=id_,
            type=message.type,
            topic=message.topic,
            key=message.key,
            data=message.data(),
            time=now,
            correlation_id=str(id_),
        )
        await self._producer.send_once(envelope, patience=PATIENCE)
