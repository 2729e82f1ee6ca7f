"""Hundreds of clients that do not go on stop nobody."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from services.api.app import Api
from tests.builders import the_reference_body
from tests.integration.api.calling import Caller

HALF_A_HEAD: Final = b"GET /api/Orders/1 HTTP/1.1\r\nhost: kontor\r\nauthoriz"
HALF_A_FORM: Final = (
    b"POST /api/token HTTP/1.1\r\nhost: kontor\r\ncontent-length: 100\r\n"
    b"content-type: application/x-www-form-urlencoded\r\n\r\nclient_id="
)
NEVER_READ: Final = b"GET /documentation HTTP/1.1\r\nhost: kontor\r\n\r\n" * 20


async def test_that_do_not_go_on_stop_nobody(api: Api, call: Caller) -> None:
    half_an_order = (
        b"POST /api/Orders HTTP/1.1\r\nhost: kontor\r\ncontent-type: application/json\r\n"
        b"content-length: 1000\r\nauthorization: Bearer %b\r\n\r\n{" % call.token.encode()
    )
    stuck = [HALF_A_HEAD] * 100 + [half_an_order] * 100 + [HALF_A_FORM] * 80 + [NEVER_READ] * 20
    where = urlsplit(api.url)
    body = {**the_reference_body(), "id": f"ORD-{uuid4().hex}"}

    async with AsyncExitStack() as stack:
        for sent in stuck:
            _, writer = await asyncio.open_connection(where.hostname, where.port, limit=1024)
            stack.callback(writer.close)
            writer.write(sent)
        async with asyncio.timeout(30):
            placed = await call("POST", "/api/Orders", body)
            token = await call("POST", "/api/token", {"clientId": "x", "clientSecret": "y"})
            health = await call("GET", "/health/live")

    assert (placed.status, token.status, health.status) == (201, 401, 200)
    assert json.loads(placed.body)["id"] == body["id"]
