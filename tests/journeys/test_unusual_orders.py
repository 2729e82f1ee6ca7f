"""Orders at the edges: unknown words, no lines, very many, very large, every member, any key."""

import copy
import json
from decimal import Decimal

import pytest

from tests.builders import the_reference_body
from tests.journeys.filled import every_member, leaves
from tests.journeys.world import Json, World, an_order

OURS = frozenset(
    # Who changed what when, and what stock is held.
    {"modified", "modifiedBy", "version", "versionId"}
    | {"reservedInventory", "reservedInventoryQuantity"}
)
"""Members that Kontor writes whatever a client says."""

LIVED = frozenset({"completed", "readyForPickup", "customerPickupDeadline", "isNewCustomer"})
"""Members of the order itself that only its life here brings about (S0: calculated)."""

CALCULATED = frozenset(
    {
        "authorizedPaymentTotal",
        "capturedPaymentTotal",
        "costTotal",
        "creditPaymentTotal",
        "discountAmount",
        "discountTotalIncVat",
        "discounted",
        "discountedExclTax",
        "discountedPrice",
        "discountedPriceExclTax",
        "extendedPrice",
        "extendedPriceExclTax",
        "lineItemsCost",
        "netTotal",
        "netTotalExclTax",
        "orderDiscountAmount",
        "placedPriceExclTax",
        "remainingPayment",
        "shippingDiscountAmount",
        "shippingDiscountTotal",
        "shippingSubTotal",
        "shippingSubTotalExclTax",
        "shippingTax",
        "shippingTaxTotal",
        "shippingTotal",
        "subTotal",
        "subTotalExclTax",
        "taxTotal",
        "total",
        "totalExclTax",
    }
)
"""Amounts that are worked out anew (domain 6)."""


def errors(order: Json) -> dict[str, str]:
    return {one["key"]: one["severity"] for one in order.get("errors", ())}


def with_large_lines(sku: str, *, count: int) -> Json:
    """Return an order of so many lines of 32 kB each, to be sent from WH1."""
    body = an_order(sku=sku, storeId="WH1")
    line = body["orderForm"]["lineItems"][0]
    text = "The quick brown fox jumps over the lazy dog. " * 720
    body["orderForm"]["lineItems"] = [
        line
        | {
            "lineItemId": str(n),
            "properties": [{"key": "story", "value": f"{n} {text}"[:32_000]}],
        }
        for n in range(count)
    ]
    body["orderForm"]["payments"][0]["amount"] = 998 * count
    del body["orderForm"]["shipments"]
    return body


class TestUnknownWords:
    @pytest.mark.parametrize(
        ("change", "key"),
        [
            ({"status": "Somewhere"}, "status"),
            ({"orderType": "Barter"}, "orderType"),
            ({"marketId": "ATL"}, "marketId"),
            ({"storeId": "Attic"}, "storeId"),
        ],
    )
    async def test_are_stored_with_a_warning(
        self, world: World, change: dict[str, object], key: str
    ) -> None:
        order = await world.placed(an_order() | change)

        assert order[key] == change[key]
        assert errors(order) == {key: "Warning"}
        assert await world.read(order["id"]) == order

    async def test_run_nothing(self, world: World) -> None:
        sku = await world.stock(10)

        order = await world.placed(an_order(sku=sku, status="Somewhere"))
        moved = await world.entered(order["id"], "InProgress")

        await world.quiet()
        assert await world.held(order["id"]) == 0
        assert moved["order"]["status"] == "InProgress"

    async def test_of_members_are_ignored_and_named(self, world: World) -> None:
        body = an_order(loyalty={"level": 3})
        body["orderForm"]["lineItems"][0]["giftWrap"] = True

        answer = await world.place(body)

        assert answer.status == 201
        assert set(answer.headers["ignored-fields"].split(", ")) == {
            "loyalty",
            "orderForm.lineItems[0].giftWrap",
        }
        version = await world.db["order_versions"].find_one({"orderId": body["id"]})
        assert version is not None
        assert set(version["ignoredFields"]) == {"loyalty", "orderForm.lineItems[0].giftWrap"}


