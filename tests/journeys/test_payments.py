"""Money that a provider moves: held, charged, declined, and lost sight of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from contracts.settings import DEFAULT
from tests.harness import until
from tests.journeys.world import CARD, Json, World, an_order, with_provider

TOTAL = Decimal(998)


@pytest.fixture(scope="module")
async def _cards(world: World) -> None:
    connectors, markets = with_provider(world.provider.url)
    await world.configure("Connectors", connectors)
    await world.configure("Markets", markets)


@pytest.fixture
async def shop(world: World, _cards: None) -> World:
    """The world with a well-behaved provider, which moves the money of cards."""
    world.provider.behave("normal")
    return world


@asynccontextmanager
async def hurried(world: World) -> AsyncIterator[None]:
    """Let the services' time pass ten times as fast for the length of the block."""

    async def hurry() -> None:
        while True:
            await asyncio.sleep(0.1)
            world.clock.advance(timedelta(seconds=0.9))

    task = asyncio.create_task(hurry())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def nothing_is_held(world: World, order: Json) -> bool:
    """Say whether neither money nor goods of the order are held anywhere."""
    return (
        world.provider.held(order["id"]) == 0
        and await world.held(order["id"]) == 0
        and order["orderForm"]["authorizedPaymentTotal"] == 0
    )


async def waits_for(world: World, order_id: str, step: str) -> None:
    """Wait until the order's run waits for this step."""
    waiting = {"_id": order_id, "run.waitingFor": step}
    await until(lambda: world.db["orders"].find_one(waiting), within=30)


async def held_elsewhere(world: World, order_id: str, amount: Decimal) -> str:
    """Have the provider hold money for the order, as a shop's checkout does; return its name."""
    body = {
        "orderId": order_id,
        "paymentId": "checkout",
        "amount": float(amount),
        "currency": "NOK",
        "reference": order_id,
    }
    headers = {"Idempotency-Key": f"checkout-{order_id}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{world.provider.url}/authorizations", json=body, headers=headers) as answer,
    ):
        return str((await answer.json())["transactionId"])


def payments(order: Json) -> list[tuple[str, str]]:
    return [(one["transactionType"], one["status"]) for one in order["orderForm"]["payments"]]


