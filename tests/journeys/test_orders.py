"""What becomes of an order, from the shop's call to the last webhook."""

from datetime import datetime
from uuid import UUID

from pydantic_core import from_json

from contracts.settings import DEFAULT
from tests.builders import the_reference_body
from tests.integration.api.calling import Answer
from tests.journeys.world import Json, World, an_order

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


async def by_hand(
    world: World, order_id: str, name: str, *, key: str | None = None, **more: object
) -> Answer:
    """POST RunWorkflowStep."""
    headers = {"idempotency-key": key} if key else {}
    body = {"name": name, **more}
    path = f"/api/Orders/{order_id}/RunWorkflowStep"
    return await world.shop("POST", path, body, headers=headers)


async def done(world: World, order_id: str, name: str, **more: Json) -> Json:
    """POST RunWorkflowStep and return the order; the step alone must have run, and succeeded."""
    answer = await by_hand(world, order_id, name, **more)
    assert answer.status == 200, answer.json
    assert answer.json["workflowExecutionResult"] == {
        "isSuccessful": True,
        "executedSteps": [name],
    }, answer.json
    return answer.json["order"]


async def safe_steps(world: World, order_id: str) -> list[str]:
    explained = await world.shop("GET", f"/api/Orders/{order_id}/Explain")
    return list(explained.json["safeManualSteps"])


class TestAStepByHand:
    async def test_is_run_in_the_status_that_the_order_has(self, world: World) -> None:
        sku = await world.stock(10)
        placed = await world.placed(an_order(sku=sku))
        order_id = placed["id"]
        more = {**placed["orderForm"]["payments"][0], "id": "more", "transactionId": "more"}
        more |= {"amount": 100, "status": "Pending"}
        await world.shop("POST", f"/api/Orders/{order_id}/AddPayments", [more])

        released = await done(world, order_id, "ReduceReservedInventory", userId="kari")
        nothing_held = await world.held(order_id)
        safe = await safe_steps(world, order_id)
        whole = [{"key": "RequireAll", "value": "true"}]
        reserved = await done(world, order_id, "IncreaseReservedInventory", properties=whole)
        authorized = await done(world, order_id, "AuthorizePayment")
        too_soon = await by_hand(world, order_id, "ReduceInventory")
        captured = await done(world, order_id, "CapturePayments")
        await world.enter(order_id, "Ship", skipRunWorkflow=True)
        reduced = await done(world, order_id, "ReduceInventory")
        dated = await done(world, order_id, "SetCompletedDate")
        key = f"mail-{order_id}"
        first = await by_hand(world, order_id, "Notification", key=key)
        again = await by_hand(world, order_id, "Notification", key=key)
        await world.enter(order_id, "OrderCanceled", skipRunWorkflow=True)
        cancelled = await done(world, order_id, "CancelPayments")

        await world.quiet()
        assert (released["status"], released["modifiedBy"]) == ("New", "kari")
        assert nothing_held == 0
        assert safe == ["Notification", "ReduceReservedInventory", "IncreaseReservedInventory"]
        assert reserved["orderForm"]["lineItems"][0]["reservedInventoryQuantity"] == 2
        assert authorized["orderForm"]["authorizedPaymentTotal"] == 1098
        (warned,) = too_soon.json["orderActionExecutionResults"]
        assert (warned["actionStatus"], too_soon.json["isAborted"]) == ("Warning", False)
        assert captured["orderForm"]["capturedPaymentTotal"] == 998
        assert captured["status"] == "New"
        assert reduced["status"] == dated["status"] == "Ship"
        assert "completed" not in reduced
        assert "completed" in dated
        assert again.json == first.json
        assert again.headers["idempotency-replayed"] == "true"
        assert len(await world.mails(placed["customerEmail"], 2)) == 2
        assert cancelled["status"] == "OrderCanceled"
        record = await world.record(sku)
        assert (record["inventory"], record["reservedInventory"]) == (8, 0)
        assert sorted(await world.operations(order_id)) == [
            ("authorize", "succeeded", 100),
            ("authorize", "succeeded", 998),
            ("capture", "succeeded", 998),
            ("credit", "succeeded", 998),
            ("void", "succeeded", 100),
        ]
        events = await world.events_up_to(order_id, cancelled["version"])
        assert await world.read(order_id) == cancelled
        assert len(events) == cancelled["version"]
        assert len(await world.hooks_up_to(order_id, len(events))) == len(events)
        assert [one.type for one in events].count("order.status_changed") == 2

    async def test_is_one_that_is_known_and_that_the_settings_let_run(self, world: World) -> None:
        order = await world.placed(an_order(paid=True))
        settings = DEFAULT.order_settings.model_dump(mode="json", by_alias=True)
        steps = [{"Name": "ResendConfirmation"}, {"Name": "SyncToERP"}]

        unknown = await by_hand(world, order["id"], "SyncToERP")
        nameless = await by_hand(world, order["id"], "")
        limited = {**settings, "availableManualWorkflowSteps": steps}
        await world.configure("OrderSettings", limited)
        try:
            others = [
                await by_hand(world, order["id"], name) for name in ("SyncToERP", "CapturePayments")
            ]
            safe = await safe_steps(world, order["id"])
            unchanged = await world.read(order["id"])
            await done(world, order["id"], "ResendConfirmation")
        finally:
            await world.configure("OrderSettings", settings)

        assert (unknown.status, unknown.problem) == (400, "step-not-available")
        (fault,) = unknown.json["errors"]
        assert (fault["path"], fault["got"]) == ("name", "SyncToERP")
        assert "one of IncreaseReservedInventory, ReduceReservedInventory" in fault["message"]
        assert (nameless.status, nameless.problem) == (400, "validation-failed")
        assert {one.problem for one in others} == {"step-not-available"}
        assert {one.json["errors"][0]["message"] for one in others} == {
            "expected one of ResendConfirmation"
        }
        assert safe == ["ResendConfirmation"]
        assert unchanged == order