class TestSizes:
    async def test_without_lines(self, world: World) -> None:
        body = an_order()
        body["orderForm"] |= {"lineItems": [], "shipments": [], "payments": []}

        order = await world.placed(body)
        bare = an_order()
        del bare["orderForm"]
        second = await world.placed(bare)

        assert (order["status"], order["orderForm"]["total"]) == ("New", 0)
        assert (second["status"], second["orderForm"]["total"]) == ("New", 0)

    async def test_with_a_thousand_lines(self, world: World) -> None:
        sku = await world.stock(5000)
        body = an_order(sku=sku)
        line = body["orderForm"]["lineItems"][0]
        body["orderForm"]["lineItems"] = [line | {"lineItemId": str(n)} for n in range(1000)]
        body["orderForm"]["payments"][0]["amount"] = 998_000
        del body["orderForm"]["shipments"]

        order = await world.placed(body | {"storeId": "WH1"})
        shipped = (await world.entered(order["id"], "Ship"))["order"]

        await world.hooks_up_to(order["id"], 3)
        await world.quiet()
        form = order["orderForm"]
        assert form["total"] == 998_000
        assert {one["reservedInventoryQuantity"] for one in form["lineItems"]} == {2}
        assert [len(one["lineItems"]) for one in form["shipments"]] == [1000]
        assert (await world.record(sku))["inventory"] == 3000
        assert await world.read(order["id"]) == shipped

    async def test_near_the_limit_of_a_body(self, world: World) -> None:
        body = with_large_lines(await world.stock(500), count=155)
        assert 4_900_000 < len(json.dumps(body)) < 5 * 1024 * 1024

        order = await world.placed(body)
        entered = await world.entered(order["id"], "InProgress")

        await world.hooks_up_to(order["id"], 2)
        assert await world.read(order["id"]) == entered["order"]
        assert [one["properties"] for one in order["orderForm"]["lineItems"]] == [
            one["properties"] for one in body["orderForm"]["lineItems"]
        ]

    @pytest.mark.parametrize(("lines", "shipments"), [(162, 1), (40, 10)])
    async def test_that_no_event_could_carry_are_refused(
        self, world: World, lines: int, shipments: int
    ) -> None:
        body = with_large_lines("SKU-001", count=lines)
        body["orderForm"]["shipments"] = [
            {
                "shipmentId": str(n),
                "lineItems": [{"lineItemId": str(line), "quantity": 0} for line in range(lines)],
            }
            for n in range(shipments)
        ]
        assert len(json.dumps(body)) < 5 * 1024 * 1024

        answer = await world.place(body)

        assert (answer.status, answer.problem) == (413, "too-large")
        assert (await world.shop("GET", f"/api/Orders/{body['id']}")).status == 404


class TestMembers:
    async def test_of_every_name_come_back_as_they_were_sent(self, world: World) -> None:
        body = every_member()
        body |= {"id": "ORD-EVERYTHING", "marketId": "NOR", "storeId": "WebShop"}

        answer = await world.place(body)

        assert answer.status == 201, answer.json
        order = await world.read(body["id"])
        assert order == answer.json
        sent, got = leaves(body), leaves(order)
        changed = {path for path, value in sent.items() if path not in got or got[path] != value}
        changed -= LIVED | {path for path in changed if ".orderStatusLog[" in path}
        names = {path.rsplit(".", 1)[-1].split("[")[0] for path in changed}
        assert sorted(names - OURS - CALCULATED) == []

    @pytest.mark.parametrize("key", ["a.b", "$set", "$a.b.$c", "", ".", "orderForm.total", "æ ø"])
    async def test_named_by_the_client_may_have_any_name(self, world: World, key: str) -> None:
        body = an_order(properties=[{"key": key, "value": "$1.50"}])
        body["orderForm"]["lineItems"][0]["properties"] = [{"key": key, "value": key}]

        order = await world.placed(body)
        moved = (await world.entered(order["id"], "InProgress"))["order"]

        assert moved["properties"] == body["properties"]
        assert moved["orderForm"]["lineItems"][0]["properties"][0]["value"] == key
        assert await world.read(order["id"]) == moved


