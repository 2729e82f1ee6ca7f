from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from contracts.settings import Configuration, Connector
from services.chassis.clock import MovableClock
from services.chassis.configuration import DOCUMENT
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.payments.app import service
from services.payments.settings import Settings
from tests.harness import database, running
from tests.provider import Provider

SECRET = "the connector's secret"


@pytest.fixture(scope="module")
async def mongo(settings: ChassisSettings) -> AsyncIterator[Database]:
    """The database of the module."""
    async with database(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
async def the_provider(mongo: Database) -> AsyncIterator[Provider]:
    """A provider, and a configuration that names it as the connector `psp`."""
    async with Provider() as provider:
        psp = Connector(
            connector_id="psp",
            host=f"{provider.url}/",
            implementations=("IPaymentProvider",),
            time_out=1,
            headers={"X-Merchant": "kontor"},
            secret=SECRET,
        )
        forbidden = Connector(connector_id="inside", host="http://10.0.0.1")
        configuration = Configuration(version=1, connectors=(psp, forbidden))
        await mongo["settings"].insert_one(
            {
                "_id": DOCUMENT,
                "version": 1,
                "json": configuration.model_dump_json(by_alias=True),
            }
        )
        yield provider


@pytest.fixture
def provider(the_provider: Provider) -> Provider:
    """The provider, well-behaved at first."""
    the_provider.behave("normal")
    the_provider.received.clear()
    return the_provider


@pytest.fixture(scope="module")
def payment_settings(settings: ChassisSettings) -> Settings:
    """The environment of the service: providers on loopback are allowed."""
    return Settings.model_validate(
        {**settings.model_dump(), "allowed_networks": (ip_network("127.0.0.0/8"),)}
    )


@pytest.fixture(scope="module")
async def clock(
    payment_settings: Settings,
    the_provider: Provider,  # noqa: ARG001 - the service reads the configuration when it starts
) -> AsyncIterator[MovableClock]:
    """The clock of the service, which runs for the whole module."""
    clock = MovableClock()
    async with running(service(payment_settings, clock=clock)):
        yield clock
