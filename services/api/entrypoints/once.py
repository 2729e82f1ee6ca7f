"""Writes that no command carries out: with an Idempotency-Key each happens once (decided 10.1)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Final

from contracts.faults import Invalid
from contracts.reading import load
from services.api.domain import Origin, Refusal, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, problem_response
from services.api.queries.requests import Claim, Kept

Handler = Callable[[Request, Parts], Awaitable[Response]]

ONCE: Final = ("idempotency-key-reused", "request-under-way")
"""What may go wrong with any of these writes, for the description."""

_LOOKS: Final = 40
_PAUSE: Final = 0.25
_ABANDONED: Final = timedelta(minutes=1)
"""After which a request that was never answered counts as dead; all of these take far less."""
_NOTHING_DONE: Final = frozenset({400, 401, 403, 413, 415, 429})
_UNRECORDED: Final = _NOTHING_DONE | {500, 503}
"""Answers after which the same request may still be made (decided 10.1)."""
_REPLAYED: Final = (b"idempotency-replayed", b"true")


def once(handler: Handler) -> Handler:
    """Return the handler that does a request with an Idempotency-Key once, and answers it alike.

    A repeat gets the first one's answer, without what is shown only once (`Response.kept`). If
    nobody knows that answer, because the process died, the handler is asked again with the same
    `Request.id`, by which it knows what it has done already.
    """

    @wraps(handler)
    async def handle(request: Request, parts: Parts) -> Response:
        if request.header("idempotency-key") is None:
            return await handler(request, parts)
        raw = await request.body()
        # A body that is no JSON is refused by the handler, or not read by it.
        origin = request.origin(raw if _is_json(raw) else b"", may_leave=False)
        claim = await _claimed(origin, parts)
        if claim.answer is not None:
            return _replayed(claim.answer)
        request.id = claim.command
        response = await _carried_out(handler, origin, claim, request, parts)
        if not claim.is_new:
            response.headers = [*response.headers, _REPLAYED]
        return response

    return handle


async def _claimed(origin: Origin, parts: Parts) -> Claim:
    """Return the claim to the key; one without an answer is this request's to carry out.

    :raises Refusal: idempotency-key-reused; request-under-way, if the first one takes too long
    """
    for _ in range(_LOOKS):
        now = parts.clock.now()
        claim = await parts.requests.claim(origin, now=now)
        if claim.fingerprint != origin.fingerprint:
            raise refusal("idempotency-key-reused")
        if claim.is_new or claim.answer is not None:
            return claim
        if await parts.requests.take_over(origin, now=now, before=now - _ABANDONED):
            return claim
        await asyncio.sleep(_PAUSE)
    raise refusal("request-under-way")


async def _carried_out(
    handler: Handler, origin: Origin, claim: Claim, request: Request, parts: Parts
) -> Response:
    is_settled = False
    try:
        try:
            response = await handler(request, parts)
        except Refusal as refused:
            response = problem_response(refused.problem)
        if response.status not in _UNRECORDED:
            body = response.body if response.kept is None else response.kept
            kept = Kept(response.status, body, list(response.headers), response.problem)
            await parts.requests.keep_answer(origin, kept)
            is_settled = True
        elif claim.is_new and response.status in _NOTHING_DONE:
            await parts.requests.let_go(origin)
            is_settled = True
        return response
    finally:
        if not is_settled:
            await parts.requests.abandon(origin, since=parts.clock.now() - _ABANDONED)


def _replayed(kept: Kept) -> Response:
    if kept.problem is not None:
        return problem_response(kept.problem, headers=(_REPLAYED,))
    return Response(kept.status, kept.body, [*kept.headers, _REPLAYED])


def _is_json(raw: bytes) -> bool:
    try:
        load(raw)
    except Invalid:
        return False
    return True
