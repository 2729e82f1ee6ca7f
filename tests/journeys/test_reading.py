"""What an order was, and the other ways to find it."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import uuid4

import bson
from pydantic_core import from_json, to_json

from contracts.settings import DEFAULT
from tests.journeys.world import Json, World, an_order


def paid(amount: int) -> Json:
    return [
        {
            "id": "p-1",
            "amount": amount,
            "paymentMethodName": "Invoice",
            "transactionId": "t-1",
            "transactionType": "Authorization",
            "status": "Processed",
        }
    ]


class TestVersions:
    async def test_of_an_order_can_all_be_read_and_cost_little(self, world: World) -> None:
        sku = await world.stock(5)
        told = [await world.placed(an_order(sku=sku))]
        order_id = told[0]["id"]
        path = f"/api/Orders/{order_id}"
        for amount in range(100, 2300, 100):
            answer = await world.shop("PUT", f"{path}/PutPayments", paid(amount))
            told.append(answer.json)
        same = told[-1]["orderForm"]["payments"]
        unchanged = await world.shop("PUT", f"{path}/PutPayments", same)
        told.append((await world.entered(order_id, "InProgress"))["order"])
        cancelled = (await world.entered(order_id, "OrderCanceled"))["order"]
        last = cancelled["version"]

        by_number = [await world.shop("GET", f"{path}/{n}") for n in range(1, last + 1)]
        by_name = await world.shop("GET", f"{path}/{told[7]['versionId']}")
        page = await world.shop("GET", f"{path}/Events", query={"after": "11"})

        assert unchanged.json["version"] == 23
        # One change may make several events, and each of them is a version.
        numbers = [*range(1, 25), *[last] * (last - 24)]
        assert [one.json["order"]["version"] for one in by_number] == numbers
        assert [one.json["value"] for one in by_number[:24]] == told
        assert [one.json["order"] for one in by_number[24:]] == [cancelled] * (last - 24)
        assert [one.json["version"] for one in by_number] == list(range(1, last + 1))
        assert {one.json["modifiedBy"] for one in by_number} == {"owner"}
        assert by_name.json == by_number[7].json
        events = await world.events_up_to(order_id, last)
        assert page.json["items"] == [from_json(one.data) for one in events[11:]]
        history = await world.db["order_versions"].find({"orderId": order_id}).to_list(None)
        whole = sorted(one["version"] for one in history if "base" not in one)
        assert whole == [1, 11, 21]
        assert sum(len(bson.encode(one)) for one in history) < 10 * len(to_json(told[0]))

    async def test_expire_where_the_settings_say_so(self, world: World) -> None:
        settings = DEFAULT.order_settings.model_dump(mode="json", by_alias=True)
        sku = await world.stock(5)
        for_ever = await world.placed(an_order(sku=sku))
        await world.configure("OrderSettings", settings | {"EventLogOrderPreservationDays": 30})

        order = await world.placed(an_order(sku=sku))
        await world.shop("PUT", f"/api/Orders/{order['id']}/PutPayments", paid(100))
        await world.shop("PUT", f"/api/Orders/{for_ever['id']}/PutPayments", paid(100))
        too_short = await world.shop(
            "PUT", "/api/Settings/OrderSettings", settings | {"versionRetentionDays": 6}
        )
        await world.configure("OrderSettings", settings)

        versions = world.db["order_versions"]
        kept = await versions.find({"orderId": order["id"]}).sort("_id", 1).to_list(None)
        modified = datetime.fromisoformat(order["modified"]).astimezone(UTC)
        assert [one["expires"] for one in kept] == [modified + timedelta(days=37)] * 2
        older = await versions.find({"orderId": for_ever["id"]}).sort("_id", 1).to_list(None)
        assert ["expires" in one for one in older] == [False, True]
        assert (too_short.status, too_short.json["errors"][0]["path"]) == (
            400,
            "versionRetentionDays",
        )
        indexes = await versions.index_information()
        assert indexes["expires_1"]["expireAfterSeconds"] == 0


class TestAnOrder:
    async def test_is_found_by_its_cart_by_its_key_and_among_others(self, world: World) -> None:
        cart, key = f"cart {uuid4().hex}", uuid4().hex
        body = an_order(secretKey=key)
        body["orderForm"]["cartId"] = cart
        order = await world.placed(body)
        order_id = order["id"]

        of_cart = await world.shop("GET", f"/api/Orders/carts/{cart}")
        of_key = await world.shop("GET", f"/api/Orders/secret/{key}")
        exists = await world.shop("HEAD", f"/api/Orders/{order_id}/Exists")
        exist = await world.shop("POST", "/api/Orders/ExistMany", ["nobody", order_id])
        several = await world.shop("GET", f"/api/Orders/GetOrders/ByIds?ids={order_id}&ids=nobody")
        options = await world.shop("GET", f"/api/Orders/{order_id}/GetPaymentOptions")

        assert of_cart.json == of_key.json == order
        assert (exists.status, exist.json) == (200, [order_id])
        assert (several.json["items"], several.json["missingIds"]) == ([order], ["nobody"])
        assert [one["paymentMethodName"] for one in options.json] == ["Manual", "Invoice", "Card"]
        hashed = sha256(key.encode()).digest()
        for query in ({"order.orderForm.cartId": cart}, {"secretKeyHash": hashed}):
            plan = await world.db["orders"].find(query).explain()
            assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
            assert plan["executionStats"]["nReturned"] == 1
