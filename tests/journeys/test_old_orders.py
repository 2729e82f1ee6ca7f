"""Orders that are older than they are kept (S2, DeleteOrdersThreshold), within seconds."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.harness import until
from tests.journeys.world import World, an_order

LONG = 30.0
"""Seconds that something which happens every second may take on a slow machine."""
TASK = "DeleteOldOrders"


@pytest.fixture(scope="module")
async def keeping(world: World) -> AsyncIterator[World]:
    """A world in which the clean-up runs every second once there is a threshold."""
    async with world.every_second(TASK):
        yield world
        await world.configure("OrderSettings", {})


async def test_what_is_older_goes_for_good_and_is_told_once(keeping: World) -> None:
    world = keeping
    sku = await world.stock(100)
    days = {"fresh": 0, "young": 729, "old": 731, "hidden": 2000}
    now = datetime.now(UTC)
    placed = {
        name: await world.placed(an_order(sku=sku, created=(now - timedelta(days=age)).isoformat()))
        for name, age in days.items()
    }
    hidden = await world.shop("DELETE", f"/api/Orders/{placed['hidden']['id']}")
    assert hidden.status == 200, hidden.json

    await world.configure("OrderSettings", {"DeleteOrdersThreshold": 730})

    async def two_are_left() -> bool:
        return await world.db["orders"].count_documents({}) == 2

    await until(two_are_left, within=LONG)
    await world.quiet()
    answers = {
        name: (await world.shop("GET", f"/api/Orders/{one['id']}")).status
        for name, one in placed.items()
    }
    assert answers == {"fresh": 200, "young": 200, "old": 404, "hidden": 404}
    old = placed["old"]
    told = await world.events_up_to(old["id"], old["version"] + 1)
    assert [one.type for one in told].count("order.deleted") == 1
    await world.hooks_up_to(old["id"], old["version"] + 1)
    # Its stock and its hold on money are given up.
    assert await world.held(old["id"]) == 0
    money = world.db["payment_operations"].find({"orderId": {"$regex": f"^{old['id']}/"}})
    assert {one["kind"] async for one in money} == {"authorize", "void"}
    assert (await world.record(sku))["reservedInventory"] == 4
    gone = {one["orderId"]: one async for one in world.db["order_deletions"].find({})}
    assert {one["origin"] for one in gone.values()} == {TASK}
    assert gone.keys() == {old["id"], placed["hidden"]["id"]}