class TestGoldenFixtures:
    """Domain 6.10, from the call to what is stored."""

    def body(self, *lines: Json, percent: int | None = None, paid: float | None = None) -> Json:
        body = an_order()
        form = body["orderForm"]
        form["lineItems"] = [
            {"lineItemId": str(n), "code": f"SKU-{n}", "taxRate": 25, **line}
            for n, line in enumerate(lines)
        ]
        form["shipments"] = []
        form["payments"] = []
        if percent is not None:
            form["discounts"] = [
                {
                    "discountId": "d",
                    "discountType": "Order",
                    "rewardType": "Percentage",
                    "discountValue": percent,
                }
            ]
        if paid is not None:
            form["payments"] = [
                copy.deepcopy(the_reference_body()["orderForm"]["payments"][0]) | {"amount": paid}
            ]
        return body

    async def placed(self, world: World, body: Json) -> Json:
        order = await world.placed(body)
        assert await world.read(order["id"]) == order
        return order

    async def test_f1(self, world: World) -> None:
        body = self.body({"placedPrice": 99, "quantity": 1}, percent=50, paid=49.5)

        order = await self.placed(world, body)

        (line,) = order["orderForm"]["lineItems"]
        assert line["placedPriceExclTax"] == 79.2
        assert (line["discountedPrice"], line["orderDiscountAmount"]) == (99, 49.5)
        assert (line["extendedPrice"], line["extendedPriceExclTax"]) == (49.5, 39.6)
        assert line["taxTotal"] == 9.9
        assert order["orderForm"]["subTotal"] == order["orderForm"]["total"] == 49.5
        assert order["remainingPayment"] == 0
        assert (order["netTotal"], order["netTotalExclTax"]) == (49.5, 39.6)

    async def test_f2(self, world: World) -> None:
        order = await self.placed(world, self.body({"placedPrice": 500, "quantity": 2}, percent=10))

        (line,) = order["orderForm"]["lineItems"]
        assert (line["discountedPrice"], line["discountedPriceExclTax"]) == (1000, 800)
        assert line["orderDiscountAmount"] == 100
        assert (line["extendedPrice"], line["extendedPriceExclTax"]) == (900, 720)
        assert line["taxTotal"] == 180

    async def test_f3(self, world: World) -> None:
        body = self.body(
            {"placedPrice": 38900, "quantity": 1},
            {"placedPrice": 199, "quantity": 1, "discounted": 199},
            {"placedPrice": 1699, "quantity": 1},
            percent=10,
        )

        order = await self.placed(world, body)

        form = order["orderForm"]
        assert [one["discountAmount"] for one in form["discounts"]] == [4079.8]
        assert form["discountAmount"] == 4079.8
        a, b, c = form["lineItems"]
        assert (a["orderDiscountAmount"], a["extendedPrice"]) == (3909.07, 34990.93)
        assert (a["extendedPriceExclTax"], a["taxTotal"]) == (27992.74, 6998.19)
        assert b["extendedPrice"] == 0
        assert (c["orderDiscountAmount"], c["extendedPrice"]) == (170.73, 1528.27)
        assert (c["extendedPriceExclTax"], c["taxTotal"]) == (1222.62, 305.65)
        assert form["subTotal"] == form["total"] == 36519.2
        assert (form["totalExclTax"], form["taxTotal"]) == (29215.36, 7303.84)
        stored = await world.db["orders"].find_one({"_id": order["id"]})
        assert stored is not None
        assert stored["order"]["orderForm"]["total"] == Decimal("36519.20")

    async def test_f4(self, world: World) -> None:
        order = await self.placed(world, self.body({"placedPrice": 499, "quantity": 2}, paid=998))

        form = order["orderForm"]
        assert (form["total"], form["taxTotal"], form["totalExclTax"]) == (998, 199.6, 798.4)
        assert order["remainingPayment"] == 0
