"""Events sent to endpoints again (design 10, decided 12.5)."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field, ValidationInfo, model_validator

from contracts.faults import RuleBroken
from contracts.fields import Flag
from contracts.messages.webhooks import Ended, RedeliverDelivery, RedeliverEvents, Span
from contracts.messages.webhooks.endpoint import EventTypes, named
from contracts.model import Model
from contracts.moment import Moment
from contracts.order_id import OrderId
from contracts.problems import FieldProblem
from services.api.domain import Origin, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    ACCEPTED,
    Response,
    command_response,
    ignored_fields,
    location,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.entrypoints.webhooks.change import ONE, own
from services.api.entrypoints.webhooks.deliveries import DELIVERIES
from services.api.entrypoints.webhooks.endpoints import command
from services.api.gateways import Build

MOST: Final = 100_000
"""Deliveries that one request makes again."""


class Redelivery(Model):
    """Which events an endpoint is sent again."""

    from_: Annotated[Moment, Field(alias="from")]
    """The time of the first event, itself included."""
    to: Moment = None
    """The time of the last event, itself included; absent: now."""
    states: Annotated[tuple[Ended, ...], Field(min_length=1, max_length=3)] = ("failed", "skipped")
    """In which states deliveries are; those that were `delivered` come again only if named."""
    event_types: EventTypes | None = None
    """Names such as `order.created`, or `order.*`; absent: all."""
    order_id: OrderId | None = None
    """Only events of this order."""
    dry_run: Flag = False
    """Whether to say only how many there are."""

    @model_validator(mode="after")
    def _is_a_span(self, info: ValidationInfo) -> "Redelivery":
        if self.from_ is None:
            raise RuleBroken([(("from",), "expected a date and time")])
        if info.context is not None and self.to is not None and self.to < self.from_:
            raise RuleBroken([(("to",), "expected a time that is not before `from`")])
        return self


class Redelivering(Model):
    """How many deliveries are made again, and which operation tells when all have begun."""

    count: int | None = None
    """Absent where nobody waited for it."""
    operation_id: UUID | None = None
    """Absent where nothing is sent."""


async def redeliver_events(request: Request, parts: Parts) -> Response:
    """Send an endpoint again what happened in a span of time.

    What it has never taken goes through the line of its order, in order; what it took already
    goes beside it. Every event has the `webhook-id` that it had. The deliveries are made in the
    background; the operation succeeds when all have begun. Events whose order's history has
    expired are left out. More than 100,000 at a time are refused.
    """
    parsed, raw = await request.parsed(Redelivery, strict=parts.strict)
    asked, who = parsed.value, own(request)
    now = parts.clock.now()
    span = Span(
        since=asked.from_ or now,
        until=asked.to or now,
        states=asked.states,
        event_types=None if asked.event_types is None else named(asked.event_types),
        order_id=asked.order_id,
    )
    if await parts.webhooks.endpoint(who["endpoint_id"]) is None:
        raise refusal("not-found")
    count = await parts.webhooks.count(who["endpoint_id"], span, most=MOST + 1)
    if count > MOST:
        fault = FieldProblem(path="to", message=f"expected a span with at most {MOST} deliveries")
        raise refusal("validation-failed", errors=[fault])
    if asked.dry_run:
        return model_response(Redelivering(count=count), ACCEPTED, ignored_fields(parsed.ignored))
    message = RedeliverEvents(**who, span=span, count=count)
    response = await _begun(lambda _: command(message), request.origin(raw), parts)
    response.headers = [*response.headers, *ignored_fields(parsed.ignored)]
    return response


async def redeliver_delivery(request: Request, parts: Parts) -> Response:
    """Make one delivery again, under the `webhook-id` that its event has.

    One that was never taken goes through the line of its order; one that was goes beside it.
    """
    id_ = request.parameters["id"]
    delivery = await parts.webhooks.delivery(id_, request.client)
    if delivery is None:
        raise refusal("not-found")
    who = own(request) | {"endpoint_id": delivery.endpoint_id}
    message = RedeliverDelivery(**who, delivery_id=id_)
    return await _begun(lambda _: command(message), request.origin(b""), parts)


async def _begun(build: Build, origin: Origin, parts: Parts) -> Response:
    outcome = await parts.commands.carry_out(build, origin)
    response = command_response(outcome)
    said = {name for name, _ in response.headers}
    if response.status == ACCEPTED and b"location" not in said:
        response.headers = [*response.headers, location("Operations", str(outcome.command))]
    return response


_PROBLEMS: Final = ("not-found", "endpoint-disabled", "idempotency-key-reused")

ROUTES: Final = (
    Route(
        method="POST",
        path=f"{ONE}/Redeliver",
        handler=redeliver_events,
        requires="SettingsAdmin",
        body=Redelivery,
        answer=Redelivering,
        status=ACCEPTED,
        problems=_PROBLEMS,
    ),
    Route(
        method="POST",
        path=f"{DELIVERIES}/{{id}}/Redeliver",
        handler=redeliver_delivery,
        requires="SettingsAdmin",
        answer=Redelivering,
        status=ACCEPTED,
        problems=("delivery-under-way", *_PROBLEMS),
    ),
)
