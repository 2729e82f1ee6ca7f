"""What the conformance tests of the chassis share."""

from collections.abc import AsyncIterator

import pytest

from services.chassis import logging
from services.chassis.kafka import create_topics
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, database


@pytest.fixture(scope="session", autouse=True)
def lines() -> None:
    """Log as a service does: structlog's own way prints what was handled."""
    logging.set_up(service="tests", level="WARNING")


@pytest.fixture(scope="module")
async def wire(settings: ChassisSettings) -> AsyncIterator[Wire]:
    """A wire to what the toy says; what is said to it may be anything."""
    await create_topics(settings, toy.TOPICS)
    wire = Wire(settings, topics=tuple(topic for topic in toy.TOPICS if topic != toy.COMMANDS))
    await wire.start()
    yield wire
    await wire.stop()


@pytest.fixture(scope="module")
async def mongo(settings: ChassisSettings) -> AsyncIterator[Database]:
    """The database of the module."""
    async with database(settings) as opened:
        yield opened
