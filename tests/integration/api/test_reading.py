"""Orders read in other ways than by id: versions, carts, secret keys, several at once."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import structlog

from contracts.history import version_key
from contracts.model import parse
from contracts.order import Order
from contracts.settings import DEFAULT
from services.api.app import service
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.workflow.domain.order import OrderDocument, VersionDocument, order_bytes
from services.workflow.domain.versions import packed, secret_key_hash
from tests import harness
from tests.builders import an_order, the_reference_body
from tests.harness import until
from tests.integration.api.books import keep
from tests.integration.api.calling import Caller, keep_client
from tests.integration.api.conftest import api_settings

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def fresh() -> str:
    return f"O-{uuid4().hex[:8]}"


async def keep_order(database: Database, **changes: object) -> dict[str, Any]:
    """Keep an order as the workflow service does; return it as clients read it."""
    body = {**the_reference_body(), "id": fresh(), **changes}
    order = parse(Order, json.dumps(body).encode()).value
    hashed = secret_key_hash(order)
    document = OrderDocument(id=order.id, order=order, version=1, secret_key_hash=hashed)
    await keep(database, document)
    return body


@asynccontextmanager
async def signed_in(call: Caller, database: Database, *roles: str) -> AsyncIterator[Caller]:
    """A client with these roles."""
    name = uuid4().hex
    await keep_client(database, name, *roles, secret="s")
    caller = await Caller.signed_in(call.url, name, "s")
    yield caller
    await caller.close()


async def keep_versions(database: Database, order_id: str, last: int) -> None:
    """Keep versions that differ in their status, as the workflow service does: as differences."""
    before: bytes | None = None
    for number in range(1, last + 1):
        status, name = f"Status {number}", f"{number}-{order_id}"
        order = order_bytes(
            an_order(
                id=order_id,
                status=status,
                version=number,
                version_id=name,
                modified=NOW,
                modified_by="kari",
            )
        )
        head = b'{"sequence":%d,"order":' % number
        base = None if number % 10 == 1 else before
        version = VersionDocument(
            id=version_key(order_id, number),
            order_id=order_id,
            version=number,
            version_id=name,
            at=NOW,
            type="order.updated",
            command_id="c",
            status_code=200,
            user="kari",
            event=packed(head + order + b"}", base),
            order_at=len(head),
            base=None if base is None else number - 1,
        )
        await keep(database, version)
        before = order


class TestGetVersion:
    async def test_answers_with_the_order_as_it_was_and_who_changed_it(
        self, call: Caller, database: Database
    ) -> None:
        order_id = (await keep_order(database))["id"]
        await keep_versions(database, order_id, 23)

        said = [
            await call("GET", f"/api/orders/{order_id}/{name}")
            for name in ("1", f"1-{order_id}", "10", "11", "20", f"23-{order_id}")
        ]

        assert [one.status for one in said] == [200] * 6
        assert [one.json["order"]["status"] for one in said] == [
            f"Status {number}" for number in (1, 1, 10, 11, 20, 23)
        ]
        last = said[-1].json
        assert last["value"] == last["order"]
        assert {name: last[name] for name in last if name not in {"value", "order"}} == {
            "id": order_id,
            "type": "Order",
            "versionId": f"23-{order_id}",
            "version": 23,
            "created": "2026-11-21T12:00:00Z",
            "createdBy": "kari",
            "modified": "2026-11-21T12:00:00Z",
            "modifiedBy": "kari",
        }

    async def test_finds_no_version_that_there_is_not(
        self, call: Caller, database: Database
    ) -> None:
        order_id = (await keep_order(database))["id"]
        await keep_versions(database, order_id, 2)

        said = [
            await call("GET", f"/api/Orders/{order_id}/{name}")
            for name in ("3", "0", "02", "-1", "2-other", "99999999999", "two", "x" * 500)
        ]

        assert {(one.status, one.problem) for one in said} == {(404, "not-found")}

    async def test_finds_none_whose_base_has_expired(
        self, call: Caller, database: Database
    ) -> None:
        order_id = (await keep_order(database))["id"]
        await keep_versions(database, order_id, 11)
        await database["order_versions"].delete_many(
            {"orderId": order_id, "version": {"$in": [1, 2, 3]}}
        )

        said = [await call("GET", f"/api/Orders/{order_id}/{number}") for number in (3, 4, 11)]
        page = await call("GET", f"/api/Orders/{order_id}/Events")

        assert [one.status for one in said] == [404, 404, 200]
        assert [event["sequence"] for event in page.json["items"]] == [11]

    async def test_finds_none_of_an_order_outside_the_scope(
        self, call: Caller, database: Database
    ) -> None:
        order_id = (await keep_order(database, storeId="Bergen"))["id"]
        await keep_versions(database, order_id, 1)

        async with signed_in(call, database, "OrderRead", "store-oslo") as oslo:
            said = await oslo("GET", f"/api/Orders/{order_id}/1")

        assert (said.status, said.problem) == (404, "order-not-found")


class TestGetOrderOfCart:
    async def test_answers_with_the_newest_order_that_was_made_of_it(
        self, call: Caller, database: Database
    ) -> None:
        form = the_reference_body()["orderForm"] | {"cartId": f"Cart {fresh()}"}
        for day in (1, 3, 2):
            created = f"2026-11-0{day}T00:00:00Z"
            await keep_order(database, orderForm=form, created=created, tags=[str(day)])

        said = await call("GET", f"/api/Orders/carts/{form['cartId']}")

        assert (said.status, said.json["tags"]) == (200, ["3"])
        assert said.headers["etag"] == '"1"'

    async def test_finds_only_what_is_in_the_scope(self, call: Caller, database: Database) -> None:
        form = the_reference_body()["orderForm"] | {"cartId": fresh()}
        inside = await keep_order(
            database, orderForm=form, storeId="Oslo", created="2026-11-01T00:00:00Z"
        )
        await keep_order(database, orderForm=form, storeId="Bergen", created="2026-11-02T00:00:00Z")

        async with signed_in(call, database, "OrderRead", "store-oslo") as oslo:
            said = await oslo("GET", f"/api/Orders/carts/{form['cartId']}")
        async with signed_in(call, database, "OrderRead", "store-nowhere") as nowhere:
            unseen = await nowhere("GET", f"/api/Orders/carts/{form['cartId']}")
        unknown = await call("GET", f"/api/Orders/carts/{fresh()}")

        assert (said.status, said.json["id"]) == (200, inside["id"])
        assert {(one.status, one.problem) for one in (unseen, unknown)} == {
            (404, "order-not-found")
        }


@pytest.fixture
async def guests(settings: ChassisSettings, call: Caller) -> AsyncIterator[Caller]:
    """An api of its own that lets guests in, and one of them."""
    stored = await call("GET", "/api/Settings/OrderSettings")
    ours = api_settings(settings, guest_rate=4, guest_rate_together=0)
    async with harness.running(service(ours)) as api:
        owner = await Caller.signed_in(api.url)
        changed = stored.json | {"allowSecretKeyAccess": True}
        await owner("PUT", "/api/Settings/OrderSettings", changed)
        guest = Caller(api.url)
        await until(lambda: are_let_in(guest), within=30)
        yield guest
        await owner("PUT", "/api/Settings/OrderSettings", stored.json)
        stranger = Caller(call.url)
        await until(lambda: are_kept_out(stranger), within=30)
        for caller in (stranger, guest, owner):
            await caller.close()


async def are_let_in(guest: Caller) -> bool:
    # While guests are kept out, asking takes nothing from their bucket.
    return (await guest("GET", "/api/Orders/secret/unknown")).status == 404


async def are_kept_out(guest: Caller) -> bool:
    return (await guest("GET", "/api/Orders/secret/unknown")).status == 401


class TestSecretKey:
    async def test_opens_its_order_for_a_client_that_may_read_it(
        self, call: Caller, database: Database
    ) -> None:
        key = uuid4().hex
        body = await keep_order(database, secretKey=key, storeId="Bergen")

        owner = await call("GET", f"/api/Orders/secret/{key}")
        async with signed_in(call, database, "OrderRead", "store-oslo") as oslo:
            outside = await oslo("GET", f"/api/Orders/secret/{key}")
        async with signed_in(call, database, "ProductRead", "AllStores") as other:
            without_role = await other("GET", f"/api/Orders/secret/{key}")
        unknown = await call("GET", f"/api/Orders/secret/{key.upper()}")
        stranger = Caller(call.url)
        off = await stranger("GET", f"/api/Orders/secret/{key}")
        await stranger.close()

        assert (owner.status, owner.json) == (200, body)
        assert owner.headers["cache-control"] == "no-store"
        assert outside.status == 404
        assert outside.json | {"instance": ""} == unknown.json | {"instance": ""}
        assert (without_role.status, without_role.problem) == (403, "forbidden")
        assert (off.status, off.problem) == (401, "unauthorized")

    async def test_opens_its_order_for_guests_where_they_are_let_in(
        self, guests: Caller, database: Database
    ) -> None:
        key = uuid4().hex
        body = await keep_order(database, secretKey=key)

        with structlog.testing.capture_logs() as logs:
            said = await guests("GET", f"/api/Orders/secret/{key}")
            unknown = await guests("GET", f"/api/Orders/secret/{key[::-1]}x")
        forged = await guests(
            "GET", f"/api/Orders/secret/{key}", headers={"authorization": "Bearer x"}
        )
        asked = [await guests("GET", f"/api/Orders/secret/{key}") for _ in range(40)]
        elsewhere = await guests("GET", f"/api/Orders/{body['id']}")
        figures = await guests("GET", "/metrics")

        assert (said.status, said.json) == (200, body)
        assert (unknown.status, unknown.problem) == (404, "order-not-found")
        assert (forged.status, forged.problem) == (401, "unauthorized")
        refused = [one for one in asked if one.status != 200]
        assert {(one.status, one.problem) for one in refused} == {(429, "too-many-requests")}
        assert all(1 <= int(one.headers["retry-after"]) <= 15 for one in refused)
        assert elsewhere.status == 401
        told = [one["route"] for one in logs if one["event"] == "http.answered"]
        assert told == ["/api/Orders/secret/{secretKey}"] * 2
        assert key not in str(logs)
        assert key not in figures.body.decode()


class TestExists:
    async def test_is_said_by_the_status(self, call: Caller, database: Database) -> None:
        body = await keep_order(database, storeId="Bergen")

        said = await call("HEAD", f"/api/Orders/{body['id']}/Exists")
        unknown = await call("HEAD", f"/api/Orders/{fresh()}/exists")
        async with signed_in(call, database, "OrderRead", "store-oslo") as oslo:
            outside = await oslo("HEAD", f"/api/Orders/{body['id']}/Exists")
        otherwise = await call("GET", f"/api/Orders/{body['id']}/Exists")

        assert (said.status, said.body, unknown.status, outside.status) == (200, b"", 404, 404)
        assert (otherwise.status, otherwise.headers["allow"]) == (405, "HEAD, OPTIONS")

    async def test_is_said_of_many_at_once(self, call: Caller, database: Database) -> None:
        ids = [(await keep_order(database))["id"] for _ in range(2)]
        wanted = [ids[1], "ORD-003", ids[0], ids[1]]

        said = await call("POST", "/api/Orders/ExistMany", wanted)
        none = await call("POST", "/api/Orders/ExistMany", [])
        too_many = await call("POST", "/api/Orders/ExistMany", ["x"] * 1001)
        odd = await call("POST", "/api/Orders/ExistMany", ["x", None, ""])
        async with signed_in(call, database, "OrderRead", "store-oslo") as oslo:
            outside = await oslo("POST", "/api/Orders/ExistMany", wanted)

        assert (said.status, said.json) == (200, [ids[1], ids[0]])
        assert (none.status, none.json) == (200, [])
        assert (too_many.status, too_many.problem) == (400, "validation-failed")
        assert [error["path"] for error in odd.json["errors"]] == ["[1]", "[2]"]
        assert (outside.status, outside.json) == (200, [])


class TestByIds:
    async def test_answers_with_the_orders_and_the_ids_that_are_missing(
        self, call: Caller, database: Database
    ) -> None:
        # The example of the order reference.
        await keep_order(database, id="ORD-001", status="New")
        await keep_order(database, id="ORD-002", status="Completed")

        said = await call("GET", "/api/Orders/GetOrders/ByIds?ids=ORD-001&ids=ORD-002&ids=ORD-003")

        assert said.status == 200
        assert [(one["id"], one["status"]) for one in said.json["items"]] == [
            ("ORD-001", "New"),
            ("ORD-002", "Completed"),
        ]
        assert said.json["orders"] == said.json["items"]
        assert said.json["missingIds"] == ["ORD-003"]

    async def test_answers_each_once_in_the_order_of_the_request_if_it_is_in_the_scope(
        self, call: Caller, database: Database
    ) -> None:
        inside = [(await keep_order(database, storeId="Oslo"))["id"] for _ in range(2)]
        outside = (await keep_order(database, storeId="Bergen"))["id"]
        query = "&".join(f"IDS={id_}" for id_ in (inside[1], outside, inside[0], inside[1]))

        async with signed_in(call, database, "OrderRead", "store-oslo") as oslo:
            said = await oslo("GET", f"/api/orders/getorders/byids?{query}")

        assert [one["id"] for one in said.json["items"]] == [inside[1], inside[0]]
        assert said.json["missingIds"] == [outside]

    @pytest.mark.parametrize("query", ["", "?ids=", "?" + "&".join(["ids=x"] * 101)])
    async def test_names_the_parameter_that_is_wrong(self, call: Caller, query: str) -> None:
        said = await call("GET", f"/api/Orders/GetOrders/ByIds{query}")

        assert (said.status, said.problem) == (400, "validation-failed")
        assert [error["path"][:3] for error in said.json["errors"]] == ["ids"]


class TestPaymentOptions:
    async def test_are_those_of_the_market(self, call: Caller, database: Database) -> None:
        # The example of the order reference.
        example = [
            {"paymentMethodName": "Klarna", "displayName": "Klarna - Pay later"},
            {"paymentMethodName": "Vipps", "displayName": "Vipps"},
        ]
        hidden = {"connector": "psp", "creditPriority": 1}
        options = [example[0] | hidden, example[1] | {"logoUrl": "https://shop.example/vipps.svg"}]
        market = {"marketId": "SEED", "paymentOptions": options}
        stored = (await call("GET", "/api/Settings/Markets")).json
        await call("PUT", "/api/Settings/Markets", [*stored, market])
        order_id = (await keep_order(database, marketId="seed"))["id"]
        path = f"/api/Orders/{order_id}/GetPaymentOptions"

        async def known() -> object:
            return (await call("GET", path)).json

        said = await until(known, within=30)
        await call("PUT", "/api/Settings/Markets", stored)

        assert said == [example[0], example[1] | {"logoUrl": "https://shop.example/vipps.svg"}]

    async def test_of_a_market_that_is_not_configured_are_none(
        self, call: Caller, database: Database
    ) -> None:
        order_id = (await keep_order(database, marketId="nowhere"))["id"]
        shipped = (await keep_order(database, marketId=DEFAULT.markets[0].market_id))["id"]

        said = await call("GET", f"/api/Orders/{order_id}/GetPaymentOptions")
        known = await call("GET", f"/api/Orders/{shipped}/GetPaymentOptions")
        unknown = await call("GET", f"/api/Orders/{fresh()}/GetPaymentOptions")

        assert (said.status, said.json) == (200, [])
        assert [one["paymentMethodName"] for one in known.json] == ["Manual", "Invoice", "Card"]
        assert (unknown.status, unknown.problem) == (404, "order-not-found")
