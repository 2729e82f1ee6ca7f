"""What a shop is answered: at once or later, once or again, and when it must come back."""

import asyncio
from uuid import uuid4

import pytest
from standardwebhooks import Webhook

from contracts.messages.orders import COMMANDS
from tests.harness import until
from tests.integration.api.calling import Answer
from tests.journeys.world import CARD, World, an_order, with_provider

PATIENT = 20
"""Seconds that the provider may take to answer here."""


@pytest.fixture(scope="module")
async def _cards(world: World) -> None:
    connectors, markets = with_provider(world.provider.url, timeOut=PATIENT)
    await world.configure("Connectors", connectors)
    await world.configure("Markets", markets)
    world.provider.delay = 1.5


@pytest.fixture
async def shop(world: World, _cards: None) -> World:
    """The world with a provider that is in no hurry when told so."""
    world.provider.behave("normal")
    return world


async def waiting(world: World, order_id: str) -> None:
    """Return when the order's run waits for the provider."""

    async def found() -> bool:
        query = {"orderId": order_id, "state": "pending"}
        return await world.db["payment_operations"].find_one(query) is not None

    await until(found)


async def the_operation(world: World, answer: Answer) -> Answer:
    """Follow the Location of a 202 until the command is no longer pending."""

    async def found() -> Answer | None:
        operation = await world.shop("GET", answer.headers["location"])
        return None if operation.json["state"] == "pending" else operation

    operation = await until(found)
    assert operation is not None
    return operation


class TestARefusal:
    async def test_of_a_second_order_under_an_id_leaves_the_first(self, shop: World) -> None:
        body = an_order()
        first = await shop.placed(body)

        second = await shop.place(body | {"customerName": "Kari"})

        assert second.status == 409
        assert second.problem == "duplicate-order-id"
        assert await shop.read(body["id"]) == first
        await shop.events_up_to(body["id"], 1)

    async def test_of_a_malformed_body_names_every_field_and_stores_nothing(
        self, shop: World
    ) -> None:
        body = an_order(customerType="C2C", marketId=None, created="yesterday")
        body["orderForm"]["lineItems"][0]["quantity"] = "many"
        before = len(shop.wire.on(COMMANDS))

        answer = await shop.place(body)

        assert answer.status == 400
        assert answer.problem == "validation-failed"
        assert {one["path"] for one in answer.json["errors"]} == {
            "customerType",
            "marketId",
            "created",
            "orderForm.lineItems[0].quantity",
        }
        assert (await shop.shop("GET", f"/api/Orders/{body['id']}")).status == 404
        assert [one for one in shop.wire.on(COMMANDS)[before:] if one.key == body["id"]] == []

    async def test_while_the_order_is_queued_says_so(self, shop: World) -> None:
        body = an_order(method=CARD)
        shop.provider.behave("slow", times=1)
        placing = asyncio.create_task(shop.place(body))
        await waiting(shop, body["id"])

        queued = await shop.read(body["id"])
        refused = await shop.enter(body["id"], "InProgress")
        skipping = await shop.enter(body["id"], "InProgress", skipRunWorkflow=True)

        assert queued["status"] == "Queued"
        assert [one.status for one in (refused, skipping)] == [400, 400]
        assert refused.problem == skipping.problem == "order-queued"
        assert (await placing).status == 201

    async def test_while_the_order_is_locked_says_when_to_come_back(self, shop: World) -> None:
        order = await shop.placed(an_order(method=CARD))
        shop.provider.behave("slow", times=1, only="capture")
        shipping = asyncio.create_task(shop.enter(order["id"], "Ship"))

        async def captures() -> bool:
            query = {"orderId": order["id"], "kind": "capture"}
            return await shop.db["payment_operations"].find_one(query) is not None

        await until(captures)
        locked = await shop.enter(order["id"], "Completed")

        assert locked.status == 409
        assert locked.problem == "order-locked"
        assert locked.headers["retry-after"] == "1"
        assert (await shipping).status == 200
        await shop.entered(order["id"], "Completed")


class TestAnAnswer:
    async def test_may_be_fetched_later(self, shop: World) -> None:
        body = an_order(method=CARD)
        shop.provider.behave("slow", times=1)

        answer = await shop.place(body, Prefer="respond-async")
        pending = await shop.shop("GET", answer.headers["location"])
        done = await the_operation(shop, answer)

        assert answer.status == 202
        assert answer.headers["location"] == f"/api/Operations/{answer.json['operationId']}"
        assert pending.json["state"] == "pending"
        assert (done.json["state"], done.json["statusCode"]) == ("succeeded", 201)
        assert done.json["answer"] == await shop.read(body["id"])

    async def test_may_be_a_problem_that_is_fetched_later(self, shop: World) -> None:
        body = an_order()
        await shop.placed(body)

        answer = await shop.place(body, Prefer="respond-async")
        done = await the_operation(shop, answer)

        assert (done.json["state"], done.json["statusCode"]) == ("failed", 409)
        assert done.json["problem"]["type"].endswith("/duplicate-order-id")

    async def test_to_a_repeated_request_is_the_first_one(self, shop: World) -> None:
        body, key = an_order(), str(uuid4())

        first = await shop.place(body, Idempotency_Key=key)
        moved = await shop.entered(body["id"], "InProgress")
        again = await shop.place(body, Idempotency_Key=key)

        assert [one.status for one in (first, again)] == [201, 201]
        assert again.json == first.json
        assert moved["order"] != first.json
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"

    async def test_to_another_request_under_the_key_is_a_refusal(self, shop: World) -> None:
        body, key = an_order(), str(uuid4())
        await shop.place(body, Idempotency_Key=key)

        other = await shop.place(an_order(), Idempotency_Key=key)

        assert other.status == 422
        assert other.problem == "idempotency-key-reused"

    async def test_to_requests_that_are_repeated_meanwhile_is_one(self, shop: World) -> None:
        body, key = an_order(method=CARD, sku=await shop.stock(10)), str(uuid4())
        shop.provider.behave("slow", times=1)

        first = asyncio.create_task(shop.place(body, Idempotency_Key=key))
        await waiting(shop, body["id"])
        second, first_answer = await asyncio.gather(shop.place(body, Idempotency_Key=key), first)

        await shop.quiet()
        assert [one.status for one in (first_answer, second)] == [201, 201]
        assert second.json == first_answer.json
        assert second.headers["idempotency-replayed"] == "true"
        assert len(shop.provider.done("authorize", order_id=body["id"])) == 1
        assert await shop.held(body["id"]) == 2
        assert shop.hook.sequences(body["id"]) == [1]


