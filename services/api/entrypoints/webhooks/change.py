"""Webhook endpoints changed: settings, secret, whether they are sent anything (design 10)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final, Literal, TypedDict
from uuid import UUID

from pydantic import Field

from contracts.fields import Flag, Whole
from contracts.messages.webhooks import (
    ChangeWebhookEndpoint,
    DeleteWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    EndpointAnswer,
    EndpointPatch,
    OwnEndpointCommand,
    RotateWebhookSecret,
)
from contracts.model import Model
from services.api.domain import Command, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    NO_STORE,
    OK,
    Response,
    command_response,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.entrypoints.webhooks.endpoints import (
    ENDPOINTS,
    command,
    key_material,
    refuse_forbidden,
)

_LONGEST_ID: Final = 64
_DAY: Final = 24 * 60 * 60


class Rotation(Model):
    """How a secret is replaced."""

    signature: Literal["v1", "v1a"] | None = None
    """What the new secret is for; absent: for what the endpoint has."""
    overlap_seconds: Annotated[Whole, Field(ge=0, le=7 * _DAY)] = _DAY
    """How long old secrets sign too, at most; 0 ends them all at once, as a leaked one should."""


class Enabling(Model):
    """What becomes of what an endpoint has missed."""

    backfill: Flag = True
    """Whether it is sent that, in order; else it is left out."""


async def change_endpoint(request: Request, parts: Parts) -> Response:
    """Change some settings of an endpoint: a merge patch (RFC 7396).

    What is absent stays, objects are merged, lists are replaced, null is the default. Events that
    are on their way already go where the endpoint is when they are sent.
    """
    parsed, raw = await request.parsed(EndpointPatch, strict=parts.strict)
    patch = parsed.value
    if patch.url is not None:
        refuse_forbidden(patch.url, parts)
    changes = patch.model_dump(mode="json", by_alias=True, exclude_unset=True)
    message = ChangeWebhookEndpoint(**own(request), changes=changes)
    return await _changed(message, request, parts, raw=raw, ignored=parsed.ignored)


async def rotate_secret(request: Request, parts: Parts) -> Response:
    """Give an endpoint a new secret, which this answer alone shows.

    Until the overlap has passed, the old secret signs too: `webhook-signature` carries a signature
    of each, the newest first, so that the receiver may change over at leisure. With `signature` the
    endpoint changes from one kind to the other in the same way.

    Whoever lost the answer, or was told 202, sends the request again: with the same
    `Idempotency-Key` the answer shows the secret that the first one brought, unless another has
    replaced it since; without a key it brings another. The operation of a 202 shows no secret.
    """
    parsed, raw = await request.parsed(Rotation, strict=parts.strict, optional=True)

    def build(_: UUID) -> Command:
        rotating = RotateWebhookSecret(
            **own(request),
            key_material=key_material(),
            signature=parsed.value.signature,
            overlap_seconds=parsed.value.overlap_seconds,
        )
        return replace(command(rotating), shows_secret=True)

    # Not later: the secret is in no other answer.
    origin = request.origin(raw, may_leave=False)
    outcome = await parts.commands.carry_out(build, origin)
    response = command_response(outcome, ignored=parsed.ignored)
    if response.status == OK and not response.body:
        id_ = request.parameters["id"]
        response.body = _body(await parts.webhooks.with_secret(id_, rotation=str(outcome.command)))
    response.headers = [*response.headers, NO_STORE]
    return response


async def enable_endpoint(request: Request, parts: Parts) -> Response:
    """Send to an endpoint again.

    What waited is sent at once, the events of an order in their order. So is what happened
    meanwhile, unless `backfill` is false. An endpoint that is enabled already is asked again.
    """
    parsed, raw = await request.parsed(Enabling, strict=parts.strict, optional=True)
    message = EnableWebhookEndpoint(**own(request), backfill=parsed.value.backfill)
    return await _changed(message, request, parts, raw=raw, ignored=parsed.ignored)


async def disable_endpoint(request: Request, parts: Parts) -> Response:
    """Send to an endpoint no more; what waits is held until it is enabled again."""
    return await _changed(DisableWebhookEndpoint(**own(request)), request, parts)


async def delete_endpoint(request: Request, parts: Parts) -> Response:
    """Remove an endpoint; what it was not sent yet is skipped."""
    message = DeleteWebhookEndpoint(**own(request))
    outcome = await parts.commands.carry_out(lambda _: command(message), request.origin(b""))
    return command_response(outcome)


async def _changed(
    message: OwnEndpointCommand,
    request: Request,
    parts: Parts,
    *,
    raw: bytes = b"",
    ignored: Sequence[str] = (),
) -> Response:
    """Carry the command out; a repeat, whose answer has no body, shows the endpoint as it is."""
    outcome = await parts.commands.carry_out(lambda _: command(message), request.origin(raw))
    response = command_response(outcome, ignored=ignored)
    if response.status == OK and not response.body:
        response.body = _body(await parts.webhooks.endpoint(message.endpoint_id))
    return response


def _body(found: EndpointAnswer | None) -> bytes:
    return b"" if found is None else model_response(found).body


class Own(TypedDict):
    """Which endpoint is meant, and by whom."""

    endpoint_id: str
    user: str
    stores: tuple[str, ...] | None
    markets: tuple[str, ...] | None


def own(request: Request) -> Own:
    """Return which endpoint is meant, and by whom.

    :raises Refusal: not-found, for what can be no id
    """
    id_, client = request.parameters["id"], request.client
    if len(id_) > _LONGEST_ID:
        raise refusal("not-found")
    return {
        "endpoint_id": id_,
        "user": client.id,
        "stores": None if client.stores is None else tuple(sorted(client.stores)),
        "markets": None if client.markets is None else tuple(sorted(client.markets)),
    }


ONE: Final = f"{ENDPOINTS}/{{id}}"
_COMMON: Final = ("not-found", "idempotency-key-reused")

ROUTES: Final = (
    Route(
        method="PATCH",
        path=ONE,
        handler=change_endpoint,
        requires="SettingsAdmin",
        body=EndpointPatch,
        answer=EndpointAnswer,
        problems=("address-not-allowed", *_COMMON),
    ),
    Route(
        method="DELETE",
        path=ONE,
        handler=delete_endpoint,
        requires="SettingsAdmin",
        status=204,
        problems=_COMMON,
    ),
    Route(
        method="POST",
        path=f"{ONE}/RotateSecret",
        handler=rotate_secret,
        requires="SettingsAdmin",
        body=Rotation,
        optional=True,
        answer=EndpointAnswer,
        problems=_COMMON,
    ),
    Route(
        method="POST",
        path=f"{ONE}/Enable",
        handler=enable_endpoint,
        requires="SettingsAdmin",
        body=Enabling,
        optional=True,
        answer=EndpointAnswer,
        problems=_COMMON,
    ),
    Route(
        method="POST",
        path=f"{ONE}/Disable",
        handler=disable_endpoint,
        requires="SettingsAdmin",
        answer=EndpointAnswer,
        problems=_COMMON,
    ),
)
