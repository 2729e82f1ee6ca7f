"""Proves the books (design 10, decided 7.4).

Plain reads of what the services store and arithmetic of its own: it shares no code with what it
judges. Nothing is held in memory but a batch and what it finds.
"""

import asyncio
from typing import Final

from contracts.settings import Configuration
from services.api.queries.reconcile.deliveries import check_deliveries
from services.api.queries.reconcile.events import check_events, check_leaving
from services.api.queries.reconcile.findings import (
    ADVICE,
    Difference,
    Findings,
    Progress,
    Reconciliation,
)
from services.api.queries.reconcile.orders import check_orders
from services.api.queries.reconcile.stock import check_stock
from services.chassis.clock import Clock
from services.chassis.mongo import Database

__all__ = ["ADVICE", "Difference", "Reconciliation", "reconcile"]

SETTLE: Final = 2.0
"""Seconds in which what was on its way during the first look has arrived."""


def _silent(_what: str, _number: int) -> None:
    """Stand in for whoever watches."""


async def reconcile(
    database: Database,
    *,
    configuration: Configuration,
    clock: Clock,
    progress: Progress = _silent,
    settle: float = SETTLE,
) -> Reconciliation:
    """Return every difference between the books, with what to do about it.

    While orders are handled the books are in motion. So what a first look finds counts only if a
    second one, `settle` seconds later, finds exactly the same; without one there is no second.
    """
    first = await _look(database, configuration, clock, progress)
    if not first.differences:
        return first
    await asyncio.sleep(settle)
    second = await _look(database, configuration, clock, progress)
    before = {_key(one) for one in first.differences}
    stayed = [one for one in second.differences if _key(one) in before]
    return second.model_copy(update={"differences": stayed})


async def _look(
    database: Database, configuration: Configuration, clock: Clock, progress: Progress
) -> Reconciliation:
    findings = Findings(progress)
    now = clock.now()
    await check_stock(database, findings)
    await check_orders(database, findings, configuration=configuration, now=now)
    await check_events(database, findings, configuration=configuration, now=now)
    await check_leaving(database, findings, now=now)
    await check_deliveries(database, findings, now=now)
    return findings.result()


def _key(one: Difference) -> tuple[object, ...]:
    return one.kind, one.order_id, one.sku, one.expected, one.found
