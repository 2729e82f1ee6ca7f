"""A delivery: one event on its way to one endpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import from_json, to_json

from contracts.message import Envelope, derived
from services.chassis.document import Document
from services.chassis.outcomes import Unconcerned
from services.webhooks.domain.endpoint import Heard, WebhookEndpoint, wants

State = Literal["pending", "delivering", "retrying", "delivered", "failed", "held", "skipped"]

_THIN = ("id", "orderNumber", "status", "version")


class RecordedAttempt(BaseModel):
    """One attempt as operators read it (decided 12.6)."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    number: int
    started_at: datetime
    duration_ms: float
    phases: dict[str, float]
    status_code: int | None = None
    error: str | None = None
    response_excerpt: str | None = None


class WebhookDelivery(Document):
    """What became of one event at one endpoint.

    Its attempts live in it, the newest 50 (services/decisions/0006).
    """

    collection: ClassVar[str] = "webhook_deliveries"

    endpoint_id: str
    event_id: str
    event_type: str
    order_id: str | None = None
    store_id: str | None = None
    market_id: str | None = None
    """The order's, in lower case: whoever may not see the order may not see this (decided 13.4)."""
    sequence: int
    previous_sequence: int
    state: State = "pending"
    created: datetime
    completed: datetime | None = None
    next_attempt: datetime | None = None
    attempts: tuple[RecordedAttempt, ...] = ()


class Lanes(Document):
    """How far each endpoint has been told of one order or stock record, by endpoint."""

    collection: ClassVar[str] = "webhook_lanes"

    sent: dict[str, int]

    @property
    def at_hand(self) -> bool:
        """The events of an order often follow each other closely."""
        return True


class DeliverWebhook(BaseModel):
    """The request to deliver; the body travels beside it as it is sent."""

    model_config = ConfigDict(frozen=True)

    delivery_id: str
    endpoint_id: str
    event_id: str
    event_type: str
    order_id: str | None = None


class Unwanted(Unconcerned):
    """No endpoint wants this event."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery that an event leads to, and what it takes to make it."""

    delivery: WebhookDelivery
    request: DeliverWebhook
    body: bytes
    lane: str


def interested(
    event: Heard, envelope: Envelope, endpoints: Sequence[WebhookEndpoint]
) -> list[WebhookEndpoint]:
    """Return the endpoints that want the event.

    :raises Unwanted: if there is none
    """
    found = [one for one in endpoints if wants(one, envelope.type, event)]
    if not found:
        raise Unwanted
    return found


def plan(
    event: Heard,
    envelope: Envelope,
    *,
    endpoints: Sequence[WebhookEndpoint],
    lanes: Lanes | None,
    now: datetime,
) -> tuple[list[Planned], Lanes]:
    """Return a delivery for each of these endpoints, and how far all are told then."""
    sent = lanes.sent if lanes is not None else {}
    planned = list(_deliveries(event, envelope, endpoints, sent, now))
    sent = {**sent, **dict.fromkeys((one.id for one in endpoints), event.sequence)}
    known = lanes or Lanes(id=event.subject, sent={})
    return planned, known.model_copy(update={"sent": sent})


def _deliveries(
    event: Heard,
    envelope: Envelope,
    endpoints: Sequence[WebhookEndpoint],
    sent: dict[str, int],
    now: datetime,
) -> Iterator[Planned]:
    event_id = str(envelope.id)
    for endpoint in endpoints:
        id_ = str(derived(envelope.id, endpoint.id))
        previous = sent.get(endpoint.id, 0)
        if previous >= event.sequence:
            # An order with this id was deleted for good, and this is another one.
            previous = 0
        in_order = endpoint.settings.ordering == "perOrder"
        yield Planned(
            delivery=WebhookDelivery(
                id=id_,
                endpoint_id=endpoint.id,
                event_id=event_id,
                event_type=envelope.type,
                order_id=event.order_id,
                store_id=event.store_id and event.store_id.casefold(),
                market_id=event.market and event.market.casefold(),
                sequence=event.sequence,
                previous_sequence=previous,
                created=now,
            ),
            request=DeliverWebhook(
                delivery_id=id_,
                endpoint_id=endpoint.id,
                event_id=event_id,
                event_type=envelope.type,
                order_id=event.order_id,
            ),
            body=body(event, envelope, previous=previous, thin=endpoint.settings.payload == "thin"),
            lane=f"{endpoint.id}/{event.subject}" if in_order else id_,
        )


def body(event: Heard, envelope: Envelope, *, previous: int, thin: bool) -> bytes:
    """Return what is sent: the event's JSON as it came, in the frame of design 11.

    Thin bodies have of the order only what it takes to fetch it.
    """
    frame = to_json(
        {
            "id": str(envelope.id),
            "type": envelope.type,
            "timestamp": event.timestamp,
            "sequence": event.sequence,
            "previousSequence": previous,
        }
    )
    data = _thinned(envelope.data) if thin else envelope.data
    return b'%s,"data":%s}' % (frame[:-1], data)


def _thinned(data: bytes) -> bytes:
    event = from_json(data)
    order = event.get("order")
    if isinstance(order, dict):
        event["order"] = {name: order[name] for name in _THIN if name in order}
    return to_json(event)
