"""Creating many orders with one call: AddMany, which runs workflows, and ImportMany, which not."""

import asyncio
from uuid import uuid4

import pytest
from pydantic_core import from_json

from contracts.messages import orders
from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.journeys.world import Json, World, an_order

PATHS = ("/api/Orders/AddMany", "/api/Orders/ImportMany")


async def post(caller: Caller, path: str, bodies: Json, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await caller("POST", path, bodies, headers=named)


async def event_of(world: World, order_id: str) -> Json:
    """Return the one event of the order."""
    (event,) = await world.events_up_to(order_id, 1)
    assert event.type == "order.created"
    return from_json(event.data)


async def exists(world: World, order_id: str) -> bool:
    return (await world.shop("GET", f"/api/Orders/{order_id}")).status == 200


class TestAddingMany:
    async def test_creates_each_as_if_it_was_posted_alone(self, world: World) -> None:
        sku = await world.stock(10)
        reference = the_reference_body() | {"id": f"ORD-{uuid4().hex[:8]}"}
        bodies = [reference, an_order(sku=sku), an_order(sku=sku, paid=True)]

        answer = await post(world.shop, PATHS[0], bodies)

        assert (answer.status, answer.body) == (204, b"")
        assert "existing-orders" not in answer.headers
        for body in bodies:
            order = await world.read(body["id"])
            assert (order["status"], order["version"]) == ("New", 1)
            assert order["orderForm"]["total"] == 998
            told = await event_of(world, body["id"])
            assert (told["category"], told["origin"]) == ("BatchAdd", "POST /api/Orders/AddMany")
        await world.quiet()
        assert await world.held(bodies[1]["id"]) == 2
        assert await world.operations(bodies[1]["id"]) == [("authorize", "succeeded", 998)]

    async def test_may_be_given_a_key_for_all(self, world: World) -> None:
        bodies, key = [an_order(paid=True) for _ in range(3)], f"key-{uuid4().hex}"
        first = await post(world.shop, PATHS[0], bodies, idempotency_key=key)

        again = await post(world.shop, PATHS[0], bodies, idempotency_key=key)
        other = await post(world.shop, PATHS[0], bodies[:2], idempotency_key=key)

        assert (first.status, again.status) == (204, 204)
        assert again.headers["idempotency-replayed"] == "true"
        assert "existing-orders" not in again.headers
        assert (other.status, other.problem) == (422, "idempotency-key-reused")


class TestImportingMany:
    async def test_stores_them_as_they_are_and_runs_nothing(self, world: World) -> None:
        sku = await world.stock(10)
        body = an_order(sku=sku, status="Ship", created="2020-02-03T04:05:06Z")
        body["orderForm"] |= {"total": 5, "subTotal": 4}
        body["orderForm"]["lineItems"][0]["extendedPrice"] = 3

        answer = await post(world.shop, PATHS[1], [the_reference_body() | {"id": "IMP-1"}, body])

        assert (answer.status, answer.body) == (204, b"")
        order = await world.read(body["id"])
        form = order["orderForm"]
        assert (order["status"], order["version"]) == ("Ship", 1)
        assert order["created"] == "2020-02-03T04:05:06Z"
        assert (form["total"], form["subTotal"]) == (5, 4)
        assert form["lineItems"][0]["extendedPrice"] == 3
        assert "taxTotal" not in form
        other = (await world.read("IMP-1"))["orderForm"]
        assert form["payments"][0]["id"] != other["payments"][0]["id"]
        told = await event_of(world, body["id"])
        assert (told["category"], told["operationId"]) == ("Imported", 110106)
        assert told["order"] == order
        await world.hooks_up_to(body["id"], 1)
        await world.quiet()
        assert await world.held(body["id"]) == 0
        assert await world.operations(body["id"]) == []

    async def test_calculates_where_the_settings_say_so(self, world: World) -> None:
        before = (await world.shop("GET", "/api/Settings/OrderSettings")).json
        body = an_order()
        body["orderForm"]["total"] = 5
        await world.configure("OrderSettings", before | {"isOrderCalculatorRunOnImport": True})

        answer = await post(world.shop, PATHS[1], [body])

        await world.configure("OrderSettings", before)
        assert answer.status == 204
        assert (await world.read(body["id"]))["orderForm"]["total"] == 998

    async def test_takes_few_commands_for_many_orders(self, world: World) -> None:
        bodies = [an_order(paid=True) for _ in range(300)]

        answer = await post(world.shop, PATHS[1], bodies)

        assert answer.status == 204
        ids = {body["id"] for body in bodies}
        stored = await world.db["orders"].count_documents({"_id": {"$in": list(ids)}})
        assert stored == 300
        sent = {
            one.id
            for one in world.wire.on(orders.COMMANDS)
            if one.type == "orders.import_orders" and one.key in ids
        }
        assert len(sent) == world.front.settings.partitions

    async def test_is_followed_by_what_comes_later(self, world: World) -> None:
        bodies = [an_order(paid=True, status="New") for _ in range(20)]
        importing = await post(world.shop, PATHS[1], bodies, prefer="respond-async")

        later = await asyncio.gather(*(world.enter(body["id"], "InProgress") for body in bodies))

        assert importing.status == 202
        assert {one.status for one in later} == {200}


@pytest.mark.parametrize("path", PATHS)
class TestABatch:
    async def test_leaves_what_exists_as_it_is_and_says_so(self, world: World, path: str) -> None:
        there = await world.placed(an_order(paid=True, customerName="First"))
        new = an_order(paid=True, customerName="Second")
        twin = new | {"customerName": "Third"}

        answer = await post(world.shop, path, [there | {"customerName": "Other"}, new, twin])

        assert answer.status == 204
        assert answer.headers["existing-orders"] == "[0], [2]"
        assert await world.read(there["id"]) == there
        assert (await world.read(new["id"]))["customerName"] == "Second"

    async def test_is_valid_as_a_whole_or_nothing_is_stored(self, world: World, path: str) -> None:
        good, bad, worse = an_order(), an_order(), an_order(storeId=None)
        bad["orderForm"]["lineItems"][0]["quantity"] = "many"
        bad["customerType"] = "C2C"

        answer = await post(world.shop, path, [good, bad, worse, 7])

        paths = [one["path"] for one in answer.json["errors"]]
        assert (answer.status, answer.problem) == (400, "validation-failed")
        assert sorted(paths) == [
            "[1].customerType",
            "[1].orderForm.lineItems[0].quantity",
            "[2].storeId",
            "[3]",
        ]
        assert not await exists(world, good["id"])

    async def test_has_at_most_a_thousand_entries(self, world: World, path: str) -> None:
        too_many = await post(world.shop, path, [{}] * 1001)
        none = await post(world.shop, path, [])
        single = await post(world.shop, path, an_order())
        no_json = await world.shop("POST", path, data=b"[{]")

        assert (too_many.status, too_many.problem) == (400, "validation-failed")
        assert "at most 1000 entries" in too_many.json["errors"][0]["message"]
        assert none.status == 204
        assert (single.status, single.json["errors"][0]["message"]) == (400, "expected a list")
        assert (no_json.status, no_json.problem) == (400, "malformed-json")

    async def test_stores_nothing_if_one_is_outside_the_scope(
        self, world: World, path: str
    ) -> None:
        await keep_client(world.db, "oslo", "OrderAdmin", "store-Oslo", secret="s")
        caller = await Caller.signed_in(world.shop.url, "oslo", "s")
        inside, outside = an_order(storeId="Oslo"), an_order(storeId="Bergen")

        mixed = await post(caller, path, [inside, outside])
        fine = await post(caller, path, [an_order(storeId="oslo", paid=True)])

        await caller.close()
        assert (mixed.status, mixed.problem) == (403, "forbidden")
        assert not await exists(world, inside["id"])
        assert fine.status == 204

    async def test_names_unknown_members_by_their_place(self, world: World, path: str) -> None:
        body = an_order(paid=True)
        odd = {name.upper(): value for name, value in an_order(paid=True).items()}

        answer = await post(world.shop, path, [body, odd | {"colour": "blue"}])

        assert answer.status == 204
        assert answer.headers["ignored-fields"] == "[1].colour"
        assert await exists(world, odd["ID"])

    async def test_is_refused_for_unknown_members_where_the_settings_say_so(
        self, world: World, path: str
    ) -> None:
        before = (await world.shop("GET", "/api/Settings/OrderSettings")).json
        await world.configure("OrderSettings", before | {"rejectUnknownFields": True})

        answer = await post(world.shop, path, [an_order(), an_order(colour="blue")])

        await world.configure("OrderSettings", before)
        assert (answer.status, answer.json["errors"][0]["path"]) == (400, "[1].colour")

    async def test_can_be_waited_for_elsewhere(self, world: World, path: str) -> None:
        bodies = [an_order(paid=True) for _ in range(5)]

        answer = await post(world.shop, path, bodies, prefer="respond-async")

        assert answer.status == 202

        async def done() -> Json:
            found = await world.shop("GET", answer.headers["location"])
            assert found.status == 200
            return found.json if found.json["state"] != "pending" else None

        operation = await until(done, within=30)
        assert (operation["state"], operation["statusCode"]) == ("succeeded", 204)
        assert operation["completed"]
        assert [await exists(world, body["id"]) for body in bodies] == [True] * 5
