"""What an endpoint has missed, and what somebody wants it to be sent again (decided 12.5)."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.messages.orders import OrderDeleted
from contracts.messages.webhooks import (
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    Ended,
    ForgetDeliveries,
    RedeliverDelivery,
    RedeliverEvents,
    Span,
)
from services.chassis.mongo import Bson
from tests.harness import Wire, until
from tests.integration.webhooks.conftest import Open
from tests.integration.webhooks.shops import Shop, answer_to, body_of, envelope_to
from tests.receiver import slow, status


def a_span(
    shop: Shop, *states: Ended, order_id: str | None = None, count: int = 0
) -> RedeliverEvents:
    now = datetime.now(UTC)
    span = Span(
        since=now - timedelta(hours=1),
        until=now + timedelta(hours=1),
        states=states,
        order_id=order_id,
    )
    return RedeliverEvents(**shop.own, span=span, count=count)


async def missed(shop: Shop, events: Collection[UUID]) -> None:
    """Wait until these are written down as missed."""
    for event_id in events:
        await shop.delivery(event_id, "skipped")


async def ended(shop: Shop, command: str) -> Bson:
    """Return how a command has ended, as soon as it has."""

    async def found() -> Bson | None:
        mark = await shop.mongo["webhooks_inbox"].find_one({"_id": UUID(command)})
        return None if mark is None else mark.get("o")

    outcome = await until(found, within=30)
    assert outcome is not None
    return outcome


class TestEnabling:
    async def test_sends_what_was_missed_in_order_and_then_what_comes(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        first, second = shop.an_order(), shop.an_order()
        await shop.happens(first, 1)
        await shop.until_taken(first, [1])
        await answer_to(wire, DisableWebhookEndpoint(**shop.own))
        await missed(shop, await shop.happens(first, 2, 3))
        await missed(shop, await shop.happens(second, 1))
        shop.hook.always = slow(0.05)

        await answer_to(wire, EnableWebhookEndpoint(**shop.own))
        await shop.happens(first, 4, 5)
        await shop.happens(second, 2)

        await shop.until_taken(first, [1, 2, 3, 4, 5])
        await shop.until_taken(second, [1, 2])
        assert [got.json["previousSequence"] for got in shop.hook.of(first)] == [0, 1, 2, 3, 4]
        assert all(got.is_genuine for got in shop.hook.got)
        (lanes,) = await shop.mongo["webhook_lanes"].find({"_id": f"order:{first}"}).to_list(None)
        assert lanes["behind"] == {}

    async def test_sends_hundreds_that_were_missed(self, open_shop: Open, wire: Wire) -> None:
        shop = await open_shop(is_enabled=False, payload="thin")
        orders = [shop.an_order() for _ in range(60)]
        events = [event for one in orders for event in await shop.happens(one, 1, 2, 3, 4)]
        await missed(shop, events)

        await answer_to(wire, EnableWebhookEndpoint(**shop.own))

        for order_id in orders:
            await shop.until_taken(order_id, [1, 2, 3, 4], within=60)
        assert len({got.id for got in shop.hook.got}) == 240

    async def test_tells_of_an_order_that_was_deleted_for_good_meanwhile(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        order_id = shop.an_order()
        await shop.happens(order_id, 1)
        await shop.until_taken(order_id, [1])
        await answer_to(wire, DisableWebhookEndpoint(**shop.own))
        await missed(shop, await shop.happens(order_id, 2))
        await wire.send(ForgetDeliveries(order_id=order_id, last_sequence=2))
        await shop.mongo["order_versions"].delete_many({"orderId": order_id})
        await missed(shop, await shop.hears(order_id, 3, kind=OrderDeleted))

        await answer_to(wire, EnableWebhookEndpoint(**shop.own))

        await shop.until_taken(order_id, [1, 3])
        assert shop.hook.of(order_id)[-1].json["type"] == "order.deleted"

    async def test_gives_up_what_was_missed_where_that_is_wanted(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop(is_enabled=False)
        order_id = shop.an_order()
        events = await shop.happens(order_id, 1, 2)
        await missed(shop, events)

        await answer_to(wire, EnableWebhookEndpoint(**shop.own, backfill=False))
        await shop.happens(order_id, 3)
        await shop.until_taken(order_id, [3])
        (got,) = shop.hook.got
        await missed(shop, events)
        await answer_to(wire, a_span(shop, "skipped"))

        # The gap tells the receiver that it has missed something.
        assert got.json["previousSequence"] == 2
        await shop.until_taken(order_id, [3, 1, 2])


class TestASpan:
    async def test_is_delivered_again_under_the_same_ids(self, open_shop: Open, wire: Wire) -> None:
        shop = await open_shop(retry_schedule=[])
        taken, failed = shop.an_order(), shop.an_order()
        events = await shop.happens(taken, 1, 2)
        await shop.until_taken(taken, [1, 2])
        shop.hook.next(status(500))
        events += await shop.happens(failed, 1)
        await shop.delivery(events[2], "failed")
        for event_id in events[:2]:
            await shop.delivery(event_id, "delivered")
        before = len(shop.hook.got)

        envelope = await envelope_to(wire, a_span(shop, "delivered", "failed", count=3))
        outcome = await ended(shop, envelope.key)

        await until(lambda: len(shop.hook.got) == before + 3, within=30)
        again = shop.hook.got[before:]
        record = await shop.delivery(events[2], "delivered")
        assert body_of(envelope) == {"count": 3, "operationId": envelope.key}
        assert outcome == {"s": 200}
        assert {got.id for got in again} == {str(event_id) for event_id in events}
        assert all(got.is_genuine for got in again)
        assert {got.body for got in again} == {got.body for got in shop.hook.got[:before]}
        assert [one["number"] for one in record["attempts"]] == [1, 2]

    async def test_leaves_alone_what_is_not_in_it(self, open_shop: Open, wire: Wire) -> None:
        shop = await open_shop()
        wanted, other = shop.an_order(), shop.an_order()
        events = [*await shop.happens(wanted, 1), *await shop.happens(other, 1)]
        for event_id in events:
            await shop.delivery(event_id, "delivered")

        failed = await envelope_to(wire, a_span(shop, "failed"))
        of_one = await envelope_to(wire, a_span(shop, "delivered", order_id=wanted))
        for one in (failed, of_one):
            await ended(shop, one.key)

        await until(lambda: len(shop.hook.got) == 3, within=30)
        assert [got.subject for got in shop.hook.got[2:]] == [wanted]

    async def test_of_an_endpoint_that_is_disabled_is_refused(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop(is_enabled=False)

        reply = await answer_to(wire, a_span(shop, "failed"))

        assert reply.problem is not None
        assert (reply.status_code, reply.problem.slug) == (409, "endpoint-disabled")


class TestOneDelivery:
    async def test_is_made_again_unless_it_is_under_way(self, open_shop: Open, wire: Wire) -> None:
        shop = await open_shop(retry_schedule=[3600])
        taken, waiting = shop.an_order(), shop.an_order()
        (first,) = await shop.happens(taken, 1)
        done = await shop.delivery(first, "delivered")
        shop.hook.next(status(500))
        (second,) = await shop.happens(waiting, 1)
        open_ = await shop.delivery(second, "retrying")

        said = await answer_to(wire, RedeliverDelivery(**shop.own, delivery_id=done["_id"]))
        refused = await answer_to(wire, RedeliverDelivery(**shop.own, delivery_id=open_["_id"]))
        unknown = await answer_to(wire, RedeliverDelivery(**shop.own, delivery_id="nothing"))

        await until(lambda: len(shop.hook.of(taken)) == 2, within=30)
        outcome = await ended(shop, said.command_id)
        assert said.status_code == 202
        assert outcome == {"s": 200}
        assert {got.id for got in shop.hook.of(taken)} == {str(first)}
        assert refused.problem is not None
        assert refused.problem.slug == "delivery-under-way"
        assert unknown.status_code == 404

    async def test_whose_event_is_kept_no_more_cannot_be_made_again(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        order_id = shop.an_order()
        (event_id,) = await shop.happens(order_id, 1)
        done = await shop.delivery(event_id, "delivered")
        await shop.mongo["order_versions"].delete_many({"orderId": order_id})

        said = await answer_to(wire, RedeliverDelivery(**shop.own, delivery_id=done["_id"]))
        outcome = await ended(shop, said.command_id)

        assert outcome == {"s": 404, "p": "event-not-kept"}
        assert len(shop.hook.of(order_id)) == 1
        assert await shop.delivery(event_id, "delivered")
