"""What clients of the documented system do and the documents do not always say (domain 1.0).

Each quirk goes through every route that takes an order or a part of one; what arrives at the
workflow is what a well-behaved client would have sent.
"""

import json
import re
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.messages.orders import (
    ImportOrders,
    PatchOrder,
    PlaceOrder,
    PlacePosOrder,
    ReplaceOrder,
    UpdateOrder,
)
from contracts.model import Model
from services.api.entrypoints import ROUTES
from tests.harness import until
from tests.integration.api.answering import Answerer
from tests.integration.api.calling import Answer, Caller

Json = Any
"""Any: JSON as clients send it."""

ORDER_ROUTES: Final[dict[str, Callable[[Json], Json]]] = {
    "POST /api/Orders": lambda order: order,
    "PUT /api/Orders": lambda order: order,
    "PUT /api/Orders/PosOrders": lambda order: order,
    "POST /api/Orders/AddMany": lambda order: [order],
    "POST /api/Orders/ImportMany": lambda order: [order],
    "POST /api/Orders/Update": lambda order: order,
    "PUT /api/Orders/Update": lambda order: order,
    "POST /api/Orders/UpdateMany": lambda order: [order],
    "PUT /api/Orders/UpdateMany": lambda order: [order],
    "PATCH /api/Orders/{id}/PatchOrder": lambda order: order,
}
"""Routes that take an order, and how they take it."""


JSON_KINDS: Final = (
    "application/json",
    "application/json; charset=utf-8",
    'Application/JSON;charset="UTF-8"',
    "application/json-patch+json",
    "text/json",
    "application/*+json",
    "application/vnd.shop.order+json",
    "application/merge-patch+json",
)
"""As the public API's own clients send it (S1)."""

LINE: Final[Json] = {"lineItemId": "1", "code": "SKU-001", "quantity": 2, "placedPrice": 499}

# What is sent instead of the same members sent properly, and those.
QUIRKS: Final[dict[str, tuple[Json, Json]]] = {
    "names in any case": (
        {
            "SalesChannel": "Web",
            "ORDERFORM": {"LineItems": [{"LineItemID": "1", "CODE": "SKU-001"}], "payments": []},
            "properties": [{"Key": "ErpReference", "VALUE": "SAP-12345"}],
        },
        {
            "salesChannel": "Web",
            "orderForm": {"lineItems": [{"lineItemId": "1", "code": "SKU-001"}], "payments": []},
            "properties": [{"key": "ErpReference", "value": "SAP-12345"}],
        },
    ),
    "numbers as texts": (
        {
            "orderForm": {
                "lineItems": [LINE | {"quantity": "2", "placedPrice": "499.00", "taxRate": "25"}]
            }
        },
        {"orderForm": {"lineItems": [LINE | {"taxRate": 25}]}},
    ),
    "whole numbers with decimals": (
        {"orderForm": {"lineItems": [LINE | {"quantity": 2.0}]}, "paymentTermsNet": 30.0},
        {"orderForm": {"lineItems": [LINE]}, "paymentTermsNet": 30},
    ),
    "words in any case": ({"customerType": "b2c"}, {"customerType": "B2C"}),
    "members nobody knows": (
        {"loyalty": {"points": [1]}, "salesChannel": "Web"},
        {"salesChannel": "Web"},
    ),
    "nulls for what is absent": ({"tags": None, "salesChannel": None, "isReadOnly": None}, {}),
    "seven digits of a second": (
        {"requestedDeliveryDate": "2024-11-15T09:30:00.1234567Z"},
        {"requestedDeliveryDate": "2024-11-15T09:30:00.123000Z"},
    ),
    "an offset": (
        {"requestedDeliveryDate": "2024-11-15T10:30:00+01:00"},
        {"requestedDeliveryDate": "2024-11-15T09:30:00Z"},
    ),
    "no offset": (
        {"requestedDeliveryDate": "2024-11-15T09:30:00"},
        {"requestedDeliveryDate": "2024-11-15T09:30:00Z"},
    ),
    "a day alone": (
        {"requestedDeliveryDate": "2024-11-15"},
        {"requestedDeliveryDate": "2024-11-15T00:00:00Z"},
    ),
    "the compact form": (
        {"requestedDeliveryDate": "20241115T093000Z"},
        {"requestedDeliveryDate": "2024-11-15T09:30:00Z"},
    ),
    "a space before the time": (
        {"requestedDeliveryDate": "2024-11-15 09:30:00Z"},
        {"requestedDeliveryDate": "2024-11-15T09:30:00Z"},
    ),
    "the year 1 for no date": (
        {"requestedDeliveryDate": "0001-01-01T00:00:00", "followUpDate": "0001-01-01T00:00:00Z"},
        {},
    ),
}


def an_order(id_: str) -> Json:
    """Return what every order must have."""
    ids = {"id": id_, "orderNumber": id_, "marketId": "NOR", "storeId": "WebShop"}
    return ids | {"status": "Completed", "orderType": "Pos"}  # so that the till adds nothing


async def sent(call: Caller, route: str, order: Json, **headers: str) -> Answer:
    """Send the order, or the part of it, as the route takes it; nobody waits for what becomes."""
    method, _, path = route.replace("{id}", order["id"]).partition(" ")
    named = {"content-type": "application/json", "prefer": "respond-async"} | headers
    body = json.dumps(ORDER_ROUTES[route](order)).encode()
    return await call(method, path, data=body, headers=named)


