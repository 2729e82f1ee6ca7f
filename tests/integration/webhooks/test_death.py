import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

from contracts.messages.webhooks import EnableWebhookEndpoint, RedeliverEvents, Span
from services.chassis.clock import MovableClock
from services.chassis.mongo import Bson, Database
from services.chassis.settings import ChassisSettings
from services.webhooks.app import service
from services.webhooks.settings import Settings
from tests.harness import Wire, running, until
from tests.integration.webhooks.shops import Shop, answer_to
from tests.receiver import Receiver

_RUN = """
import asyncio
from services.webhooks.app import service
from services.webhooks.settings import Settings
asyncio.run(service(Settings.from_environment()).run())
"""


@asynccontextmanager
async def doomed(
    settings: ChassisSettings, *, crash_at: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the service in a process that dies at this point, and does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _RUN,
        env={
            **os.environ,
            "KONTOR_MONGO_DATABASE": settings.mongo_database,
            "KONTOR_TOPIC_PREFIX": settings.topic_prefix,
            "KONTOR_PARTITIONS": str(settings.partitions),
            "KONTOR_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
            "KONTOR_CRASH_AT": crash_at,
        },
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()


class TestAProcessThatDiesBetweenTheCallAndItsRecord:
    async def test_is_followed_by_one_that_sends_the_same_again_and_goes_on_in_order(
        self,
        settings: ChassisSettings,
        webhook_settings: Settings,
        wire: Wire,
        mongo: Database,
        receiver: Receiver,
    ) -> None:
        shop = Shop(wire, mongo, receiver.hook("shop"))
        order_id = shop.an_order()
        clock = MovableClock()
        clock.advance(timedelta(minutes=2))  # past the lease of the process that died

        async with doomed(settings, crash_at="after_call:2") as dying:
            await answer_to(wire, shop.creation())
            events = await shop.hears(order_id, 1, times=2)
            await shop.delivery(events[0], "delivered")
            events += await shop.hears(order_id, 2, times=2)
            died = await asyncio.wait_for(dying.wait(), 30)
        events += await shop.hears(order_id, 3, times=2)
        async with running(service(webhook_settings, clock=clock)):
            await shop.until_taken(order_id, [1, 2, 3])
            records = [await shop.delivery(event_id, "delivered") for event_id in events]

        assert died == -signal.SIGKILL
        assert shop.hook.sequences(order_id) == [1, 2, 2, 3]
        assert [UUID(got.id) for got in shop.hook.got] == [events[0], events[1], *events[1:]]
        assert shop.hook.got[1].body == shop.hook.got[2].body
        assert all(got.is_genuine for got in shop.hook.got)
        assert [len(record["attempts"]) for record in records] == [1, 1, 1]


class TestAProcessThatDiesWhileItSendsWhatWasMissed:
    async def test_is_followed_by_one_that_sends_the_rest_once(
        self,
        settings: ChassisSettings,
        webhook_settings: Settings,
        wire: Wire,
        mongo: Database,
        receiver: Receiver,
    ) -> None:
        shop = Shop(wire, mongo, receiver.hook("catching-up"))
        orders = [shop.an_order() for _ in range(130)]
        clock = MovableClock()
        clock.advance(timedelta(minutes=2))

        async with doomed(settings, crash_at="after_call:30") as dying:
            await answer_to(wire, shop.creation(is_enabled=False, payload="thin"))
            events = [event for one in orders for event in await shop.happens(one, 1, 2)]
            for event_id in events:
                await shop.delivery(event_id, "skipped")
            await answer_to(wire, EnableWebhookEndpoint(**shop.own))
            died = await asyncio.wait_for(dying.wait(), 60)
        async with running(service(webhook_settings, clock=clock)):
            for order_id in orders:
                await shop.until_taken(order_id, [1, 2], within=60)
            for event_id in events:
                await shop.delivery(event_id, "delivered")

        assert died == -signal.SIGKILL
        assert {got.id for got in shop.hook.got} == {str(event_id) for event_id in events}
        # What was not recorded when it died comes twice: 30 calls, and those under way.
        assert len(shop.hook.got) <= len(events) + 30 + 32


class TestAProcessThatDiesWhileItDeliversASpanAgain:
    async def test_is_followed_by_one_that_delivers_the_rest_and_ends_the_operation(
        self,
        settings: ChassisSettings,
        webhook_settings: Settings,
        wire: Wire,
        mongo: Database,
        receiver: Receiver,
    ) -> None:
        shop = Shop(wire, mongo, receiver.hook("a-span"))
        orders = [shop.an_order() for _ in range(130)]
        began = datetime.now(UTC) - timedelta(minutes=1)
        clock = MovableClock()
        async with running(service(webhook_settings)):
            await answer_to(wire, shop.creation(payload="thin"))
            events = [event for one in orders for event in await shop.happens(one, 1, 2)]
            for event_id in events:
                await shop.delivery(event_id, "delivered", within=60)
        clock.advance(timedelta(minutes=2))
        span = Span(since=began, until=datetime.now(UTC), states=("delivered",))

        async with doomed(settings, crash_at="after_call:30") as dying:
            command = await wire.send(RedeliverEvents(**shop.own, span=span, count=260), times=2)
            died = await asyncio.wait_for(dying.wait(), 60)
        async with running(service(webhook_settings, clock=clock)):
            outcome = await until(lambda: the_end(mongo, command), within=60)
            for event_id in events:
                await shop.delivery(event_id, "delivered", within=60)

        times = Counter(got.id for got in shop.hook.got)
        assert died == -signal.SIGKILL
        assert outcome == {"s": 200}
        assert min(times[str(event_id)] for event_id in events) == 2
        assert times.total() <= 2 * len(events) + 30 + 32


async def the_end(mongo: Database, command: UUID) -> Bson | None:
    """Return how a command has ended, None while it has not."""
    mark = await mongo["webhooks_inbox"].find_one({"_id": command})
    return None if mark is None else mark.get("o")
