"""Endpoints that change while events are on their way to them."""

import base64
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook

from contracts.messages.webhooks import (
    ChangeWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    RotateWebhookSecret,
)
from services.chassis.clock import MovableClock
from tests.harness import Wire, until
from tests.integration.webhooks.conftest import Open
from tests.integration.webhooks.shops import Shop, answer_to, body_of, envelope_to
from tests.receiver import Got, Receiver, status

KEY = base64.b64encode(b"k" * 32).decode()


def rotation(shop: Shop, *, signature: str | None = None) -> RotateWebhookSecret:
    return RotateWebhookSecret.model_validate(
        {**shop.own, "key_material": KEY, "signature": signature, "overlap_seconds": 3600}
    )


def signatures(got: Got) -> list[str]:
    return got.headers["webhook-signature"].split(" ")


def signed(got: Got, secret: str) -> str:
    """What the public library signs it with; it would verify only what is of this minute."""
    at = datetime.fromtimestamp(int(got.headers["webhook-timestamp"]), tz=UTC)
    return str(Webhook(secret).sign(got.id, at, got.body.decode()))


class TestANewSecret:
    async def test_signs_beside_the_old_one_until_that_has_had_its_time(
        self, open_shop: Open, wire: Wire, clock: MovableClock
    ) -> None:
        shop = await open_shop()
        first, second = shop.an_order(), shop.an_order()
        body = body_of(await envelope_to(wire, rotation(shop)))

        await shop.hears(first, 1)
        await shop.until_taken(first, [1])
        clock.advance(timedelta(hours=2))
        await shop.hears(second, 1)
        await shop.until_taken(second, [1])

        both, alone = shop.hook.got
        assert body["secret"] == "whsec_" + KEY
        assert signatures(both) == [signed(both, body["secret"]), signed(both, shop.hook.secret)]
        assert signatures(alone) == [signed(alone, body["secret"])]

    async def test_of_another_kind_lets_a_receiver_change_over(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop()
        order_id = shop.an_order()
        body = body_of(await envelope_to(wire, rotation(shop, signature="v1a")))

        await shop.hears(order_id, 1)
        await shop.until_taken(order_id, [1])

        (got,) = shop.hook.got
        new, old = signatures(got)
        content = f"{got.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
        public = base64.b64decode(body["publicKey"].removeprefix("whpk_"))
        Ed25519PublicKey.from_public_bytes(public).verify(
            base64.b64decode(new.removeprefix("v1a,")), content
        )
        assert old == signed(got, shop.hook.secret)
        assert "secret" not in body


class TestADisabledEndpoint:
    async def test_is_sent_nothing_until_it_is_enabled_and_then_what_waited_in_order(
        self, open_shop: Open, wire: Wire
    ) -> None:
        shop = await open_shop(retry_schedule=[1] * 20)
        shop.hook.always = status(500)
        order_id = shop.an_order()
        first, second, third = await shop.hears(order_id, 1, 2, 3)
        await shop.delivery(first, "retrying")

        disabled = body_of(await envelope_to(wire, DisableWebhookEndpoint(**shop.own)))
        await shop.delivery(first, "held")
        asked = len(shop.hook.got)
        shop.hook.always = status(200)
        enabled = body_of(await envelope_to(wire, EnableWebhookEndpoint(**shop.own)))

        await shop.until_taken(order_id, [1, 2, 3])
        for event_id in (first, second, third):
            await shop.delivery(event_id, "delivered")
        (news,) = await wire.wait_for("webhooks.events", lambda e: e.key == shop.endpoint_id)
        assert (disabled["isEnabled"], enabled["isEnabled"]) == (False, True)
        assert len(shop.hook.got) == asked + 3
        assert news.type == "webhook.endpoint_disabled"


class TestAChange:
    async def test_holds_for_what_is_under_way_already(
        self, open_shop: Open, wire: Wire, receiver: Receiver
    ) -> None:
        shop = await open_shop(retry_schedule=[1] * 20)
        shop.hook.always = status(500)
        order_id = shop.an_order()
        (event_id,) = await shop.hears(order_id, 1)
        await shop.delivery(event_id, "retrying")
        moved = receiver.hook(f"moved-{order_id}")

        changes = {"url": moved.url, "headers": {"X-Moved": "yes"}}
        await answer_to(wire, ChangeWebhookEndpoint(**shop.own, changes=dict(changes)))

        await until(lambda: moved.got, within=30)
        record = await shop.delivery(event_id, "delivered")
        assert moved.got[0].headers["x-moved"] == "yes"
        assert moved.got[0].id == str(event_id)
        assert record["attempts"][-1]["statusCode"] == 200
