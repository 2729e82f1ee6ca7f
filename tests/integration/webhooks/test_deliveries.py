import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle
from uuid import uuid4

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from contracts.messages.inventory import InventoryUpdated
from contracts.messages.orders import OrderCompleted
from contracts.messages.webhooks import DeleteWebhookEndpoint, DeliveryFailed, EndpointDisabled
from tests.harness import Wire, until
from tests.integration.webhooks.conftest import Open
from tests.integration.webhooks.shops import Shop, answer_to
from tests.receiver import Receiver, a_closed_port, break_off, hang, slow, status


class TestAnEvent:
    async def test_arrives_signed_once_under_its_own_id_although_it_is_sent_twice(
        self, open_shop: Open
    ) -> None:
        shop = await open_shop(headers={"Authorization": "Bearer ours"})
        order_id = shop.an_order()

        (event_id,) = await shop.hears(order_id, 1, times=2)

        record = await shop.delivery(event_id, "delivered")
        (got,) = shop.hook.of(order_id)
        assert got.is_genuine
        assert got.id == got.json["id"] == got.json["data"]["id"] == str(event_id)
        assert got.headers["content-type"] == "application/json"
        assert got.headers["authorization"] == "Bearer ours"
        assert (got.json["type"], got.json["sequence"], got.json["previousSequence"]) == (
            "order.created",
            1,
            0,
        )
        assert got.json["timestamp"] == got.json["data"]["timestamp"]
        assert got.json["data"]["order"]["orderForm"]["lineItems"]
        (attempt,) = record["attempts"]
        assert (attempt["number"], attempt["statusCode"]) == (1, 200)
        assert attempt["phases"]["total"] == attempt["durationMs"]
        assert record["completed"] >= record["created"]

    async def test_about_stock_arrives_whatever_the_filters_are_about_orders(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop(event_types=["inventory.*"])
        sku = uuid4().hex

        await wire.send(
            InventoryUpdated(
                sku=sku,
                warehouse_code="Oslo",
                sequence=7,
                timestamp=datetime.now(UTC),
                inventory=Decimal(3),
                reserved_inventory=Decimal(1),
                available_inventory=Decimal(2),
            )
        )

        await shop.until_taken(sku, [7])
        (got,) = shop.hook.of(sku)
        assert (got.json["type"], got.json["data"]["inventory"]) == ("inventory.updated", 3)

    async def test_is_thin_where_the_endpoint_wants_it_so(self, open_shop: Open) -> None:
        shop = await open_shop(payload="thin")
        order_id = shop.an_order()

        await shop.hears(order_id, 1)

        await shop.until_taken(order_id, [1])
        (got,) = shop.hook.of(order_id)
        assert got.is_genuine
        assert set(got.json["data"]["order"]) == {"id", "orderNumber", "status", "version"}
        assert got.json["data"]["storeId"] == shop.name

    async def test_passes_only_the_filters_that_let_it_through(self, open_shop: Open) -> None:
        shop = await open_shop(
            event_types=["order.created", "order.completed"],
            filters={"statuses": ["nEw", "done"], "markets": ["nor"], "orderTypes": ["ONLINE"]},
        )
        orders = [shop.an_order() for _ in range(4)]

        await shop.hears(orders[0], 1, status="Ship")
        await shop.hears(orders[1], 1, market="SWE")
        await shop.hears(orders[2], 1, sub_class_name=None)
        await shop.hears(orders[3], 1, 2, 3)
        await shop.hears(orders[3], 4, kind=OrderCompleted, status="DONE")

        await shop.until_taken(orders[3], [1, 4])
        assert [got.subject for got in shop.hook.got] == [orders[3], orders[3]]
        assert [got.json["previousSequence"] for got in shop.hook.got] == [0, 1]


class TestTheOrderOfEvents:
    async def test_is_kept_for_each_order_whatever_fails_and_comes_twice(
        self, open_shop: Open
    ) -> None:
        shop = await open_shop(retry_schedule=[1] * 10)
        reactions = cycle([status(200), status(500), slow(0.05), break_off(), status(204)])

        async def unreliable(request: web.BaseRequest) -> web.StreamResponse:
            return await next(reactions)(request)

        shop.hook.always = unreliable
        orders = [shop.an_order() for _ in range(8)]

        ids = [await shop.hears(order_id, 1, 2, 3, times=2) for order_id in orders]

        for order_id in orders:
            await shop.until_taken(order_id, [1, 2, 3], within=60)
        for order_id, sent in zip(orders, ids, strict=True):
            attempts = shop.hook.of(order_id)
            assert list(dict.fromkeys(got.id for got in attempts)) == [str(id_) for id_ in sent]
            assert [got.json["sequence"] for got in attempts] == sorted(
                got.json["sequence"] for got in attempts
            )
            assert all(got.json["previousSequence"] == got.json["sequence"] - 1 for got in attempts)
        assert all(got.is_genuine for got in shop.hook.got)

    async def test_is_nobodys_concern_where_the_endpoint_says_none(self, open_shop: Open) -> None:
        shop = await open_shop(ordering="none")
        shop.hook.next(slow(2))
        order_id = shop.an_order()

        await shop.hears(order_id, 1)
        await until(lambda: shop.hook.in_flight)
        await shop.hears(order_id, 2)

        await shop.until_taken(order_id, [2, 1])


class TestAnEndpoint:
    async def test_that_hangs_delays_nobody_else(self, open_shop: Open) -> None:
        stuck = await open_shop(timeout_seconds=30)
        released = asyncio.Event()
        stuck.hook.always = hang(released)
        healthy = await open_shop(filters={"stores": [stuck.name]})
        orders = [stuck.an_order() for _ in range(700)]
        loop = asyncio.get_running_loop()

        started = loop.time()
        await asyncio.gather(*(stuck.hears(order_id, 1) for order_id in orders))
        await until(lambda: len(healthy.hook.got) == len(orders), within=25)

        seconds, taken = loop.time() - started, len(stuck.hook.got)
        released.set()
        await until(lambda: len(stuck.hook.got) == len(orders))
        assert seconds < 25
        assert {got.subject for got in healthy.hook.got} == set(orders)
        assert taken == 0
        assert stuck.hook.most_in_flight == 32

    async def test_is_not_asked_for_more_at_once_than_it_says(self, open_shop: Open) -> None:
        shop = await open_shop(max_in_flight=3)
        shop.hook.always = slow(0.05)
        orders = [shop.an_order() for _ in range(30)]

        await asyncio.gather(*(shop.hears(order_id, 1) for order_id in orders))

        await until(lambda: len(shop.hook.got) == len(orders))
        assert shop.hook.most_in_flight == 3

    async def test_is_not_asked_more_often_than_it_says(self, open_shop: Open) -> None:
        shop = await open_shop(rate_limit=10)
        orders = [shop.an_order() for _ in range(30)]

        await asyncio.gather(*(shop.hears(order_id, 1) for order_id in orders))

        await until(lambda: len(shop.hook.got) == len(orders))
        moments = sorted(got.at for got in shop.hook.got)
        # A burst of a second's worth, then one each tenth of a second.
        assert moments[-1] - moments[0] > 1.8

    async def test_that_is_gone_is_disabled_and_what_waits_is_held(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        shop.hook.always = status(410)
        order_id = shop.an_order()

        first, second = await shop.hears(order_id, 1, 2)

        await shop.delivery(first, "held")
        (news,) = await wire.wait_for("webhooks.events", lambda e: e.key == shop.endpoint_id)
        (unheard,) = await shop.hears(order_id, 3)
        bystander = await open_shop(filters={"stores": [shop.name]})
        (heard,) = await bystander.hears(bystander.an_order(), 1, store_id=shop.name)
        await bystander.delivery(heard, "delivered")
        deliveries = shop.mongo["webhook_deliveries"]
        endpoint = await shop.endpoint()
        assert EndpointDisabled.model_validate_json(news.data).reason.endswith("410 Gone")
        assert news.type == "webhook.endpoint_disabled"
        assert endpoint is not None
        assert endpoint["disabledReason"].endswith("410 Gone")
        assert len(shop.hook.got) == 1
        assert await deliveries.find_one({"eventId": str(second), "state": "pending"})
        assert await deliveries.find_one(
            {"eventId": str(unheard), "endpointId": shop.endpoint_id, "state": "skipped"}
        )

    async def test_that_refuses_connections_is_tried_twice_at_once_and_then_by_the_schedule(
        self, wire: Wire, open_shop: Open
    ) -> None:
        port = a_closed_port()
        shop = await open_shop(url=f"http://127.0.0.1:{port}/x", retry_schedule=[1])

        (event_id,) = await shop.hears(shop.an_order(), 1)

        record = await shop.delivery(event_id, "failed")
        (news,) = await wire.wait_for("webhooks.events", lambda e: e.key == shop.endpoint_id)
        failed = DeliveryFailed.model_validate_json(news.data)
        assert [one["error"] for one in record["attempts"]] == [
            "127.0.0.1 refuses connections",
            "127.0.0.1 refuses connections",
        ]
        assert (failed.event_id, failed.attempts) == (str(event_id), 2)
        assert failed.event_type == "order.created"

    async def test_that_never_takes_an_event_gets_the_next_one_of_the_order(
        self, open_shop: Open
    ) -> None:
        shop = await open_shop(retry_schedule=[1])
        shop.hook.next(status(500, "x" * 3000), status(503))
        order_id = shop.an_order()

        first, second = await shop.hears(order_id, 1, 2)

        await shop.delivery(second, "delivered")
        record = await shop.delivery(first, "failed")
        assert [got.answered for got in shop.hook.of(order_id)] == [500, 503, 200]
        assert len(record["attempts"][0]["responseExcerpt"]) == 1024
        assert [one["number"] for one in record["attempts"]] == [1, 2]

    async def test_that_fails_on_many_orders_is_left_alone_until_it_recovers(
        self, open_shop: Open
    ) -> None:
        shop = await open_shop(retry_schedule=[3600], max_in_flight=4)
        shop.hook.always = slow(0.1, 500)
        orders = [shop.an_order() for _ in range(40)]

        with capture_logs() as logs:
            await asyncio.gather(*(shop.hears(order_id, 1) for order_id in orders))
            await until(lambda: _seen(logs, "circuit.opened"))
            asked = len(shop.hook.got)
            shop.hook.always = status(200)
            for order_id in orders:
                await shop.until_taken(order_id, [1])
            await until(lambda: _seen(logs, "circuit.closed"))

        assert asked < 30


def _seen(logs: Sequence[Mapping[str, object]], event: str) -> bool:
    return any(line["event"] == event for line in logs)


class TestDeletingAnEndpoint:
    @pytest.fixture
    async def shop(self, open_shop: Open) -> Shop:
        shop = await open_shop(retry_schedule=[3600])
        shop.hook.always = status(500)
        return shop

    async def test_skips_what_it_was_not_sent(self, shop: Shop, wire: Wire) -> None:
        order_id = shop.an_order()
        events = await shop.hears(order_id, 1, 2, 3)
        await shop.delivery(events[0], "retrying")

        reply = await answer_to(wire, DeleteWebhookEndpoint(endpoint_id=shop.endpoint_id, user="u"))

        answered = asyncio.get_running_loop().time()
        for event_id in events:
            await shop.delivery(event_id, "skipped")
        assert reply.status_code == 204
        assert await shop.endpoint() is None
        # The senders notice within a moment; what they sent until then was on its way.
        assert all(got.at < answered + 1 for got in shop.hook.got)
        assert await shop.mongo["webhooks_calls"].find_one({"target": shop.endpoint_id}) is None

    async def test_that_nobody_made_is_refused(self, wire: Wire, open_shop: Open) -> None:
        await open_shop()

        reply = await answer_to(wire, DeleteWebhookEndpoint(endpoint_id="nobody", user="u"))

        assert reply.status_code == 404


class TestAReceiverThatComesBack:
    async def test_gets_what_was_refused_while_it_was_away(self, open_shop: Open) -> None:
        port = a_closed_port()
        shop = await open_shop(url=f"http://127.0.0.1:{port}/back", retry_schedule=[1, 1, 1, 1, 1])
        order_id = shop.an_order()
        (event_id,) = await shop.hears(order_id, 1)
        await shop.delivery(event_id, "retrying")

        async with Receiver(port) as back:
            back.hooks["/back"] = shop.hook
            await shop.until_taken(order_id, [1])

        assert shop.hook.got[0].is_genuine
