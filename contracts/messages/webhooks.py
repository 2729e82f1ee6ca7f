"""Messages owned by the webhooks service, and the shape of an endpoint."""

from typing import ClassVar, Final, Literal

from pydantic import Field

from contracts.message import Message
from contracts.model import Model

COMMANDS: Final = "webhooks.commands"
EVENTS: Final = "webhooks.events"

RETRY_SCHEDULE: Final = (5, 30, 120, 900, 3600, 10800, 28800, 86400)


class EndpointFilters(Model):
    """Which orders an endpoint hears of; an empty list lets all through."""

    order_types: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()


class EndpointSettings(Model):
    """What a client says of an endpoint (design 10, decided 12)."""

    url: str = Field(max_length=2048)
    description: str | None = Field(None, max_length=1024)
    event_types: tuple[str, ...] = ("*",)
    """Names such as `order.created`, or `order.*`, or `*`."""
    filters: EndpointFilters = EndpointFilters()
    ordering: Literal["perOrder", "none"] = "perOrder"
    payload: Literal["full", "thin"] = "full"
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)
    max_in_flight: int = Field(32, ge=1, le=256)
    rate_limit: float | None = Field(None, gt=0, le=10_000)
    timeout_seconds: float = Field(15, ge=1, le=30)
    retry_schedule: tuple[int, ...] = Field(RETRY_SCHEDULE, max_length=20)
    on_exhausted: Literal["continue", "hold"] = "continue"
    signature: Literal["v1", "v1a"] = "v1"
    is_enabled: bool = True


class CreateWebhookEndpoint(Message):
    """Store an endpoint; it hears of every event from the answer on.

    Answered on `replies` with the endpoint, its secret included: the only time it is shown.
    """

    type: ClassVar[str] = "webhooks.create_endpoint"
    topic: ClassVar[str] = COMMANDS

    endpoint_id: str
    settings: EndpointSettings
    secret: str
    user: str

    @property
    def key(self) -> str:
        """The endpoint."""
        return self.endpoint_id


class DeleteWebhookEndpoint(Message):
    """Remove an endpoint; what it has not been sent is skipped. Answered on `replies`."""

    type: ClassVar[str] = "webhooks.delete_endpoint"
    topic: ClassVar[str] = COMMANDS

    endpoint_id: str
    user: str

    @property
    def key(self) -> str:
        """The endpoint."""
        return self.endpoint_id


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
