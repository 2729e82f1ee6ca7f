"""What the conformance tests of the chassis share."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from services.chassis.kafka import create_topics
from services.chassis.logging import tell_exceptions
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, database


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Leave out the line that each handled message makes; other modules may want to see theirs.

    An exception is told in short: structlog's own way takes a second to draw one.
    """
    before = structlog.get_config()
    structlog.configure(
        processors=[tell_exceptions, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )
    yield
    structlog.configure(**before)


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
