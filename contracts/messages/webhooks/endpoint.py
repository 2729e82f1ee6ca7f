"""An endpoint as clients write and read it (design 10, decided 12)."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from contracts.faults import RuleBroken
from contracts.fields import LONGEST_LIST, MOST_HEADERS, Flag, check_headers
from contracts.messages.inventory import STOCK_EVENTS
from contracts.messages.orders import ORDER_EVENTS
from contracts.model import Model
from contracts.problems import FieldProblem

RETRY_SCHEDULE: Final = (5, 30, 120, 900, 3600, 10800, 28800, 86400)

SECRET_PREFIXES: Final = {"v1": "whsec_", "v1a": "whsk_"}
"""How a secret begins, by the kind of signature that is made with it."""

EVENT_TYPES: Final = frozenset(event.type for event in (*ORDER_EVENTS, *STOCK_EVENTS))
"""What endpoints can hear of."""

TEST: Final = "webhook.test"
"""The type of an event that tests an endpoint; none is subscribed to it (decided 12.6)."""

_PATTERNS: Final = frozenset({"*", *(name.split(".")[0] + ".*" for name in EVENT_TYPES)})

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


def _known_types(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if name not in EVENT_TYPES and name not in _PATTERNS:
            words = ", ".join(sorted(_PATTERNS | EVENT_TYPES))
            raise ValueError(f"expected event types among {words}")
    return value


def named(patterns: Collection[str]) -> tuple[str, ...]:
    """Return the event types that these names and patterns mean."""
    return tuple(
        sorted(
            name
            for name in EVENT_TYPES
            if not {"*", name, name.split(".")[0] + ".*"}.isdisjoint(patterns)
        )
    )


def _headers(value: Mapping[str, str | None], info: ValidationInfo) -> Mapping[str, str | None]:
    check_headers(value)
    for name in value:
        if name.lower() in _OUR_HEADERS or name.lower().startswith("webhook-"):
            raise ValueError(f"{name} is set by the sender itself")
    # What is stored already stays readable.
    if info.context is not None and len({name.lower() for name in value}) < len(value):
        raise ValueError("expected each name once: case makes no other header of it (RFC 9110)")
    return value


_Url = Annotated[str, Field(max_length=2048)]
_Description = Annotated[str, Field(max_length=1024)]
EventTypes = Annotated[
    tuple[str, ...], Field(min_length=1, max_length=50), AfterValidator(_known_types)
]
_MaxInFlight = Annotated[int, Field(ge=1, le=256)]
_RateLimit = Annotated[float, Field(gt=0, le=10_000)]
_Seconds = Annotated[float, Field(ge=1, le=30)]
_Schedule = Annotated[tuple[Annotated[int, Field(ge=1, le=604_800)], ...], Field(max_length=20)]
_Ordering = Literal["perOrder", "none"]
_Payload = Literal["full", "thin"]
_OnExhausted = Literal["continue", "hold"]
Signature = Literal["v1", "v1a"]
Ended = Literal["delivered", "failed", "skipped"]
"""States of deliveries that nobody works on any more."""


class EndpointFilters(Model):
    """Which orders an endpoint hears of; an empty list lets all through."""

    order_types: _Words = ()
    statuses: _Words = ()
    stores: _Words = ()
    markets: _Words = ()

    def beyond(
        self, *, stores: Collection[str] | None, markets: Collection[str] | None
    ) -> list[FieldProblem]:
        """Name the filters that let through more than this scope has (decided 13.4).

        :param stores: in lower case; None has them all
        :param markets: the same of markets
        """
        kinds = (("stores", stores, self.stores), ("markets", markets, self.markets))
        return [
            FieldProblem(
                path=f"filters.{kind}",
                message=f"expected some of: {', '.join(sorted(own)) or 'none'}",
            )
            for kind, own, wanted in kinds
            if own is not None and not (wanted and {one.casefold() for one in wanted} <= {*own})
        ]


class EndpointSettings(Model):
    """What a client says of an endpoint (design 10, decided 12)."""

    url: _Url
    description: _Description | None = None
    event_types: EventTypes = ("*",)
    """Names such as `order.created`, or `order.*`, or `*`."""
    filters: EndpointFilters = EndpointFilters()
    ordering: _Ordering = "perOrder"
    payload: _Payload = "full"
    headers: Annotated[dict[str, str], Field(max_length=MOST_HEADERS), AfterValidator(_headers)] = (
        Field(default_factory=dict, repr=False)
    )
    """Sent along with every event. None of those that we set ourselves, and each once, whatever its
    case."""
    max_in_flight: _MaxInFlight = 32
    rate_limit: _RateLimit | None = None
    timeout_seconds: _Seconds = 15
    retry_schedule: _Schedule = RETRY_SCHEDULE
    """Seconds from one attempt to the next; when none is left, the delivery has failed."""
    on_exhausted: _OnExhausted = "continue"
    signature: Signature = "v1"
    is_enabled: bool = True


class FiltersPatch(Model):
    """Which of the filters change; null lets all through."""

    order_types: _Words | None = None
    statuses: _Words | None = None
    stores: _Words | None = None
    markets: _Words | None = None


class EndpointPatch(Model):
    """What changes of an endpoint, as a merge patch (RFC 7396).

    What is absent stays, objects are merged, lists are replaced, null is the default. The signature
    changes with the secret (`RotateSecret`).
    """

    url: _Url | None = None
    description: _Description | None = None
    event_types: EventTypes | None = None
    """Names such as `order.created`, or `order.*`, or `*`."""
    filters: FiltersPatch | None = None
    ordering: _Ordering | None = None
    payload: _Payload | None = None
    headers: (
        Annotated[
            dict[str, str | None],
            Field(max_length=2 * MOST_HEADERS),
            AfterValidator(_headers),
        ]
        | None
    ) = Field(None, repr=False)
    """A null takes that header away. Names are compared without case."""
    max_in_flight: _MaxInFlight | None = None
    rate_limit: _RateLimit | None = None
    timeout_seconds: _Seconds | None = None
    retry_schedule: _Schedule | None = None
    on_exhausted: _OnExhausted | None = None
    is_enabled: Flag | None = None
    """What `Enable` and `Disable` do."""

    @model_validator(mode="after")
    def _keeps_its_address(self) -> "EndpointPatch":
        if "url" in self.model_fields_set and self.url is None:
            raise RuleBroken([(("url",), "expected text, since an endpoint always has it")])
        return self


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
