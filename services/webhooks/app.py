"""The composition root: which addresses may be called, and what sends to them."""

from collections.abc import Sequence

from contracts.messages import inventory, orders, replies, webhooks
from services.chassis.clock import Clock
from services.chassis.http import Outbound
from services.chassis.mongo import Database
from services.chassis.patience import RETRY_DELAYS
from services.chassis.service import Service
from services.webhooks import entrypoints
from services.webhooks.gateways import Receivers, Redelivery
from services.webhooks.queries import deliveries
from services.webhooks.queries.endpoints import Endpoints
from services.webhooks.settings import Settings


def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> Service:
    """Return the service."""
    clock = clock or Clock()
    outbound, endpoints = Outbound(settings.networks()), Endpoints()
    receivers = Receivers(outbound, endpoints=endpoints, clock=clock)
    redelivery = Redelivery(lambda: built.database, endpoints=endpoints)

    async def prepare(database: Database) -> None:
        await deliveries.prepare(database)
        await endpoints.prepare(database)
        await outbound.start()

    built = Service(
        name="webhooks",
        settings=settings,
        listens_to=[orders.EVENTS, inventory.EVENTS, webhooks.COMMANDS],
        speaks_on=[webhooks.EVENTS, replies.REPLIES],
        table=entrypoints.table(settings.networks()),
        gateways=[entrypoints.delivering(receivers), entrypoints.redelivering(redelivery)],
        prepare=prepare,
        release=outbound.close,
        clock=clock,
        retry_delays=retry_delays,
        gather=0.05,
    )
    return built
