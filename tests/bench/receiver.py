"""A webhook receiver that notes when each order arrived: `python -m tests.bench.receiver PORT`.

`GET /seen` answers how many different orders have arrived, `GET /times` with the moment of each
(monotonic seconds). `?hang=S` on the address makes it answer after S seconds.
"""

import asyncio
import sys
from time import monotonic
from typing import Any

import uvicorn
import uvloop
from pydantic_core import to_json

MARKS = (b'"objectId":"', b'"id":"')
seen: dict[str, float] = {}
counts = {"all": 0}


async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own
    """Answer 200 to every POST."""
    if scope["type"] != "http":
        return
    if scope["method"] == "GET":
        full = scope["path"] == "/times"
        await _answer(send, to_json(seen if full else {"orders": len(seen), **counts}))
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["query_string"].startswith(b"hang="):
        await asyncio.sleep(float(scope["query_string"][5:]))
    mark = MARKS[0] if MARKS[0] in body else MARKS[1]
    start = body.index(mark) + len(mark)
    seen.setdefault(body[start : body.index(b'"', start)].decode(), monotonic())
    counts["all"] += 1
    await _answer(send, b"ok")


async def _answer(send: Any, body: bytes) -> None:  # noqa: ANN401 - ASGI's own
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvloop.run(
        uvicorn.Server(
            uvicorn.Config(
                application,
                port=int(sys.argv[1]),
                log_level="error",
                access_log=False,
                lifespan="off",
            )
        ).serve()
    )
