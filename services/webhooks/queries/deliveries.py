"""Deliveries that are to be made again, the events they are of, and the indexes behind the reads.

The history of an order is the workflow service's (contracts/history.py says how it is kept).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from contracts.history import Version, first_of_span, unpacked, version_key
from services.chassis.mongo import Bson, Database
from services.webhooks.domain.delivery import WebhookDelivery
from services.webhooks.domain.redeliver import Look

AT_ONCE: Final = 100
LARGEST: Final = 8 * 1024 * 1024
"""Bytes of events that are made again in one transaction, unless one alone has more."""


async def prepare(database: Database) -> None:
    """Create what lists of deliveries need: by endpoint, by order, by state, and by time.

    The last one has entries only where an endpoint has missed something.
    """
    deliveries = database[WebhookDelivery.collection]
    await deliveries.create_index([("endpointId", 1), ("created", -1)])
    await deliveries.create_index([("orderId", 1), ("sequence", 1)])
    await deliveries.create_index([("state", 1), ("created", -1)])
    await deliveries.create_index([("created", -1)])
    await deliveries.create_index(
        [("endpointId", 1), ("missed", 1), ("created", 1), ("sequence", 1)],
        partialFilterExpression={"missed": {"$exists": True}},
    )


async def next_of(database: Database, look: Look, *, generation: int) -> list[WebhookDelivery]:
    """Return the next deliveries that a look is for, the oldest first."""
    order = (
        [("created", 1), ("sequence", 1)] if look.is_for_missed else [("created", 1), ("_id", 1)]
    )
    cursor = database[WebhookDelivery.collection].find(_wanted(look, generation)).sort(order)
    found = [WebhookDelivery.from_bson(one) for one in await cursor.limit(AT_ONCE).to_list(None)]
    return [one for one in found if isinstance(one, WebhookDelivery)]


def _wanted(look: Look, generation: int) -> Bson:
    its: Bson = {"endpointId": look.endpoint_id}
    if look.is_for_missed:
        return {**its, "missed": generation}
    wanted = its if look.span is None else look.span.query(look.endpoint_id)
    wanted["missed"] = {"$ne": generation}  # that comes by itself
    if look.delivery_id is not None:
        wanted["_id"] = look.delivery_id
    if look.position is not None:
        at, id_ = look.position
        wanted["$or"] = [{"created": {"$gt": at}}, {"created": at, "_id": {"$gt": id_}}]
    return wanted


async def events_of(database: Database, deliveries: Sequence[WebhookDelivery]) -> dict[str, bytes]:
    """Return the events of these deliveries as they left the house, by their ids.

    Those that are no longer kept are left out.
    """
    events = {one.event_id: one.event for one in deliveries if one.event is not None}
    wanted: dict[str, list[int]] = defaultdict(list)
    for one in deliveries:
        if one.order_id is not None:
            wanted[one.order_id].append(one.sequence)
    if not wanted:
        return events
    ranges = [
        {
            "_id": {
                "$gte": version_key(order_id, first_of_span(min(numbers))),
                "$lte": version_key(order_id, max(numbers)),
            }
        }
        for order_id, numbers in wanted.items()
    ]
    ids = {(one.order_id, one.sequence): one.event_id for one in deliveries}
    version: Version | None = None
    async for kept in database["order_versions"].find({"$or": ranges}).sort("_id", 1):
        if version is not None and version.kept["orderId"] != kept["orderId"]:
            version = None
        version = unpacked(kept, version)
        id_ = ids.get((kept["orderId"], kept["version"]))
        if version is None or id_ is None:
            continue
        # Another order may have had this id and this version.
        if version.event.startswith(b'{"id":"%s"' % id_.encode()):
            events[id_] = version.event
    return events


def fitting(
    deliveries: Sequence[WebhookDelivery], events: Mapping[str, bytes]
) -> list[WebhookDelivery]:
    """Return the first of these deliveries, as many as one transaction should hold."""
    page: list[WebhookDelivery] = []
    size = 0
    for one in deliveries:
        size += len(events.get(one.event_id, b""))
        if page and size > LARGEST:
            break
        page.append(one)
    return page
