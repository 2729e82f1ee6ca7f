"""What becomes of an order, from the shop's call to the last webhook."""

from datetime import datetime
from uuid import UUID

from pydantic_core import from_json

from tests.builders import the_reference_body
from tests.journeys.world import World, an_order

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class TestAnOrder:
    async def test_travels_from_the_call_to_the_webhook_and_happens_once(
        self, world: World
    ) -> None:
        body = the_reference_body()
        order_id = body["id"]
        await world.stock(10, sku="SKU-001", warehouse="MainWarehouse")

        answer = await world.place(body, traceparent=TRACEPARENT)

        assert answer.status == 201
        assert answer.headers["location"] == f"/api/Orders/{order_id}"
        order = answer.json
        form = order["orderForm"]
        assert (form["total"], form["taxTotal"], form["totalExclTax"]) == (998, 199.6, 798.4)
        assert order["remainingPayment"] == 0
        assert (order["status"], order["version"], order["orderNumber"]) == ("New", 1, order_id)
        assert [line["reservedInventoryQuantity"] for line in form["lineItems"]] == [2]

        (event,) = await world.events_up_to(order_id, 1)
        headers = {name: value.decode() for name, value in event.headers()}
        assert UUID(headers["ce_id"]) == event.id
        assert headers["ce_specversion"] == "1.0"
        assert headers["ce_type"] == "order.created"
        assert headers["ce_source"] == "kontor"
        assert headers["ce_subject"] == order_id
        assert datetime.fromisoformat(headers["ce_time"]).tzinfo is not None
        assert headers["ce_dataschema"].endswith("/order.created.json")
        assert headers["ce_sequence"] == "1"
        assert UUID(headers["ce_correlationid"])
        assert UUID(headers["ce_causationid"])
        assert headers["ce_traceparent"] == TRACEPARENT

        (got,) = await world.hooks_up_to(order_id, 1)
        assert got.headers["traceparent"] == TRACEPARENT
        assert got.id == str(event.id)
        assert got.json["type"] == "order.created"
        assert got.json["data"]["order"] == order
        assert got.json["data"]["changes"] == []

        (mail,) = await world.mails(body["customerEmail"], 1)
        assert order_id in mail.mail["Subject"] + mail.part("plain")

        await world.quiet()
        assert await world.read(order_id) == order
        assert await world.held(order_id) == 2
        record = await world.record("SKU-001", "MainWarehouse")
        assert (record["inventory"], record["reservedInventory"]) == (10, 2)
        assert len(await world.ledger("SKU-001")) == 2  # what came in, what was set aside
        assert len(await world.mails(body["customerEmail"], 1)) == 1
        assert world.hook.sequences(order_id) == [1]

        explained = await world.shop("GET", f"/api/Orders/{order_id}/Explain")
        assert explained.status == 200
        assert explained.json.get("run") is None
        assert [one["quantity"] for one in explained.json["reservations"]] == [2]
        events = await world.shop("GET", f"/api/Orders/{order_id}/Events")
        assert [one["sequence"] for one in events.json["items"]] == [1]
        assert events.json["items"][0]["order"] == order

    async def test_leaves_in_two_shipments_each_with_its_goods_and_its_money(
        self, world: World
    ) -> None:
        sku = await world.stock(10)
        body = an_order(sku=sku)
        form = body["orderForm"]
        gift = {"lineItemId": "2", "code": sku, "placedPrice": 100, "quantity": 1, "taxRate": 25}
        form["lineItems"].append(gift)
        form["payments"][0]["amount"] = 1098
        second = {**form["shipments"][0], "shipmentId": "2", "lineItems": [gift]}
        form["shipments"].append(second)
        order_id = (await world.placed(body))["id"]
        bring = {"shipmentId": "2", "shipmentMethodName": "Bring", "trackingNumber": "T-2"}

        first = await world.enter(order_id, "Ship", shipmentInfo=bring)
        rest = await world.enter(order_id, "Ship", shipmentInfo={"shipmentId": "1"})

        shipped = first.json["order"]
        assert (first.status, first.json["isAborted"], shipped["status"]) == (200, False, "New")
        assert [one["orderStatus"] for one in shipped["orderForm"]["shipments"]] == ["New", "Ship"]
        assert shipped["orderForm"]["shipments"][1]["shippingMethodName"] == "Bring"
        assert shipped["orderForm"]["capturedPaymentTotal"] == 100
        assert (rest.status, rest.json["order"]["status"]) == (200, "Ship")
        assert rest.json["order"]["orderForm"]["capturedPaymentTotal"] == 1098
        await world.quiet()
        events = [one.type for one in world.events(order_id)]
        assert events == [
            "order.created",
            "order.payment_updated",
            "order.shipment_updated",
            "order.status_changed",
            "order.payment_updated",
        ]
        record = await world.record(sku)
        assert (record["inventory"], record["reservedInventory"]) == (7, 0)

    async def test_goes_from_new_to_completed(self, world: World) -> None:
        sku = await world.stock(10)
        order = await world.placed(an_order(sku=sku))
        order_id = order["id"]

        in_progress = await world.entered(order_id, "InProgress")
        packed = await world.entered(order_id, "PackedAndReady")
        shipped = await world.entered(order_id, "Ship")
        completed = await world.entered(order_id, "Completed")

        assert in_progress["orderActionExecutionResults"] == []
        assert packed["workflowExecutionResult"]["executedSteps"] == ["CompleteShipment"]
        assert [
            (one["actionType"], one["actionStatus"])
            for one in shipped["orderActionExecutionResults"]
        ] == [
            ("CapturePayments", "Success"),
            ("ReduceInventory", "Success"),
            ("Notification", "Success"),
        ]
        assert not shipped["isAborted"]
        assert completed["order"]["completed"]

        events = await world.events_up_to(order_id, 7)
        assert [one.type for one in events] == [
            "order.created",
            "order.status_changed",
            "order.status_changed",
            "order.status_changed",
            "order.payment_updated",
            "order.status_changed",
            "order.completed",
        ]
        await world.hooks_up_to(order_id, 7)
        await world.quiet()
        after = await world.read(order_id)
        assert after == completed["order"]
        assert after["version"] == 7
        assert after["versionId"].startswith("7-")
        assert after["modifiedBy"] == "owner"
        assert after["modified"] > order["modified"]
        form = after["orderForm"]
        assert (form["authorizedPaymentTotal"], form["capturedPaymentTotal"]) == (998, 998)
        assert [one["transactionType"] for one in form["payments"]] == ["Authorization", "Capture"]
        assert [line["deliveredQuantity"] for line in form["lineItems"]] == [2]
        assert [line["cost"] for line in form["lineItems"]] == [200]
        assert await world.operations(order_id) == [
            ("authorize", "succeeded", 998),
            ("capture", "succeeded", 998),
        ]
        record = await world.record(sku)
        assert (record["inventory"], record["reservedInventory"]) == (8, 0)
        ledger = await world.ledger(sku)
        assert len(ledger) == 3
        assert len(await world.mails(order["customerEmail"], 2)) == 2

    async def test_that_is_cancelled_holds_nothing_any_more(self, world: World) -> None:
        sku = await world.stock(10)
        order_id = (await world.placed(an_order(sku=sku)))["id"]

        result = await world.entered(order_id, "OrderCanceled")

        assert result["workflowExecutionResult"]["executedSteps"] == [
            "CancelPayments",
            "ReduceReservedInventory",
            "SetCanceledDate",
            "Notification",
        ]
        form = result["order"]["orderForm"]
        assert all(line["canceledDate"] for line in form["lineItems"])
        assert form["authorizedPaymentTotal"] == 0
        assert [one["transactionType"] for one in form["payments"]] == ["Authorization", "Void"]
        assert [line["reservedInventoryQuantity"] for line in form["lineItems"]] == [0]
        events = await world.events_up_to(order_id, 4)
        assert [one.type for one in events[1:]] == [
            "order.status_changed",
            "order.cancelled",
            "order.payment_updated",
        ]
        await world.quiet()
        assert await world.held(order_id) == 0
        record = await world.record(sku)
        assert (record["inventory"], record["reservedInventory"]) == (10, 0)

    async def test_tells_who_moved_it_and_from_where(self, world: World) -> None:
        order = await world.placed(an_order())

        moved = await world.enter(order["id"], "InProgress", userId="kari")
        again = await world.enter(order["id"], "InProgress", userId="ola")
        skipped = await world.enter(order["id"], "Completed", skipRunWorkflow=True)
        same = await world.enter(order["id"], "Completed", skipRunWorkflow=True)

        bodies = [from_json(one.data) for one in await world.events_up_to(order["id"], 5)]
        assert (same.status, same.json["orderActionExecutionResults"]) == (200, [])
        assert same.json["order"] == skipped.json["order"]
        assert [
            one["type"] for one in (got.json for got in await world.hooks_up_to(order["id"], 5))
        ] == [
            "order.created",
            "order.status_changed",
            "order.updated",
            "order.status_changed",
            "order.completed",
        ]
        assert [one.get("previousStatus") for one in bodies] == [
            None,
            "New",
            "InProgress",
            "InProgress",
            "InProgress",
        ]
        assert [one["userId"] for one in bodies] == ["owner", "kari", "ola", "owner", "owner"]
        assert bodies[1]["changes"][0] == {"path": "status", "from": "New", "to": "InProgress"}
        assert bodies[2]["changes"] == []
        assert moved.json["order"]["modifiedBy"] == "kari"
        assert again.json["order"]["version"] == 3
        assert skipped.json["workflowExecutionResult"]["executedSteps"] == []
        lines = skipped.json["order"]["orderForm"]["lineItems"]
        assert [line["deliveredQuantity"] for line in lines] == [2]

    async def test_that_is_collected_goes_its_own_way(self, world: World) -> None:
        sku = await world.stock(10)
        order = await world.placed(an_order(sku=sku, orderType="ClickAndCollect"))
        order_id = order["id"]

        await world.entered(order_id, "InProgress")
        ready = await world.entered(order_id, "ReadyForPickup")
        picked_up = await world.entered(order_id, "PickedUp")

        assert order["tags"] == ["ClickAndCollect"]
        assert ready["order"]["readyForPickup"]
        assert picked_up["order"]["completed"]
        assert picked_up["order"]["orderForm"]["capturedPaymentTotal"] == 998
        await world.quiet()
        assert (await world.record(sku))["inventory"] == 8
        assert len(await world.mails(order["customerEmail"], 2)) == 2

    async def test_is_moved_on_by_the_quick_process_as_its_setting_says(self, world: World) -> None:
        sku = await world.stock(10)
        quick, usual = [await world.placed(an_order(sku=sku, paid=True)) for _ in range(2)]
        path = f"/api/Orders/{quick['id']}/QuickProcess"
        unset = await world.shop("POST", path)

        try:
            await world.configure("OrderSettings", {"defaultQuickProcessOrderStatus": "Nowhere"})
            unknown = await world.shop("POST", path)
            await world.configure("OrderSettings", {"defaultQuickProcessOrderStatus": "Ship"})
            stale = await world.shop("POST", path, headers={"if-match": '"7"'})
            moved = await world.shop("POST", path, headers={"if-match": '"1"'})
        finally:
            await world.configure("OrderSettings", {})

        entered = await world.entered(usual["id"], "Ship")
        await world.quiet()
        assert (unset.status, unset.problem) == (409, "quick-process-not-configured")
        assert "defaultQuickProcessOrderStatus" in unset.json["detail"]
        assert (unknown.status, unknown.problem) == (400, "unknown-status")
        assert (stale.status, stale.problem) == (412, "precondition-failed")
        assert (moved.status, moved.json["order"]["status"]) == (200, "Ship")
        results = "orderActionExecutionResults"
        assert moved.json[results] == entered[results] != []
        told = (await world.events_up_to(quick["id"], moved.json["order"]["version"]))[1]
        assert from_json(told.data)["origin"] == "POST /api/Orders/{orderId}/QuickProcess"
        assert await world.held(quick["id"]) == 0
