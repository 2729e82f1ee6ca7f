"""Orders that came before their goods (decided 6.1), within seconds."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from tests.harness import until
from tests.journeys.world import Json, World, an_order

LONG = 30.0
"""Seconds that something which happens every second may take on a slow machine."""


@pytest.fixture(scope="module")
async def trying(world: World) -> AsyncIterator[World]:
    """What was short is tried again every second."""
    async with world.every_second("TryReserveOrderLines"):
        yield world


async def holds(world: World, order_id: str, units: int) -> Json:
    """Wait until the order says that its line holds so much; return it."""

    async def there() -> Json:
        path = "order.orderForm.lineItems.0.reservedInventoryQuantity"
        query = {"_id": order_id, path: Decimal(units), "run": None}
        return await world.db["orders"].find_one(query)

    await until(there, within=LONG)
    return await world.read(order_id)


async def test_what_comes_in_goes_to_those_who_have_waited_longest(trying: World) -> None:
    world = trying
    sku = await world.stock(2)
    first, second = [await world.placed(an_order(sku=sku, quantity=units)) for units in (5, 4)]
    cancelled = await world.placed(an_order(sku=sku, quantity=3))
    await world.entered(cancelled["id"], "OrderCanceled")
    full = await world.placed(an_order(sku=await world.stock(9), quantity=1))

    await world.stock(8, sku=sku)
    whole = await holds(world, first["id"], 5)
    part = await holds(world, second["id"], 3)
    await world.stock(30, sku=sku)
    rest = await holds(world, second["id"], 4)
    await world.quiet()

    line = whole["orderForm"]["lineItems"][0]
    assert (line["reservedInventoryQuantity"], line["reservedInventory"]) == (5, True)
    assert part["orderForm"]["lineItems"][0]["reservedInventory"] is False
    assert [await world.held(one["id"]) for one in (first, second, cancelled, full)] == [5, 4, 0, 1]
    assert (await world.record(sku))["reservedInventory"] == 9
    # Each change is told once, and nobody is bothered by what stays short for now.
    assert [one["version"] - first["version"] for one in (whole, rest)] == [1, 2]
    for order in (whole, rest):
        told = await world.events_up_to(order["id"], order["version"])
        await world.hooks_up_to(order["id"], order["version"])
        assert len(told) == order["version"]
        assert order.get("errors") == first.get("errors")
    assert await world.db["orders"].count_documents({"shortage": {"$ne": None}}) == 0
    found = await world.shop("POST", "/api/Reconcile")
    assert [one for one in found.json["differences"] if one["sku"] == sku] == []
