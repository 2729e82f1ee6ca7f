"""A delivery: one event on its way to one endpoint."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import from_json, to_json

from contracts.message import Envelope, derived
from contracts.messages.orders import OrderDeleted
from contracts.messages.webhooks import TEST
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
    occurred: datetime | None = None
    """When the event happened."""
    completed: datetime | None = None
    next_attempt: datetime | None = None
    attempts: tuple[RecordedAttempt, ...] = ()
    event: bytes | None = None
    """What happened, where no history of an order has it: to stock, or that an order was deleted,
    which may have been for good."""
    missed: int | None = None
    """Set while the endpoint has missed it: the `generation` in which it did."""

    @property
    def subject(self) -> str:
        """What the event is about."""
        if self.event is not None:
            return Heard.model_validate_json(self.event).subject
        return f"order:{self.order_id}"


class Lanes(Document):
    """How far each endpoint has been told of one order or stock record, by endpoint."""

    collection: ClassVar[str] = "webhook_lanes"

    sent: dict[str, int]
    behind: dict[str, int] = Field(default_factory=dict)
    """Endpoints that have missed an event of these, with the `generation` in which they did.

    They are sent nothing more of it until they are sent that.
    """

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
    earlier: int = 0
    """How many attempts there were when it was to be delivered before."""

    @property
    def is_test(self) -> bool:
        """Whether somebody wants to see what the endpoint says to it, and nothing more."""
        return self.event_type == TEST


class Unwanted(Unconcerned):
    """No endpoint wants this event."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One delivery that an event leads to, and what it takes to make it.

    There is no body where the endpoint misses the event.
    """

    delivery: WebhookDelivery
    request: DeliverWebhook
    body: bytes | None
    lane: str

    @property
    def target(self) -> str:
        """Whom it is to, as far as calls can hurt each other.

        A test stands beside the others: it waits behind nothing that the endpoint did not take, and
        what becomes of it never counts against the endpoint (decided 12.6).
        """
        id_ = self.delivery.endpoint_id
        return f"{id_}/test" if self.request.is_test else id_


def promised(planned: Sequence[Planned]) -> Iterator[tuple[Planned, bytes]]:
    """Yield what is sent now, and its body."""
    return ((one, one.body) for one in planned if one.body is not None)


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
    """Return a delivery for each of these endpoints, and how far all are told then.

    Endpoints that are sent nothing now miss the event, and so do those that have missed one of the
    same order before, and were not sent that yet.
    """
    known = lanes or Lanes(id=event.subject, sent={})
    planned = list(_deliveries(event, envelope, endpoints, known, now))
    sent = {**known.sent, **dict.fromkeys((one.id for one in endpoints), event.sequence)}
    after: dict[str, dict[str, int]] = {"sent": sent}
    missed = [one.delivery for one in planned if one.delivery.missed is not None]
    if missed:
        after["behind"] = known.behind | {
            one.endpoint_id: one.missed for one in missed if one.missed is not None
        }
    return planned, known.model_copy(update=after)


def _deliveries(
    event: Heard,
    envelope: Envelope,
    endpoints: Sequence[WebhookEndpoint],
    lanes: Lanes,
    now: datetime,
) -> Iterator[Planned]:
    event_id = str(envelope.id)
    occurred = _moment(event.timestamp)
    for endpoint in endpoints:
        id_ = str(derived(envelope.id, endpoint.id))
        is_behind = lanes.behind.get(endpoint.id) == endpoint.generation
        missed = endpoint.generation if is_behind or not endpoint.is_open else None
        previous = lanes.sent.get(endpoint.id, 0)
        if previous >= event.sequence:
            # An order with this id was deleted for good, and this is another one.
            previous = 0
        thin = endpoint.settings.payload == "thin"
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
                state="pending" if missed is None else "skipped",
                created=now,
                occurred=occurred,
                event=envelope.data if _is_kept_nowhere(event, envelope.type) else None,
                missed=missed,
            ),
            request=DeliverWebhook(
                delivery_id=id_,
                endpoint_id=endpoint.id,
                event_id=event_id,
                event_type=envelope.type,
                order_id=event.order_id,
            ),
            body=body(event, envelope, previous=previous, thin=thin) if missed is None else None,
            lane=lane_of(endpoint, event.subject, id_),
        )


def _is_kept_nowhere(event: Heard, type_: str) -> bool:
    """Say whether the event may be found in no order's history when it is to be sent again."""
    return event.order_id is None or type_ == OrderDeleted.type


def lane_of(endpoint: WebhookEndpoint, subject: str, delivery_id: str) -> str:
    """Return in which line a delivery stands: its order's, or one of its own."""
    in_order = endpoint.settings.ordering == "perOrder"
    return f"{endpoint.id}/{subject}" if in_order else delivery_id


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def body(event: Heard, envelope: Envelope, *, previous: int, thin: bool) -> bytes:
    """Return what is sent of an event that has just come."""
    id_ = str(envelope.id)
    return framed(event, id_, envelope.type, envelope.data, previous=previous, thin=thin)


def framed(  # noqa: PLR0913 - an event has this many parts
    event: Heard, event_id: str, event_type: str, data: bytes, *, previous: int, thin: bool
) -> bytes:
    """Return what is sent: the event's JSON as it came, in the frame of design 11.

    Thin bodies have of the order only what it takes to fetch it.
    """
    frame = to_json(
        {
            "id": event_id,
            "type": event_type,
            "timestamp": event.timestamp,
            "sequence": event.sequence,
            "previousSequence": previous,
        }
    )
    return b'%s,"data":%s}' % (frame[:-1], _thinned(data) if thin else data)


def _thinned(data: bytes) -> bytes:
    event = from_json(data)
    order = event.get("order")
    if isinstance(order, dict):
        event["order"] = {name: order[name] for name in _THIN if name in order}
    return to_json(event)
