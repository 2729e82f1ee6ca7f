from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest

from services.chassis.clock import MovableClock
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.webhooks.app import service
from services.webhooks.settings import Settings
from tests.harness import Wire, database, running
from tests.integration.webhooks.shops import Shop
from tests.receiver import Receiver

Open = Callable[..., Awaitable[Shop]]


@pytest.fixture(scope="module")
async def mongo(settings: ChassisSettings) -> AsyncIterator[Database]:
    """The database of the module."""
    async with database(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver with as many hooks as anybody wants."""
    async with Receiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def webhook_settings(settings: ChassisSettings) -> Settings:
    """The environment of the service: endpoints on loopback are allowed."""
    return Settings.model_validate(
        {**settings.model_dump(), "webhooks_allowed_networks": "127.0.0.0/8"}
    )


@pytest.fixture(scope="module")
async def clock(webhook_settings: Settings) -> AsyncIterator[MovableClock]:
    """The clock of the service, which runs for the whole module."""
    clock = MovableClock()
    async with running(service(webhook_settings, clock=clock)):
        yield clock


@pytest.fixture
def open_shop(
    wire: Wire,
    mongo: Database,
    receiver: Receiver,
    clock: MovableClock,  # noqa: ARG001 - the service has to run
) -> Open:
    """Open a shop: `await open_shop(payload="thin")`."""
    return partial(Shop.opened, wire, mongo, receiver)
