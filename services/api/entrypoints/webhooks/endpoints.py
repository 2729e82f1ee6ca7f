"""Webhook endpoints: made and read (design 10, decided 12)."""

import base64
import secrets
from dataclasses import replace
from typing import Final
from uuid import UUID

from contracts.message import Message, derived
from contracts.messages.webhooks import (
    COMMANDS,
    SECRET_PREFIXES,
    CreateWebhookEndpoint,
    EndpointAnswer,
    EndpointFilters,
    EndpointSettings,
)
from contracts.problems import FieldProblem
from services.api.domain import Client, Command, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import Paging, query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    CREATED,
    NO_STORE,
    Response,
    command_response,
    location,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.gateways import Answered
from services.api.queries.webhooks import EndpointPage
from services.chassis.http import forbidden_literal

_SERVICE: Final = "webhooks"
_SECRET_BYTES: Final = 32
ENDPOINTS: Final = "/api/Webhooks/Endpoints"


async def create_endpoint(request: Request, parts: Parts) -> Response:
    """Add an endpoint; it takes part from this answer on, the only one that shows its secret.

    Whoever lost the answer, or was told 202, sends the request again with the same
    `Idempotency-Key`: the answer shows the secret, unless another has replaced it since. Without a
    key the endpoint is in the list, and `RotateSecret` brings another secret. The operation of a
    202 shows none.
    """
    parsed, raw = await request.parsed(EndpointSettings, strict=parts.strict)
    _refuse_overhearing(request.client, parsed.value.filters)
    refuse_forbidden(parsed.value.url, parts)

    def build(id_: UUID) -> Command:
        making = CreateWebhookEndpoint(
            endpoint_id=_endpoint_id(id_),
            settings=parsed.value,
            secret=SECRET_PREFIXES[parsed.value.signature] + key_material(),
            user=request.client.id,
        )
        return replace(command(making), shows_secret=True)

    # Not later: the secret is in no other answer.
    origin = request.origin(raw, may_leave=False)
    outcome = await parts.commands.carry_out(build, origin)
    response = command_response(outcome, ignored=parsed.ignored)
    if isinstance(outcome, Answered) and response.status == CREATED:
        id_ = _endpoint_id(outcome.command)
        response.headers = [*response.headers, location("Webhooks", "Endpoints", id_), NO_STORE]
        if not response.body:
            made = await parts.webhooks.with_secret(id_, rotation=None)
            response.body = b"" if made is None else model_response(made).body
    return response


async def list_endpoints(request: Request, parts: Parts) -> Response:
    """Return the endpoints, the oldest first.

    What the headers of those beyond the client's scope say is left out.
    """
    query = query_of(request, Paging)
    found = await parts.webhooks.endpoints(page=query.page, page_size=query.page_size)
    items = [_seen_by(request.client, one) for one in found.items]
    return model_response(found.model_copy(update={"items": items}))


async def get_endpoint(request: Request, parts: Parts) -> Response:
    """Return one endpoint; beyond the client's scope without what its headers say."""
    found = await parts.webhooks.endpoint(request.parameters["id"])
    if found is None:
        raise refusal("not-found")
    return model_response(_seen_by(request.client, found))


def _seen_by(client: Client, endpoint: EndpointAnswer) -> EndpointAnswer:
    """Return the endpoint as this client may see it.

    What its headers say may be credentials of the receiver: only who may manage it reads them.
    """
    if not endpoint.filters.beyond(stores=client.stores, markets=client.markets):
        return endpoint
    return endpoint.model_copy(update={"headers": dict.fromkeys(endpoint.headers, "")})


def _refuse_overhearing(client: Client, filters: EndpointFilters) -> None:
    """Let a client of some stores or markets make endpoints for these alone (decided 13.4).

    :raises Refusal: forbidden, naming the filter and what it may hold
    """
    faults = filters.beyond(stores=client.stores, markets=client.markets)
    if faults:
        raise refusal("forbidden", "This client may hear of its own orders alone.", errors=faults)


def refuse_forbidden(url: str, parts: Parts) -> None:
    """Refuse an address that may never be called (decided 9).

    :raises Refusal: address-not-allowed, naming the URL
    """
    forbidden = forbidden_literal(url, parts.webhook_networks)
    if forbidden is not None:
        raise refusal("address-not-allowed", errors=[FieldProblem(path="url", message=forbidden)])


def key_material() -> str:
    """Return the base64 of 32 bytes of chance, a good key for both kinds of signature."""
    return base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def _endpoint_id(command: UUID) -> str:
    return f"ep_{derived(command, 'endpoint').hex}"


def command(message: Message) -> Command:
    """Return the message as a command to the webhooks service."""
    return Command(_SERVICE, message.type, COMMANDS, message.key, message.data())


ROUTES: Final = (
    Route(
        method="POST",
        path=ENDPOINTS,
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
        path=ENDPOINTS,
        handler=list_endpoints,
        requires="SettingsRead",
        query=Paging,
        answer=EndpointPage,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path=f"{ENDPOINTS}/{{id}}",
        handler=get_endpoint,
        requires="SettingsRead",
        answer=EndpointAnswer,
        problems=("not-found",),
    ),
)
