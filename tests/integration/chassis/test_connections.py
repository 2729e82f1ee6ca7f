"""Connections whose other side does not go on are closed; all others are left alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import pytest

from services.chassis.connections import LONGEST_HEAD
from services.chassis.health import Receive, Scope, Send, Server, server
from tests.harness import until

PATIENCE: Final = 1.0
LONG: Final = 64 * 1024 * 1024

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pages:
    """Answers with the length of the body; `/long` with a long answer, `/held` when it may.

    `/broken` breaks once the head is sent, `/pieces` answers in two, `/headers` with the number of
    headers.
    """

    def __init__(self) -> None:
        self.may_go = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, message = 0, await receive()
        while message.get("more_body"):
            size += len(message["body"])
            message = await receive()
        if message["type"] == "http.disconnect":
            return
        if scope["path"] == "/held":
            await self.may_go.wait()
        size += len(message["body"])
        body = b"x" * LONG if scope["path"] == "/long" else str(size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        if scope["path"] == "/headers":
            body = b"%d" % len(scope["headers"])
        if scope["path"] == "/pieces":
            headers = []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if scope["path"] == "/broken":
            raise RuntimeError("broken")
        if scope["path"] == "/pieces":
            await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        await send({"type": "http.response.body", "body": body})


class Place:
    """A server with little patience, and whoever connects to it."""

    def __init__(self, served: Server, pages: Pages) -> None:
        self.server = served
        self.pages = pages
        self._writers: list[asyncio.StreamWriter] = []

    async def connected(self, sent: bytes = b"") -> Stream:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self._writers.append(writer)
        writer.write(sent)
        return reader, writer

    async def said(self, sent: bytes) -> bytes:
        """Return all that is answered until the connection is closed."""
        reader, _ = await self.connected(sent)
        async with asyncio.timeout(30):
            return await reader.read()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def serving() -> AsyncIterator[Place]:
    pages = Pages()
    served = server(pages, host="127.0.0.1", port=0, patience=PATIENCE)
    await served.start()
    place = Place(served, pages)
    try:
        yield place
    finally:
        place.close()
        await served.stop()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with serving() as place:
        yield place


def problem(said: bytes) -> Any:  # noqa: ANN401 - JSON
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.splitlines()
    assert b"connection: close" in head.splitlines()
    return json.loads(body)


async def answer(stream: Stream) -> bytes:
    """Return the body of one answer."""
    reader, _ = stream
    async with asyncio.timeout(30):
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        return await reader.readexactly(int(length))


HALF_A_HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-"
HALF_A_BODY = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc"
WHOLE = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"


class TestConnection:
    async def test_that_does_not_go_on_is_told_so_and_closed(self, place: Place) -> None:
        beginnings = (b"", b"P", HALF_A_HEAD, HALF_A_BODY, HALF_A_BODY[:-3])

        said = await asyncio.gather(*(place.said(sent) for sent in beginnings))

        assert {one.partition(b" ")[2][:4] for one in said} == {b"408 "}
        assert {problem(one)["type"].rpartition("/")[2] for one in said} == {"request-timeout"}

    async def test_that_goes_on_too_slowly_is_closed(self, place: Place) -> None:
        reader, writer = await place.connected(HALF_A_BODY.replace(b": 10", b": 100000"))

        async def trickle() -> None:
            with suppress(ConnectionError):
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    await asyncio.sleep(0.1)

        trickling = asyncio.create_task(trickle())
        async with asyncio.timeout(30):
            said = await reader.read()
        trickling.cancel()
        await asyncio.gather(trickling, return_exceptions=True)

        assert said.startswith(b"HTTP/1.1 408 ")

    async def test_that_takes_no_answer_is_closed(self, place: Place) -> None:
        reader, _ = await place.connected(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n")
        await until(lambda: place.server.server_state.total_requests, within=30)

        await until(lambda: not place.server.server_state.connections, within=30)

        taken = 0
        with suppress(ConnectionError):
            while part := await reader.read(2**20):
                taken += len(part)
        assert taken < LONG

    async def test_that_waits_for_us_or_rests_is_left_alone(self, place: Place) -> None:
        resting = await place.connected(WHOLE)
        before = await answer(resting)
        held = await place.connected(WHOLE.replace(b"POST /", b"POST /held"))

        await place.said(HALF_A_BODY)  # this one is closed for its patience
        resting[1].write(WHOLE)
        place.pages.may_go.set()

        assert before == b"3"
        assert await answer(resting) == b"3"
        assert await answer(held) == b"3"

    async def test_is_not_told_twice_when_it_was_answered_before_its_end(
        self, place: Place
    ) -> None:
        sent = WHOLE + HALF_A_HEAD

        said = await place.said(sent)

        first, second, *_ = said.split(b"HTTP/1.1 ")[1:]
        assert first.startswith(b"200 ")
        assert second.startswith(b"408 ")

    async def test_with_endless_headers_is_refused(self, place: Place) -> None:
        reader, writer = await place.connected(HALF_A_HEAD)
        with suppress(ConnectionError):
            for _ in range(1024):
                writer.write(b"x" * 1024)
                await writer.drain()

        async with asyncio.timeout(30):
            said = b""
            with suppress(ConnectionError):
                said = await reader.read(LONGEST_HEAD)

        # What was on its way when it was closed may take the answer with it.
        assert said == b"" or problem(said)["status"] == 431
        assert await until(lambda: not place.server.server_state.connections, within=30)

    async def test_adds_nothing_to_the_headers_once_the_body_has_begun(self, place: Place) -> None:
        """RFC 9110 6.5.1; a client without a token could fill the memory with them."""
        head = b"POST /headers HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        trailers = b"authorization: Bearer x\r\n" * 2
        stream = await place.connected(head + b"1\r\na\r\n0\r\n" + trailers + b"\r\n")

        counted = await answer(stream)

        assert counted == b"2"

    @pytest.mark.parametrize("hosts", [b"", b"host: a\r\nhost: b\r\n"])
    async def test_names_its_host_once(self, place: Place, hosts: bytes) -> None:
        """RFC 9112 3.2."""
        said = await place.said(b"GET / HTTP/1.1\r\n" + hosts + b"\r\n")

        assert problem(said)["type"].endswith("/malformed-request")

    async def test_that_speaks_no_http_is_told_so(self, place: Place) -> None:
        said = await place.said(b"hello\r\n\r\n")

        assert problem(said)["type"].endswith("/malformed-request")


class TestAnswer:
    async def test_is_the_same_however_it_is_sent(self, place: Place) -> None:
        asked = {
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n": b"content-length: 1\r\n"
            b"connection: close\r\n\r\n0",
            b"GET / HTTP/1.0\r\n\r\n": b"content-length: 1\r\nconnection: close\r\n\r\n0",
            b"HEAD / HTTP/1.0\r\n\r\n": b"content-length: 1\r\nconnection: close\r\n\r\n",
            b"GET /pieces HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n": b"connection: "
            b"close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\n0\r\n0\r\n\r\n",
        }

        said = [await place.said(one) for one in asked]

        assert said == [b"HTTP/1.1 200 OK\r\n" + one for one in asked.values()]

    async def test_that_breaks_before_its_body_is_a_500(self, place: Place) -> None:
        said = await place.said(b"GET /broken HTTP/1.1\r\nhost: x\r\n\r\n")

        assert said.startswith(b"HTTP/1.1 500 ")
        assert said.count(b"HTTP/1.1") == 1

    async def test_to_several_requests_at_once_come_in_their_order(self, place: Place) -> None:
        last = WHOLE.replace(b"host: x", b"host: x\r\nconnection: close").replace(b"abc", b"a")
        last = last.replace(b"length: 3", b"length: 1")

        said = await place.said(WHOLE + last)

        first, second = said.split(b"HTTP/1.1 200 OK\r\n")[1:]
        assert first == b"content-length: 1\r\n\r\n3"
        assert second == b"content-length: 1\r\nconnection: close\r\n\r\n1"
