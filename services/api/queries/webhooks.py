"""Webhook endpoints and deliveries as clients read them (design 10, decided 12.6)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from contracts.messages.webhooks import EndpointAnswer, Span
from contracts.model import Model
from services.api.domain import Client
from services.chassis.mongo import Bson, Database

_NO_SECRETS: Bson = {"secrets": 0, "retired": 0}
_NO_ATTEMPTS: Bson = {"attempts": 0}


DeliveryState = Literal[
    "pending", "delivering", "retrying", "delivered", "failed", "held", "skipped"
]


class Attempt(Model):
    """One attempt of a delivery."""

    number: int
    started_at: datetime
    duration_ms: float
    phases: dict[str, float]
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = None


class Delivery(Model):
    """What became of one event at one endpoint; `attempts` only where one is asked for."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    order_id: str | None = None
    sequence: int
    previous_sequence: int
    state: DeliveryState
    created: datetime
    completed: datetime | None = None
    next_attempt: datetime | None = None
    attempts: list[Attempt] | None = None


class EndpointPage(Model):
    """A page of endpoints."""

    items: list[EndpointAnswer]
    total_count: int
    page: int
    page_size: int


class DeliveryPage(Model):
    """A page of deliveries, the newest first."""

    items: list[Delivery]
    total_count: int
    page: int
    page_size: int


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries are wanted; bounds of the time they were made are inclusive."""

    endpoint_id: str | None = None
    order_id: str | None = None
    state: DeliveryState | None = None
    since: datetime | None = None
    until: datetime | None = None

    def query(self) -> Bson:
        """Return it in MongoDB's words."""
        query: Bson = {}
        if self.endpoint_id is not None:
            query["endpointId"] = self.endpoint_id
        if self.order_id is not None:
            query["orderId"] = self.order_id
        if self.state is not None:
            query["state"] = self.state
        bounds = {"$gte": self.since, "$lte": self.until}
        created = {word: bound for word, bound in bounds.items() if bound is not None}
        if created:
            query["created"] = created
        return query


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The collections `webhook_endpoints` and `webhook_deliveries` of the webhooks service."""

    database: Database

    async def endpoint(self, id_: str) -> EndpointAnswer | None:
        """Return one endpoint, without its secret."""
        found = await self.database["webhook_endpoints"].find_one({"_id": id_}, _NO_SECRETS)
        return None if found is None else _endpoint(found)

    async def with_secret(self, id_: str, *, rotation: str | None) -> EndpointAnswer | None:
        """Return the endpoint with its secret, for the answer that brings it and no other.

        :param rotation: the command that rotated the secret, None for that which made the
            endpoint; if another has brought one since, none is shown
        """
        found = await self.database["webhook_endpoints"].find_one({"_id": id_})
        if found is None:
            return None
        shown = _endpoint(found)
        if shown.public_key is not None or found.get("rotation") != rotation:
            return shown  # a private key stays here
        return shown.model_copy(update={"secret": found["secrets"][0]})

    async def endpoints(self, *, page: int, page_size: int) -> EndpointPage:
        """Return one page of the endpoints, the oldest first."""
        collection = self.database["webhook_endpoints"]
        cursor = collection.find({}, _NO_SECRETS).sort([("created", 1), ("_id", 1)])
        found = await cursor.skip((page - 1) * page_size).limit(page_size).to_list(None)
        return EndpointPage(
            items=[_endpoint(one) for one in found],
            total_count=await collection.count_documents({}),
            page=page,
            page_size=page_size,
        )

    async def count(self, endpoint_id: str, span: Span, *, most: int) -> int:
        """Return how many deliveries to an endpoint are in a span; `most` may be even more."""
        deliveries = self.database["webhook_deliveries"]
        return await deliveries.count_documents(span.query(endpoint_id), limit=most)

    async def delivery(self, id_: str, client: Client) -> Delivery | None:
        """Return one delivery with its attempts; None if the client may not see its order."""
        query = {"_id": id_, **_scope(client)}
        found = await self.database["webhook_deliveries"].find_one(query)
        return None if found is None else _delivery({"attempts": [], **found})

    async def deliveries(
        self, wanted: DeliveryFilter, client: Client, *, page: int, page_size: int
    ) -> DeliveryPage:
        """Return one page of the deliveries that fit, the newest first."""
        collection, query = self.database["webhook_deliveries"], wanted.query() | _scope(client)
        cursor = collection.find(query, _NO_ATTEMPTS).sort([("created", -1), ("_id", 1)])
        found = await cursor.skip((page - 1) * page_size).limit(page_size).to_list(None)
        return DeliveryPage(
            items=[_delivery(one) for one in found],
            total_count=await collection.count_documents(query),
            page=page,
            page_size=page_size,
        )


def _scope(client: Client) -> Bson:
    """Return what keeps the client to events of stock, and of its own orders (decided 13.4)."""
    if client.is_unrestricted:
        return {}
    scopes = {"storeId": client.stores, "marketId": client.markets}
    own = {name: {"$in": sorted(ids)} for name, ids in scopes.items() if ids is not None}
    return {"$or": [{"orderId": None}, own]}


def _endpoint(found: Bson) -> EndpointAnswer:
    return EndpointAnswer.model_validate({**found["settings"], **found, "id": found["_id"]})


def _delivery(found: Bson) -> Delivery:
    return Delivery.model_validate({**found, "id": found["_id"]})
