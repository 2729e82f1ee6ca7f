"""Messages owned by the webhooks service, and the shape of an endpoint."""

import re
from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from contracts.fields import LONGEST_LIST
from contracts.message import Message
from contracts.messages.inventory import STOCK_EVENTS
from contracts.messages.orders import ORDER_EVENTS, OrderMessage
from contracts.model import Model

COMMANDS: Final = "webhooks.commands"
EVENTS: Final = "webhooks.events"

RETRY_SCHEDULE: Final = (5, 30, 120, 900, 3600, 10800, 28800, 86400)

EVENT_TYPES: Final = frozenset(event.type for event in (*ORDER_EVENTS, *STOCK_EVENTS))
"""What endpoints can hear of."""

_PATTERNS: Final = frozenset({"*", *(name.split(".")[0] + ".*" for name in EVENT_TYPES)})

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,4096}")
_OUR_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "traceparent",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _not_too_many(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    # What is stored already stays readable.
    if info.context is not None and len(value) > LONGEST_LIST:
        raise ValueError(f"expected at most {LONGEST_LIST} entries")
    return value


_Words = Annotated[tuple[str, ...], AfterValidator(_not_too_many)]


class EndpointFilters(Model):
    """Which orders an endpoint hears of; an empty list lets all through."""

    order_types: _Words = ()
    statuses: _Words = ()
    stores: _Words = ()
    markets: _Words = ()


class EndpointSettings(Model):
    """What a client says of an endpoint (design 10, decided 12)."""

    url: str = Field(max_length=2048)
    description: str | None = Field(None, max_length=1024)
    event_types: tuple[str, ...] = Field(("*",), min_length=1, max_length=50)
    """Names such as `order.created`, or `order.*`, or `*`."""
    filters: EndpointFilters = EndpointFilters()
    ordering: Literal["perOrder", "none"] = "perOrder"
    payload: Literal["full", "thin"] = "full"
    headers: dict[str, str] = Field(default_factory=dict, max_length=20, repr=False)
    """Sent along with every event. None of those that we set ourselves."""
    max_in_flight: int = Field(32, ge=1, le=256)
    rate_limit: float | None = Field(None, gt=0, le=10_000)
    timeout_seconds: float = Field(15, ge=1, le=30)
    retry_schedule: tuple[Annotated[int, Field(ge=1, le=604_800)], ...] = Field(
        RETRY_SCHEDULE, max_length=20
    )
    """Seconds from one attempt to the next; when none is left, the delivery has failed."""
    on_exhausted: Literal["continue", "hold"] = "continue"
    signature: Literal["v1", "v1a"] = "v1"
    is_enabled: bool = True

    @field_validator("event_types")
    @classmethod
    def _check_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in EVENT_TYPES and name not in _PATTERNS:
                words = ", ".join(sorted(_PATTERNS | EVENT_TYPES))
                raise ValueError(f"expected event types among {words}")
        return value

    @field_validator("headers")
    @classmethod
    def _check_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
                raise ValueError("expected names and values as HTTP headers have them, in ASCII")
            if name.lower() in _OUR_HEADERS or name.lower().startswith("webhook-"):
                raise ValueError(f"{name} is set by the sender itself")
        return value


class EndpointAnswer(EndpointSettings):
    """An endpoint as clients read it; `secret` only in the answer that makes it (decided 12.6)."""

    id: str
    created: datetime
    modified: datetime
    disabled_reason: str | None = None
    """Why it is sent nothing although `is_enabled` was said; enabling it clears this."""
    secret: str | None = Field(None, repr=False)
    public_key: str | None = None
    """What verifies its signatures, `whpk_…`; for `v1a` alone, and always shown."""


class CreateWebhookEndpoint(Message):
    """Store an endpoint; it hears of every event from the answer on.

    Answered on `replies` with the endpoint, its secret included: the only time it is shown.
    """

    type: ClassVar[str] = "webhooks.create_endpoint"
    topic: ClassVar[str] = COMMANDS

    endpoint_id: str
    settings: EndpointSettings
    secret: str = Field(repr=False)
    """`whsec_` and the base64 of 24 to 64 bytes; for `v1a` `whsk_` and that of an Ed25519 key."""
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


class ForgetDeliveries(OrderMessage):
    """Forget what became of the events of an order, which was deleted for good.

    What still waits is delivered nevertheless: its receivers have heard the beginning.
    """

    type: ClassVar[str] = "webhooks.forget_deliveries"
    topic: ClassVar[str] = COMMANDS

    last_sequence: int
    """Of the last event but one; the last tells of the deletion, and is kept."""


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
