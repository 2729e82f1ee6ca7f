"""Tests of an endpoint: an event of no order, sent because somebody asks for it (design 10)."""

from datetime import datetime

from pydantic_core import to_json

from contracts.messages.webhooks import TEST, SendTestEvent
from services.webhooks.domain.change import own
from services.webhooks.domain.delivery import DeliverWebhook, Planned, WebhookDelivery, framed
from services.webhooks.domain.endpoint import Heard, WebhookEndpoint


def planned_test(
    known: WebhookEndpoint | None, command: SendTestEvent, *, id_: str, now: datetime
) -> Planned:
    """Return the delivery of a test, whatever the endpoint wants to hear of.

    A disabled endpoint is tested too: whoever mends it sees that it works before enabling it lets
    everything out that waits. The event is of `sequence` 0, which no other has. It did not occur:
    so it is in no span that is delivered again.

    :param id_: the event's, and the delivery's: no other endpoint is sent this event
    :raises Refused: as `own`
    """
    endpoint = own(known, command)
    data = to_json(
        {
            "endpointId": endpoint.id,
            "sequence": 0,
            "timestamp": now,
            "message": "Somebody tests this endpoint. Nothing has happened.",
        }
    )
    event = Heard.model_validate_json(data)
    return Planned(
        delivery=WebhookDelivery(
            id=id_,
            endpoint_id=endpoint.id,
            event_id=id_,
            event_type=TEST,
            sequence=event.sequence,
            previous_sequence=0,
            created=now,
            event=data,
        ),
        request=DeliverWebhook(
            delivery_id=id_,
            endpoint_id=endpoint.id,
            event_id=id_,
            event_type=TEST,
        ),
        body=framed(event, id_, TEST, data, previous=0, thin=False),
        lane=id_,
    )
