"""Every route lets in the roles that it declares, and nobody else (S1; decided 13.1, 13.3)."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest

from services.api.app import Api
from services.api.domain import PUBLIC, ROLES, client, included
from services.api.entrypoints import ROUTES, keys
from services.api.entrypoints.access import Access
from services.api.entrypoints.routing import Route
from services.api.queries.clients import Clients
from services.chassis.clock import Clock
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests.integration.api.calling import Caller

SCOPE: Final = ("AllStores", "AllMarkets")

Tokens = dict[str, str]


@pytest.fixture(scope="module")
async def tokens(
    settings: ChassisSettings,
    database: Database,
    api: Api,  # noqa: ARG001 - the tokens are those of a running api
) -> AsyncIterator[Tokens]:
    """A token of a client for each role; none of them is restricted to a store or market."""
    clients = Clients(database)
    access = Access(
        clients, Clock(), key=keys.of_secret("t" * 32), audience=settings.mongo_database
    )
    documents = [
        {
            "_id": f"of-{role}",
            "secretHash": "",
            "roles": [role, *SCOPE],
            "isActive": True,
            "generation": 1,
            "created": datetime.now(UTC),
        }
        for role in sorted(ROLES)
    ]
    await database["api_clients"].insert_many(documents)
    yield {
        role: access.issue(client(f"of-{role}", roles=[role], stores=[], markets=[], generation=1))
        for role in sorted(ROLES)
    }
    clients.close()


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.requires != PUBLIC],
    ids=lambda route: f"{route.method} {route.path}",
)
async def test_a_route_lets_in_the_roles_it_declares(
    call: Caller, tokens: Tokens, route: Route
) -> None:
    path = re.sub(r"\{\w+\}", "no-such-thing", route.path)

    async def status(token: str | None) -> int:
        # An empty body: whether it is right is asked after the role.
        headers = {"Prefer": "respond-async"}
        headers["authorization"] = "" if token is None else f"Bearer {token}"
        return (await call(route.method, path, headers=headers)).status

    nobody = await status(None)
    said = dict(zip(tokens, await asyncio.gather(*map(status, tokens.values())), strict=True))

    let_in = {role for role, code in said.items() if code not in {401, 403}}
    assert nobody == 401
    assert let_in == {role for role in ROLES if route.requires in included([role])}
    assert {code for role, code in said.items() if role not in let_in} <= {403}
    assert max(said.values()) < 500
