"""One Kafka and one MongoDB for the whole run; a database and a topic prefix for each module.

Which ones, in this order: KONTOR_KAFKA_BOOTSTRAP and KONTOR_MONGO_URL; Docker, where it answers;
the embedded stack.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from uuid import uuid4

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as laws

from services.chassis.mongo import connect
from services.chassis.settings import ChassisSettings
from tests.harness import Wire, forget_topics
from tests.stack import Brokers, started

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

# The same examples every time, however slow the machine: a run says something about the change and
# nothing about luck. `pytest --hypothesis-profile=explore` looks further.
laws.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
laws.register_profile("explore", deadline=None, max_examples=1_000)
laws.load_profile("same")


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run everything on the loop that services run on: others keep time in another way."""
    return {"services": new_event_loop}


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
