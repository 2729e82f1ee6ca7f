"""What follows from an attempt: the new state, the next attempt, news of the endpoint."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeGuard
from uuid import UUID
from zlib import crc32

from contracts.message import Message
from contracts.messages.webhooks import DeliveryFailed
from services.chassis.document import Bson
from services.webhooks.domain.delivery import DeliverWebhook, RecordedAttempt, State
from services.webhooks.domain.endpoint import GONE, WebhookEndpoint, give_up

ATTEMPTS_KEPT: Final = 50
EXCERPT_BYTES: Final = 1024
JITTER: Final = 0.2
LOOK_AGAIN: Final = timedelta(hours=1)
_SHORTEST_WISH, _LONGEST_WISH = timedelta(seconds=1), timedelta(hours=24)
_GOOD: Final = range(200, 300)
_GONE, _TOO_MANY, _UNAVAILABLE = 410, 429, 503
_SECONDS: Final = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt went: with a status, or with an error that says why no answer came."""

    started: datetime
    duration_ms: float
    status: int | None = None
    error: str | None = None
    excerpt: bytes = b""
    phases: Mapping[str, float] = field(default_factory=dict)
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nobody was called: the endpoint is deleted, or it is sent nothing for now."""

    deleted: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a delivery after an attempt.

    `update` is for the stored delivery. `is_failure` counts against the endpoint's circuit,
    `is_postponed` says that the attempt does not count at all.
    """

    update: Bson
    again_at: datetime | None = None
    quiet_until: datetime | None = None
    is_failure: bool = False
    is_postponed: bool = False
    endpoints: Sequence[WebhookEndpoint] = ()
    news: Sequence[Message] = ()


def is_taken(result: Result | NotSent) -> TypeGuard[Result]:
    """Say whether the endpoint took the event, whatever else is known of it."""
    return isinstance(result, Result) and result.status in _GOOD


def taken(
    request: DeliverWebhook, result: Result | NotSent, *, number: int, now: datetime
) -> Judgement | None:
    """Return what follows if the endpoint took the event, for which nobody has to know it."""
    if not is_taken(result):
        return None
    attempt = _recorded(result, request.earlier + number)
    return Judgement(_update("delivered", attempt, completed=now))


def judge(  # noqa: PLR0913 - what a rule may know is handed to it
    endpoint: WebhookEndpoint | None,
    request: DeliverWebhook,
    result: Result | NotSent,
    *,
    number: int,
    key: UUID,
    now: datetime,
) -> Judgement:
    """Return what follows of what was not taken (decided 12.1, 12.3); a test is over after it.

    :param endpoint: as it is now, None if it was deleted
    :param number: of the attempt, from 1
    :param key: the call's, from which the jitter of the pauses is derived
    """
    if isinstance(result, NotSent):
        if result.deleted:
            return Judgement(_update("skipped", None, completed=now))
        # It may have been enabled while this was found out.
        again_at = now if endpoint is not None and endpoint.is_open else now + LOOK_AGAIN
        return Judgement(_update("held", None), again_at=again_at, is_postponed=True)
    attempt = _recorded(result, request.earlier + number)
    if endpoint is None or request.is_test:
        state: State = "skipped" if endpoint is None else "failed"
        update = _update(state, attempt, completed=now)
        return Judgement(update, is_failure=not request.is_test)
    if result.status == _GONE:
        return _gone(endpoint, attempt, now)
    return _failed(endpoint, request, result, attempt, number, key, now)


def _gone(endpoint: WebhookEndpoint, attempt: RecordedAttempt, now: datetime) -> Judgement:
    update = _update("held", attempt)
    if endpoint.disabled_reason is not None:
        return Judgement(update, again_at=now + LOOK_AGAIN)
    disabled, news = give_up(endpoint, reason=GONE, now=now)
    return Judgement(update, again_at=now + LOOK_AGAIN, endpoints=[disabled], news=news)


def _failed(  # noqa: PLR0913, PLR0917 - as `judge`
    endpoint: WebhookEndpoint,
    request: DeliverWebhook,
    result: Result,
    attempt: RecordedAttempt,
    number: int,
    key: UUID,
    now: datetime,
) -> Judgement:
    schedule = endpoint.settings.retry_schedule
    wish = wished(result, now=now)
    quiet_until = None
    if wish is not None and result.status in {_TOO_MANY, _UNAVAILABLE}:
        quiet_until = now + wish
    is_failure = result.status != _TOO_MANY
    if number <= len(schedule):
        again_at = now + (wish or pause(schedule[number - 1], key=key, number=number))
        update = _update("retrying", attempt, next_attempt=again_at)
        return Judgement(update, again_at, quiet_until, is_failure)
    news = [_last_failed(request, result, attempt.number)] if number == len(schedule) + 1 else []
    if endpoint.settings.on_exhausted == "hold":
        # Nothing of the order may overtake it, so it goes on, slowly, until it is taken.
        again_at = now + (wish or timedelta(seconds=max(schedule, default=3600)))
        update = _update("held", attempt, next_attempt=again_at)
        return Judgement(update, again_at, quiet_until, is_failure, news=news)
    update = _update("failed", attempt, completed=now)
    return Judgement(update, None, quiet_until, is_failure, news=news)


def _last_failed(request: DeliverWebhook, result: Result, number: int) -> DeliveryFailed:
    return DeliveryFailed(
        endpoint_id=request.endpoint_id,
        reason=result.error or f"the endpoint answered {result.status}",
        delivery_id=request.delivery_id,
        event_id=request.event_id,
        event_type=request.event_type,
        order_id=request.order_id,
        attempts=number,
    )


def _recorded(result: Result, number: int) -> RecordedAttempt:
    excerpt = result.excerpt[:EXCERPT_BYTES].decode("utf-8", "ignore")
    return RecordedAttempt(
        number=number,
        started_at=result.started,
        duration_ms=result.duration_ms,
        phases=dict(result.phases),
        status_code=result.status,
        error=result.error,
        response_excerpt=excerpt or None,
    )


def _update(
    state: State,
    attempt: RecordedAttempt | None,
    *,
    completed: datetime | None = None,
    next_attempt: datetime | None = None,
) -> Bson:
    """Return the change of the stored delivery, which nobody has to read for it."""
    told: Bson = {"state": state}
    if completed is not None:
        told["completed"] = completed
    if next_attempt is not None:
        told["nextAttempt"] = next_attempt
    update: Bson = {"$set": told}
    if next_attempt is None:
        update["$unset"] = {"nextAttempt": ""}
    if attempt is not None:
        written = attempt.model_dump(by_alias=True, exclude_none=True)
        update["$push"] = {"attempts": {"$each": [written], "$slice": -ATTEMPTS_KEPT}}
    return update


# -- pauses ----------------------------------------------------------------------------------------


def pause(seconds: float, *, key: UUID, number: int) -> timedelta:
    """Return the pause, up to a fifth longer or shorter: by chance, but the same for a repeat."""
    chance = crc32(key.bytes + number.to_bytes(4)) / 0xFFFFFFFF
    return timedelta(seconds=seconds * (1 - JITTER + 2 * JITTER * chance))


def wished(result: Result, *, now: datetime) -> timedelta | None:
    """Return how long the endpoint asks us to wait, from 1 second to 24 hours; None if it does not.

    `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3); what is neither is no wish.
    """
    text = (result.retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        wish = timedelta(seconds=int(text))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        wish = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(wish, _SHORTEST_WISH), _LONGEST_WISH)
