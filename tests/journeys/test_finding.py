"""How those who integrate find orders, while these go their way."""

from uuid import uuid4

from tests.builders import the_reference_body
from tests.journeys.world import Json, World, an_order


async def ids(world: World, path: str, body: Json = None) -> list[str]:
    """Return the ids of the orders that are answered: to a POST with a body, else to a GET."""
    answer = await world.shop("GET" if body is None else "POST", f"/api/Orders/{path}", body)
    assert answer.status == 200, answer.json
    assert answer.json["items"] == answer.json["result"]
    return [order["id"] for order in answer.json["items"]]


class TestOrders:
    async def test_are_found_by_the_examples_of_the_documents(self, world: World) -> None:
        erp = {"properties": [{"key": "ErpReference", "value": "SAP-12345"}]}
        example = await world.placed(
            the_reference_body() | {"created": "2024-06-01T10:00:00Z"} | erp
        )
        order_id, customer = example["id"], example["customerId"]
        reference = {
            "selectedStores": ["WebShop"],
            "selectedStatuses": ["New", "InProgress"],
            "createdFrom": "2024-01-01T00:00:00Z",
            "createdTo": "2024-12-31T23:59:59Z",
            "searchText": "Nordmann",
            "sortOrder": "CreatedDescending",
            "take": 20,
            "page": 1,
        }

        of_the_guide = {"take": 5, "page": 0, "sortOrder": "CreatedDescending"}

        assert await ids(world, "Search", reference) == [order_id]
        assert len(await ids(world, "Search", of_the_guide)) > 0
        assert await ids(world, "Scroll", reference) == [order_id]
        listed = "GetOrders?storeId=WebShop&status=New&status=InProgress&page=1&pageSize=50"
        assert order_id in await ids(world, listed)
        typed = "GetOrders/ByOrderType?storeId=WebShop&orderTypes=Online&orderTypes=ClickAndCollect"
        assert order_id in await ids(world, f"{typed}&page=1")
        assert await ids(world, f"Customers/{customer}/Orders?page=1&pageSize=10") == [order_id]
        assert await ids(world, f"Customers/{customer}/Orders/Search", reference) == [order_id]
        by_property = "SearchByCustomProperties?key=ErpReference&value=SAP-12345"
        assert await ids(world, by_property, {}) == [order_id]
        count = await world.shop("GET", "/api/Orders/GetOrders/Count?storeId=WebShop")
        assert count.json >= 1

    async def test_are_found_as_they_are_after_each_step(self, world: World) -> None:
        market = f"M{uuid4().hex[:8]}"
        sku = await world.stock(10)
        mine = {"selectedMarkets": [market]}
        first = await world.placed(an_order(sku=sku, marketId=market))
        second = await world.placed(an_order(sku=sku, marketId=market, customerName="Åse Lie"))
        scroll = await world.shop("POST", "/api/Orders/Scroll", mine | {"take": 1})
        since = second["modified"]

        await world.entered(first["id"], "InProgress")

        assert await ids(world, "Search", mine | {"selectedStatuses": ["New"]}) == [second["id"]]
        assert await ids(world, "Search", mine | {"paymentStatuses": ["Paid"]}) == [
            second["id"],
            first["id"],
        ]
        assert await ids(world, "Search", mine | {"inventoryStatus": "InStock"}) == [
            second["id"],
            first["id"],
        ]
        assert await ids(world, "Search", mine | {"searchText": "ase"}) == [second["id"]]
        assert await ids(world, "Search", mine | {"productNumbers": [sku]}) == [
            second["id"],
            first["id"],
        ]

        changed = await world.shop("GET", f"/api/Orders/GetOrders?changedSince={since}")
        by_id = {order["id"]: order["status"] for order in changed.json["items"]}
        assert by_id.items() >= {(first["id"], "InProgress"), (second["id"], "New")}
        facets = (await world.shop("POST", "/api/Orders/Search", mine)).json["facets"]
        assert [(one["value"], one["count"]) for one in facets[0]["facets"]] == [
            ("InProgress", 1),
            ("New", 1),
        ]

        # The scroll began before the step, so it knows nothing of it.
        rest = await world.shop("GET", f"/api/Orders/Scroll/{scroll.json['scrollId']}")
        end = await world.shop("GET", f"/api/Orders/Scroll/{rest.json['scrollId']}")
        assert [order["status"] for order in scroll.json["items"] + rest.json["items"]] == [
            "New",
            "New",
        ]
        assert end.json["items"] == []
