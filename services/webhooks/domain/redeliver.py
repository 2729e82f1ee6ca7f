"""Deliveries made again: what an endpoint has missed, and what somebody asks for (decided 12.5)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from contracts.messages.webhooks import RedeliverDelivery, RedeliverEvents, Span
from contracts.problems import problem
from services.chassis.document import Bson
from services.chassis.outcomes import Refused
from services.webhooks.domain.change import own
from services.webhooks.domain.delivery import (
    DeliverWebhook,
    Lanes,
    Planned,
    WebhookDelivery,
    framed,
    lane_of,
)
from services.webhooks.domain.endpoint import Heard, WebhookEndpoint


class Look(BaseModel):
    """The request to look for the next deliveries that are to be made again.

    For one delivery, for those of a span, or, if neither is named, for what the endpoint has
    missed. Looks of one endpoint are made one after the other.
    """

    model_config = ConfigDict(frozen=True)

    endpoint_id: str
    command: UUID | None = None
    """Who is told when all is promised."""
    delivery_id: str | None = None
    span: Span | None = None
    position: tuple[datetime, str] | None = None
    """Behind which delivery of the span it goes on: when that was made, and its id."""

    @property
    def is_for_missed(self) -> bool:
        """Whether it is for what the endpoint has missed."""
        return self.delivery_id is None and self.span is None

    @property
    def lane(self) -> str:
        """One after the other, so that nothing is found twice."""
        return f"redelivery/{self.endpoint_id}"


@dataclass(frozen=True, slots=True)
class Looked:
    """The next deliveries with their events, without those whose events are kept no more.

    :param found: at most a page, the oldest first
    :param more: whether there may be others
    """

    found: Sequence[WebhookDelivery] = ()
    events: Mapping[str, bytes] | None = None
    more: bool = False

    @property
    def subjects(self) -> set[str]:
        """What the events are about."""
        return {one.subject for one in self.found}


@dataclass(frozen=True, slots=True)
class Told:
    """How a command has ended: the status, and the problem if it is one."""

    command: UUID
    status: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Again:
    """What is written of a look: calls, changes of deliveries, lanes, and what comes next."""

    calls: Sequence[Planned] = ()
    updates: Sequence[tuple[str, Bson]] = ()
    lanes: Sequence[Lanes] = ()
    looks: Sequence[Look] = ()
    settled: Sequence[Told] = ()


def still_behind(
    planned: Iterable[Planned], endpoints: Iterable[WebhookEndpoint]
) -> Iterator[Look]:
    """Yield a look for each endpoint that misses an event although it could be sent it.

    Such a look is on its way, unless one has just ended: then this one ends the wait.
    """
    open_ = {one.id for one in endpoints if one.is_open}
    for one in planned:
        if one.delivery.missed is not None and one.delivery.endpoint_id in open_:
            yield Look(endpoint_id=one.delivery.endpoint_id)


def asked_for(known: WebhookEndpoint | None, command: RedeliverEvents, *, id_: UUID) -> Look:
    """Return the first look for a span.

    :raises Refused: as `own`; endpoint-disabled
    """
    _open(known, command)
    return Look(endpoint_id=command.endpoint_id, command=id_, span=command.span)


def asked_for_one(
    known: WebhookEndpoint | None,
    delivery: WebhookDelivery | None,
    command: RedeliverDelivery,
    *,
    id_: UUID,
) -> Look:
    """Return the look for one delivery.

    :raises Refused: as `asked_for`; not-found; delivery-under-way, if it is not over
    """
    _open(known, command)
    if delivery is None or delivery.endpoint_id != command.endpoint_id:
        raise Refused(problem("not-found"))
    if delivery.state not in _OVER:
        raise Refused(problem("delivery-under-way"))
    return Look(endpoint_id=command.endpoint_id, command=id_, delivery_id=delivery.id)


def _open(known: WebhookEndpoint | None, command: RedeliverEvents | RedeliverDelivery) -> None:
    if not own(known, command).is_open:
        raise Refused(problem("endpoint-disabled"))


_OVER: Final = frozenset({"delivered", "failed", "skipped"})


def again(
    endpoint: WebhookEndpoint | None,
    look: Look,
    looked: Looked,
    lanes: Mapping[str, Lanes | None],
    *,
    now: datetime,
) -> Again:
    """Return what follows from a look.

    What was never delivered goes through the lane of its order, in order; a deliberate repeat goes
    beside it (decided 12.5).

    :param lanes: of everything that was found, by subject
    """
    if endpoint is None or not endpoint.is_open:
        return Again(settled=_told(look, "endpoint-disabled"))
    events = looked.events or {}
    # What was missed may have been given up since it was found.
    missed = endpoint.generation if look.is_for_missed else None
    found = [one for one in looked.found if missed is None or one.missed == missed]
    found.sort(key=lambda one: one.sequence)
    kept = [one for one in found if one.event_id in events]
    last = looked.found[-1] if looked.found else None
    goes_on = last is not None and looked.more
    position = None if last is None or look.is_for_missed else (last.created, last.id)
    lost = look.delivery_id is not None and not kept
    return Again(
        calls=[_call(endpoint, one, events[one.event_id]) for one in kept],
        updates=[(one.id, _update(one.event_id in events, now)) for one in found],
        lanes=list(_caught_up(endpoint, found, lanes)),
        looks=[look.model_copy(update={"position": position})] if goes_on else [],
        settled=() if goes_on else _told(look, "event-not-kept" if lost else None),
    )


def _told(look: Look, slug: str | None) -> list[Told]:
    if look.command is None:
        return []
    status = 200 if slug is None else problem(slug).status
    return [Told(look.command, status, slug)]


def _call(endpoint: WebhookEndpoint, one: WebhookDelivery, data: bytes) -> Planned:
    event = Heard.model_validate_json(data)
    thin = endpoint.settings.payload == "thin"
    is_repeat = one.state == "delivered"
    return Planned(
        delivery=one,
        request=DeliverWebhook(
            delivery_id=one.id,
            endpoint_id=endpoint.id,
            event_id=one.event_id,
            event_type=one.event_type,
            order_id=one.order_id,
            earlier=max((made.number for made in one.attempts), default=0),
        ),
        body=framed(
            event, one.event_id, one.event_type, data, previous=one.previous_sequence, thin=thin
        ),
        lane=f"{one.id}/again" if is_repeat else lane_of(endpoint, event.subject, one.id),
    )


def _update(is_kept: bool, now: datetime) -> Bson:  # noqa: FBT001 - it is what the update is about
    """Return the change of a stored delivery: it waits for its next attempt, or never will."""
    if is_kept:
        told: Bson = {"state": "retrying", "nextAttempt": now}
        return {"$set": told, "$unset": {"missed": "", "completed": ""}}
    return {"$unset": {"missed": ""}}


def _caught_up(
    endpoint: WebhookEndpoint, found: Iterable[WebhookDelivery], lanes: Mapping[str, Lanes | None]
) -> Iterator[Lanes]:
    """Yield the lanes of which the endpoint has missed nothing any more.

    Where an event has come meanwhile, it stands behind those that were found, and is found next.
    """
    last = {one.subject: one.sequence for one in found if one.missed == endpoint.generation}
    for subject, sequence in last.items():
        known = lanes.get(subject)
        if known is not None and known.sent.get(endpoint.id) == sequence:
            behind = {name: since for name, since in known.behind.items() if name != endpoint.id}
            yield known.model_copy(update={"behind": behind})
