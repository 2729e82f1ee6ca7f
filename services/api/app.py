"""Composition root of the api: the only place that knows what is real."""

import asyncio
from collections.abc import Iterator

import structlog
from pymongo.errors import PyMongoError

from services.api.entrypoints import ROUTES, Access, Application, Parts, keys
from services.api.entrypoints.guests import Guests
from services.api.entrypoints.limits import Figures, Limits
from services.api.entrypoints.typesetting import Typesetter
from services.api.gateways import Commands, Connectors
from services.api.queries.clients import Clients
from services.api.queries.exports import Exports
from services.api.queries.leases import Leases
from services.api.queries.orders import Orders
from services.api.queries.replies import Replies
from services.api.queries.requests import Requests
from services.api.queries.results import Results
from services.api.queries.search import Searches
from services.api.queries.settings import SettingsStore
from services.api.queries.stock import Stock
from services.api.queries.webhooks import Webhooks
from services.api.settings import Settings
from services.chassis import health, logging
from services.chassis.clock import Clock
from services.chassis.configuration import Watched
from services.chassis.dead_letters import DeadLetters
from services.chassis.http import Outbound
from services.chassis.kafka import REPLIES, Producer, create_topics
from services.chassis.mongo import connect, database, disconnect
from services.chassis.process import announce, settle_garbage_collector, until_told_to_stop

RETRY_SECONDS = 5.0
log = structlog.get_logger()

TOPICS = ("orders.commands", "inventory.commands", "webhooks.commands", REPLIES)


def service(settings: Settings, *, clock: Clock | None = None) -> "Api":
    """Wire the api onto the real Kafka and MongoDB."""
    return Api(settings, clock or Clock())


class Api:
    """One process of the api. It consumes no commands, so it is no chassis `Service`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._client = connect(settings.mongo_url)
        self._database = db = database(self._client, settings.mongo_database)
        self._producer = Producer(settings)
        self.watched = Watched(db)
        self._clients = Clients(db)
        self._requests = Requests(db)
        self._settings_store = SettingsStore(db)
        self._searches = Searches(db, secret=settings.token_secret.get_secret_value())
        results = Results(db)
        self._outbound = Outbound(settings.allowed_networks)
        self._typesetter = Typesetter(settings.pdf_fonts)
        self._replies = Replies(settings, Leases(db))
        access = Access(
            self._clients,
            clock,
            key=_key(settings),
            previous=_previous_keys(settings),
            audience=settings.mongo_database,
        )
        commands = Commands(
            producer=self._producer,
            replies=self._replies,
            requests=self._requests,
            results=results,
            clock=clock,
            answer_seconds=settings.answer_seconds,
        )
        parts = Parts(
            max_body=settings.max_body,
            max_batch_body=settings.max_batch_body,
            webhook_networks=(*settings.allowed_networks, *settings.webhooks_allowed_networks),
            open_scrolls=settings.open_scrolls,
            clock=clock,
            configuration=lambda: self.watched.current,
            checks=self.checks(),
            access=access,
            guests=Guests(each=settings.guest_rate, together=settings.guest_rate_together),
            commands=commands,
            clients=self._clients,
            connectors=Connectors(self._outbound),
            orders=Orders(db),
            searches=self._searches,
            exports=Exports(db),
            typesetter=self._typesetter,
            requests=self._requests,
            results=results,
            stock=Stock(db),
            webhooks=Webhooks(db),
            settings_store=self._settings_store,
            dead_letters=DeadLetters(db, self._producer, settings.topic_prefix),
            database=db,
        )
        application = Application(
            ROUTES,
            access=access,
            limits=Limits(_figures(settings)),
            parts=parts,
            cors_origins=settings.cors_origins,
        )
        self._server = health.server(application, host=settings.api_host, port=settings.api_port)
        self._preparing: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, once it is started."""
        return f"http://{self.settings.api_host}:{self._server.port}"

    def checks(self) -> dict[str, health.Check]:
        """Return what readiness depends on."""

        async def mongo() -> bool:
            await self._database.command("ping")
            return True

        async def kafka() -> bool:
            return await self._producer.reaches_a_broker()

        return {"mongo": mongo, "kafka": kafka}

    async def start(self) -> None:
        """Connect, create what is missing, begin to answer."""
        settings = self.settings
        await create_topics(settings, TOPICS)
        await self._requests.prepare()
        await self._settings_store.prepare()
        # Not awaited: on a large collection this takes its time, and all but searches needs none.
        self._preparing = asyncio.create_task(self._prepare_searches())
        if settings.owner_client_id and settings.owner_client_secret:
            await self._clients.keep_owner(
                settings.owner_client_id,
                settings.owner_client_secret.get_secret_value(),
                now=self._clock.now(),
            )
        await self.watched.start()
        await self._producer.start()
        await self._outbound.start()
        await self._replies.start()
        await self._server.start()

    async def _prepare_searches(self) -> None:
        while True:
            try:
                await self._searches.prepare()
            except PyMongoError as error:
                log.warning("searches.unprepared", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return

    async def stop(self) -> None:
        """Answer what is in hand, then disconnect."""
        await self._server.stop()
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.gather(self._preparing, return_exceptions=True)
        await self._replies.stop()
        await self.watched.stop()
        await self._producer.stop()
        await self._outbound.close()
        self._typesetter.close()
        self._searches.close()
        self._clients.close()
        await disconnect(self._client)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        logging.set_up(service="api", level=self.settings.log_level)
        try:
            await self.start()
            announce("api", self.url)
            settle_garbage_collector()
            await until_told_to_stop(asyncio.get_running_loop().create_future())
        finally:
            await self.stop()


def _key(settings: Settings) -> keys.SigningKey:
    if settings.token_private_key is not None:
        return keys.of_private_key(settings.token_private_key)
    return keys.of_secret(settings.token_secret.get_secret_value())


def _previous_keys(settings: Settings) -> Iterator[keys.Key]:
    if settings.token_previous_secret is not None:
        yield keys.of_secret(settings.token_previous_secret.get_secret_value())
    if settings.token_previous_public_key is not None:
        yield keys.of_public_key(settings.token_previous_public_key)


def _figures(settings: Settings) -> Figures:
    return Figures(
        bucket=settings.rate_bucket,
        refill=settings.rate_refill,
        refill_seconds=settings.rate_refill_seconds,
        client=settings.concurrent_client,
        tenant=settings.concurrent_tenant,
        batch=settings.concurrent_batch,
        reads=settings.concurrent_reads,
    )
