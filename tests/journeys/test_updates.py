"""Orders are updated: merged, replaced, one or many at a time, with a workflow or without."""

from pydantic_core import from_json

from services.api.entrypoints.documentation.examples import example_of
from tests.harness import until
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.journeys.world import Json, World, an_order

UPDATE = "/api/Orders/Update"
MANY = "/api/Orders/UpdateMany"


async def update(world: World, body: Json, *, run: bool = False, **headers: str) -> Answer:
    path = f"{UPDATE}?runWorkflow=true" if run else UPDATE
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.shop("POST", path, body, headers=named)


def a_discounted_order(sku: str) -> Json:
    """Return the body of an order with a discount on its lines and one of the client's own."""
    body = an_order(sku=sku)
    body["orderForm"]["lineItems"][0]["discounted"] = 50
    body["orderForm"]["discounts"] = [
        {
            "discountType": "LineItem",
            "rewardType": "Percentage",
            "discountValue": 10,
            "skuIds": [sku],
        },
        {"discountType": "Order", "rewardType": "Money", "discountValue": 33},
    ]
    return body


class TestAnUpdate:
    async def test_merges_what_it_names_and_stores_a_status(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        body = example_of("POST", UPDATE) | {"id": order["id"]}

        answer = await update(world, body)

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        after = answer.json["order"]
        assert (after["status"], after["customerReference"]) == ("InProgress", "PO-4711")
        assert after["orderForm"]["lineItems"] == order["orderForm"]["lineItems"]
        assert answer.json["workflowExecutionResult"] == {
            "isSuccessful": True,
            "executedSteps": [],
        }
        assert (answer.json["isAborted"], answer.json["orderActionExecutionResults"]) == (False, [])
        (_, event) = await world.events_up_to(order["id"], 2)
        told = from_json(event.data)
        assert (event.type, told["previousStatus"], told["origin"]) == (
            "order.status_changed",
            "New",
            "POST /api/Orders/Update",
        )
        await world.hooks_up_to(order["id"], 2)
        assert await world.read(order["id"]) == after

    async def test_runs_the_workflow_of_the_status_that_it_sends(self, world: World) -> None:
        sku = await world.stock(5)
        order = await world.placed(an_order(sku=sku))

        shipped = await update(
            world, {"id": order["id"], "status": "ship", "tags": ["fast"]}, run=True
        )
        again = await update(world, {"id": order["id"], "tags": ["late"]}, run=True)
        unknown = await update(world, {"id": order["id"], "status": "Odd"}, run=True)

        assert shipped.status == 200, shipped.json
        assert (shipped.json["order"]["status"], shipped.json["order"]["tags"]) == (
            "Ship",
            ["fast"],
        )
        assert shipped.json["workflowExecutionResult"] == {
            "isSuccessful": True,
            "executedSteps": ["CapturePayments", "ReduceInventory", "Notification"],
        }
        steps = again.json["orderActionExecutionResults"]
        assert [(one["actionType"], one["actionStatus"]) for one in steps] == [
            ("CapturePayments", "Success"),
            ("ReduceInventory", "Warning"),
            ("Notification", "Success"),
        ]
        assert (unknown.status, unknown.problem) == (400, "unknown-status")
        await world.quiet()
        assert (await world.record(sku))["inventory"] == 3

    async def test_gives_back_the_stock_that_it_does_not_need_any_more(self, world: World) -> None:
        sku, other = await world.stock(9), await world.stock(9)
        order = await world.placed(an_order(sku=sku, quantity=5))
        line = order["orderForm"]["lineItems"][0]

        fewer = await update(
            world, {"id": order["id"], "orderForm": {"lineItems": [line | {"quantity": 3}]}}
        )
        await world.quiet()
        held = (await world.record(sku))["reservedInventory"]
        swapped = await update(
            world, {"id": order["id"], "orderForm": {"lineItems": [line | {"code": other}]}}
        )
        await world.quiet()

        (now,) = fewer.json["order"]["orderForm"]["lineItems"]
        assert (now["reservedInventoryQuantity"], held) == (3, 3)
        assert swapped.status == 200
        assert (await world.record(sku))["reservedInventory"] == 0
        assert (await world.record(other))["reservedInventory"] == 5
        stored = await world.read(order["id"])
        assert stored["orderForm"]["lineItems"][0]["reservedInventoryQuantity"] == 5

    async def test_is_refused_naming_all_that_is_wrong(self, world: World) -> None:
        order = await world.placed(an_order())
        body = {"marketId": None, "tags": "x", "orderForm": {"lineItems": [{"quantity": "many"}]}}

        bad = await update(world, body)
        missing = await update(world, {"id": "nobody"})
        odd = await world.shop("POST", f"{UPDATE}?runWorkflow=perhaps", {"id": order["id"]})
        late = await update(world, {"id": order["id"], "tags": ["a"]}, if_match='"7"')
        unread = await update(world, {"id": order["id"], "colour": "blue", "tags": ["a"]})

        assert (bad.status, bad.problem) == (400, "validation-failed")
        assert {one["path"] for one in bad.json["errors"]} == {
            "id",
            "marketId",
            "tags",
            "orderForm.lineItems[0].lineItemId",
            "orderForm.lineItems[0].quantity",
        }
        assert (missing.status, missing.problem) == (404, "order-not-found")
        assert [one["path"] for one in odd.json["errors"]] == ["runWorkflow"]
        assert (late.status, late.problem) == (412, "precondition-failed")
        assert (unread.status, unread.headers["ignored-fields"]) == (200, "colour")


class TestAReplacement:
    async def test_by_what_was_read_is_no_version(self, world: World) -> None:
        order = await world.placed(a_discounted_order(await world.stock(5)))
        assert order["orderForm"]["lineItems"][0]["discounted"] == 144.8

        same = await world.shop("PUT", UPDATE, order)
        changed = await world.shop("PUT", UPDATE, order | {"customerName": "Kari"})

        assert (same.status, same.headers["etag"]) == (200, '"1"')
        assert same.json["order"] == order
        assert (changed.headers["etag"], changed.json["order"]["customerName"]) == ('"2"', "Kari")
        assert changed.json["order"]["orderForm"] == order["orderForm"]
        assert changed.json["workflowExecutionResult"]["executedSteps"] == []

    async def test_leaves_nothing_but_what_the_system_writes(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5), paid=True))
        whole = example_of("PUT", UPDATE) | {"id": order["id"], "created": "2001-01-01T00:00:00Z"}
        del whole["customerName"]

        answer = await world.shop("PUT", UPDATE, whole)
        partial = await world.shop("PUT", UPDATE, {"id": order["id"]})

        after = answer.json["order"]
        assert answer.status == 200
        assert "customerName" not in after
        assert after["created"] == order["created"]
        assert after["orderForm"]["lineItems"][0]["code"] == "SKU-001"
        assert partial.status == 400
        assert {one["path"] for one in partial.json["errors"]} == {"marketId", "storeId"}


