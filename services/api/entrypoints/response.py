"""An HTTP answer, and the answers that every route gives alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from pydantic import BaseModel
from pydantic_core import to_json

from contracts.problems import Problem
from services.api.domain import Result
from services.api.gateways import Accepted, Answered
from services.chassis.health import Send

JSON: Final = b"application/json"
PROBLEM: Final = b"application/problem+json"
MOST_IGNORED: Final = 50

Header = tuple[bytes, bytes]


@dataclass(slots=True)
class Response:
    """Status, body and headers; without a body there is no content type."""

    status: int
    body: bytes = b""
    headers: Sequence[Header] = ()
    media_type: bytes = JSON

    async def send(self, send: Send, *, without_body: bool = False) -> None:
        """Put it on the wire; `without_body` for HEAD."""
        headers = [*self.headers]
        if self.body:
            headers.append((b"content-type", self.media_type))
        if self.status != NO_CONTENT:
            headers.append((b"content-length", b"%d" % len(self.body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if without_body else self.body
        await send({"type": "http.response.body", "body": body})


OK: Final = 200
CREATED: Final = 201
ACCEPTED: Final = 202
NO_CONTENT: Final = 204
NOT_MODIFIED: Final = 304


def problem_response(problem: Problem, *, headers: Sequence[Header] = ()) -> Response:
    """Return the problem as RFC 9457 says, with the headers that belong to it."""
    extra = list(headers)
    retry_after = problem.retry_after
    if retry_after is None and problem.slug in BUSY:
        retry_after = BUSY[problem.slug]
    if retry_after is not None:
        extra.append((b"retry-after", b"%d" % retry_after))
    if problem.status == UNAUTHORIZED:
        extra.append((b"www-authenticate", b"Bearer"))
    response = model_response(problem, problem.status, extra)
    response.media_type = PROBLEM
    return response


UNAUTHORIZED: Final = 401
BUSY: Final = {"order-locked": 1, "version-conflict": 1, "unavailable": 2, "too-many-requests": 1}
"""Problems that pass by themselves, and after how many seconds it is worth trying again."""


def etag(version: int) -> Header:
    """Return the entity tag of a version."""
    return (b"etag", b'"%d"' % version)


def location(*segments: str) -> Header:
    """Return where something is to be found, below /api."""
    # No segment has a slash, so all are quoted at once.
    return (b"location", quote("/api/" + "/".join(segments)).encode())


def json_response(value: object, status: int = OK, headers: Sequence[Header] = ()) -> Response:
    """Return a JSON value."""
    return Response(status, to_json(value), headers)


def model_response(model: BaseModel, status: int = OK, headers: Sequence[Header] = ()) -> Response:
    """Return a model as JSON, without what is absent."""
    body = model.__pydantic_serializer__.to_json(model, by_alias=True, exclude_none=True)
    return Response(status, body, headers)


def command_response(
    outcome: Answered | Accepted, *, created_at: str = "", ignored: Sequence[str] = ()
) -> Response:
    """Return the answer of a command, or where it will be found.

    :param created_at: the resource, such as `Orders`, where a 201 says what was created
    :param ignored: paths of members that nobody knows (decided 2.8)
    """
    headers: list[Header] = []
    if ignored:
        names = ", ".join(ignored[:MOST_IGNORED])
        headers.append((b"ignored-fields", names.encode("ascii", "replace")))
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
