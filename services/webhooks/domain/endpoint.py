"""An endpoint: what is known of it, how it comes and goes, and what it wants to hear of."""

from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import ClassVar, Final

from pydantic import Field

from contracts.message import Message
from contracts.messages.webhooks import (
    CreateWebhookEndpoint,
    EndpointAnswer,
    EndpointDisabled,
    EndpointSettings,
)
from contracts.order_search import OrderFilter
from contracts.problems import FieldProblem, problem
from contracts.search import EVERYTHING, Bson, compiled, fits
from contracts.settings import DEFAULT
from contracts.terms import GROUPS, HIDDEN, main_groups
from contracts.value import Value
from services.chassis.document import Document
from services.chassis.outcomes import Ignore, Refused
from services.webhooks.domain.signature import public_key

_Words = tuple[str, ...]

GONE: Final = "the endpoint answered 410 Gone"


class RetiredSecret(Value):
    """A secret that was replaced, and until when it signs too."""

    secret: str = Field(repr=False)
    until: datetime


class WebhookEndpoint(Document):
    """A receiver of events. Its secrets are kept as they are, because every delivery needs them."""

    collection: ClassVar[str] = "webhook_endpoints"

    settings: EndpointSettings
    secrets: tuple[str, ...] = Field(repr=False)
    """What signs until it is replaced."""
    retired: tuple[RetiredSecret, ...] = ()
    """The newest first; each signs for its time, so that a receiver may change over at leisure."""
    rotation: str | None = None
    """The command that brought the secret; None if that was the one that made the endpoint."""
    public_key: str | None = None
    """What verifies the newest, where it is a private key."""
    disabled_reason: str | None = None
    generation: int = 0
    """What was missed in an earlier one was given up, and is sent to it only if asked for."""
    created: datetime
    created_by: str
    modified: datetime

    @property
    def is_open(self) -> bool:
        """Whether it is sent anything now."""
        return self.settings.is_enabled and self.disabled_reason is None

    def signing(self, now: datetime) -> list[str]:
        """Return the secrets that sign now, the newest first."""
        return [*self.secrets, *(one.secret for one in self.retired if one.until > now)]


class Heard(Message):
    """What fan-out has to know of an event; its JSON travels on as it came.

    An event of an order has an `order_id` and the order's state after it; one of stock has neither.
    """

    sequence: int
    timestamp: str
    order_id: str | None = None
    sku: str | None = None
    warehouse_code: str | None = None
    sub_class_name: str | None = None
    status: str | None = None
    store_id: str | None = None
    market: str | None = None

    @property
    def subject(self) -> str:
        """What the event is about: events of one subject stay in order."""
        if self.order_id is not None:
            return f"order:{self.order_id}"
        return f"stock:{self.sku}@{self.warehouse_code}"

    @cached_property
    def groups(self) -> frozenset[str]:
        """By what filters find its order: a deleted one like any other, unlike in searches."""
        found = list(main_groups(self.store_id, self.market, self.status, self.sub_class_name))
        return frozenset([*found, *(HIDDEN + one for one in found)])


def create(
    known: WebhookEndpoint | None,
    command: CreateWebhookEndpoint,
    *,
    forbidden: str | None,
    now: datetime,
) -> WebhookEndpoint:
    """Return the new endpoint.

    :param forbidden: why its URL can never be called, None if it may be (decided 9)
    :raises Ignore: if it is there already
    :raises Refused: if it could never be called, or nothing sent to it be verified
    """
    if known is not None:
        raise Ignore
    if forbidden is not None:
        raise not_allowed(forbidden)
    try:
        public = public_key(command.secret)
    except ValueError as error:
        raise Refused(
            problem("validation-failed", errors=(_fault("secret", str(error)),))
        ) from None
    if (command.settings.signature == "v1a") is (public is None):
        fault = _fault("secret", "expected a private key for v1a, a shared secret for v1")
        raise Refused(problem("validation-failed", errors=(fault,)))
    return WebhookEndpoint(
        id=command.endpoint_id,
        settings=command.settings,
        secrets=(command.secret,),
        public_key=public,
        created=now,
        created_by=command.user,
        modified=now,
    )


def _fault(path: str, message: str) -> FieldProblem:
    return FieldProblem(path=path, message=message)


def not_allowed(why: str) -> Refused:
    """Return the refusal of an address that can never be called (decided 9)."""
    return Refused(problem("address-not-allowed", errors=(_fault("url", why),)))


def give_up(
    endpoint: WebhookEndpoint, *, reason: str, now: datetime
) -> tuple[WebhookEndpoint, list[Message]]:
    """Return the endpoint as one that is sent nothing any more, and the news of it."""
    disabled = endpoint.model_copy(update={"disabled_reason": reason, "modified": now})
    return disabled, [EndpointDisabled(endpoint_id=endpoint.id, reason=reason)]


def answer(endpoint: WebhookEndpoint, *, secret: str | None = None) -> bytes:
    """Return the endpoint as clients read it; with its secret only where that is asked for.

    A private key is nobody's business: whoever verifies `v1a` needs the public one, always shown.
    """
    members = dict(endpoint.settings)
    shown = EndpointAnswer(
        **members,
        id=endpoint.id,
        created=endpoint.created,
        modified=endpoint.modified,
        disabled_reason=endpoint.disabled_reason,
        secret=secret if endpoint.public_key is None else None,
        public_key=endpoint.public_key,
    )
    return shown.model_dump_json(by_alias=True, exclude_none=True).encode()


# -- what it wants ---------------------------------------------------------------------------------


def wants(endpoint: WebhookEndpoint, type_: str, event: Heard) -> bool:
    """Say whether the endpoint hears of an event: neither types nor filters forbid it.

    Filters compare without case. They are about orders: events of stock pass them (decided 12).
    """
    settings = endpoint.settings
    if not _names(settings.event_types, type_):
        return False
    filters = settings.filters
    condition = _condition(filters.order_types, filters.statuses, filters.stores, filters.markets)
    return event.order_id is None or condition is None or fits(condition, event.groups)


_NOBODY: Final[Bson] = {GROUPS: {"$in": []}}
_ANY_TIME: Final = datetime.min.replace(tzinfo=UTC)


@lru_cache(maxsize=4096)
def _names(patterns: tuple[str, ...], type_: str) -> bool:
    return any(known in patterns for known in ("*", type_, type_.partition(".")[0] + ".*"))


# By words and not by `EndpointFilters`, which take longer to be compared than orders to be judged.
@lru_cache(maxsize=4096)
def _condition(
    order_types: _Words, statuses: _Words, stores: _Words, markets: _Words
) -> Bson | None:
    """Return what an order has to fit, None if anything may come.

    The filters are a search, but blank words alone, which restrict no search, fit no order.
    """
    given = [words for words in (order_types, statuses, stores, markets) if words]
    if not given:
        return None
    if not all("".join(words).strip() for words in given):
        return _NOBODY
    # Not validated: of what is stored already there may be more than a search may ask for.
    search = OrderFilter.model_construct(
        order_types=list(order_types),
        selected_statuses=list(statuses),
        selected_stores=list(stores),
        selected_markets=list(markets),
    )
    # Neither the time nor the settings have a say in these.
    return compiled(search, EVERYTHING, now=_ANY_TIME, configuration=DEFAULT).match