async def arrived(answerer: Answerer, key: str) -> Json:
    """Return the order, or the part of it, as the workflow reads it from its command."""
    (envelope,) = await until(lambda: answerer.named(key), within=30)
    kinds = (PlaceOrder, PlacePosOrder, UpdateOrder, ReplaceOrder, PatchOrder, ImportOrders)
    (kind,) = (one for one in kinds if one.type == envelope.type)
    message: Any = kind.model_validate_json(envelope.data)  # Any: each kind has its own members
    match message:
        case ImportOrders():
            found: Model = message.orders[0]
        case PatchOrder():
            found = message.patch
        case _:
            found = message.order
    return found.model_dump(mode="json", by_alias=True, exclude_none=True)


class TestBody:
    @pytest.mark.parametrize("quirk", QUIRKS)
    async def test_is_read_as_it_is_meant(
        self, call: Caller, answerer: Answerer, quirk: str
    ) -> None:
        oddly, properly = QUIRKS[quirk]
        orders = {route: an_order(f"ORD-{uuid4().hex[:8]}") for route in ORDER_ROUTES}

        said = [await sent(call, route, order | oddly) for route, order in orders.items()]
        read = [await arrived(answerer, order["id"]) for order in orders.values()]

        assert [(one.status, one.json) for one in said if one.status != 202] == []
        assert read == [order | properly for order in orders.values()]

    @pytest.mark.parametrize("kind", JSON_KINDS)
    async def test_is_json_under_many_names(
        self, call: Caller, answerer: Answerer, kind: str
    ) -> None:
        orders = {route: an_order(f"ORD-{uuid4().hex[:8]}") for route in ORDER_ROUTES}

        said = [
            await sent(call, route, order, **{"content-type": kind})
            for route, order in orders.items()
        ]
        read = [await arrived(answerer, order["id"]) for order in orders.values()]

        assert {one.status for one in said} == {202}
        assert read == list(orders.values())

    @pytest.mark.parametrize(
        "kind",
        [
            "text/plain",
            "application/xml",
            "multipart/form-data",
            "application/json; charset=utf-16",
        ],
    )
    async def test_is_not_taken_for_json_under_any_name(self, call: Caller, kind: str) -> None:
        said = [
            await sent(call, route, an_order("ORD-1"), **{"content-type": kind})
            for route in ORDER_ROUTES
        ]

        assert {(one.status, one.problem) for one in said} == {(415, "unsupported-media-type")}

    async def test_may_begin_with_a_byte_order_mark(self, call: Caller, answerer: Answerer) -> None:
        order = an_order(f"ORD-{uuid4().hex[:8]}")
        body = b"\xef\xbb\xbf" + json.dumps(order).encode()

        said = await call("POST", "/api/Orders", data=body)

        assert said.status == 201
        assert await arrived(answerer, order["id"]) == order

    async def test_names_what_nobody_knows_in_a_header(self, call: Caller) -> None:
        said = {
            route: await sent(call, route, an_order(f"ORD-{uuid4().hex[:8]}") | {"loyalty": 1})
            for route in ORDER_ROUTES
        }

        named = {route: one.headers.get("ignored-fields") for route, one in said.items()}
        lists = {route: isinstance(how({}), list) for route, how in ORDER_ROUTES.items()}
        assert named == {r: "[0].loyalty" if is_list else "loyalty" for r, is_list in lists.items()}


class TestPath:
    @pytest.mark.parametrize(
        "spell", [str.upper, str.lower, "{}/".format], ids=["upper", "lower", "slash"]
    )
    async def test_is_found_however_it_is_spelt(
        self, call: Caller, spell: Callable[[str], str]
    ) -> None:
        paths = {re.sub(r"\{\w+\}", "x", route.path) for route in ROUTES}

        said = {path: await call("OPTIONS", spell(path)) for path in paths}

        assert {path: one.status for path, one in said.items() if one.status != 204} == {}

    async def test_says_which_methods_it_takes(self, call: Caller) -> None:
        taken = {path: methods_of(path) for path in {route.path for route in ROUTES}}

        said = {path: await call("OPTIONS", filled(path)) for path in taken}
        odd = {path: await call("TRACE", filled(path)) for path in taken}

        assert {path: set(one.headers["allow"].split(", ")) for path, one in said.items()} == taken
        assert {path: set(one.headers["allow"].split(", ")) for path, one in odd.items()} == taken
        assert {(one.status, one.problem) for one in odd.values()} == {(405, "method-not-allowed")}

    @pytest.mark.parametrize(
        "path", sorted(route.path for route in ROUTES if route.method == "GET")
    )
    async def test_answers_head_as_it_does_get_but_without_a_body(
        self, call: Caller, path: str
    ) -> None:
        get = await call("GET", filled(path))
        head = await call("HEAD", filled(path))

        assert (head.status, head.body) == (get.status, b"")
        assert head.headers.get("content-type") == get.headers.get("content-type")
        assert head.headers.get("etag") == get.headers.get("etag")


def filled(path: str) -> str:
    """Return the path with something in the place of its parameters."""
    return re.sub(r"\{\w+\}", "no-such-thing", path)


def methods_of(path: str) -> set[str]:
    """Return the methods of all routes with this path, whatever their parameters are called."""
    methods = {route.method for route in ROUTES if filled(route.path) == filled(path)}
    return methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
