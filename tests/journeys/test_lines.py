"""Lines come, go and are marked; payments are added."""

from collections.abc import AsyncIterator

import pytest

from services.api.entrypoints.documentation.examples import example_of
from tests.integration.api.calling import Caller, keep_client
from tests.journeys.world import Json, World, an_order


def lines(order: Json) -> dict[str, Json]:
    """Return the order's lines by id."""
    return {line["lineItemId"]: line for line in order["orderForm"]["lineItems"]}


def a_line(id_: str, sku: str, quantity: int = 2) -> Json:
    return {"lineItemId": id_, "code": sku, "placedPrice": 100, "quantity": quantity, "taxRate": 25}


def with_lines(*some: Json) -> Json:
    """Return the body of an order with these lines, all in one shipment from WH1."""
    body = an_order()
    body["orderForm"]["lineItems"] = list(some)
    body["orderForm"]["shipments"][0]["lineItems"] = [
        {"lineItemId": line["lineItemId"], "quantity": line["quantity"]} for line in some
    ]
    return body


class TestAddedLines:
    async def test_are_priced_and_leave_with_the_first_open_shipment(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        path = f"/api/Orders/{order['id']}/OrderLines"

        answer = await world.shop(
            "POST", path, example_of("POST", "/api/Orders/{orderId}/OrderLines")
        )

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        form = answer.json["orderForm"]
        assert [(x["lineItemId"], x["extendedPrice"]) for x in form["lineItems"]] == [
            ("1", 998),
            ("3", 299),
        ]
        assert [x["lineItemId"] for x in form["shipments"][0]["lineItems"]] == ["1", "3"]
        assert (form["total"], answer.json["remainingPayment"]) == (1297, 299)
        event = (await world.events_up_to(order["id"], 2))[-1]
        assert event.type == "order.updated"
        assert await world.read(order["id"]) == answer.json

    async def test_go_to_the_shipment_that_is_named(self, world: World) -> None:
        body = with_lines(a_line("1", "SKU-A"), a_line("2", "SKU-B"))
        first = body["orderForm"]["shipments"][0]
        second = {**first, "shipmentId": "far", "lineItems": [first["lineItems"].pop()]}
        body["orderForm"]["shipments"].append(second)
        order = await world.placed(body)
        path = f"/api/Orders/{order['id']}/AddManyOrderLines"
        more = [a_line("3", "SKU-C"), a_line("4", "SKU-D")]

        named = await world.shop("POST", f"{path}?shipmentId=far", more)
        nowhere = await world.shop("POST", f"{path}?shipmentId=none", [a_line("5", "SKU-E")])

        shipments = named.json["orderForm"]["shipments"]
        assert [[x["lineItemId"] for x in one["lineItems"]] for one in shipments] == [
            ["1"],
            ["2", "3", "4"],
        ]
        assert (nowhere.status, nowhere.problem) == (404, "shipment-not-found")

    async def test_that_cannot_be_are_refused_and_nothing_is_stored(self, world: World) -> None:
        order = await world.placed(with_lines(a_line("1", "SKU-A")))
        path = f"/api/Orders/{order['id']}"
        twins = [a_line("2", "SKU-B"), a_line("3", "SKU-C"), a_line("2", "SKU-D")]
        many = [a_line(f"n{number}", "SKU-B") for number in range(1000)]

        known = await world.shop("POST", f"{path}/AddManyOrderLines", [a_line("1", "SKU-B")])
        alone = await world.shop("POST", f"{path}/OrderLines", a_line("1", "SKU-B"))
        alike = await world.shop("POST", f"{path}/AddManyOrderLines", twins)
        full = await world.shop("POST", f"{path}/AddManyOrderLines", many)
        more = await world.shop("POST", f"{path}/AddManyOrderLines", [*many, a_line("x", "SKU")])
        gone = await world.shop("POST", "/api/Orders/nobody/OrderLines", a_line("1", "SKU-B"))

        assert (known.status, known.problem) == (409, "duplicate-line-item-id")
        assert [one["path"] for one in known.json["errors"]] == ["[0].lineItemId"]
        assert [one["path"] for one in alone.json["errors"]] == ["lineItemId"]
        assert alike.status == 400
        assert [one["path"] for one in alike.json["errors"]] == [
            "[0].lineItemId",
            "[2].lineItemId",
        ]
        assert (full.status, full.json["errors"][0]["path"]) == (400, "orderForm.lineItems")
        assert (more.status, more.problem) == (400, "validation-failed")
        assert (gone.status, gone.problem) == (404, "order-not-found")
        assert await world.read(order["id"]) == order


class TestACancelledLine:
    async def test_frees_its_stock_and_is_told(self, world: World) -> None:
        cups, jugs = await world.stock(5), await world.stock(5)
        order = await world.placed(with_lines(a_line("1", cups), a_line("2", jugs, 3)))
        path = f"/api/Orders/{order['id']}/OrderLines/2/Cancel"

        answer = await world.shop("POST", f"{path}?sendNotifications=true")

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        line = lines(answer.json)["2"]
        assert (line["canceledQuantity"], line["extendedPrice"]) == (3, 0)
        assert (line["originalExtendedPricePerUnit"], line["reservedInventoryQuantity"]) == (100, 0)
        assert "canceledDate" in line
        assert answer.json["orderForm"]["total"] == 200
        assert answer.json["status"] == "New"
        event = (await world.events_up_to(order["id"], 2))[-1]
        assert event.type == "order.line_cancelled"
        told = (await world.hooks_up_to(order["id"], 2))[-1].json["data"]
        assert (told["operationId"], told["category"]) == (310106, "Canceled")
        news = (await world.mails(order["customerEmail"], 2))[-1]
        assert "cancelled" in news.mail["Subject"]
        assert "3 x" in news.part("plain")
        await world.quiet()
        assert await world.held(order["id"]) == 2
        assert (await world.record(jugs))["reservedInventory"] == 0
        assert (await world.record(cups))["reservedInventory"] == 2
        assert await world.read(order["id"]) == answer.json

    async def test_cannot_be_cancelled_again_nor_when_it_is_delivered(self, world: World) -> None:
        delivered = a_line("2", "SKU-B") | {"deliveredQuantity": 2}
        fixed = a_line("3", "SKU-C") | {"isReadOnly": True}
        order = await world.placed(with_lines(a_line("1", "SKU-A"), delivered, fixed))
        path = f"/api/Orders/{order['id']}/OrderLines"
        await world.shop("POST", f"{path}/1/Cancel")

        again = await world.shop("POST", f"{path}/1/Cancel")
        gone = await world.shop("POST", f"{path}/2/Cancel")
        bound = await world.shop("POST", f"{path}/3/Cancel")
        unknown = await world.shop("POST", f"{path}/9/Cancel")
        nobody = await world.shop("POST", "/api/Orders/nobody/OrderLines/1/Cancel")

        assert (again.status, again.problem) == (400, "order-line-not-cancellable")
        assert (gone.status, gone.problem) == (400, "order-line-not-cancellable")
        assert (bound.status, bound.problem) == (400, "order-line-read-only")
        assert (unknown.status, unknown.problem) == (404, "order-line-not-found")
        assert (nobody.status, nobody.problem) == (404, "order-not-found")

    async def test_in_two_shipments_frees_what_both_hold(self, world: World) -> None:
        sku = await world.stock(4)
        await world.stock(1, sku=sku, warehouse="WH2")
        body = with_lines(a_line("1", sku, 5))
        first = body["orderForm"]["shipments"][0]
        first["lineItems"][0]["quantity"] = 2
        far = {"lineItemId": "1", "quantity": 3}
        second = {**first, "shipmentId": "far", "warehouseCode": "WH2", "lineItems": [far]}
        body["orderForm"]["shipments"].append(second)
        order = await world.placed(body)

        answer = await world.shop("POST", f"/api/Orders/{order['id']}/OrderLines/1/Cancel")

        assert lines(order)["1"]["reservedInventoryQuantity"] == 3
        assert lines(answer.json)["1"]["canceledQuantity"] == 5
        pieces = [one["lineItems"][0] for one in answer.json["orderForm"]["shipments"]]
        assert [(x["quantity"], x["canceledQuantity"]) for x in pieces] == [(2, 2), (3, 3)]
        await world.quiet()
        assert await world.held(order["id"]) == 0
        assert lines(await world.read(order["id"]))["1"]["reservedInventoryQuantity"] == 0


@pytest.fixture
async def _orders_go_with_their_lines(world: World) -> AsyncIterator[None]:
    await world.configure("OrderSettings", {"cancelOrderIfAllLineItemsCancelled": True})
    yield
    await world.configure("OrderSettings", {})


class TestTheLastLine:
    @pytest.mark.usefixtures("_orders_go_with_their_lines")
    async def test_takes_the_order_with_it_where_the_settings_say_so(self, world: World) -> None:
        sku = await world.stock(9)
        order = await world.placed(with_lines(a_line("1", sku), a_line("2", sku)))
        path = f"/api/Orders/{order['id']}/OrderLines"
        key = {"idempotency-key": f"last-{order['id']}"}

        first = await world.shop("POST", f"{path}/1/Cancel")
        last = await world.shop("POST", f"{path}/2/Cancel", headers=key)
        again = await world.shop("POST", f"{path}/2/Cancel", headers=key)

        assert (first.status, first.json["status"]) == (200, "New")
        assert (last.status, last.json["status"]) == (200, "OrderCanceled")
        assert last.json["orderForm"]["authorizedPaymentTotal"] == 0
        assert (again.status, again.json) == (200, last.json)
        events = await world.events_up_to(order["id"], last.json["version"])
        assert [one.type for one in events[2:]] == [
            "order.status_changed",
            "order.cancelled",
            "order.line_cancelled",
            "order.payment_updated",
        ]
        await world.quiet()
        assert await world.held(order["id"]) == 0
        assert await world.read(order["id"]) == last.json

    async def test_leaves_the_order_where_it_is_by_default(self, world: World) -> None:
        order = await world.placed(with_lines(a_line("1", "SKU-A")))

        answer = await world.shop("POST", f"/api/Orders/{order['id']}/OrderLines/1/Cancel")

        assert (answer.status, answer.json["status"]) == (200, "New")


class TestLinesOfManyOrders:
    @pytest.mark.usefixtures("_orders_go_with_their_lines")
    async def test_are_cancelled_and_counted(self, world: World) -> None:
        sku = await world.stock(9)
        one = await world.placed(with_lines(a_line("1", sku), a_line("2", sku), a_line("3", sku)))
        two = await world.placed(with_lines(a_line("1", sku)))
        bound = await world.placed(with_lines(a_line("1", sku)) | {"isReadOnly": True})
        ids = {"ORD-001": one["id"], "ORD-002": two["id"]}
        body = example_of("POST", "/api/Orders/OrderLines/Cancel")
        named = [entry | {"orderId": ids[entry["orderId"]]} for entry in body]
        more = [
            {"orderId": bound["id"], "lineItemIds": ["1"]},
            {"orderId": "nobody", "lineItemIds": ["1"]},
        ]
        path = "/api/Orders/OrderLines/Cancel"
        key = {"idempotency-key": f"many-{one['id']}"}

        answer = await world.shop("POST", path, [*named, *more], headers=key)
        again = await world.shop("POST", path, [*named, *more], headers=key)
        later = await world.shop("POST", path, named)

        assert (answer.status, answer.json) == (200, 3)
        assert (again.status, again.json) == (200, 3)
        assert (later.status, later.json) == (200, 0)
        left = lines(await world.read(one["id"]))
        assert [x.get("canceledQuantity", 0) for x in left.values()] == [2, 2, 0]
        assert (await world.read(two["id"]))["status"] == "OrderCanceled"
        assert await world.read(bound["id"]) == bound
        assert (await world.events_up_to(one["id"], 2))[-1].type == "order.line_cancelled"

    async def test_outside_the_scope_are_left_out(self, world: World) -> None:
        await keep_client(world.db, "canceller", "OrderAdmin", "store-oslo", secret="s")
        oslo = await Caller.signed_in(world.shop.url, "canceller", "s")
        own = await world.placed(an_order(storeId="Oslo"))
        other = await world.placed(an_order(storeId="Bergen"))
        named = [{"orderId": one["id"], "lineItemId": "1"} for one in (own, other)]

        answer = await oslo("POST", "/api/Orders/OrderLines/Cancel", named)

        await oslo.close()
        assert (answer.status, answer.json) == (200, 1)
        assert lines(await world.read(own["id"]))["1"]["canceledQuantity"] == 2
        assert await world.read(other["id"]) == other

    async def test_of_more_than_100_orders_are_refused_whole(self, world: World) -> None:
        path = "/api/Orders/OrderLines/Cancel"
        many = [{"orderId": f"O-{number}", "lineItemId": "1"} for number in range(101)]

        too_many = await world.shop("POST", path, many)
        unnamed = await world.shop("POST", path, [{"orderId": "O-1"}, {"lineItemId": "1"}])

        assert (too_many.status, too_many.problem) == (400, "validation-failed")
        assert [one["path"] for one in unnamed.json["errors"]] == ["[0].lineItemId", "[1].orderId"]


class TestProperties:
    async def test_are_added_to_lines_or_changed(self, world: World) -> None:
        order = await world.placed(with_lines(a_line("1", "SKU-A"), a_line("2", "SKU-B")))
        route = "/api/Orders/{orderId}/AddOrderLineProperties"
        body = example_of("PUT", route)
        path = route.format(orderId=order["id"])
        changed = [{"lineItemId": "1", "properties": [{"key": "CustomField", "value": "other"}]}]

        answer = await world.shop("PUT", path, body)
        same = await world.shop("PUT", path, body)
        other = await world.shop("PUT", path, changed)
        unknown = await world.shop("PUT", path, [*changed, changed[0] | {"lineItemId": "9"}])

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        assert lines(answer.json)["1"]["properties"] == [
            {"key": "CustomField", "value": "CustomValue"}
        ]
        assert same.json == answer.json
        assert [x["value"] for x in lines(other.json)["1"]["properties"]] == ["other"]
        sent = other.json["orderForm"]["shipments"][0]["lineItems"][0]
        assert sent["properties"] == lines(other.json)["1"]["properties"]
        assert (unknown.status, unknown.problem) == (404, "order-line-not-found")
        assert [one["path"] for one in unknown.json["errors"]] == ["[1].lineItemId"]
        event = (await world.events_up_to(order["id"], 3))[-1]
        assert event.type == "order.updated"
        told = (await world.hooks_up_to(order["id"], 3))[-1].json["data"]
        assert told["operationId"] == 310105


class TestPayments:
    async def test_are_added_and_replace_those_with_their_id(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        route = "/api/Orders/{orderId}/AddPayments"
        path = route.format(orderId=order["id"])
        (example,) = example_of("POST", route)

        added = await world.shop("POST", path, [example])
        twice = await world.shop("PUT", path, [example])
        _, first = added.json["orderForm"]["payments"]
        known = {**example, "id": first["id"], "amount": 10, "transactionId": "t-2"}
        replaced = await world.shop("POST", path, [known])

        form = added.json["orderForm"]
        assert (added.status, form["authorizedPaymentTotal"]) == (200, 1996)
        assert len({one["id"] for one in twice.json["orderForm"]["payments"]}) == 3
        _, second, _ = replaced.json["orderForm"]["payments"]
        assert second == {**first, "amount": 10, "transactionId": "t-2"}
        assert replaced.json["orderForm"]["authorizedPaymentTotal"] == 2006
        events = await world.events_up_to(order["id"], 4)
        assert {one.type for one in events[1:]} == {"order.payment_updated"}
        told = (await world.hooks_up_to(order["id"], 4))[-1].json["data"]
        assert told["operationId"] == 310107

    async def test_beyond_250_are_refused(self, world: World) -> None:
        order = await world.placed(an_order())
        path = f"/api/Orders/{order['id']}/AddPayments"
        (example,) = example_of("POST", "/api/Orders/{orderId}/AddPayments")

        many = await world.shop("POST", path, [example] * 250)

        assert (many.status, many.problem) == (400, "too-many-entries")
        assert await world.read(order["id"]) == order
