"""Events: each order's history from 1 to its version, and what is due and did not leave."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from contracts.settings import Configuration
from services.api.queries.reconcile.findings import Findings
from services.api.queries.reconcile.orders import LATE
from services.chassis.mongo import Database

SERVICES: Final = ("workflow", "payments", "inventory", "notifications", "webhooks", "catalog")

_AT_ONCE: Final = 1000


async def check_events(
    database: Database, findings: Findings, *, configuration: Configuration, now: datetime
) -> None:
    """Read the ids of all versions, which an index gives in order, and compare with the orders.

    Where versions expire a history may begin late, and have gaps and an end that are old enough.
    """
    days = configuration.order_settings.version_retention_days
    kept_since = None if days is None else now - timedelta(days)
    ids = (
        database["order_versions"].find({}, {"_id": 1}).sort("_id", 1).hint("_id_").batch_size(5000)
    )
    ended: list[tuple[str, int]] = []
    order_id, last = "", 0
    while batch := await ids.to_list(5000):
        for one in batch:
            owner, _, number = one["_id"].rpartition("/")
            version = int(number)
            if owner != order_id:
                if order_id:
                    ended.append((order_id, last))
                order_id, last = owner, 0
            if version != last + 1 and not await _may_be_gone(database, owner, last, kept_since):
                findings.differs(
                    "version-missing", order_id=owner, expected=last + 1, found=version
                )
            last = version
        if len(ended) >= _AT_ONCE:
            await _check_ends(database, ended, findings, kept_since)
            ended.clear()
    if order_id:
        ended.append((order_id, last))
    await _check_ends(database, ended, findings, kept_since)


async def _may_be_gone(
    database: Database, order_id: str, last: int, kept_since: datetime | None
) -> bool:
    """Whether what came after this version, 0 for none, may have expired."""
    if kept_since is None or not last:
        return kept_since is not None
    key = f"{order_id}/{last:010d}"
    found = await database["order_versions"].find_one({"_id": key}, {"at": 1})
    return found is None or found["at"] < kept_since


async def _check_ends(
    database: Database,
    ended: Sequence[tuple[str, int]],
    findings: Findings,
    kept_since: datetime | None,
) -> None:
    cursor = database["orders"].find(
        {"_id": {"$in": [one for one, _ in ended]}}, {"version": 1, "order.modified": 1}
    )
    orders = {one["_id"]: one for one in await cursor.to_list(None)}
    for order_id, last in ended:
        order = orders.get(order_id, {})
        version, modified = order.get("version"), order.get("order", {}).get("modified")
        if version is not None and version != last:
            if kept_since is not None and modified is not None and modified < kept_since:
                continue
            findings.differs("version-differs", order_id=order_id, expected=version, found=last)
        elif version is None and not await _was_deleted(database, order_id, last):
            findings.differs("events-without-order", order_id=order_id, found=last)


async def _was_deleted(database: Database, order_id: str, last: int) -> bool:
    found = await database["order_versions"].find_one(
        {"_id": f"{order_id}/{last:010d}"}, {"type": 1}
    )
    return found is not None and found["type"] == "order.deleted"


async def check_leaving(database: Database, findings: Findings, *, now: datetime) -> None:
    """Look for batches whose messages were not acknowledged, and for timers that nobody sent."""
    for service in SERVICES:
        late = database[f"{service}_outbox"].find({"at": {"$lt": now - LATE}}, {"at": 1})
        async for batch in late:
            found = f"{service}, batch {batch['_id']['b']} of {batch['at'].isoformat()}"
            findings.differs("outbox-unsent", found=found)
    due = await database["timers"].count_documents({"at": {"$lt": now - LATE}})
    if due:
        findings.differs("timer-overdue", expected=0, found=due)
