"""What happens to endpoints."""

from typing import ClassVar, Final

from contracts.message import Message

EVENTS: Final = "webhooks.events"


class WebhookEvent(Message):
    """Something happened to an endpoint; never about a delivery of these events themselves."""

    topic: ClassVar[str] = EVENTS

    endpoint_id: str
    reason: str

    @property
    def key(self) -> str:
        """The endpoint."""
        return self.endpoint_id


class EndpointDisabled(WebhookEvent):
    """The endpoint is sent nothing any more."""

    type: ClassVar[str] = "webhook.endpoint_disabled"


class DeliveryFailed(WebhookEvent):
    """The last attempt of a delivery failed."""

    type: ClassVar[str] = "webhook.delivery_failed"

    delivery_id: str
    event_id: str
    event_type: str
    order_id: str | None = None
    attempts: int
