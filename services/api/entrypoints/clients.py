"""API clients: made, changed, given a new secret and removed (design 10; decided 13.3, 13.5)."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import uuid4

import structlog
from pydantic import AfterValidator, Field, WithJsonSchema

from contracts.fields import LONGEST_LIST, Flag, ListOf
from contracts.model import Model
from services.api.domain import ROLES, Client, beyond, refusal, spelt
from services.api.entrypoints.once import ONCE, once
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import Paging, query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    CREATED,
    NO_CONTENT,
    NO_STORE,
    OK,
    Header,
    Response,
    ignored_fields,
    location,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.queries.clients import (
    ApiClient,
    ApiClientPage,
    Change,
    ClientWithSecret,
    LastOwner,
    TakenId,
)

log = structlog.get_logger()

_SECRET_BYTES: Final = 32
_LONGEST: Final = 128
# No colon: in HTTP Basic it ends the id.
_ID: Final = re.compile(rf"^[A-Za-z0-9._~@-]{{1,{_LONGEST}}}$")
_ALLOWED: Final = f"expected {', '.join(sorted(ROLES))}, store-<storeId> or market-<marketId>"


def _client_id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f"expected 1 to {_LONGEST} letters, digits or any of . _ ~ @ -")
    return value


def _role(value: str) -> str:
    role = spelt(value)
    if role is None:
        raise ValueError(_ALLOWED)
    return role


def _once(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


NewId = Annotated[
    str, AfterValidator(_client_id), WithJsonSchema({"type": "string", "pattern": _ID.pattern})
]
Role = Annotated[
    str,
    AfterValidator(_role),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [{"enum": sorted(ROLES)}, {"pattern": "^(store|market)-.+"}],
        }
    ),
]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Roles = Annotated[
    list[Role],
    Field(min_length=1, max_length=LONGEST_LIST),
    AfterValidator(_once),
]
Ids = Annotated[
    ListOf[Annotated[str, Field(min_length=1, max_length=_LONGEST)]], AfterValidator(_once)
]


class NewApiClient(Model):
    """A client to be made; whoever makes it must hold its roles and scope."""

    client_id: NewId | None = None
    """Made up if absent; one of your own makes a repeated request harmless."""
    name: Name | None = None
    """For people; the id if absent."""
    roles: Roles
    """At least one, in any case; `store-x` and `market-y` name a store or market."""
    stores: Ids = Field(default_factory=list)
    """Ids of the stores whose orders it sees, besides those that roles name."""
    markets: Ids = Field(default_factory=list)
    """The same of markets."""
    is_active: Flag = True


class ApiClientPatch(Model):
    """What changes of a client; absent members stay as they are, lists are replaced whole."""

    name: Name | None = None
    roles: Roles | None = None
    stores: Ids | None = None
    markets: Ids | None = None
    is_active: Flag | None = None
    """A client that is not active is refused within five seconds."""


async def create_client(request: Request, parts: Parts) -> Response:
    """Make a client; this answer alone shows its `clientSecret`.

    Its roles and scope must be ones that the client that asks holds itself. A repeat with the same
    Idempotency-Key is answered without the secret: if the first answer was lost, rotate it.
    """
    parsed, _ = await request.parsed(NewApiClient, strict=parts.strict)
    new = parsed.value
    now = parts.clock.now()
    id_ = new.client_id or (request.id or uuid4()).hex
    made = ApiClient(
        client_id=id_,
        name=new.name or id_,
        roles=new.roles,
        stores=new.stores,
        markets=new.markets,
        is_active=new.is_active,
        created=now,
        modified=now,
    )
    _must_hold(request.client, made)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    headers = (location("ApiClients", id_), NO_STORE, *ignored_fields(parsed.ignored))
    try:
        earlier = await parts.clients.add(made, secret, request=request.id)
    except TakenId as error:
        raise refusal("duplicate-client-id") from error
    if earlier is not None:
        return model_response(earlier, CREATED, headers)
    log.info("api_client.created", id=id_, by=request.client.id)
    return _showing(made, secret, CREATED, headers)


async def list_clients(request: Request, parts: Parts) -> Response:
    """Return the clients, the oldest first; never their secrets."""
    query = query_of(request, Paging)
    return model_response(await parts.clients.page(page=query.page, page_size=query.page_size))


async def get_client(request: Request, parts: Parts) -> Response:
    """Return one client; never its secret."""
    found = await parts.clients.get(request.parameters["clientId"])
    if found is None:
        raise refusal("not-found")
    return model_response(found)


async def change_client(request: Request, parts: Parts) -> Response:
    """Change a client; in force at once here, and within five seconds everywhere.

    Whoever changes a client must hold its roles and scope, those before and those after. Nobody
    deactivates oneself, and one active ApiOwner always stays.
    """
    parsed, _ = await request.parsed(ApiClientPatch, strict=parts.strict)
    changes = parsed.value.model_dump(exclude_none=True, by_alias=False)
    now = parts.clock.now()

    def change(before: ApiClient) -> ApiClient:
        after = before.model_copy(update={**changes, "modified": now})
        _must_hold(request.client, before)
        _must_hold(request.client, after)
        if before.client_id == request.client.id and not after.is_active:
            raise refusal("client-needed")
        return after

    changed, _ = await _change(request, parts, change, now=now)
    log.info("api_client.changed", id=changed.client_id, by=request.client.id, what=sorted(changes))
    return model_response(changed, OK, ignored_fields(parsed.ignored))


async def rotate_secret(request: Request, parts: Parts) -> Response:
    """Give a client a new secret, which this answer alone shows.

    The old secret ends at once, and tokens made with it within five seconds. A repeat with the same
    Idempotency-Key is answered without the new one; another key makes yet another secret.
    """
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    now = parts.clock.now()

    def change(before: ApiClient) -> ApiClient:
        _must_hold(request.client, before)
        return before.model_copy(update={"modified": now})

    changed, is_earlier = await _change(request, parts, change, now=now, secret=secret)
    if is_earlier:
        return model_response(changed, OK, (NO_STORE,))
    log.info("api_client.rotated", id=changed.client_id, by=request.client.id)
    return _showing(changed, secret, OK, (NO_STORE,))


async def remove_client(request: Request, parts: Parts) -> Response:
    """Remove a client, and its tokens with it; never oneself or the last active ApiOwner."""

    def change(before: ApiClient) -> None:
        _must_hold(request.client, before)
        if before.client_id == request.client.id:
            raise refusal("client-needed")

    removed, _ = await _change(request, parts, change, now=parts.clock.now())
    log.info("api_client.removed", id=removed.client_id, by=request.client.id)
    return Response(NO_CONTENT)


async def _change(
    request: Request, parts: Parts, change: Change, *, now: datetime, secret: str | None = None
) -> tuple[ApiClient, bool]:
    """Change the client that is named; says too whether this very request has done it before."""
    id_ = request.parameters["clientId"]
    try:
        changed = await parts.clients.change(
            id_, change, secret=secret, request=request.id, now=now
        )
    except LastOwner as error:
        raise refusal("client-needed") from error
    if changed is None:
        raise refusal("not-found")
    parts.access.forget(id_)
    return changed


def _must_hold(asking: Client, one: ApiClient) -> None:
    """Refuse whoever would give, or take over, more than it has itself (decided 13.3)."""
    faults = beyond(asking, roles=one.roles, stores=one.stores, markets=one.markets)
    if faults:
        detail = "You manage only clients whose roles and scope you hold; `errors` names the rest."
        raise refusal("forbidden", detail, errors=faults)


def _showing(one: ApiClient, secret: str, status: int, headers: Sequence[Header]) -> Response:
    """Return the client with its secret, which no repeat shows."""
    shown = ClientWithSecret.model_validate({**one.model_dump(), "clientSecret": secret})
    response = model_response(shown, status, headers)
    response.kept = model_response(one).body
    return response


_PATH: Final = "/api/ApiClients"
_ONE: Final = f"{_PATH}/{{clientId}}"

ROUTES: Final = (
    Route(
        method="POST",
        path=_PATH,
        handler=once(create_client),
        requires="UserAdmin",
        body=NewApiClient,
        answer=ClientWithSecret,
        status=CREATED,
        problems=("duplicate-client-id", *ONCE),
    ),
    Route(
        method="GET",
        path=_PATH,
        handler=list_clients,
        requires="UserRead",
        query=Paging,
        answer=ApiClientPage,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=get_client,
        requires="UserRead",
        answer=ApiClient,
        problems=("not-found",),
    ),
    Route(
        method="PATCH",
        path=_ONE,
        handler=once(change_client),
        requires="UserAdmin",
        body=ApiClientPatch,
        answer=ApiClient,
        problems=("not-found", "client-needed", *ONCE),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=once(remove_client),
        requires="UserAdmin",
        status=NO_CONTENT,
        problems=("not-found", "client-needed", *ONCE),
    ),
    Route(
        method="POST",
        path=f"{_ONE}/RotateSecret",
        handler=once(rotate_secret),
        requires="UserAdmin",
        answer=ClientWithSecret,
        problems=("not-found", *ONCE),
    ),
)
