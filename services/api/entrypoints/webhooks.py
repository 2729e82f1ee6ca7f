"""Webhook endpoints, and what became of the events sent to them (design 10, decided 12)."""

import base64
import secrets
from dataclasses import replace
from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from contracts.message import Message, derived
from contracts.messages.webhooks import (
    COMMANDS,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    EndpointAnswer,
    EndpointFilters,
    EndpointSettings,
)
from contracts.moment import Moment
from contracts.problems import FieldProblem
from services.api.domain import Client, Command, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import Paging, query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    CREATED,
    Response,
    command_response,
    location,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.gateways import Answered
from services.api.queries.webhooks import (
    Delivery,
    DeliveryFilter,
    DeliveryPage,
    DeliveryState,
    EndpointPage,
)
from services.chassis.http import forbidden_literal

SERVICE: Final = "webhooks"
_SECRET_BYTES: Final = 32
_PREFIXES: Final = {"v1": "whsec_", "v1a": "whsk_"}
_LONGEST_ID: Final = 64
_ENDPOINTS: Final = "/api/Webhooks/Endpoints"
_DELIVERIES: Final = "/api/Webhooks/Deliveries"


async def create_endpoint(request: Request, parts: Parts) -> Response:
    """Add an endpoint; it takes part from this answer on, the only one that shows its secret."""
    parsed, raw = await request.parsed(EndpointSettings, strict=parts.strict)
    refuse_overhearing(request.client, parsed.value.filters)
    forbidden = forbidden_literal(parsed.value.url, parts.webhook_networks)
    if forbidden is not None:
        raise refusal("address-not-allowed", errors=[FieldProblem(path="url", message=forbidden)])

    def build(id_: UUID) -> Command:
        word = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        making = CreateWebhookEndpoint(
            endpoint_id=_endpoint_id(id_),
            settings=parsed.value,
            secret=_PREFIXES[parsed.value.signature] + word,
            user=request.client.id,
        )
        return replace(_command(making), shows_secret=True)

    # Not later: the secret is in no other answer.
    origin = request.origin(raw, may_leave=False)
    outcome = await parts.commands.carry_out(build, origin)
    response = command_response(outcome, ignored=parsed.ignored)
    if isinstance(outcome, Answered) and response.status == CREATED:
        id_ = _endpoint_id(outcome.command)
        response.headers = [*response.headers, location("Webhooks", "Endpoints", id_)]
        if not response.body:
            made = await parts.webhooks.just_made(id_)
            response.body = b"" if made is None else model_response(made).body
    return response


def refuse_overhearing(client: Client, filters: EndpointFilters) -> None:
    """Let a client of some stores or markets make endpoints for these alone (decided 13.4).

    :raises Refusal: forbidden, naming the filter and what it may hold
    """
    kinds = (
        ("stores", client.stores, filters.stores),
        ("markets", client.markets, filters.markets),
    )
    faults = [
        FieldProblem(path=f"filters.{kind}", message=f"expected some of: {', '.join(sorted(own))}")
        for kind, own, wanted in kinds
        if own and not (wanted and {one.casefold() for one in wanted} <= own)
    ]
    if faults:
        raise refusal("forbidden", "This client may hear of its own orders alone.", errors=faults)


async def list_endpoints(request: Request, parts: Parts) -> Response:
    """Return the endpoints, the oldest first."""
    query = query_of(request, Paging)
    found = await parts.webhooks.endpoints(page=query.page, page_size=query.page_size)
    return model_response(found)


async def get_endpoint(request: Request, parts: Parts) -> Response:
    """Return one endpoint."""
    found = await parts.webhooks.endpoint(request.parameters["id"])
    if found is None:
        raise refusal("not-found")
    return model_response(found)


async def delete_endpoint(request: Request, parts: Parts) -> Response:
    """Remove an endpoint; what it was not sent yet is skipped."""
    id_ = request.parameters["id"]
    if len(id_) > _LONGEST_ID:
        raise refusal("not-found")
    message = DeleteWebhookEndpoint(endpoint_id=id_, user=request.client.id)
    outcome = await parts.commands.carry_out(lambda _: _command(message), request.origin(b""))
    return command_response(outcome)


class DeliveriesQuery(Paging):
    """Which deliveries are wanted."""

    endpoint_id: str | None = None
    """Only those to this endpoint."""
    order_id: str | None = None
    """Only those about this order."""
    state: DeliveryState | None = None
    """Only those in this state."""
    from_: Annotated[Moment, Field(alias="from")] = None
    """When they were made, at the earliest."""
    to: Moment = None
    """When they were made, at the latest."""


async def list_deliveries(request: Request, parts: Parts) -> Response:
    """Return the deliveries that fit, the newest first."""
    query = query_of(request, DeliveriesQuery)
    wanted = DeliveryFilter(
        endpoint_id=query.endpoint_id,
        order_id=query.order_id,
        state=query.state,
        since=query.from_,
        until=query.to,
    )
    found = await parts.webhooks.deliveries(
        wanted, request.client, page=query.page, page_size=query.page_size
    )
    return model_response(found)


async def get_delivery(request: Request, parts: Parts) -> Response:
    """Return one delivery with its attempts."""
    found = await parts.webhooks.delivery(request.parameters["id"], request.client)
    if found is None:
        raise refusal("not-found")
    return model_response(found)


def _endpoint_id(command: UUID) -> str:
    return f"ep_{derived(command, 'endpoint').hex}"


def _command(message: Message) -> Command:
    return Command(SERVICE, message.type, COMMANDS, message.key, message.data())


ROUTES: Final = (
    Route(
        method="POST",
        path=_ENDPOINTS,
        handler=create_endpoint,
        requires="SettingsAdmin",
        body=EndpointSettings,
        answer=EndpointAnswer,
        status=201,
        problems=(
            "address-not-allowed",
            "idempotency-key-reused",
        ),
    ),
    Route(
        method="GET",
        path=_ENDPOINTS,
        handler=list_endpoints,
        requires="SettingsRead",
        query=Paging,
        answer=EndpointPage,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path=f"{_ENDPOINTS}/{{id}}",
        handler=get_endpoint,
        requires="SettingsRead",
        answer=EndpointAnswer,
        problems=("not-found",),
    ),
    Route(
        method="DELETE",
        path=f"{_ENDPOINTS}/{{id}}",
        handler=delete_endpoint,
        requires="SettingsAdmin",
        status=204,
        problems=(
            "not-found",
            "idempotency-key-reused",
        ),
    ),
    Route(
        method="GET",
        path=_DELIVERIES,
        handler=list_deliveries,
        requires="SettingsRead",
        query=DeliveriesQuery,
        answer=DeliveryPage,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path=f"{_DELIVERIES}/{{id}}",
        handler=get_delivery,
        requires="SettingsRead",
        answer=Delivery,
        problems=("not-found",),
    ),
)