class TestManyUpdates:
    async def test_merge_add_and_follow_each_other(self, world: World) -> None:
        first, second = [await world.placed(an_order(paid=True)) for _ in range(2)]
        new = an_order(paid=True)
        tagged, renamed = example_of("POST", MANY)

        answer = await world.shop(
            "POST",
            MANY,
            [
                tagged | {"id": first["id"]},
                renamed | {"id": second["id"]},
                new,
                {"id": first["id"], "tags": ["last"]},
            ],
        )

        assert (answer.status, answer.body) == (204, b"")
        assert (await world.read(first["id"]))["tags"] == ["last"]
        assert (await world.read(second["id"]))["customerEmail"] == "kari@example.com"
        added = await world.read(new["id"])
        assert (added["status"], added["orderForm"]["total"]) == ("New", 998)
        (created,) = await world.events_up_to(new["id"], 1)
        assert from_json(created.data)["category"] == "BatchAdd"
        (_, _, changed) = await world.events_up_to(first["id"], 3)
        assert from_json(changed.data)["category"] == "BatchUpdate"
        await world.quiet()
        assert all(one.recipients != [new["customerEmail"]] for one in world.mail.kept)

    async def test_that_cannot_be_made_now_keep_no_other_back(self, world: World) -> None:
        frozen = await world.placed(an_order(paid=True, isReadOnly=True))
        free = await world.placed(an_order(paid=True))

        answer = await world.shop(
            "PUT",
            f"{MANY}?runWorkflow=true",
            [
                {"id": frozen["id"], "tags": ["a"]},
                {"id": free["id"], "status": "PackedAndReady"},
                {"id": "nobody", "tags": ["a"]},
            ],
        )

        assert (answer.status, answer.problem) == (409, "batch-incomplete")
        assert [one["path"] for one in answer.json["errors"]] == [
            "[0]",
            "[2].marketId",
            "[2].storeId",
        ]
        assert "1 of 3" in answer.json["detail"]
        after = await world.read(free["id"])
        assert after["status"] == "PackedAndReady"
        assert after["orderForm"]["shipments"][0]["completed"]

    async def test_are_checked_before_any_is_made(self, world: World) -> None:
        order = await world.placed(an_order(paid=True))

        bad = await world.shop(
            "POST", MANY, [{"id": order["id"], "tags": ["a"]}, {"id": "x", "storeId": None}]
        )
        many = await world.shop("POST", MANY, [{"id": order["id"]}] * 1001)

        assert [one["path"] for one in bad.json["errors"]] == ["[1].storeId"]
        assert "tags" not in await world.read(order["id"])
        assert many.status == 400
        assert "at most 1000 entries" in many.json["errors"][0]["message"]

    async def test_can_be_waited_for_elsewhere(self, world: World) -> None:
        orders = [await world.placed(an_order(paid=True)) for _ in range(3)]
        body = [{"id": one["id"], "tags": ["a"]} for one in orders]

        answer = await world.shop("POST", MANY, body, headers={"prefer": "respond-async"})

        assert answer.status == 202

        async def done() -> Json:
            found = await world.shop("GET", answer.headers["location"])
            return found.json if found.json["state"] != "pending" else None

        operation = await until(done, within=30)
        assert (operation["state"], operation["statusCode"]) == ("succeeded", 204)
        assert [(await world.read(one["id"]))["tags"] for one in orders] == [["a"]] * 3


