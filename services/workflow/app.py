"""Composition root of the workflow service: the only place that knows what is real."""

import asyncio
from collections.abc import Sequence

import structlog

from contracts.messages import inventory, notifications, orders, payments, webhooks
from services.chassis.clock import Clock
from services.chassis.http import Outbound
from services.chassis.kafka import REPLIES
from services.chassis.mongo import Database
from services.chassis.patience import RETRY_DELAYS
from services.chassis.service import Service
from services.workflow.entrypoints import TABLE, looking, validation
from services.workflow.gateways import Looks, Validator
from services.workflow.queries import fill_in, mark_late, missing_runs, prepare
from services.workflow.settings import Settings

log = structlog.get_logger()


def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> Service:
    """Wire the service onto the real Kafka and MongoDB."""
    clock, outbound = clock or Clock(), Outbound(settings.allowed_networks)
    validator = Validator(outbound, clock=clock, configuration=lambda: built.watched.current)
    looks = Looks(lambda: built.database, clock=clock, configuration=lambda: built.watched.current)
    filling: list[asyncio.Task[None]] = []

    async def prepare_and_fill_in(database: Database) -> None:
        await prepare(database)
        await outbound.start()
        # Not awaited: however many orders there are, new ones need not wait for it.
        filling.append(asyncio.create_task(fill_in(database)))
        filling[-1].add_done_callback(_told)

    async def leave_off() -> None:
        for task in filling:
            task.cancel()
        await asyncio.gather(*filling, return_exceptions=True)  # `_told` says what went wrong
        await outbound.close()

    built = Service(
        name="workflow",
        settings=settings,
        listens_to=[orders.COMMANDS],
        speaks_on=[
            orders.EVENTS,
            inventory.COMMANDS,
            payments.COMMANDS,
            notifications.COMMANDS,
            webhooks.COMMANDS,
            REPLIES,
        ],
        table=TABLE,
        gateways=[validation(validator), looking(looks)],
        prepare=prepare_and_fill_in,
        release=leave_off,
        after_commit=mark_late,
        missing_links=missing_runs,
        clock=clock,
        retry_delays=retry_delays,
    )
    return built


def _told(filling: asyncio.Task[None]) -> None:
    if not filling.cancelled() and (error := filling.exception()) is not None:
        log.error("orders.not_filled_in", exc_info=error)