class TestSettings:
    async def test_are_in_force_within_a_second(self, world: World) -> None:
        types = await world.shop("GET", "/api/Settings/OrderTypes")
        (online,) = [one for one in types.json if one["name"] == "Online"]
        steps = [{"name": "AddClickAndCollectTags"}]
        quick = {
            "name": "Quick",
            "orderStatuses": [{"name": "New", "order": 1, "workflowSteps": steps}],
        }
        loop = asyncio.get_running_loop()

        before = loop.time()
        await world.configure("OrderTypes", [online, quick])
        took = loop.time() - before
        order = await world.placed(an_order(orderType="Quick"))
        await world.configure("OrderTypes", types.json)

        assert took < 2  # a second, and the time that a busy machine takes for the request itself
        assert order["tags"] == ["ClickAndCollect"]
        assert "errors" not in order


class TestATestOfAnEndpoint:
    async def test_comes_once_for_a_key_and_tells_in_its_delivery_how_it_went(
        self, world: World
    ) -> None:
        endpoint = {"url": world.hook.url, "isEnabled": False}
        made = await world.shop("POST", "/api/Webhooks/Endpoints", endpoint)
        path = f"/api/Webhooks/Endpoints/{made.json['id']}/Test"
        key = {"Idempotency-Key": uuid4().hex}

        first = await world.shop("POST", path, headers=key)
        again = await world.shop("POST", path, headers=key)
        await world.quiet()

        (got,) = world.hook.of(made.json["id"])
        delivery = (await world.shop("GET", first.headers["location"])).json
        listed = await world.shop("GET", f"/api/Webhooks/Deliveries?endpointId={made.json['id']}")
        await world.shop("DELETE", f"/api/Webhooks/Endpoints/{made.json['id']}")
        assert (first.status, again.status) == (202, 202)
        assert again.json == first.json == {"deliveryId": delivery["id"]}
        assert (delivery["eventId"], delivery["eventType"]) == (got.id, "webhook.test")
        assert [one["statusCode"] for one in delivery["attempts"]] == [200]
        assert (delivery["state"], listed.json["totalCount"]) == ("delivered", 1)
        Webhook(made.json["secret"]).verify(got.body, got.headers)


class TestScarceStock:
    async def test_is_a_warning(self, world: World) -> None:
        sku = await world.stock(1)

        order = await world.placed(an_order(sku=sku))

        await world.quiet()
        (line,) = order["orderForm"]["lineItems"]
        assert line["reservedInventoryQuantity"] == 1
        assert line["reservedInventory"] is False
        assert order["status"] == "New"
        assert await world.held(order["id"]) == 1
        results = await world.shop("GET", f"/api/Orders/{order['id']}/Explain")
        assert [(one["actionType"], one["actionStatus"]) for one in results.json["results"]] == [
            ("IncreaseReservedInventory", "Warning"),
            ("AuthorizePayment", "Success"),
        ]

    async def test_ends_the_run_where_all_is_required(self, world: World) -> None:
        types = (await world.shop("GET", "/api/Settings/OrderTypes")).json
        steps = [
            {
                "name": "IncreaseReservedInventory",
                "stopOnError": True,
                "properties": [{"key": "RequireAll", "value": "true"}],
            },
            {"name": "AuthorizePayment"},
        ]
        status = {"name": "New", "order": 1, "workflowSteps": steps}
        strict = {"name": "Strict", "orderStatuses": [status]}
        await world.configure("OrderTypes", [*types, strict])
        sku = await world.stock(1)

        order = await world.placed(an_order(sku=sku, orderType="Strict"))

        await world.quiet()
        assert [one["key"] for one in order["errors"]] == ["IncreaseReservedInventory"]
        assert sku in order["errors"][0]["message"]
        assert order["status"] == "New"
        assert await world.held(order["id"]) == 0
        assert (await world.record(sku))["reservedInventory"] == 0
        assert await world.operations(order["id"]) == []
        events = await world.events_up_to(order["id"], 2)
        assert [one.type for one in events] == ["order.created", "order.workflow_failed"]
