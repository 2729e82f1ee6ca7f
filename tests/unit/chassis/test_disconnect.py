import asyncio
import threading
from typing import cast

from services.chassis.mongo import Client, disconnect


class Slow:
    """A client of a MongoDB that is away: it closes once the event loop has gone on."""

    def __init__(self) -> None:
        self.went_on = threading.Event()
        self.loop_went_on_meanwhile = False

    def close(self) -> None:
        self.loop_went_on_meanwhile = self.went_on.wait(10)


async def test_a_mongodb_that_is_away_does_not_hold_up_the_event_loop() -> None:
    client = Slow()
    asyncio.get_running_loop().call_soon(client.went_on.set)

    await disconnect(cast("Client", client))

    assert client.loop_went_on_meanwhile