class TestMoney:
    async def test_is_held_with_the_order_and_charged_when_it_ships(self, shop: World) -> None:
        sku = await shop.stock(10)

        order = await shop.placed(an_order(sku=sku, method=CARD))
        shipped = (await shop.entered(order["id"], "Ship"))["order"]

        await shop.quiet()
        assert payments(order) == [("Authorization", "Processed")]
        assert order["remainingPayment"] == 0
        assert payments(shipped) == [("Authorization", "Processed"), ("Capture", "Processed")]
        assert shipped["orderForm"]["capturedPaymentTotal"] == 998
        assert [one.amount for one in shop.provider.done("capture", order_id=order["id"])] == [998]
        assert shop.provider.taken(order["id"]) == TOTAL
        assert shop.provider.held(order["id"]) == 0
        assert shop.provider.faults == []

    async def test_that_is_declined_leaves_an_order_that_holds_nothing(self, shop: World) -> None:
        sku = await shop.stock(10)
        shop.provider.behave("decline", times=1)

        order = await shop.placed(an_order(sku=sku, method=CARD))

        events = await shop.events_up_to(order["id"], 2)
        await shop.quiet()
        assert order["status"] == "New"
        assert [one["message"] for one in order["errors"]] == ["insufficient funds"]
        assert payments(order) == [("Authorization", "Failed")]
        assert [one.type for one in events] == ["order.created", "order.workflow_failed"]
        assert await nothing_is_held(shop, order)
        assert (await shop.record(sku))["reservedInventory"] == 0
        assert shop.hook.sequences(order["id"]) == [1, 2]
        assert not [one for one in shop.mail.kept if order["customerEmail"] in one.recipients]
        assert await shop.read(order["id"]) == order

    async def test_is_charged_once_by_a_provider_that_died_after_the_work(
        self, shop: World
    ) -> None:
        order = await shop.placed(an_order(sku=await shop.stock(10), method=CARD))
        shop.provider.behave("die_after", times=1, only="capture")

        shipped = (await shop.entered(order["id"], "Ship"))["order"]

        await shop.quiet()
        assert shipped["orderForm"]["capturedPaymentTotal"] == 998
        assert shop.provider.taken(order["id"]) == TOTAL
        assert shop.provider.received["operation"] >= 1

    async def test_is_given_up_when_the_provider_hangs_past_the_attempts(self, shop: World) -> None:
        body = an_order(sku=await shop.stock(10), method=CARD)
        shop.provider.behave("hang")

        async with hurried(shop):
            order = await shop.placed(body)

        shop.provider.behave("normal")
        await shop.quiet()
        assert order["status"] == "New"
        assert [one["key"] for one in order["errors"]] == ["AuthorizePayment"]
        assert payments(order) == [("Authorization", "Failed")]
        assert await nothing_is_held(shop, order)

    async def test_that_turns_out_to_have_been_held_after_all_is_given_back(
        self, shop: World
    ) -> None:
        body = an_order(sku=await shop.stock(10), method=CARD)
        shop.provider.behave("slow", times=1)
        shop.provider.delay = 8.0

        try:
            async with hurried(shop):
                order = await shop.placed(body)
                held_at_first = shop.provider.held(order["id"])
                await until(lambda: shop.provider.total("authorize", order_id=order["id"]) > 0)
                await until(lambda: shop.provider.held(order["id"]) == 0, within=40)
        finally:
            shop.provider.delay = 0.3

        await shop.quiet()
        assert held_at_first == 0
        assert order["status"] == "New"
        assert shop.provider.total("void", order_id=order["id"]) == TOTAL
        assert await nothing_is_held(shop, await shop.read(order["id"]))

    async def test_is_given_back_when_a_shipped_order_is_cancelled(self, shop: World) -> None:
        order = await shop.placed(an_order(sku=await shop.stock(10), method=CARD))
        await shop.entered(order["id"], "Ship")

        cancelled = (await shop.entered(order["id"], "OrderCanceled"))["order"]

        await shop.quiet()
        assert payments(cancelled)[-1] == ("Credit", "Processed")
        assert shop.provider.taken(order["id"]) == 0
        assert shop.provider.total("credit", order_id=order["id"]) == TOTAL

    async def test_stays_with_whoever_holds_it_when_the_settings_change(self, shop: World) -> None:
        _, with_cards = with_provider(shop.provider.url)
        without = [market.model_dump(mode="json", by_alias=True) for market in DEFAULT.markets]
        sku = await shop.stock(10)
        held, given_up = [await shop.placed(an_order(sku=sku, method=CARD)) for _ in range(2)]
        await shop.configure("Markets", without)
        recorded, left = [await shop.placed(an_order(sku=sku, method=CARD)) for _ in range(2)]

        await shop.entered(held["id"], "Ship")
        await shop.entered(given_up["id"], "OrderCanceled")
        await shop.configure("Markets", with_cards)
        charged = (await shop.entered(recorded["id"], "Ship"))["order"]
        await shop.entered(left["id"], "OrderCanceled")
        back = (await shop.entered(recorded["id"], "OrderCanceled"))["order"]

        await shop.quiet()
        assert shop.provider.taken(held["id"]) == TOTAL
        assert shop.provider.total("void", order_id=given_up["id"]) == TOTAL
        assert shop.provider.held(given_up["id"]) == 0
        assert payments(charged)[-1] == ("Capture", "Processed")
        assert payments(back)[-1] == ("Credit", "Processed")
        for order in (recorded, left):
            kinds = {one[0] for one in await shop.operations(order["id"])}
            assert kinds in ({"authorize", "capture", "credit"}, {"authorize", "void"})
            told = [shop.provider.done(kind, order_id=order["id"]) for kind in kinds]
            assert told == [[]] * len(kinds)
        books = await shop.shop("POST", "/api/Reconcile")
        assert books.json["differences"] == []

    async def test_whose_connector_is_gone_stops_the_order(self, shop: World) -> None:
        connectors, _ = with_provider(shop.provider.url)
        await shop.configure("Connectors", [])
        body = an_order(sku=await shop.stock(10), method=CARD)

        order = await shop.placed(body)
        await shop.configure("Connectors", connectors)

        assert [one["message"] for one in order["errors"]] == [
            "the connector psp is not configured"
        ]
        await shop.quiet()
        assert await nothing_is_held(shop, order)


