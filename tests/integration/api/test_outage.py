"""When Kafka or MongoDB is away, the client hears that nothing was stored, and may come again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from services.api.app import service
from services.api.domain import Command, Origin, Refusal
from services.api.gateways import Commands
from services.api.queries.leases import Leases
from services.api.queries.replies import Replies
from services.api.queries.requests import Requests
from services.api.queries.results import Results
from services.chassis.clock import Clock
from services.chassis.kafka import Producer
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.builders import the_reference_body
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import api_settings


class Cable:
    """The way to a server, which can be cut."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[int]:
        """Forward from a free port as long as the block lasts or until it is cut."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        yield self._server.sockets[0].getsockname()[1]
        self.cut()

    def cut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        self._writers += [writer, back]
        await asyncio.gather(_pump(reader, back), _pump(there, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        writer.transport.abort()


@pytest.mark.usefixtures("answerer")
class TestMongo:
    async def test_that_is_away_is_told(self, settings: ChassisSettings) -> None:
        host, port = settings.mongo_url.split("//")[1].split("/")[0].split(":")
        cable = Cable(host, int(port))
        async with cable.laid() as there:
            url = f"mongodb://127.0.0.1:{there}/?directConnection=true"
            async with harness.running(service(api_settings(settings, mongo_url=url))) as api:
                caller = await Caller.signed_in(api.url)
                first = await caller("GET", "/api/Orders/1")
                cable.cut()

                said = await caller("GET", "/api/Orders/1")
                ready = await caller("GET", "/health/ready")

                await caller.close()
        assert first.status == 404
        assert (said.status, said.problem) == (503, "unavailable")
        assert int(said.headers["retry-after"]) > 0
        assert (ready.status, ready.json["parts"]["kafka"]) == (503, "ok")


class TestKafka:
    async def test_that_is_away_is_told_and_the_key_stays_good(
        self, settings: ChassisSettings, database: Database
    ) -> None:
        nowhere = settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
        producer = Producer(nowhere)
        commands = Commands(
            producer=producer,
            replies=Replies(nowhere, Leases(database)),
            requests=Requests(database),
            results=Results(database),
            clock=Clock(),
            answer_seconds=1,
        )
        body = the_reference_body()
        command = Command("workflow", "orders.place_order", "orders.commands", body["id"], b"{}")
        origin = Origin("owner", uuid4(), "", key=uuid4().hex)

        with pytest.raises(Refusal) as first:
            await commands.carry_out(lambda _: command, origin)
        with pytest.raises(Refusal) as again:
            await commands.carry_out(lambda _: command, origin)

        await producer.stop()
        assert first.value.problem.slug == again.value.problem.slug == "unavailable"
