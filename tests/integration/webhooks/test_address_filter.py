from collections.abc import AsyncIterator

import pytest

from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.webhooks.app import service
from services.webhooks.settings import Settings
from tests.harness import Wire, running
from tests.integration.webhooks.shops import Shop, answer_to
from tests.receiver import Receiver


@pytest.fixture(scope="module", autouse=True)
async def a_service_without_allowed_networks(settings: ChassisSettings) -> AsyncIterator[None]:
    async with running(service(Settings.model_validate(settings.model_dump()))):
        yield


class TestWithoutAllowedNetworks:
    async def test_an_endpoint_on_loopback_is_refused(
        self, wire: Wire, mongo: Database, receiver: Receiver
    ) -> None:
        shop = Shop(wire, mongo, receiver.hook("direct"))

        reply = await answer_to(wire, shop.creation())

        assert reply.problem is not None
        assert (reply.status_code, reply.problem.slug) == (400, "address-not-allowed")
        assert await shop.endpoint() is None

    async def test_an_endpoint_whose_name_leads_to_loopback_is_never_sent_anything(
        self, wire: Wire, mongo: Database, receiver: Receiver
    ) -> None:
        url = f"http://localhost:{receiver.port}/by-name"
        shop = await Shop.opened(wire, mongo, receiver, url=url)
        receiver.hooks["/by-name"] = shop.hook

        (event_id,) = await shop.hears(shop.an_order(), 1)

        record = await shop.delivery(event_id, "retrying")
        (attempt,) = record["attempts"]
        assert attempt["error"] == "localhost is neither public nor in an allowed network"
        assert "statusCode" not in attempt
        assert shop.hook.got == []