class TestTheScope:
    async def test_of_a_client_is_where_its_orders_stay(self, world: World) -> None:
        await keep_client(world.db, "oslo-only", "OrderAdmin", "store-Oslo", secret="s")
        oslo = await Caller.signed_in(world.shop.url, "oslo-only", "s")
        inside = await world.placed(an_order(paid=True, storeId="Oslo"))
        outside = await world.placed(an_order(paid=True, storeId="Bergen"))
        moved = {"storeId": "Bergen"}
        patch = f"/api/Orders/{inside['id']}/PatchOrder"

        said = [
            await oslo("POST", UPDATE, {"id": inside["id"], **moved}),
            await oslo("PUT", UPDATE, inside | moved),
            await oslo("PATCH", patch, moved),
            await oslo("POST", MANY, [{"id": inside["id"], "tags": ["a"]}, {"id": outside["id"]}]),
            await oslo("POST", MANY, [{"id": inside["id"], **moved}]),
            await oslo("POST", MANY, [an_order(storeId="Bergen")]),
            await oslo("POST", UPDATE, {"id": outside["id"]}),
            await oslo("PATCH", f"/api/Orders/{outside['id']}/PatchOrder", {"tags": ["a"]}),
            await oslo("POST", MANY, [{"id": inside["id"], "storeId": "OSLO"}]),
            await oslo("PATCH", patch, {"tags": ["in"]}),
        ]

        await oslo.close()
        assert [one.status for one in said] == [403] * 6 + [404, 404, 204, 200]
        after = await world.read(inside["id"])
        assert (after["storeId"], after["tags"]) == ("OSLO", ["in"])


async def test_the_books_are_in_order_after_all_that(world: World) -> None:
    await world.quiet()

    found = await world.shop("POST", "/api/Reconcile")

    assert found.json["differences"] == []
