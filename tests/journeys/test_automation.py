"""Orders that move on by themselves (S2, order automation), within seconds."""

from collections.abc import AsyncIterator

import pytest

from tests.harness import until
from tests.journeys.world import Json, World, an_order

LONG = 30.0
"""Seconds that something which happens every second may take on a slow machine."""


def automation(status: str, condition: str, new_status: str, *, runs: bool = False) -> Json:
    return {
        "OrderType": "Automated",
        "Status": status,
        "Condition": condition,
        "NewStatus": new_status,
        "RunWorkflow": runs,
    }


AUTOMATIONS = [
    automation("AwaitingStock", "BackInStock", "ReadyToShip", runs=True),
    automation("Unauthorized", "PaymentAuthorized", "Authorized"),
    automation("Unpaid", "PaymentCaptured", "Paid"),
    automation("Picking", "AllItemsPicked", "Picked"),
    automation("Shipped", "AllItemsShipped", "Completed", runs=True),
]
RESERVE = [{"Name": "IncreaseReservedInventory"}]


@pytest.fixture(scope="module")
async def automated(world: World) -> AsyncIterator[World]:
    """The automations above, every second, few orders a run, stock for one order at a time.

    Each new status reserves goods.
    """
    names = ["New", *(one["Status"] for one in AUTOMATIONS)]
    statuses = [{"Name": name, "Order": at} for at, name in enumerate(names)]
    statuses += [
        {"Name": one["NewStatus"], "Order": 20, "WorkflowSteps": RESERVE} for one in AUTOMATIONS
    ]
    kind = {"Name": "Automated", "OrderStatuses": statuses}
    answer = await world.shop("GET", "/api/Settings/OrderTypes")
    await world.configure("OrderTypes", [*answer.json, kind])
    automations = {
        "OrderAutomations": AUTOMATIONS,
        "MaxOrdersToProcessPerRun": 4,
        "BackInStockBatchSize": 1,
    }
    settings = {"OrderAutomationSettings": automations, "AutomationIntervalSeconds": 1}
    await world.configure("OrderSettings", settings)
    yield world
    await world.configure("OrderSettings", {})


async def placed(world: World, status: str, sku: str, *, quantity: int = 2) -> str:
    """Post an order of this status; return its id."""
    body = an_order(sku=sku, quantity=quantity)
    answer = await world.placed(body | {"orderType": "Automated", "status": status})
    assert answer["status"] == status
    return str(answer["id"])


async def moved(world: World, order_id: str, status: str) -> Json:
    """Wait until the order is in the status, and free; return it."""

    async def there() -> Json:
        query = {"_id": order_id, "order.status": status, "run": None}
        return await world.db["orders"].find_one(query)

    await until(there, within=LONG)
    return await world.read(order_id)


async def more_runs(world: World) -> None:
    """Wait until two runs have begun and ended that knew all that had happened before."""

    async def number() -> int:
        found = await world.db["scheduled_runs"].find_one({})
        return int(found["number"]) if found is not None else 0

    before = await number()

    async def is_later() -> bool:
        return await number() > before + 2

    await until(is_later, within=LONG)


async def test_each_condition_moves_its_orders_on_and_nobody_else(automated: World) -> None:
    world = automated
    sku = await world.stock(100)
    # More than a run may look at, and they never fulfil anything: nobody is behind them for ever.
    stuck = [await placed(world, "Unpaid", sku) for _ in range(5)]
    unpaid = await placed(world, "Unpaid", sku)
    unauthorized = await placed(world, "Unauthorized", sku)
    picking = await placed(world, "Picking", sku)
    shipped = await placed(world, "Shipped", sku)

    sale = {"amount": 998, "paymentMethodName": "Manual", "status": "Processed"}
    for order_id, kind in ((unpaid, "Sale"), (unauthorized, "Authorization")):
        payment = sale | {"transactionType": kind, "transactionId": f"till-{order_id}"}
        paid = await world.shop("PUT", f"/api/Orders/{order_id}/PutPayments", [payment])
        assert paid.status == 200, paid.json
    for order_id, quantity in (
        (picking, "readyForPickupQuantity"),
        (shipped, "deliveredQuantity"),
    ):
        lines = [{"lineItemId": "1", quantity: 2}]
        path = f"/api/Orders/{order_id}/PatchUpdateOrderLines"
        patched = await world.shop("PATCH", path, lines)
        assert patched.status == 200, patched.json

    waited_for = [(unpaid, "Paid"), (unauthorized, "Authorized"), (picking, "Picked")]
    after = [await moved(world, *one) for one in (*waited_for, (shipped, "Completed"))]
    await more_runs(world)
    # Only the automation that runs the workflow has reserved anything.
    held = [await world.held(one["id"]) for one in after]
    assert held == [0, 0, 0, 2]
    for order in after:
        told = await world.events_up_to(order["id"], order["version"])
        assert [one.type for one in told].count("order.status_changed") == 1
        assert order["modifiedBy"] == "workflow"
        assert (await world.read(order["id"]))["version"] == order["version"]
    assert {(await world.read(one))["status"] for one in stuck} == {"Unpaid"}


async def test_goods_that_come_in_go_to_the_order_that_waited_longest(automated: World) -> None:
    world = automated
    sku = await world.stock(0)
    first, second = [await placed(world, "AwaitingStock", sku, quantity=3) for _ in range(2)]

    await world.stock(5, sku=sku)
    await moved(world, first, "ReadyToShip")
    await more_runs(world)
    held = [await world.held(one) for one in (first, second)]
    after_five = (await world.read(second))["status"]
    await world.stock(8, sku=sku)
    await moved(world, second, "ReadyToShip")

    assert held == [3, 0]
    assert after_five == "AwaitingStock"
    assert await world.held(second) == 3
    assert (await world.record(sku))["reservedInventory"] == 6
