"""One Kafka and one MongoDB for the whole run; a database and a topic prefix for each module.

Which ones, in this order: KONTOR_KAFKA_BOOTSTRAP and KONTOR_MONGO_URL; Docker, where it answers;
the embedded stack.
"""

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from services.chassis.mongo import connect
from services.chassis.settings import ChassisSettings
from tests.harness import Wire, forget_topics
from tests.stack import Brokers, started


def pytest_configure(config: pytest.Config) -> None:
    """Start the brokers once, in the process that hands out the tests."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    config.stash[BROKERS] = started()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what was started, whatever happened."""
    brokers = config.stash.get(BROKERS, None)
    if brokers is not None:
        brokers.stop()


BROKERS = pytest.StashKey[Brokers]()


@pytest.fixture(scope="module")
async def settings() -> AsyncIterator[ChassisSettings]:
    """The environment of a service whose database and topics no other module uses."""
    name = f"test-{uuid4().hex[:10]}"
    settings = ChassisSettings(
        kafka_bootstrap=os.environ["KONTOR_KAFKA_BOOTSTRAP"],
        mongo_url=os.environ["KONTOR_MONGO_URL"],
        mongo_database=name,
        topic_prefix=f"{name}.",
        partitions=4,
    )
    yield settings
    client = connect(settings.mongo_url)
    await client.drop_database(name)
    client.close()
    await forget_topics(settings)


@pytest.fixture(scope="module")
async def wire(settings: ChassisSettings) -> AsyncIterator[Wire]:
    """A wire to every topic of the module."""
    wire = Wire(settings)
    await wire.start()
    yield wire
    await wire.stop()