class TestARunThatIsCancelled:
    async def test_lets_the_order_go_and_gives_back_what_was_on_its_way(self, shop: World) -> None:
        sku = await shop.stock(10)
        body = an_order(sku=sku, method=CARD)
        path = f"/api/Orders/{body['id']}"
        key = {"idempotency-key": f"cancel {body['id']}"}
        shop.provider.behave("hang")
        placing = asyncio.create_task(shop.placed(body))
        await waits_for(shop, body["id"], "AuthorizePayment")

        cancelled = await shop.shop("POST", f"{path}/CancelRun", headers=key)
        again = await shop.shop("POST", f"{path}/CancelRun", headers=key)
        twice = await shop.shop("POST", f"{path}/CancelRun")
        free = await shop.shop("PATCH", f"{path}/PatchOrder", {"customerName": "Kari"})
        placed = await placing
        shop.provider.behave("normal")
        async with hurried(shop):
            await until(
                lambda: shop.provider.total("void", order_id=body["id"]) == TOTAL, within=40
            )

        await shop.quiet()
        assert (cancelled.status, cancelled.headers["etag"]) == (200, '"2"')
        assert cancelled.json == placed == again.json
        assert again.headers["idempotency-replayed"] == "true"
        assert (twice.status, twice.problem) == (409, "no-run-in-hand")
        assert free.status == 200, free.json
        assert placed["status"] == "New"
        assert [(one["key"], one["message"]) for one in placed["errors"]] == [
            ("AuthorizePayment", "the run was cancelled by owner")
        ]
        order = await shop.read(body["id"])
        assert payments(order) == [("Authorization", "Failed")]
        assert await nothing_is_held(shop, order)
        assert (await shop.record(sku))["reservedInventory"] == 0
        events = await shop.events_up_to(body["id"], 3)
        assert [one.type for one in events] == [
            "order.created",
            "order.workflow_failed",
            "order.updated",
        ]
        assert (await shop.shop("POST", "/api/Reconcile")).json["differences"] == []

    async def test_charges_once_what_a_client_brought_along(self, shop: World) -> None:
        body = an_order(sku=await shop.stock(10), method=CARD, paid=True)
        # There is more to be had at the provider than the order says.
        transaction = await held_elsewhere(shop, body["id"], 2 * TOTAL)
        body["orderForm"]["payments"][0]["transactionId"] = transaction
        order = await shop.placed(body)
        shop.provider.behave("hang", only="capture")
        shipping = asyncio.create_task(shop.enter(order["id"], "Ship"))
        await waits_for(shop, order["id"], "CapturePayments")

        await shop.shop("POST", f"/api/Orders/{order['id']}/CancelRun")
        await shipping
        again = asyncio.create_task(shop.enter(order["id"], "Ship"))
        await waits_for(shop, order["id"], "CapturePayments")
        shop.provider.behave("normal")
        async with hurried(shop):
            await again
            await until(lambda: shop.provider.taken(order["id"]) == TOTAL, within=40)

        await shop.quiet()
        assert shop.provider.taken(order["id"]) == TOTAL
        assert len(shop.provider.done("capture", order_id=order["id"])) == 1
        stored = await shop.read(order["id"])
        assert stored["orderForm"]["capturedPaymentTotal"] == 998

    async def test_keeps_what_was_charged_all_the_same(self, shop: World) -> None:
        order = await shop.placed(an_order(sku=await shop.stock(10), method=CARD))
        shop.provider.behave("hang", only="capture")
        shipping = asyncio.create_task(shop.enter(order["id"], "Ship"))
        await waits_for(shop, order["id"], "CapturePayments")

        cancelled = await shop.shop("POST", f"/api/Orders/{order['id']}/CancelRun")
        shipped = await shipping
        shop.provider.behave("normal")
        async with hurried(shop):
            await until(lambda: shop.provider.taken(order["id"]) == TOTAL, within=40)

        await shop.quiet()
        assert (shipped.status, shipped.json["isAborted"]) == (200, True)
        result = shipped.json["orderActionExecutionResults"][-1]
        assert result["errorReason"] == "the run was cancelled by owner"
        assert (cancelled.status, cancelled.json) == (200, shipped.json["order"])
        stored = await shop.read(order["id"])
        assert (stored["status"], stored["orderForm"]["capturedPaymentTotal"]) == ("Ship", 998)
        assert (await shop.shop("POST", "/api/Reconcile")).json["differences"] == []
