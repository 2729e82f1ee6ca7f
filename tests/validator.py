"""An order validator on loopback that says what a test wants it to say."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.harness import served

Json = Any
"""Any: JSON, for tests to look into."""


@dataclass(frozen=True)
class Says:
    """One answer: a status and a body."""

    body: Json
    status: int = 200

    @property
    def data(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Judge = Callable[[Json], Says | None]
"""What it says of an order; None: nothing, for ever."""


def agree(order: Json) -> Says:
    """Leave the order as it is."""
    return Says(order)


class OrderValidator:
    """Keeps what it was sent: each order, and the key under which it came."""

    def __init__(self) -> None:
        self.url = ""
        self.judge: Judge = agree
        self.asked: list[tuple[str, Json]] = []
        self.headers: list[dict[str, str]] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/validate", self._answer)
        self._runner, address = await served(app)
        self.url = f"{address}/validate"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def orders(self, order_id: str) -> list[Json]:
        """Return what it was asked about this order, once per key."""
        return list({key: one for key, one in self.asked if one["id"] == order_id}.values())

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        order = await request.json()
        self.asked.append((request.headers["Idempotency-Key"], order))
        self.headers.append(dict(request.headers))
        await self.go_on.wait()
        said = self.judge(order)
        if said is None:
            await asyncio.Event().wait()
            raise RuntimeError("nobody sets it")
        return web.Response(body=said.data, status=said.status, content_type="application/json")
