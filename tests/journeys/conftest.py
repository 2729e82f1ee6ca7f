from collections.abc import AsyncIterator

import pytest

from services.chassis.settings import ChassisSettings
from tests.journeys.world import World, the_world


@pytest.fixture(scope="module")
async def world(settings: ChassisSettings) -> AsyncIterator[World]:
    """The whole system, shared by the journeys of a module; each has an order of its own."""
    async with the_world(settings) as world:
        yield world
        # Whatever the journeys did, no message was beyond the services.
        letters = await world.db["dead_letters"].find({}, {"reason": 1, "type": 1}).to_list(None)
        assert letters == []
