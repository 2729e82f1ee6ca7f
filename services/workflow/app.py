"""Composition root of the workflow service: the only place that knows what is real."""

from collections.abc import Sequence

from contracts.messages import inventory, notifications, orders, payments
from services.chassis.clock import Clock
from services.chassis.consumer import RETRY_DELAYS
from services.chassis.kafka import REPLIES
from services.chassis.service import Service
from services.workflow.entrypoints import TABLE
from services.workflow.settings import Settings


def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> Service:
    """Wire the service onto the real Kafka and MongoDB."""
    return Service(
        name="workflow",
        settings=settings,
        listens_to=[orders.COMMANDS],
        speaks_on=[
            orders.EVENTS,
            inventory.COMMANDS,
            payments.COMMANDS,
            notifications.COMMANDS,
            REPLIES,
        ],
        table=TABLE,
        clock=clock,
        retry_delays=retry_delays,
    )
