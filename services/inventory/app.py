"""The composition root."""

from collections.abc import Sequence

from contracts.messages import inventory, orders, replies
from services.chassis.clock import Clock
from services.chassis.patience import RETRY_DELAYS
from services.chassis.service import Service
from services.inventory import entrypoints, queries
from services.inventory.settings import Settings


def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> Service:
    """Return the service on the real Kafka and MongoDB."""
    return Service(
        name="inventory",
        settings=settings,
        listens_to=[inventory.COMMANDS],
        speaks_on=[orders.COMMANDS, inventory.EVENTS, replies.REPLIES],
        table=entrypoints.TABLE,
        prepare=queries.prepare,
        clock=clock,
        retry_delays=retry_delays,
    )
