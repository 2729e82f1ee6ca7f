"""What the webhooks service is told to do."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from contracts.message import Message
from contracts.messages.orders import OrderMessage
from contracts.messages.webhooks.endpoint import Ended, EndpointSettings
from contracts.value import Value

COMMANDS: Final = "webhooks.commands"

_LATEST: Final = timedelta(days=7)
"""How long after its event a delivery may be made: as long as Kafka keeps the event."""
_SKEW: Final = timedelta(minutes=1)
"""How much earlier it may seem to be made, by a clock that runs behind."""


class EndpointCommand(Message):
    """Somebody wants something of an endpoint; answered on `replies`."""

    topic: ClassVar[str] = COMMANDS

    endpoint_id: str
    user: str

    @property
    def key(self) -> str:
        """The endpoint."""
        return self.endpoint_id


class CreateWebhookEndpoint(EndpointCommand):
    """Store an endpoint; it hears of every event from the answer on.

    Answered on `replies` with the endpoint, its secret included: the only time it is shown.
    """

    type: ClassVar[str] = "webhooks.create_endpoint"

    settings: EndpointSettings
    secret: str = Field(repr=False)
    """`whsec_` and the base64 of 24 to 64 bytes; for `v1a` `whsk_` and that of an Ed25519 key."""


class OwnEndpointCommand(EndpointCommand):
    """It concerns an endpoint that is there, and that hears of nothing its user may not see.

    `stores` and `markets` are the scope of the user, in lower case; absent ones do not restrict it
    (decided 13.4).
    """

    stores: tuple[str, ...] | None = None
    markets: tuple[str, ...] | None = None


class DeleteWebhookEndpoint(OwnEndpointCommand):
    """Remove an endpoint; what it has not been sent is skipped. Answered on `replies`."""

    type: ClassVar[str] = "webhooks.delete_endpoint"


class ChangeWebhookEndpoint(OwnEndpointCommand):
    """Change some of the settings; answered with the endpoint.

    `changes` is a merge patch (RFC 7396) of the settings: what is absent stays, objects are merged,
    lists are replaced, null is the default.
    """

    type: ClassVar[str] = "webhooks.change_endpoint"

    changes: dict[str, JsonValue] = Field(repr=False)

    @property
    def url(self) -> str | None:
        """The new address, None if it stays."""
        url = self.changes.get("url")
        return url if isinstance(url, str) else None


class RotateWebhookSecret(OwnEndpointCommand):
    """Let the endpoint have a new secret; answered with the endpoint, the secret included.

    Until `overlap_seconds` have passed, those before sign too, for what is left of their time.
    """

    type: ClassVar[str] = "webhooks.rotate_secret"

    key_material: str = Field(repr=False)
    """The base64 of 32 bytes, which are a good key for both kinds of signature."""
    signature: Literal["v1", "v1a"] | None = None
    """Absent: of the kind that it has."""
    overlap_seconds: Annotated[int, Field(ge=0)]


class EnableWebhookEndpoint(OwnEndpointCommand):
    """Send to the endpoint again; answered with the endpoint.

    What was held leaves at once. What it has missed is sent in order, unless `backfill` is false.
    """

    type: ClassVar[str] = "webhooks.enable_endpoint"

    backfill: bool = True


class DisableWebhookEndpoint(OwnEndpointCommand):
    """Send to the endpoint no more; answered with the endpoint. What waits is held."""

    type: ClassVar[str] = "webhooks.disable_endpoint"


class Span(Value):
    """Deliveries of events of this time, bounds included, that have ended like this."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    since: datetime
    until: datetime
    states: tuple[Ended, ...]
    event_types: tuple[str, ...] | None = None
    order_id: str | None = None

    # Any: what a value of BSON may be.
    def query(self, endpoint_id: str) -> dict[str, Any]:
        """Return by what MongoDB finds those to this endpoint."""
        query: dict[str, Any] = {
            "endpointId": endpoint_id,
            # There is an index by `created`, which is never far from the time of the event.
            "created": {"$gte": self.since - _SKEW, "$lte": self.until + _LATEST},
            "occurred": {"$gte": self.since, "$lte": self.until},
            "state": {"$in": list(self.states)},
        }
        if self.event_types is not None:
            query["eventType"] = {"$in": list(self.event_types)}
        if self.order_id is not None:
            query["orderId"] = self.order_id
        return query


class RedeliverEvents(OwnEndpointCommand):
    """Send the endpoint again what has happened in a span of time, bounds included.

    Answered with 202 and how many deliveries there are; the command succeeds when all are promised.
    """

    type: ClassVar[str] = "webhooks.redeliver_events"

    span: Span
    count: int
    """How many deliveries fitted when it was asked for."""


class RedeliverDelivery(OwnEndpointCommand):
    """Make one delivery again; answered as `RedeliverEvents` is."""

    type: ClassVar[str] = "webhooks.redeliver_delivery"

    delivery_id: str


class SendTestEvent(OwnEndpointCommand):
    """Send the endpoint an event that only tests it; answered with 202.

    The command's id is the event's and its delivery's too.
    """

    type: ClassVar[str] = "webhooks.send_test_event"


class CatchUp(Message):
    """Send the endpoint what it has missed, if there is anything."""

    type: ClassVar[str] = "webhooks.catch_up"
    topic: ClassVar[str] = COMMANDS

    endpoint_id: str

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
