"""Events: each order's history from 1 to its version, and what is due and did not leave."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.api.queries.reconcile.findings import Findings
from services.api.queries.reconcile.orders import LATE
from services.chassis.mongo import Database

SERVICES: Final = ("workflow", "payments", "inventory", "notifications", "webhooks", "catalog")

_AT_ONCE: Final = 1000


async def check_events(database: Database, findings: Findings) -> None:
    """Read the ids of all versions, which an index gives in order, and compare with the orders."""
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
            if version != last + 1:
                findings.differs(
                    "version-missing", order_id=owner, expected=last + 1, found=version
                )
            last = version
        if len(ended) >= _AT_ONCE:
            await _check_ends(database, ended, findings)
            ended.clear()
    if order_id:
        ended.append((order_id, last))
    await _check_ends(database, ended, findings)


async def _check_ends(
    database: Database, ended: Sequence[tuple[str, int]], findings: Findings
) -> None:
    cursor = database["orders"].find({"_id": {"$in": [one for one, _ in ended]}}, {"version": 1})
    versions = {one["_id"]: one["version"] for one in await cursor.to_list(None)}
    for order_id, last in ended:
        version = versions.get(order_id)
        if version is not None and version != last:
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
