import base64
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from structlog.testing import capture_logs

from contracts.message import Envelope
from contracts.messages.replies import REPLIES, Reply
from services.chassis.clock import MovableClock
from services.chassis.mongo import Database
from tests.harness import Wire, until
from tests.integration.webhooks.conftest import Open
from tests.integration.webhooks.shops import Shop, answer_to, body_of, envelope_to
from tests.receiver import Receiver, status


@pytest.fixture
def shop(wire: Wire, mongo: Database, receiver: Receiver, clock: MovableClock) -> Shop:
    """A shop whose endpoint is not made yet."""
    assert clock
    return Shop(wire, mongo, receiver.hook(uuid4().hex))


class TestCreatingAnEndpoint:
    async def test_shows_its_secret_once_and_nowhere_else(self, shop: Shop, wire: Wire) -> None:
        shop.hook.always = status(500)

        with capture_logs() as logs:
            envelope = await envelope_to(wire, shop.creation(description="ours", rate_limit=5))
            (event_id,) = await shop.hears(shop.an_order(), 1)
            await shop.delivery(event_id, "retrying")

        body = body_of(envelope)
        assert Reply.model_validate_json(envelope.data).status_code == 201
        assert (body["id"], body["url"], body["secret"]) == (
            shop.endpoint_id,
            shop.hook.url,
            shop.hook.secret,
        )
        assert (body["description"], body["rateLimit"], body["isEnabled"]) == ("ours", 5, True)
        assert body["created"] == body["modified"]
        secret = shop.hook.secret.removeprefix("whsec_")
        assert secret not in repr(logs)
        assert not [event for event in wire.on("webhooks.events") if secret.encode() in event.data]

    async def test_is_answered_without_the_secret_when_it_is_repeated(
        self, shop: Shop, wire: Wire
    ) -> None:
        envelope = wire.sealed(shop.creation(), reply_to=1)
        await wire.producer.send([envelope])
        await wire.wait_for(REPLIES, lambda found: found.key == str(envelope.id))

        await wire.producer.send([envelope])

        def answers() -> list[Envelope]:
            found = [one for one in wire.on(REPLIES) if one.key == str(envelope.id)]
            return found if len(found) > 1 else []

        first, *repeats = await until(answers)
        assert body_of(first)["secret"] == shop.hook.secret
        assert {Reply.model_validate_json(one.data).status_code for one in repeats} == {201}
        assert not any(shop.hook.secret.encode() in one.data for one in repeats)

    async def test_counts_from_its_answer_on(self, shop: Shop, open_shop: Open) -> None:
        early = await open_shop(filters={"stores": [shop.name]})
        order_id = early.an_order()
        await early.hears(order_id, 1, store_id=shop.name)
        await early.until_taken(order_id, [1])

        await answer_to(shop.wire, shop.creation())
        await shop.hears(order_id, 2)

        await shop.until_taken(order_id, [2])
        (got,) = shop.hook.got
        assert got.json["previousSequence"] == 0

    @pytest.mark.parametrize("secret", ["whsec_c2hvcnQ=", "no secret at all", "whsec_!!!"])
    async def test_is_refused_with_a_secret_that_could_verify_nothing(
        self, shop: Shop, wire: Wire, secret: str
    ) -> None:
        shop.hook.secret = secret

        reply = await answer_to(wire, shop.creation())

        assert reply.problem is not None
        assert reply.problem.errors is not None
        assert (reply.status_code, reply.problem.errors[0].path) == (400, "secret")
        assert secret not in reply.model_dump_json()
        assert await shop.endpoint() is None

    async def test_with_a_private_key_shows_the_public_one_and_signs_with_it(
        self, shop: Shop, wire: Wire
    ) -> None:
        shop.hook.secret = "whsk_" + base64.b64encode(b"k" * 32).decode()

        reply = await answer_to(wire, shop.creation(signature="v1a"))
        order_id = shop.an_order()
        await shop.hears(order_id, 1)
        await shop.until_taken(order_id, [1])

        body = body_of(next(one for one in wire.on(REPLIES) if one.key == reply.command_id))
        assert "secret" not in body
        (got,) = shop.hook.got
        scheme, _, signature = got.headers["webhook-signature"].partition(",")
        signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode()
        public = base64.b64decode(body["publicKey"].removeprefix("whpk_"))
        Ed25519PublicKey.from_public_bytes(public).verify(
            base64.b64decode(signature), signed + got.body
        )
        assert scheme == "v1a"

    async def test_is_refused_when_key_and_signature_do_not_fit(
        self, shop: Shop, wire: Wire
    ) -> None:
        reply = await answer_to(wire, shop.creation(signature="v1a"))

        assert reply.problem is not None
        assert reply.problem.errors is not None
        assert (reply.status_code, reply.problem.errors[0].path) == (400, "secret")

    @pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "169.254.169.254", "2130706433"])
    async def test_is_refused_at_an_address_inside_the_house(
        self, shop: Shop, wire: Wire, host: str
    ) -> None:
        reply = await answer_to(wire, shop.creation(url=f"http://{host}/x"))

        assert reply.problem is not None
        assert reply.problem.errors is not None
        assert (reply.status_code, reply.problem.slug) == (400, "address-not-allowed")
        assert reply.problem.errors[0].path == "url"
