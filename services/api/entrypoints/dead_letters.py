"""What could not be handled: look at it, put it back, or throw it away (decided 10.3)."""

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Final, Literal

import structlog
from pydantic import Field

from contracts.model import Model
from services.api.domain import OWNER, refusal
from services.api.entrypoints.once import ONCE, once
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import Paging, query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import ACCEPTED, NO_CONTENT, Response, model_response
from services.api.entrypoints.routing import Route
from services.chassis.batch import TooLarge
from services.chassis.mongo import Bson

log = structlog.get_logger()


class DeadLetter(Model):
    """A message that a service could not handle."""

    id: str
    service: str
    topic: str
    partition: int
    offset: int
    order_id: str | None = None
    type: str | None = None
    reason: str
    attempts: int
    at: datetime


class DeadLetterPage(Model):
    """Some dead letters, the newest first."""

    items: list[DeadLetter]
    total_count: int
    page: int
    page_size: int


_AsItCame = Annotated[str, Field(max_length=2**31)]
"""Text of a record, which may be as long as Kafka lets it."""


class WholeDeadLetter(DeadLetter):
    """A dead letter with what it said: as text where it is UTF-8, else in base64."""

    key: _AsItCame | None = None
    headers: dict[_AsItCame, _AsItCame]
    payload: _AsItCame
    payload_encoding: Literal["utf-8", "base64"]


async def list_dead_letters(request: Request, parts: Parts) -> Response:
    """List the messages that no service could handle, the newest first."""
    paging = query_of(request, Paging)
    found, count = await parts.dead_letters.page(page=paging.page, page_size=paging.page_size)
    page = DeadLetterPage(
        items=[DeadLetter.model_validate(_named(one)) for one in found],
        total_count=count,
        page=paging.page,
        page_size=paging.page_size,
    )
    return model_response(page)


async def get_dead_letter(request: Request, parts: Parts) -> Response:
    """Return one dead letter with its payload as it came from Kafka."""
    found = await parts.dead_letters.get(request.parameters["id"])
    if found is None:
        raise refusal("not-found")
    data: bytes = found["data"]
    payload, encoding = _readable(data)
    key = found.get("key")
    letter = WholeDeadLetter.model_validate(
        _named(found)
        | {
            "key": None if key is None else key.decode("utf-8", "replace"),
            "headers": {name: value.decode("utf-8", "replace") for name, value in found["headers"]},
            "payload": payload,
            "payloadEncoding": encoding,
        }
    )
    return model_response(letter)


class DiscardQuery(Model):
    """Why a message is given up."""

    why: Annotated[str, Field(max_length=1024)] | None = None
    """Kept in the log of the api."""


async def discard_dead_letter(request: Request, parts: Parts) -> Response:
    """Remove one for good: its message will never be handled."""
    query = query_of(request, DiscardQuery)
    id_ = request.parameters["id"]
    now = parts.clock.now()
    if not await parts.dead_letters.discard(id_, request=request.id, now=now):
        raise refusal("not-found")
    log.info("dead_letter.discarded", id=id_, why=query.why, client=request.client.id)
    return Response(NO_CONTENT)


class Redriven(Model):
    """A message is on its way again, under a new id."""

    id: str
    state: Literal["redriven"] = "redriven"


async def redrive_dead_letter(request: Request, parts: Parts) -> Response:
    """Put the message back at the end of its order's line; it is no dead letter any more.

    If it fails again, it comes back as a new dead letter.
    """
    id_, now = request.parameters["id"], parts.clock.now()
    try:
        was_there = await parts.dead_letters.redrive(id_, request=request.id, now=now)
    except TooLarge as error:
        raise refusal("too-large", "Kafka does not take it back; discard it.") from error
    if not was_there:
        raise refusal("not-found")
    return model_response(Redriven(id=id_), ACCEPTED)


def _named(found: Bson) -> Bson:
    return {**found, "id": found["_id"]}


def _readable(data: bytes) -> tuple[str, str]:
    try:
        return data.decode(), "utf-8"
    except UnicodeDecodeError:
        return b64encode(data).decode(), "base64"


_PATH: Final = "/api/DeadLetters"

ROUTES: Final = (
    Route(
        method="GET",
        path=_PATH,
        handler=list_dead_letters,
        requires=OWNER,
        query=Paging,
        answer=DeadLetterPage,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path=f"{_PATH}/{{id}}",
        handler=get_dead_letter,
        requires=OWNER,
        answer=WholeDeadLetter,
        problems=("not-found",),
    ),
    Route(
        method="DELETE",
        path=f"{_PATH}/{{id}}",
        handler=once(discard_dead_letter),
        requires=OWNER,
        query=DiscardQuery,
        status=NO_CONTENT,
        problems=("validation-failed", "not-found", *ONCE),
    ),
    Route(
        method="POST",
        path=f"{_PATH}/{{id}}/Redrive",
        handler=once(redrive_dead_letter),
        requires=OWNER,
        answer=Redriven,
        status=ACCEPTED,
        problems=("not-found", "too-large", *ONCE),
    ),
)
