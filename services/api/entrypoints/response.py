"""An HTTP answer, and the answers that every route gives alike."""

import asyncio
import re
import zlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote

import zstandard
from pydantic import BaseModel
from pydantic_core import to_json

from contracts.problems import Problem
from services.api.domain import Result
from services.api.entrypoints.limits import Slot
from services.api.gateways import Accepted, Answered
from services.chassis.health import Send

JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"
MOST_IGNORED: Final = 50
COMPRESSED_FROM: Final = 1024
"""Bytes of a body from which on it is compressed for those who take that."""
_LONG: Final = 256 * 1024
"""Bytes of a body whose compression would keep all other requests waiting for milliseconds."""
_TEXTS: Final = (b"text/", JSON, PROBLEM, b"application/x-ndjson")

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Response:
    """Status, body and headers; without a body there is no content type.

    `problem` is what the body says, if that is one. `kept` is the body for whoever repeats the
    request with its Idempotency-Key, where the body shows what nobody sees again.
    """

    status: int
    body: bytes = b""
    headers: Sequence[Header] = ()
    media_type: bytes = JSON
    problem: Problem | None = None
    kept: bytes | None = None

    def occurred_at(self, path: bytes) -> None:
        """Say in a problem, if it is one, which path was asked for (RFC 9457, 3.1.5).

        :param path: as it was sent, in which a slash that is part of an id is written apart
        """
        if self.problem is not None:
            instance = quote(path, safe=_AS_SENT)
            self.body = _json(self.problem.model_copy(update={"instance": instance}))

    def vary(self, name: bytes) -> None:
        """Tell caches that the answer depends on this header of the request."""
        names = [text for header, text in self.headers if header == b"vary"]
        others = (one for one in self.headers if one[0] != b"vary")
        self.headers = [*others, (b"vary", b", ".join([*names, name]))]

    async def compress(self, accepted: bytes) -> None:
        """Compress the body if it is long enough, and this Accept-Encoding prefers that.

        The ETag stays as it is: it names a version of what is answered, not its bytes, so it is
        good for If-Match and If-None-Match in whatever coding it came.
        """
        if len(self.body) < COMPRESSED_FROM or not self.media_type.startswith(_TEXTS):
            return
        self.vary(b"accept-encoding")
        coding = preferred_coding(accepted)
        if coding is None:
            return
        if len(self.body) < _LONG:
            self.body = _compressed(self.body, coding)
        else:
            self.body = await asyncio.to_thread(_compressed, self.body, coding)
        self.headers = [*self.headers, (b"content-encoding", coding)]

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Put it on the wire; `without_body` for HEAD."""
        headers = [*self.headers]
        if self.body:
            headers.append((b"content-type", self.media_type))
        if self.status not in _WITHOUT_LENGTH:
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if without_body else self.body
        await send({"type": "http.response.body", "body": body})


@dataclass(slots=True, kw_only=True)
class Streamed(Response):
    """A body that is made while it is sent; whatever makes it is closed in the end.

    If it cannot be made to its end, the connection ends before the body does, by which the client
    knows.
    """

    pieces: AsyncGenerator[bytes, None]
    slot: Slot | None = None
    """The request's place among those under way, which it keeps until all of it is sent."""

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Put it on the wire, piece by piece; `without_body` for HEAD."""
        try:
            await self._send(send, without_body=without_body)
        finally:
            if self.slot is not None:
                self.slot.leave()

    async def _send(self, send: Send, *, without_body: bool) -> None:
        headers = [*self.headers, (b"content-type", self.media_type)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        async with aclosing(self.pieces) as pieces:
            if not without_body:
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


_GZIP, _ZSTD = b"gzip", b"zstd"


@lru_cache(256)
def preferred_coding(accepted: bytes) -> bytes | None:
    """Return gzip or zstd, whichever an Accept-Encoding likes better; None for neither.

    Of two that are liked alike zstd is taken, which is the cheaper one; where it is not named it
    is not taken, for some that accept anything do not know it (RFC 9110, 12.5.3).
    """
    likings: dict[bytes, float] = {}
    for one in accepted.lower().split(b","):
        name, _, parameter = one.partition(b";")
        parameter = parameter.strip()
        quality = parameter[2:] if parameter.startswith(b"q=") else b"1"
        try:
            likings[name.strip()] = float(quality)
        except ValueError:
            likings[name.strip()] = 0.0
    gzip = likings.get(_GZIP, likings.get(b"x-gzip", likings.get(b"*", 0.0)))
    zstd = likings.get(_ZSTD, 0.0)
    liking, coding = max((gzip, _GZIP), (zstd, _ZSTD))
    return coding if liking > 0 and liking >= likings.get(b"identity", 0.0) else None


def _compressed(body: bytes, coding: bytes) -> bytes:
    # The least effort of both: the last tenth of the size costs several times the time.
    if coding == _ZSTD:
        return zstandard.ZstdCompressor(level=1).compress(body)
    return zlib.compress(body, 1, zlib.MAX_WBITS | 16)


OK: Final = 200
CREATED: Final = 201
ACCEPTED: Final = 202
NO_CONTENT: Final = 204
NOT_MODIFIED: Final = 304
_WITHOUT_LENGTH: Final = frozenset({NO_CONTENT, NOT_MODIFIED})
"""A length there would be that of what was not sent (RFC 9110, 8.6)."""
_AS_SENT: Final = "/%:@!$&'()*+,;="
"""What a path may have besides letters, digits and -._~ (RFC 3986, 3.3), and what is quoted."""
NO_STORE: Final = (b"cache-control", b"no-store")
"""Goes with what holds a secret."""


def problem_response(problem: Problem, *, headers: Sequence[Header] = ()) -> Response:
    """Return the problem as RFC 9457 says, with the headers that belong to it."""
    extra = list(headers)
    retry_after = problem.retry_after
    if retry_after is None and problem.slug in BUSY:
        retry_after = BUSY[problem.slug]
    if retry_after is not None:
        extra.append((b"retry-after", b"%d" % retry_after))
    if problem.slug in CHALLENGES:
        extra.append((b"www-authenticate", CHALLENGES[problem.slug]))
    return Response(problem.status, _json(problem), extra, PROBLEM, problem)


CHALLENGES: Final = {
    "unauthorized": b"Bearer",
    "invalid-credentials": b'Basic realm="kontor", charset="UTF-8"',
}
"""How to sign in where a 401 says so (RFC 6750, RFC 7617)."""
BUSY: Final = {
    "order-locked": 1,
    "version-conflict": 1,
    "request-under-way": 1,
    "unavailable": 2,
    "too-many-requests": 1,
}
"""Problems that pass by themselves, and after how many seconds it is worth trying again."""


def etag(version: int) -> Header:
    """Return the entity tag of a version."""
    return (b"etag", b'"%d"' % version)


def location(*segments: str) -> Header:
    """Return where something is to be found, below /api."""
    # No segment has a slash, so all are quoted at once.
    return (b"location", quote("/api/" + "/".join(segments)).encode())


def ignored_fields(paths: Sequence[str]) -> list[Header]:
    """Return the header that lists members which nobody knows, if there are any (decided 2.8)."""
    if not paths:
        return []
    names = ", ".join(paths[:MOST_IGNORED])
    return [(b"ignored-fields", names.encode("ascii", "replace"))]


def not_modified(*headers: Header) -> Response:
    """Return that the client has it already, saying to caches what the whole answer would say.

    RFC 9110, 15.4.5: they need `Vary` here too.
    """
    return Response(NOT_MODIFIED, headers=(*headers, (b"vary", b"accept-encoding")))


def file_name(name: str, *, shown: bool = False) -> Header:
    """Return the Content-Disposition of a file (RFC 6266).

    :param shown: whether a browser may show it instead of saving it
    """
    kind = "inline" if shown else "attachment"
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return (
        b"content-disposition",
        f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}".encode(),
    )


def json_response(value: object, status: int = OK, headers: Sequence[Header] = ()) -> Response:
    """Return a JSON value."""
    return Response(status, to_json(value), headers)


def model_response(model: BaseModel, status: int = OK, headers: Sequence[Header] = ()) -> Response:
    """Return a model as JSON, without what is absent."""
    return Response(status, _json(model), headers)


def _json(model: BaseModel) -> bytes:
    return model.__pydantic_serializer__.to_json(model, by_alias=True, exclude_none=True)


def command_response(
    outcome: Answered | Accepted, *, created_at: str = "", ignored: Sequence[str] = ()
) -> Response:
    """Return the answer of a command, or where it will be found.

    :param created_at: the resource, such as `Orders`, where a 201 says what was created
    :param ignored: paths of members that nobody knows (decided 2.8)
    """
    headers = ignored_fields(ignored)
    if outcome.replayed:
        headers.append((b"idempotency-replayed", b"true"))
    if isinstance(outcome, Accepted):
        headers.append(location("Operations", str(outcome.command)))
        waiting = {"operationId": str(outcome.command), "state": "pending"}
        return json_response(waiting, ACCEPTED, headers)
    return _answered(outcome.result, headers, created_at)


def _answered(result: Result, headers: list[Header], created_at: str) -> Response:
    if result.problem is not None:
        return problem_response(result.problem, headers=headers)
    if result.version is not None:
        headers.append(etag(result.version))
    if result.status == CREATED and created_at and result.order_id is not None:
        headers.append(location(created_at, result.order_id))
    return Response(result.status, result.body or b"", headers)
