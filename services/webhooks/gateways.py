"""Webhook endpoints, over HTTP, as Standard Webhooks 1.0.0."""

from collections.abc import Callable
from datetime import datetime
from time import perf_counter
from typing import Final

import structlog

from services.chassis.calls import Attempt, Limits
from services.chassis.clock import Clock
from services.chassis.http import Answer, CallFailed, ConnectionRefused, Outbound
from services.chassis.mongo import Database
from services.webhooks.domain.attempt import EXCERPT_BYTES, NotSent, Result
from services.webhooks.domain.delivery import DeliverWebhook
from services.webhooks.domain.endpoint import WebhookEndpoint
from services.webhooks.domain.redeliver import Look, Looked
from services.webhooks.domain.signature import sign
from services.webhooks.queries.deliveries import events_of, fitting, next_of
from services.webhooks.queries.endpoints import Endpoints

_UNKNOWN: Final = Limits(concurrency=1)
_DELETED: Final = Limits()

log = structlog.get_logger()


class Receivers:
    """Sends events to endpoints, as these are configured at the moment of sending."""

    def __init__(self, outbound: Outbound, *, endpoints: Endpoints, clock: Clock) -> None:
        self._outbound = outbound
        self._endpoints = endpoints
        self._clock = clock

    def limits(self, endpoint_id: str) -> Limits:
        """Return what the endpoint may be asked to bear; of one that is new, a single call."""
        endpoint = self._endpoints.at_hand(endpoint_id)
        if endpoint is None:
            return _DELETED if self._endpoints.is_deleted(endpoint_id) else _UNKNOWN
        settings = endpoint.settings
        return Limits(concurrency=settings.max_in_flight, rate=settings.rate_limit)

    async def deliver(self, request: DeliverWebhook, attempt: Attempt) -> Result | NotSent:
        """Make one attempt. `webhook-id` is the event's id at every one of them."""
        endpoint = await self._endpoints.find(request.endpoint_id)
        if endpoint is None or not (endpoint.is_open or request.is_test):
            return NotSent(deleted=endpoint is None)
        started = self._clock.now()
        headers = _headers(endpoint, request, attempt, now=started)
        began = perf_counter()
        try:
            answer = await self._post(endpoint, attempt, headers)
        except CallFailed as error:
            spent = round((perf_counter() - began) * 1000, 2)
            return Result(started, spent, error=str(error), phases={"total": spent})
        return Result(
            started,
            answer.phases.total,
            status=answer.status,
            excerpt=answer.body[:EXCERPT_BYTES],
            phases=answer.phases.named(),
            retry_after=answer.headers.get("Retry-After"),
        )

    async def _post(
        self, endpoint: WebhookEndpoint, attempt: Attempt, headers: dict[str, str]
    ) -> Answer:
        """Post the event; at the first attempt twice if nobody listens (decided 12.1)."""
        for may_repeat in (attempt.number == 1, False):
            try:
                return await self._outbound.request(
                    "POST",
                    endpoint.settings.url,
                    data=attempt.payload,
                    headers=headers,
                    timeout_seconds=endpoint.settings.timeout_seconds,
                )
            except ConnectionRefused:
                if not may_repeat:
                    raise
        raise AssertionError("the second try either answers or raises")


class Redelivery:
    """Looks for deliveries that are to be made again; what it asks is our own database."""

    def __init__(self, database: Callable[[], Database], *, endpoints: Endpoints) -> None:
        self._database = database
        self._endpoints = endpoints

    async def look(self, look: Look, _: Attempt) -> Looked:
        """Return the next page, as large as one transaction may be."""
        endpoint = await self._endpoints.find(look.endpoint_id)
        if endpoint is None or not endpoint.is_open:
            return Looked()
        database = self._database()
        found = await next_of(database, look, generation=endpoint.generation)
        events = await events_of(database, found)
        page = fitting(found, events)
        lost = sum(one.event_id not in events for one in page)
        if lost:
            log.warning("redelivery.events_not_kept", endpoint=endpoint.id, events=lost)
        return Looked(page, events, more=bool(page) and look.delivery_id is None)


def _headers(
    endpoint: WebhookEndpoint, request: DeliverWebhook, attempt: Attempt, *, now: datetime
) -> dict[str, str]:
    """Return the headers; none of the endpoint's own may replace one of ours."""
    timestamp = int(now.timestamp())
    ours = {
        "content-type": "application/json",
        "webhook-id": request.event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(
            endpoint.signing(now),
            message_id=request.event_id,
            timestamp=timestamp,
            body=attempt.payload,
        ),
    }
    if attempt.traceparent is not None:
        ours["traceparent"] = attempt.traceparent
    if not endpoint.settings.headers:
        return ours
    theirs = endpoint.settings.headers.items()
    return {name: text for name, text in theirs if name.lower() not in ours} | ours
