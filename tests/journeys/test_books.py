"""Whatever becomes of orders, Reconcile finds that the books agree: it shares no code with them."""

from decimal import Decimal
from typing import Any

from tests.harness import until
from tests.journeys.world import CARD, World, an_order, with_provider


async def differences(world: World) -> list[dict[str, Any]]:
    """Let everything arrive, then prove the books."""
    await world.quiet()
    said = await world.shop("POST", "/api/Reconcile")
    assert said.status == 200
    found: list[dict[str, Any]] = said.json["differences"]
    return found


async def with_cards(world: World) -> None:
    """Let the provider move the money of cards."""
    connectors, markets = with_provider(world.provider.url)
    await world.configure("Connectors", connectors)
    await world.configure("Markets", markets)


async def through(world: World, order_id: str, *statuses: str) -> None:
    for status in statuses:
        answer = await world.enter(order_id, status)
        assert answer.status == 200, answer.json


class TestTheBooks:
    async def test_agree_after_orders_were_placed_shipped_and_cancelled(self, world: World) -> None:
        sku = await world.stock(9)
        orders = [await world.placed(an_order(sku=sku)) for _ in range(3)]
        brought = await world.placed(an_order(sku=sku, method="Klarna", paid=True))
        short = await world.placed(an_order(sku=sku))

        await through(world, orders[0]["id"], "InProgress", "PackedAndReady", "Ship", "Completed")
        await through(world, orders[1]["id"], "OrderCanceled")
        await through(world, brought["id"], "OrderCanceled")

        assert await differences(world) == []
        assert await world.held(short["id"]) == 1
        record = await world.record(sku)
        assert (record["inventory"], record["reservedInventory"]) == (Decimal(7), Decimal(3))

    async def test_agree_after_money_was_moved_by_a_provider(self, world: World) -> None:
        await with_cards(world)
        sku = await world.stock(20)
        shipped, cancelled, returned = [
            await world.placed(an_order(sku=sku, method=CARD)) for _ in range(3)
        ]

        await through(world, shipped["id"], "InProgress", "PackedAndReady", "Ship")
        await through(world, cancelled["id"], "OrderCanceled")
        await through(world, returned["id"], "InProgress", "PackedAndReady", "Ship")
        await through(world, returned["id"], "OrderCanceled")

        assert await differences(world) == []

    async def test_agree_after_the_provider_declined(self, world: World) -> None:
        await with_cards(world)
        sku = await world.stock(20)
        world.provider.behave("decline", times=1)
        declined = await world.placed(an_order(sku=sku, method=CARD))

        assert await differences(world) == []
        assert await world.held(declined["id"]) == 0
        told = (await world.shop("GET", f"/api/Orders/{declined['id']}/Explain")).json
        assert told["lastFailure"]["step"] == "AuthorizePayment"
        assert told["reservations"] == []

    async def test_name_a_cancelled_order_until_its_credit_is_taken(self, world: World) -> None:
        await with_cards(world)
        sku = await world.stock(20)
        order = await world.placed(an_order(sku=sku, method=CARD))
        await through(world, order["id"], "InProgress", "PackedAndReady", "Ship")

        world.provider.behave("decline", times=1, only="credit")
        await through(world, order["id"], "OrderCanceled")
        named = await differences(world)
        await through(world, order["id"], "OrderCanceled")

        (payment,) = order["orderForm"]["payments"]
        assert [(one["kind"], one["orderId"], one["found"]) for one in named] == [
            ("cancelled-order-keeps-money", order["id"], payment["amount"])
        ]
        assert await differences(world) == []

    async def test_agree_after_an_answer_of_the_provider_was_lost(self, world: World) -> None:
        await with_cards(world)
        sku = await world.stock(20)

        world.provider.behave("die_after", times=1)
        kept = await world.placed(an_order(sku=sku, method=CARD))

        assert await differences(world) == []
        assert kept["orderForm"]["payments"][0]["status"] == "Processed"

    async def test_tell_what_an_order_waits_for_meanwhile(self, world: World) -> None:
        await with_cards(world)
        sku = await world.stock(20)
        body = an_order(sku=sku, method=CARD)

        world.provider.behave("hang", times=1)
        said = await world.place(body, Prefer="respond-async")

        async def waiting() -> dict[str, Any] | None:
            told = await world.shop("GET", f"/api/Orders/{body['id']}/Explain")
            run: dict[str, Any] | None = told.json.get("run")
            return run if run and run["waitingFor"]["service"] == "payments" else None

        run = await until(waiting)

        assert said.status == 202
        assert run is not None
        assert run["waitingFor"] == {"service": "payments", "step": "AuthorizePayment"}
        assert run["command"] == said.json["operationId"]
        assert await differences(world) == []

    # The payments service takes the recorded payment back by itself; the workflow asks for it too,
    # and a payment without a provider is voided as often as that is asked.
    async def test_agree_after_one_of_two_payments_was_declined(self, world: World) -> None:
        await with_cards(world)
        sku = await world.stock(20)
        body = an_order(sku=sku)
        card = dict(body["orderForm"]["payments"][0])
        card |= {"paymentMethodName": CARD, "transactionId": "second", "amount": 10}
        body["orderForm"]["payments"].append(card)

        world.provider.behave("decline", times=1)
        answer = await world.place(body)

        assert answer.status == 201
        assert await differences(world) == []
