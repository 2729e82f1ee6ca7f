"""A webhook receiver on loopback that keeps what it got, and misbehaves when told to.

async with Receiver() as receiver:
    shop = receiver.hook("shop")         # a URL and a secret of its own
    shop.next(status(500), hang())       # the next two requests; then 200 again
    shop.always = status(429, retry_after="3")
    assert shop.sequences("order-1") == [1, 2, 3]
"""

import asyncio
import base64
import json
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

Reaction = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def status(code: int, text: str = "", **headers: str) -> Reaction:
    """Answer with this status; `retry_after="3"` becomes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def react(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=code, text=text, headers=named)

    return react


def slow(seconds: float, code: int = 200) -> Reaction:
    """Answer after a while."""

    async def react(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(status=code)

    return react


def hang(until: asyncio.Event | None = None) -> Reaction:
    """Answer only after `until`, or when the sender has long given up."""

    async def react(_: web.BaseRequest) -> web.StreamResponse:
        await (until or asyncio.Event()).wait()
        return web.Response()

    return react


def break_off() -> Reaction:
    """Close the connection instead of an answer."""

    async def react(request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    return react


@dataclass(frozen=True)
class Got:
    """One request."""

    at: float
    headers: dict[str, str]
    body: bytes
    is_genuine: bool
    answered: int | None

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON, for tests to reach into
        return json.loads(self.body)

    @property
    def subject(self) -> str:
        """The order or the SKU that it is about; of a test, the endpoint."""
        data = self.json["data"]
        return str(data.get("orderId") or data.get("sku") or data["endpointId"])


@dataclass
class Hook:
    """One address of the receiver. `got` are the requests as they were answered, in order."""

    url: str
    secret: str
    got: list[Got] = field(default_factory=list)
    always: Reaction = field(default_factory=lambda: status(200))
    in_flight: int = 0
    most_in_flight: int = 0
    _next: deque[Reaction] = field(default_factory=deque)

    def next(self, *reactions: Reaction) -> None:
        """React to the next requests so, one each."""
        self._next.extend(reactions)

    def of(self, subject: str) -> list[Got]:
        """Return what came about one order or SKU."""
        return [got for got in self.got if got.subject == subject]

    def taken(self, subject: str) -> list[Got]:
        """Return what came about it and was answered with 2xx."""
        return [got for got in self.of(subject) if got.answered in range(200, 300)]

    def sequences(self, subject: str) -> list[int]:
        """Return the sequences of what was taken."""
        return [got.json["sequence"] for got in self.taken(subject)]

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        """React, and keep the request."""
        body = await request.content.read()  # however large the order is
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            is_genuine = False
        else:
            is_genuine = True
        at = asyncio.get_running_loop().time()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        answered: int | None = None
        try:
            response = await (self._next.popleft() if self._next else self.always)(request)
            answered = response.status
        finally:
            self.in_flight -= 1
            self.got.append(Got(at, headers, body, is_genuine, answered))
        return response


def a_secret() -> str:
    """Make a secret as the api makes them."""
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def a_closed_port() -> int:
    """Return a port of loopback on which nobody listens."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Receiver:
    """Listens on a port of loopback; start it again on the same one with `port`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.hooks: dict[str, Hook] = {}
        self._runner: web.ServerRunner | None = None

    def hook(self, name: str) -> Hook:
        """Return the hook of this name; it has a new secret when it is new."""
        url = f"http://127.0.0.1:{self.port}/{name}"
        return self.hooks.setdefault(f"/{name}", Hook(url, a_secret()))

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.StreamResponse:
        hook = self.hooks.get(request.path)
        return await hook.take(request) if hook else web.Response(status=404)
