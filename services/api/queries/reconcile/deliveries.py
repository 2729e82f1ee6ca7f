"""Webhooks: each event of each order against the deliveries to who wants it."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contracts.messages.webhooks import TEST
from services.api.queries.reconcile.findings import Findings
from services.api.queries.reconcile.orders import LATE
from services.chassis.mongo import Bson, Database

_AT_ONCE: Final = 2000
_ENTRY: Final = timedelta(seconds=5)
"""How long after its creation, at most, an endpoint takes part: it is stored in that time."""
_PATIENCE: Final = 10 * LATE
_END: Final = "order.deleted"
_DELIVERY: Final[Bson] = {"orderId": 1, "sequence": 1, "endpointId": 1, "eventType": 1}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Somebody who hears of every event of these types since a moment."""

    id: str
    types: frozenset[str]
    since: datetime

    def wants(self, version: Bson) -> bool:
        kind: str = version["type"]
        named = {"*", kind, kind.partition(".")[0] + ".*"}
        return bool(named & self.types) and version["at"] >= self.since


async def check_deliveries(database: Database, findings: Findings, *, now: datetime) -> None:
    """Compare each version with its deliveries, and look for those that ended or wait badly."""
    endpoints = [one async for one in _hearing_all(database)]
    versions = (
        database["order_versions"]
        .find({}, {"orderId": 1, "version": 1, "type": 1, "at": 1})
        .sort("_id", 1)
        .batch_size(_AT_ONCE)
    )
    while batch := await versions.to_list(_AT_ONCE):
        await _compare(database, batch, endpoints, findings)
    await _check_states(database, findings, now=now)


async def _hearing_all(database: Database) -> AsyncIterator[_Endpoint]:
    """Yield the endpoints that are open and have no filters."""
    for stored in await database["webhook_endpoints"].find({}, {"secrets": 0}).to_list(None):
        settings = stored["settings"]
        if not settings.get("isEnabled", True) or stored.get("disabledReason") is not None:
            continue
        if any(settings.get("filters", {}).values()):
            continue
        since: datetime = stored["created"] + _ENTRY
        # Once it has been sent anything, it is known to take part.
        first = await database["webhook_deliveries"].find_one(
            {"endpointId": stored["_id"]}, {"created": 1}, sort=[("created", 1)]
        )
        if first is not None:
            since = min(since, first["created"])
        yield _Endpoint(stored["_id"], frozenset(settings.get("eventTypes", ("*",))), since)


async def _compare(
    database: Database,
    versions: Sequence[Bson],
    endpoints: Sequence[_Endpoint],
    findings: Findings,
) -> None:
    sent = await _sent(database, versions, findings)
    for version in versions:
        order_id, sequence = version["orderId"], version["version"]
        for endpoint in endpoints:
            times = sent[order_id, sequence].get(endpoint.id, 0)
            if times == 0 and endpoint.wants(version):
                findings.differs(
                    "delivery-missing",
                    order_id=order_id,
                    expected=f"version {sequence}, {version['type']}",
                    found=f"nothing for the endpoint {endpoint.id}",
                )
        for endpoint_id, times in sent[order_id, sequence].items():
            if times > 1:
                findings.differs(
                    "delivery-repeated",
                    order_id=order_id,
                    expected=f"version {sequence} once",
                    found=f"{times} for the endpoint {endpoint_id}",
                )


async def _sent(
    database: Database, versions: Sequence[Bson], findings: Findings
) -> Mapping[tuple[str, int], dict[str, int]]:
    """Return how many deliveries there are of each of these versions, by endpoint."""
    wanted = {(one["orderId"], one["version"]): one["type"] for one in versions}
    sent: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
    number = 0
    for ids in _chunks(sorted({order_id for order_id, _ in wanted}), 500):
        cursor = database["webhook_deliveries"].find({"orderId": {"$in": ids}}, _DELIVERY)
        while batch := await cursor.to_list(_AT_ONCE):
            for one in batch:
                key, endpoint = (one["orderId"], one["sequence"]), one["endpointId"]
                # An order may go on in the next batch of versions; and what told of the end of
                # another with the same id is none of its deliveries.
                kind = wanted.get(key)
                if kind is not None and (kind == _END or one["eventType"] != _END):
                    sent[key][endpoint] = sent[key].get(endpoint, 0) + 1
                    number += 1
    findings.checked("deliveries", number)
    return sent


def _chunks(ids: Sequence[str], size: int) -> Iterator[list[str]]:
    return (list(ids[at : at + size]) for at in range(0, len(ids), size))


async def _check_states(database: Database, findings: Findings, *, now: datetime) -> None:
    """Look for deliveries that wait badly, and for those that failed and can be put right."""
    there = await database["webhook_endpoints"].distinct("_id")
    for kind, query in (
        (
            "delivery-failed",
            {"state": "failed", "endpointId": {"$in": there}, "eventType": {"$ne": TEST}},
        ),
        ("delivery-pending", {"state": "pending", "created": {"$lt": now - _PATIENCE}}),
        ("delivery-pending", {"state": "retrying", "nextAttempt": {"$lt": now - LATE}}),
    ):
        cursor = database["webhook_deliveries"].find(query, _DELIVERY).sort("created", 1)
        while batch := await cursor.to_list(_AT_ONCE):
            for one in batch:
                findings.differs(
                    kind,
                    order_id=one.get("orderId"),
                    expected=f"version {one['sequence']} at the endpoint {one['endpointId']}",
                    found=one["_id"],
                )
