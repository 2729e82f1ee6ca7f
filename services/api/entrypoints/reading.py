"""Reading orders in other ways than by id: versions, carts, secret keys, several at once (S0)."""

from datetime import datetime
from time import monotonic
from typing import Annotated, Final, Literal

from pydantic import Field
from pydantic_core import to_json

from contracts.fields import Flag
from contracts.model import LONGEST_TEXT, Model
from contracts.order import Order
from services.api.domain import Client, refusal
from services.api.entrypoints.guests import address_of
from services.api.entrypoints.orders.read import answer
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Header, Response, json_response
from services.api.entrypoints.routing import Route
from services.api.queries.versions import version_named

MOST_ORDERS: Final = 100
"""Orders in one answer (S0, pagination limits)."""
MOST_IDS: Final = 1000
"""Ids in one request (S1, bulk operations)."""

GUEST: Final = Client("", frozenset(), stores=None, markets=None, generation=0)
"""Whoever has no token but a secret key: the key opens its order wherever that belongs."""

_UNKEPT: Final[Header] = (b"cache-control", b"no-store")

Id = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
"""Whatever may be an order's id."""
Ids = Annotated[list[Id], Field(max_length=MOST_IDS)]


class OrderVersion(Model):
    """An order as it was, and who made it so (union of S0 and OmniumOrderOmniumVersion)."""

    id: str
    type: Literal["Order"] = "Order"
    version_id: str
    version: int
    """The sequence number of the event by which the world heard of it."""
    created: datetime
    created_by: str
    modified: datetime
    modified_by: str
    value: Order
    order: Order


async def get_version(request: Request, parts: Parts) -> Response:
    """Return the order as it was in one of its versions, with who changed it and when.

    `versionId` is the one that the order had then, or its version number. Every stored change is a
    version; how long they are kept is a setting, `versionRetentionDays`.
    """
    id_ = request.parameters["id"]
    if not await parts.orders.is_visible(id_, request.client):
        raise refusal("order-not-found")
    found = await version_named(parts.database, id_, request.parameters["versionId"])
    if found is None:
        raise refusal("not-found", "The order has no such version, or it is kept no more.")
    kept = found.kept
    head = to_json(
        {
            "id": id_,
            "type": "Order",
            "versionId": kept["versionId"],
            "version": found.number,
            "created": kept["at"],
            "createdBy": kept["user"],
            "modified": kept["at"],
            "modifiedBy": kept["user"],
        }
    )
    return Response(OK, b'%s,"value":%s,"order":%s}' % (head[:-1], found.order, found.order))


async def get_order_of_cart(request: Request, parts: Parts) -> Response:
    """Return the order that was created from a cart; if there are several, the newest."""
    found = await parts.orders.of_cart(request.parameters["cartId"], request.client)
    return answer(found, request)


async def get_order_by_secret_key(request: Request, parts: Parts) -> Response:
    """Return the order with a secret key, as guests need it who follow their order.

    Without a token it is answered only where the setting `allowSecretKeyAccess` is on; then the key
    is the authorization, and few requests a minute are answered. With a token the order must be in
    the scope of its client, as everywhere.
    """
    client = request.client
    if not client.id:
        parts.guests.admit(address_of(request.scope), now=monotonic())
        client = GUEST
    found = await parts.orders.with_secret_key(request.parameters["secretKey"], client)
    return answer(found, request, _UNKEPT)


async def order_exists(request: Request, parts: Parts) -> Response:
    """Say by the status whether there is such an order."""
    if not await parts.orders.is_visible(request.parameters["id"], request.client):
        raise refusal("order-not-found")
    return Response(OK)


async def orders_exist(request: Request, parts: Parts) -> Response:
    """Return those of up to 1000 ids that orders have, each once, in the order of the request."""
    parsed, _ = await request.parsed(Ids, strict=parts.strict)
    wanted = dict.fromkeys(parsed.value)
    visible = await parts.orders.visible(wanted, request.client)
    return json_response([id_ for id_ in wanted if id_ in visible])


class OrderIds(Model):
    """Which orders are wanted: `ids=ORD-001&ids=ORD-002`."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_ORDERS)]
    """Ids of orders, one parameter each."""


class SeveralOrders(Model):
    """The orders that were found, under the names of both documents, and the ids that were not."""

    items: list[Order]
    orders: list[Order]
    missing_ids: list[str]


async def get_orders_by_ids(request: Request, parts: Parts) -> Response:
    """Return up to 100 orders, each once, in the order of the request."""
    wanted = dict.fromkeys(query_of(request, OrderIds).ids)
    found = await parts.orders.many(wanted, request.client)
    orders = b",".join(found[id_] for id_ in wanted if id_ in found)
    missing = to_json([id_ for id_ in wanted if id_ not in found])
    return Response(OK, b'{"items":[%s],"orders":[%s],"missingIds":%s}' % (orders, orders, missing))


class PaymentChoice(Model):
    """A way to pay: what a customer may see of OmniumPaymentOption, never how it is connected."""

    payment_method_name: str
    display_name: str | None = None
    name: str | None = None
    logo_url: str | None = None
    terms_url: str | None = None
    is_empty_payment: Flag | None = None
    display_in_cart: Flag | None = None


async def get_payment_options(request: Request, parts: Parts) -> Response:
    """Return the ways to pay in the order's market."""
    market_id = await parts.orders.market_of(request.parameters["orderId"], request.client)
    if market_id is None:
        raise refusal("order-not-found")
    market = parts.configuration().market(market_id)
    shown = set(PaymentChoice.model_fields)
    return json_response(
        [
            option.model_dump(mode="json", by_alias=True, exclude_none=True, include=shown)
            for option in (market.payment_options if market is not None else ())
        ]
    )


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/Orders/{id}/{versionId}",
        handler=get_version,
        requires="OrderRead",
        answer=OrderVersion,
        problems=("order-not-found", "not-found"),
    ),
    Route(
        method="GET",
        path="/api/Orders/carts/{cartId}",
        handler=get_order_of_cart,
        requires="OrderRead",
        answer=Order,
        tagged=True,
        problems=("order-not-found",),
    ),
    Route(
        method="GET",
        path="/api/Orders/secret/{secretKey}",
        handler=get_order_by_secret_key,
        requires="OrderRead",
        guests=lambda parts: parts.configuration().order_settings.allow_secret_key_access,
        answer=Order,
        tagged=True,
        problems=("order-not-found",),
    ),
    Route(
        method="HEAD",
        path="/api/Orders/{id}/Exists",
        handler=order_exists,
        requires="OrderRead",
        problems=("order-not-found",),
    ),
    Route(
        method="POST",
        path="/api/Orders/ExistMany",
        handler=orders_exist,
        requires="OrderRead",
        body=Ids,
        answer=list[str],
    ),
    Route(
        method="GET",
        path="/api/Orders/GetOrders/ByIds",
        handler=get_orders_by_ids,
        requires="OrderRead",
        query=OrderIds,
        answer=SeveralOrders,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path="/api/Orders/{orderId}/GetPaymentOptions",
        handler=get_payment_options,
        requires="OrderRead",
        answer=list[PaymentChoice],
        problems=("order-not-found",),
    ),
)
