"""Orders are patched: some members, lines by their ids, and the ids of the lines themselves."""

import asyncio

from pydantic_core import from_json

from services.api.entrypoints.documentation.examples import example_of
from tests.integration.api.calling import Answer
from tests.journeys.world import Json, World, an_order

PATCH_LINES = "/api/Orders/{orderId}/PatchUpdateOrderLines"


async def patch(world: World, order_id: str, body: Json, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.shop("PATCH", f"/api/Orders/{order_id}/PatchOrder", body, headers=named)


async def patch_lines(world: World, order_id: str, body: Json) -> Answer:
    return await world.shop("PATCH", PATCH_LINES.format(orderId=order_id), body)


def two_lines(*skus: str) -> Json:
    """Return the body of an order of lines 1 and 2, 2 units each, in one shipment from WH1."""
    body = an_order()
    (line,) = body["orderForm"]["lineItems"]
    lines = [line | {"lineItemId": str(at), "code": sku} for at, sku in enumerate(skus, 1)]
    body["orderForm"]["lineItems"] = lines
    body["orderForm"]["shipments"][0]["lineItems"] = lines
    return body


class TestAPatch:
    async def test_sets_a_status_and_adds_a_property_and_runs_nothing(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        body = example_of("PATCH", "/api/Orders/{orderId}/PatchOrder") | {"id": order["id"]}

        answer = await patch(world, order["id"], body)
        again = await patch(world, order["id"], body)

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        after = answer.json.pop("order")
        assert after["status"] == "InProgress"
        assert after["properties"] == [{"key": "ErpReference", "value": "SAP-12345"}]
        assert answer.json == {
            "isSuccessful": True,
            "isModified": True,
            "totalCount": 1,
            "updatedCount": 1,
            "unchangedCount": 0,
            "notFoundCount": 0,
            "errorCount": 0,
            "errorMessage": None,
        }
        assert (again.json["isModified"], again.json["order"]) == (False, after)
        (_, event) = await world.events_up_to(order["id"], 2)
        told = from_json(event.data)
        assert (event.type, told["operationId"]) == ("order.status_changed", 310102)
        assert {one["path"] for one in told["changes"]} >= {"status", "properties"}
        (_, hook) = await world.hooks_up_to(order["id"], 2)
        assert hook.json["data"]["order"] == after
        assert await world.read(order["id"]) == after

    async def test_of_the_guide_merges_replaces_and_removes(self, world: World) -> None:
        order_id = (await world.placed(an_order(paid=True)))["id"]

        await patch(world, order_id, {"status": "InProgress", "salesPersonId": "user@company.com"})
        await patch(
            world,
            order_id,
            {
                "properties": [
                    {"key": "erpReference", "value": "ERP-12345"},
                    {"key": "obsoleteField", "value": "high"},
                ],
                "keepExistingCustomProperties": True,
            },
        )
        answer = await patch(
            world,
            order_id,
            {
                "propertiesRemovalConditions": [{"key": "obsoleteField"}],
                "properties": [{"key": "newField", "value": "replacement"}],
                "FORCEUPDATE": ["salespersonid"],
            },
        )

        after = answer.json["order"]
        assert [one["key"] for one in after["properties"]] == ["erpReference", "newField"]
        assert "salesPersonId" not in after
        assert after["version"] == 4

    async def test_is_refused_naming_all_that_is_wrong(self, world: World) -> None:
        order_id = (await world.placed(an_order(paid=True)))["id"]
        patch_ids = {"id": "another"}

        answers = [
            await patch(world, "nobody", {"tags": ["a"]}),
            await patch(world, order_id, patch_ids),
            await patch(world, order_id, {"forceUpdate": ["odd", "storeId", "netTotal"]}),
            await patch(world, order_id, {"orderForm": {"payments": [{"amount": 1}]}}),
            await patch(
                world,
                order_id,
                {"orderForm": {"lineItems": [{"lineItemId": "1", "deliveredQuantity": 9}]}},
            ),
            await patch(world, order_id, {"tags": [str(at) for at in range(251)]}),
            await patch(world, order_id, {"tags": ["a"]}, if_match='"9"'),
        ]

        assert [one.status for one in answers] == [404, 400, 400, 400, 400, 400, 412]
        assert [[one["path"] for one in answer.json.get("errors", [])] for answer in answers] == [
            [],
            ["id"],
            ["forceUpdate[0]", "forceUpdate[1]", "forceUpdate[2]"],
            [
                f"orderForm.payments[0].{name}"
                for name in ("paymentMethodName", "transactionId", "transactionType", "status")
            ],
            ["orderForm.lineItems[0].deliveredQuantity"],
            ["tags"],
            [],
        ]
        assert (await world.read(order_id))["version"] == 1

    async def test_frees_a_read_only_order_which_takes_no_other(self, world: World) -> None:
        order_id = (await world.placed(an_order(paid=True, isReadOnly=True)))["id"]

        bound = await patch(world, order_id, {"tags": ["a"]})
        freed = await patch(world, order_id, {"isReadOnly": False, "tags": ["b"]})

        assert (bound.status, bound.problem) == (400, "order-read-only")
        assert (freed.json["order"]["isReadOnly"], freed.json["order"]["tags"]) == (False, ["b"])

    async def test_adds_a_payment_without_an_id_at_every_repeat_and_one_with_an_id_once(
        self, world: World
    ) -> None:
        order_id = (await world.placed(an_order(paid=True)))["id"]
        sale = {"amount": 10, "paymentMethodName": "Manual", "transactionId": "t"}
        sale |= {"transactionType": "Sale", "status": "Processed"}
        nameless, named = ({"orderForm": {"payments": [one]}} for one in (sale, sale | {"id": "p"}))
        key = {"idempotency-key": f"paid-{order_id}"}
        path = f"/api/Orders/{order_id}/PatchOrder"

        counts = []
        for body, headers in ((named, {}), (nameless, key), (nameless, {})):
            for _ in range(2):
                said = await world.shop("PATCH", path, body, headers=headers)
                assert said.status == 200
            counts.append(len((await world.read(order_id))["orderForm"]["payments"]))

        assert counts == [2, 3, 5]

    async def test_asked_for_again_with_its_key_gets_the_first_answer(self, world: World) -> None:
        order_id = (await world.placed(an_order(paid=True)))["id"]
        key = f"key-{order_id}"
        first = await patch(world, order_id, {"tags": ["a"]}, idempotency_key=key)
        await patch(world, order_id, {"tags": ["b"]})

        again = await patch(world, order_id, {"tags": ["a"]}, idempotency_key=key)
        other = await patch(world, order_id, {"tags": ["c"]}, idempotency_key=key)

        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status, again.json) == (200, first.json)
        assert (other.status, other.problem) == (422, "idempotency-key-reused")

    async def test_among_many_at_a_time_arrives_or_says_that_the_order_is_locked(
        self, world: World
    ) -> None:
        order_id = (await world.placed(an_order(sku=await world.stock(5))))["id"]
        bodies = [{"properties": [{"key": f"p{at}", "value": "1"}]} for at in range(20)]
        others = [{"properties": [{"key": f"q{at}", "value": "1"}]} for at in range(20)]

        shipping = asyncio.create_task(world.enter(order_id, "Ship"))
        answers = await asyncio.gather(*(patch(world, order_id, body) for body in bodies))
        shipped = await shipping
        undisturbed = await asyncio.gather(*(patch(world, order_id, body) for body in others))

        assert shipped.status == 200
        assert {one.status for one in undisturbed} == {200}
        assert {one.status for one in answers} <= {200, 409}
        assert all(
            one.problem == "order-locked" and one.headers["retry-after"]
            for one in answers
            if one.status == 409
        )
        made = {f"p{at}" for at, one in enumerate(answers) if one.status == 200}
        made |= {f"q{at}" for at in range(20)}
        after = await world.read(order_id)
        assert {one["key"] for one in after.get("properties", [])} == made
        assert after["status"] == "Ship"
        await world.events_up_to(order_id, after["version"])
        await world.hooks_up_to(order_id, after["version"])


class TestPatchedLines:
    async def test_are_delivered_and_cancelled_and_free_their_stock(self, world: World) -> None:
        skus = [await world.stock(5), await world.stock(5)]
        order = await world.placed(two_lines(*skus))

        answer = await patch_lines(world, order["id"], example_of("PATCH", PATCH_LINES))

        assert answer.status == 200, answer.json
        first, second = answer.json["order"]["orderForm"]["lineItems"]
        assert (first["deliveredQuantity"], first["serialNumber"]) == (2, "SN-12345")
        assert (second["canceledQuantity"], second["cancelReason"]) == (1, "Out of stock")
        assert second["canceledDate"]
        assert second["originalExtendedPricePerUnit"] == 499
        assert second["extendedPrice"] == 499
        assert answer.json["order"]["orderForm"]["total"] == 1497
        counters = ("totalCount", "updatedCount", "unchangedCount", "notFoundCount")
        assert [answer.json[name] for name in counters] == [2, 2, 0, 0]
        (_, event) = await world.events_up_to(order["id"], 2)
        assert event.type == "order.line_cancelled"
        await world.quiet()
        assert [(await world.record(sku))["reservedInventory"] for sku in skus] == [2, 1]
        assert await world.read(order["id"]) == answer.json["order"]

    async def test_of_the_guide_get_a_quantity_and_a_property(self, world: World) -> None:
        order = await world.placed(an_order(paid=True))
        gift = {"key": "giftWrap", "value": "true"}
        body = [{"lineItemId": "1", "quantity": 3, "properties": [gift]}, {"lineItemId": "nobody"}]

        answer = await patch_lines(world, order["id"], body)
        nobody = await patch_lines(world, order["id"], body[1:])

        form = answer.json["order"]["orderForm"]
        assert (form["lineItems"][0]["quantity"], form["lineItems"][0]["properties"]) == (3, [gift])
        assert form["shipments"][0]["lineItems"] == form["lineItems"]
        assert (answer.json["updatedCount"], answer.json["notFoundCount"]) == (1, 1)
        assert (nobody.status, nobody.problem) == (404, "order-line-not-found")

    async def test_of_which_the_last_units_go_take_the_order_with_them(self, world: World) -> None:
        sku = await world.stock(5)
        order = await world.placed(an_order(sku=sku))
        settings = (await world.shop("GET", "/api/Settings/OrderSettings")).json
        await world.configure(
            "OrderSettings", settings | {"cancelOrderIfAllLineItemsCancelled": True}
        )

        answer = await patch_lines(world, order["id"], [{"lineItemId": "1", "canceledQuantity": 2}])

        await world.configure("OrderSettings", settings)
        assert answer.status == 200, answer.json
        assert (answer.json["updatedCount"], answer.json["order"]["status"]) == (1, "OrderCanceled")
        await world.quiet()
        assert (await world.record(sku))["reservedInventory"] == 0
        assert ("void", "succeeded", 998) in await world.operations(order["id"])


class TestRenamedLines:
    async def test_go_on_holding_their_stock_until_they_leave(self, world: World) -> None:
        skus = [await world.stock(5), await world.stock(5)]
        order = await world.placed(two_lines(*skus))
        path = "/api/Orders/PatchLineItemIds"
        body = example_of("POST", path) | {"orderId": order["id"]}

        answer = await world.shop("POST", path, body)
        twins = [{"oldLineItemId": "ERP-10", "newLineItemId": "ERP-20"}]
        refused = await world.shop(
            "POST", path, {"orderId": order["id"], "lineItemIdMappings": twins}
        )
        shipped = await world.entered(order["id"], "Ship")

        assert answer.status == 200
        assert answer.json == {
            "isModified": True,
            "totalRequested": 2,
            "updatedCount": 2,
            "notFoundCount": 0,
            "errorMessage": None,
            "details": {
                "orderFormLineItemsUpdated": 2,
                "shipmentLineItemsUpdated": 2,
                "returnOrderFormLineItemsUpdated": 0,
            },
        }
        assert [one["path"] for one in refused.json["errors"]] == [
            "lineItemIdMappings[0].newLineItemId"
        ]
        form = shipped["order"]["orderForm"]
        assert [line["lineItemId"] for line in form["lineItems"]] == ["ERP-10", "ERP-20"]
        assert form["shipments"][0]["lineItems"] == form["lineItems"]
        await world.quiet()
        for sku in skus:
            record = await world.record(sku)
            assert (record["inventory"], record["reservedInventory"]) == (3, 0)


async def test_the_books_are_in_order_after_all_that(world: World) -> None:
    await world.quiet()

    found = await world.shop("POST", "/api/Reconcile")

    assert found.json["differences"] == []
