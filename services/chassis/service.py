"""A service process: all the parts on one loop, started and stopped in the right order."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import structlog

from services.chassis import health, logging
from services.chassis.broker import broker, subscribe
from services.chassis.calls import Calls, Gateway
from services.chassis.chain import Chain, MissingLinks
from services.chassis.clock import Clock
from services.chassis.configuration import Watched
from services.chassis.consumer import Consumer, Table
from services.chassis.dead_letters import Burial, DeadLetters
from services.chassis.handling import Handling
from services.chassis.inbox import Inbox
from services.chassis.kafka import Producer, create_topics
from services.chassis.mongo import Database, connect, database, disconnect
from services.chassis.patience import RETRY_DELAYS
from services.chassis.process import announce, settle_garbage_collector, until_told_to_stop
from services.chassis.settings import ChassisSettings
from services.chassis.store import Store
from services.chassis.timers import Timers
from services.chassis.tracing import Tracing

STOPS_WITHIN = 15.0

log = structlog.get_logger()

Prepare = Callable[[Database], Awaitable[None]]
Release = Callable[[], Awaitable[None]]
AfterCommit = Callable[[Database, Collection[str], datetime | None], Awaitable[None]]
"""What a service does once a batch is committed (`handling.AfterCommit`)."""


async def _nothing_to_prepare(_: Database) -> None:
    """Stand in for a service that has no indexes of its own."""


async def _nothing_to_release() -> None:
    """Stand in for a service whose gateways keep no connections."""


class Service:
    """One service on the real Kafka and MongoDB."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        name: str,
        settings: ChassisSettings,
        listens_to: Sequence[str],
        speaks_on: Sequence[str],
        table: Table,
        gateways: Sequence[Gateway[Any, Any]] = (),  # Any: each gateway has its own types
        prepare: Prepare = _nothing_to_prepare,
        release: Release = _nothing_to_release,
        after_commit: AfterCommit | None = None,
        missing_links: MissingLinks | None = None,
        clock: Clock | None = None,
        retry_delays: Sequence[float] = RETRY_DELAYS,
        gather: float = 0,
    ) -> None:
        self.name = name
        self.settings = settings
        self.listens_to = tuple(listens_to)
        self.speaks_on = tuple(speaks_on)
        self._topics = (*listens_to, *speaks_on, f"{name}.dead")
        self._prepare = prepare
        self._release = release
        self.clock = clock or Clock()
        self.client = connect(settings.mongo_url)
        self.database = database(self.client, settings.mongo_database)
        self.producer = Producer(settings)
        self.inbox = Inbox(self.database, name)
        self.watched = Watched(self.database)
        self.timers = Timers(self.database, self.producer, self.clock)
        self.calls = Calls(
            service=name,
            gateways=gateways,
            database=self.database,
            inbox=self.inbox,
            producer=self.producer,
            clock=self.clock,
            configuration=lambda: self.watched.current,
            gather=gather,
        )
        self.chain = missing_links and Chain(
            missing_links,
            database=self.database,
            producer=self.producer,
            clock=self.clock,
            configuration=lambda: self.watched.current,
        )
        self.store = Store(self.database, name, self.calls.leases)
        endpoint = settings.otel_exporter_otlp_endpoint
        self._tracing = Tracing(name, endpoint) if endpoint else None
        self.consumer = Consumer(
            table=table,
            topic_prefix=settings.topic_prefix,
            handling=Handling(
                store=self.store,
                inbox=self.inbox,
                producer=self.producer,
                clock=self.clock,
                configuration=lambda: self.watched.current,
                committed=self.calls.committed,
                after_commit=after_commit and functools.partial(after_commit, self.database),
                tracing=self._tracing,
            ),
            store=self.store,
            inbox=self.inbox,
            burial=Burial(
                service=name,
                store=self.store,
                inbox=self.inbox,
                producer=self.producer,
                clock=self.clock,
                configuration=lambda: self.watched.current,
            ),
            clock=self.clock,
            retry_delays=retry_delays,
            gather=gather,
        )
        self._broker = broker(settings)
        subscribe(
            self._broker,
            settings=settings,
            group=name,
            topics=listens_to,
            reader=self.consumer,
        )

    async def start(self) -> None:
        """Connect, create what is missing, begin to consume."""
        await create_topics(self.settings, self._topics)
        await self.inbox.prepare()
        await self.timers.prepare()
        await self.calls.prepare()
        await DeadLetters(self.database, self.producer, self.settings.topic_prefix).prepare()
        await self._prepare(self.database)
        await self.watched.start()
        await self.producer.start()
        self.consumer.start()
        self.calls.start(self.store)
        self.timers.start()
        if self.chain is not None:
            self.chain.start()
        await self._broker.start()
        log.info("service.started")

    async def stop(self) -> None:
        """Finish what is in hand, commit, disconnect."""
        if self.chain is not None:
            await self.chain.stop()
        await self.consumer.stop()
        try:
            async with asyncio.timeout(STOPS_WITHIN):
                await self._broker.stop()
        except TimeoutError:
            log.warning("consumer.not_closed", reason="the client of Kafka does not end")
        await self.calls.stop()
        await self._release()
        await self.timers.stop()
        await self.watched.stop()
        await self.producer.stop()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.stop)
        await disconnect(self.client)
        log.info("service.stopped")

    def checks(self) -> dict[str, health.Check]:
        """Return what readiness depends on."""

        async def mongo() -> bool:
            await self.database.command("ping")
            return True

        async def kafka() -> bool:
            return await self.producer.reaches_a_broker()

        async def consumer() -> bool:
            return self.consumer.assigned

        return {"mongo": mongo, "kafka": kafka, "consumer": consumer}

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until the consumer must not go on.

        :raises TooManyFailures: in the latter case
        """
        logging.set_up(service=self.name, level=self.settings.log_level)
        await self.start()
        server = health.server(
            health.application(self.checks()),
            host=self.settings.health_host,
            port=self.settings.health_port,
        )
        try:
            await server.start()
            announce(self.name, f"http://{self.settings.health_host}:{server.port}")
            settle_garbage_collector()
            await until_told_to_stop(self.consumer.failed())
        finally:
            await server.stop()
            await self.stop()
