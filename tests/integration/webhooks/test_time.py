"""What takes minutes and hours: these tests move the service's clock."""

from datetime import timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest

from contracts.messages.webhooks import DeliveryFailed, EnableWebhookEndpoint
from services.chassis.clock import MovableClock
from services.chassis.mongo import Database
from tests.harness import Wire, until
from tests.integration.webhooks.conftest import Open
from tests.integration.webhooks.shops import Shop, answer_to
from tests.receiver import status


async def waiting(shop: Shop, event_id: UUID, *, after: int) -> timedelta:
    """Return how long the delivery waits, once it has had so many attempts."""

    async def found() -> timedelta | None:
        record = await shop.mongo["webhook_deliveries"].find_one(
            {"endpointId": shop.endpoint_id, "eventId": str(event_id)}
        )
        if record is None or len(record["attempts"]) < after or "nextAttempt" not in record:
            return None
        pause = record["nextAttempt"] - record["attempts"][-1]["startedAt"]
        assert isinstance(pause, timedelta)
        return pause

    pause = await until(found)
    assert pause is not None
    return pause


class TestRetryAfter:
    async def test_of_a_busy_endpoint_keeps_everything_from_it(
        self, open_shop: Open, clock: MovableClock
    ) -> None:
        shop = await open_shop()
        bystander = await open_shop(filters={"stores": [shop.name]})
        shop.hook.next(status(429, retry_after="120"))
        first, second = shop.an_order(), shop.an_order()
        (event_id,) = await shop.hears(first, 1)
        pause = await waiting(shop, event_id, after=1)

        await shop.hears(second, 1)
        await bystander.until_taken(second, [1])
        quiet = len(shop.hook.got)
        clock.advance(timedelta(seconds=100))
        await bystander.hears(second, 2, store_id=shop.name)
        await bystander.until_taken(second, [1, 2])
        still_quiet = len(shop.hook.got)
        clock.advance(timedelta(seconds=30))

        await shop.until_taken(first, [1])
        await shop.until_taken(second, [1, 2])
        assert timedelta(seconds=119) < pause < timedelta(seconds=122)
        assert (quiet, still_quiet) == (1, 1)

    async def test_as_a_date_of_one_that_is_broken_concerns_that_delivery_alone(
        self, open_shop: Open, clock: MovableClock
    ) -> None:
        shop = await open_shop()
        date = format_datetime(clock.now() + timedelta(hours=2), usegmt=True)
        shop.hook.next(status(500, Retry_After=date))
        first, second = shop.an_order(), shop.an_order()

        (event_id,) = await shop.hears(first, 1)

        pause = await waiting(shop, event_id, after=1)
        await shop.hears(second, 1)
        await shop.until_taken(second, [1])
        assert timedelta(hours=1.9) < pause <= timedelta(hours=2)
        assert len(shop.hook.of(first)) == 1


class TestTheSchedule:
    async def test_is_kept_to_a_fifth_until_the_last_attempt(
        self, open_shop: Open, clock: MovableClock, wire: Wire
    ) -> None:
        shop = await open_shop()
        shop.hook.always = status(503)
        (event_id,) = await shop.hears(shop.an_order(), 1)

        for number, seconds in enumerate((5, 30, 120, 900, 3600, 10800, 28800, 86400), 1):
            pause = await waiting(shop, event_id, after=number)
            assert 0.79 * seconds < pause.total_seconds() < 1.21 * seconds + 1
            clock.advance(pause)

        record = await shop.delivery(event_id, "failed")
        (news,) = await wire.wait_for("webhooks.events", lambda e: e.key == shop.endpoint_id)
        assert [one["number"] for one in record["attempts"]] == list(range(1, 10))
        assert {got.id for got in shop.hook.got} == {str(event_id)}
        assert DeliveryFailed.model_validate_json(news.data).attempts == 9

    async def test_that_is_exhausted_holds_the_order_where_the_endpoint_wants_it_so(
        self, open_shop: Open, clock: MovableClock, wire: Wire
    ) -> None:
        shop = await open_shop(on_exhausted="hold", retry_schedule=[600])
        shop.hook.next(*[status(500)] * 3)
        order_id = shop.an_order()
        first, second = await shop.hears(order_id, 1, 2)
        clock.advance(await waiting(shop, first, after=1))
        await shop.delivery(first, "held")
        clock.advance(await waiting(shop, first, after=2))

        pause = await waiting(shop, first, after=3)
        untouched = await shop.delivery(second, "pending")
        clock.advance(pause)

        await shop.until_taken(order_id, [1, 2])
        news = [e for e in wire.on("webhooks.events") if e.key == shop.endpoint_id]
        assert untouched["attempts"] == []
        assert len({e.id for e in news}) == 1


class TestADisabledEndpoint:
    @pytest.fixture
    async def shop(self, open_shop: Open) -> Shop:
        shop = await open_shop()
        shop.hook.next(status(410))
        return shop

    async def test_gets_what_was_held_when_it_is_enabled(
        self, shop: Shop, clock: MovableClock, mongo: Database, wire: Wire
    ) -> None:
        order_id = shop.an_order()
        first, second = await shop.hears(order_id, 1, 2)
        await shop.delivery(first, "held")
        clock.advance(timedelta(hours=2))
        await until(lambda: _looked_again(mongo, shop))

        reply = await answer_to(wire, EnableWebhookEndpoint(**shop.own))

        assert reply.status_code == 200
        await shop.until_taken(order_id, [1, 2])
        record = await shop.delivery(first, "delivered")
        await shop.delivery(second, "delivered")
        assert [one["number"] for one in record["attempts"]] == [1, 2]


async def _looked_again(mongo: Database, shop: Shop) -> bool:
    # The attempts before were two hours ago, so a call of the future was looked at again.
    calls = mongo["webhooks_calls"].find({"target": shop.endpoint_id}).sort("n", 1)
    head = (await calls.to_list(None))[0]
    return bool(head["owner"] is None and head["at"] > head["promised"] + timedelta(hours=2.5))
