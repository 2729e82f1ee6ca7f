"""`/health/live`, `/health/ready` and `/metrics` of a service, on a port of its own."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from services.chassis.connections import PATIENCE, Connection, Watch

# ASGI's own types are dictionaries of anything.
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Check = Callable[[], Awaitable[bool]]


async def report(checks: dict[str, Check]) -> tuple[int, bytes]:
    """Return 200 when every part answers within two seconds, else 503, and what each one said."""
    words = await asyncio.gather(*(_word(check) for check in checks.values()))
    ready = all(word == "ok" for word in words)
    parts = dict(zip(checks, words, strict=True))
    return (200 if ready else 503), to_json({"ready": ready, "parts": parts})


async def _word(check: Check) -> str:
    try:
        async with asyncio.timeout(2):
            return "ok" if await check() else "not ready"
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the part is not ready
        return type(error).__name__


def application(checks: dict[str, Check]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return the three pages as an ASGI application."""

    async def pages(scope: Scope, _: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        kind = b"application/json"
        if scope["path"] == "/health/live":
            status, body = 200, b'{"live":true}'
        elif scope["path"] == "/health/ready":
            status, body = await report(checks)
        elif scope["path"] == "/metrics":
            status, body, kind = 200, generate_latest(), CONTENT_TYPE_LATEST.encode()
        else:
            status, body = 404, b'{"title":"/health/live, /health/ready or /metrics"}'
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return pages


class CannotListen(Exception):
    """The port cannot be had."""


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the service has one way to stop.

    Connections that get nowhere are closed.
    """

    def __init__(self, config: uvicorn.Config, patience: float) -> None:
        self._exit = asyncio.Event()
        super().__init__(config)
        self._watch = Watch(patience)
        self._serving: asyncio.Task[None] | None = None

    @property
    def should_exit(self) -> bool:
        """Whether it is to stop, which it does at once."""
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        if value:
            self._exit.set()

    async def main_loop(self) -> None:
        """Look after the connections once a second until it is to stop.

        uvicorn's own wakes ten times as often, which a process that does nothing else would notice.
        """
        while not await self.on_tick(0):
            # `server` below says which class they are of.
            connections = cast("set[Connection]", self.server_state.connections)
            self._watch.look(connections, asyncio.get_running_loop().time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._exit.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Any:  # noqa: ANN401 - uvicorn's own signature
        """Leave signals alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, where uvicorn's own would end the process if it cannot."""
        try:
            await super().startup(sockets)
        except SystemExit as end:
            raise CannotListen(
                f"cannot listen on {self.config.host}:{self.config.port} ({end.__context__}); "
                "KONTOR_HEALTH_HOST and KONTOR_HEALTH_PORT say where to listen, for the api "
                "KONTOR_API_HOST and KONTOR_API_PORT"
            ) from None

    async def start(self) -> None:
        """Return once the port answers.

        :raises CannotListen: if the port cannot be had
        """
        self._serving = asyncio.create_task(self.serve())
        while not self.started:
            if self._serving.done():
                return await self._serving
            await asyncio.sleep(0.02)
        return None

    async def stop(self) -> None:
        """Finish what is in hand, and stop listening."""
        self.should_exit = True
        if self._serving is not None:
            await asyncio.gather(self._serving, return_exceptions=True)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self.servers[0].sockets[0].getsockname()[1])


def server(
    app: Any,  # noqa: ANN401 - any ASGI application
    *,
    host: str,
    port: int,
    patience: float = PATIENCE,
) -> Server:
    """Return a quiet uvicorn for `app`; port 0 takes a free one.

    :param patience: seconds after which a connection whose other side does not go on is closed
    """
    return Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            log_config=None,
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=10,
            timeout_keep_alive=75,
        ),
        patience,
    )
