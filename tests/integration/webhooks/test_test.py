"""Tests of an endpoint that somebody asks for (design 10, decided 12.6)."""

from contracts.messages.webhooks import (
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    RedeliverDelivery,
    SendTestEvent,
)
from services.chassis.mongo import Bson
from tests.harness import Wire, until
from tests.integration.webhooks.conftest import Open
from tests.integration.webhooks.shops import Shop, answer_to, body_of, envelope_to
from tests.receiver import Got, status


async def after_a_test(shop: Shop, *, times: int = 1) -> Bson:
    """Ask for a test, and return its delivery as soon as that is over."""
    id_ = await shop.wire.send(SendTestEvent(**shop.own), reply_to=0, times=times)
    return await over(shop, str(id_))


async def over(shop: Shop, id_: str) -> Bson:
    """Return a delivery as soon as nobody works on it any more."""

    async def found() -> Bson | None:
        ended = {"_id": id_, "state": {"$in": ["delivered", "failed", "skipped"]}}
        return await shop.mongo["webhook_deliveries"].find_one(ended)

    delivery = await until(found, within=30)
    assert delivery is not None
    return delivery


def sent_as_test(shop: Shop) -> list[Got]:
    return [got for got in shop.hook.got if got.json["type"] == "webhook.test"]


class TestATest:
    async def test_is_signed_and_comes_once_whatever_the_endpoint_hears_of(
        self, open_shop: Open
    ) -> None:
        shop = await open_shop(event_types=["inventory.updated"], payload="thin")

        delivery = await after_a_test(shop, times=2)

        (got,) = shop.hook.got
        assert got.is_genuine
        assert (got.id, got.json["sequence"]) == (delivery["_id"], 0)
        assert (delivery["state"], delivery["eventType"]) == ("delivered", "webhook.test")
        assert [one["statusCode"] for one in delivery["attempts"]] == [200]

    async def test_that_fails_is_not_repeated_and_leaves_the_endpoint_as_it_was(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop(retry_schedule=[1, 1])
        shop.hook.next(status(410), status(503, retry_after="3600"), status(500))

        failed = [await after_a_test(shop) for _ in range(3)]
        order_id = shop.an_order()
        await shop.hears(order_id, 1)
        await shop.until_taken(order_id, [1])

        assert {one["state"] for one in failed} == {"failed"}
        assert [len(one["attempts"]) for one in failed] == [1] * 3
        assert len(sent_as_test(shop)) == 3
        stored = await shop.endpoint()
        assert stored is not None
        assert "disabledReason" not in stored
        assert [e for e in wire.on("webhooks.events") if e.key == shop.endpoint_id] == []

    async def test_does_not_wait_behind_what_the_endpoint_did_not_take(
        self, open_shop: Open
    ) -> None:
        shop = await open_shop(retry_schedule=[3600])
        shop.hook.next(status(429, retry_after="3600"))
        (waiting,) = await shop.hears(shop.an_order(), 1)
        await shop.delivery(waiting, "retrying")

        delivery = await after_a_test(shop)

        assert delivery["state"] == "delivered"
        assert await shop.delivery(waiting, "retrying")

    async def test_of_a_disabled_endpoint_shows_that_it_works_and_lets_nothing_else_out(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        await answer_to(wire, DisableWebhookEndpoint(**shop.own))
        order_id = shop.an_order()
        (event_id,) = await shop.happens(order_id, 1)
        await shop.delivery(event_id, "skipped")

        delivery = await after_a_test(shop)
        alone = list(shop.hook.got)
        await answer_to(wire, EnableWebhookEndpoint(**shop.own))
        await shop.until_taken(order_id, [1])

        assert delivery["state"] == "delivered"
        assert [got.id for got in alone] == [delivery["_id"]]
        assert len(sent_as_test(shop)) == 1

    async def test_can_be_delivered_again_like_anything_else(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        shop.hook.next(status(500))
        failed = await after_a_test(shop)

        await answer_to(wire, RedeliverDelivery(**shop.own, delivery_id=failed["_id"]))

        await until(lambda: len(shop.hook.got) == 2, within=30)
        taken = await shop.delivery(failed["eventId"], "delivered")
        first, second = shop.hook.got
        assert (first.id, first.body) == (second.id, second.body)
        assert [one["number"] for one in taken["attempts"]] == [1, 2]

    async def test_is_answered_with_its_delivery(self, open_shop: Open, wire: Wire) -> None:
        shop = await open_shop()

        envelope = await envelope_to(wire, SendTestEvent(**shop.own))
        unknown = SendTestEvent(endpoint_id="nothing", user="a client")
        refused = await answer_to(wire, unknown)

        delivery = await over(shop, envelope.key)
        assert body_of(envelope) == {"deliveryId": delivery["_id"]}
        assert refused.status_code == 404
