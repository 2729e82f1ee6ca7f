"""What tokens are signed with, and how the key is changed without anybody noticing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.api.app import service
from services.api.domain import Client, Refusal, client
from services.api.entrypoints import keys
from services.api.entrypoints.access import Access
from services.api.entrypoints.request import Request
from services.api.queries.clients import ApiClient, Clients
from services.chassis.clock import MovableClock
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.integration.api.calling import Caller, keep_client
from tests.integration.api.conftest import api_settings

AUDIENCE = "kontor"
SECRET, OTHER_SECRET = "s" * 32, "o" * 32
PRIVATE = Ed25519PrivateKey.generate()
Sign = Callable[[str], str]


@pytest.fixture
async def somebody(database: Database) -> Client:
    name = uuid4().hex
    await keep_client(database, name, "OrderRead", secret="s")
    return client(name, roles=["OrderRead"], stores=[], markets=[], generation=1)


def an_api_client(id_: str, *, is_active: bool) -> ApiClient:
    now = datetime.now(UTC)
    return ApiClient(
        client_id=id_,
        name=id_,
        roles=["OrderRead"],
        stores=[],
        markets=[],
        is_active=is_active,
        created=now,
        modified=now,
    )


class Door:
    """The way in, with the clients of the database."""

    def __init__(
        self,
        database: Database,
        key: keys.SigningKey,
        *previous: keys.Key,
        audience: str = AUDIENCE,
    ) -> None:
        self.clients = Clients(database)
        self.clock = MovableClock()
        self._access = Access(
            self.clients, self.clock, key=key, previous=previous, audience=audience
        )

    def issue(self, one: Client) -> str:
        return self._access.issue(one)

    async def lets_in(self, token: str) -> bool:
        scope = {
            "method": "GET",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        request = Request(scope, receive, path="/", parameters={}, limit=0)
        try:
            await self._access.client(request)
        except Refusal:
            return False
        return True


KINDS = pytest.mark.parametrize(
    ("before", "verifier", "after"),
    [
        (keys.of_secret(SECRET), keys.of_secret(SECRET), keys.of_secret(OTHER_SECRET)),
        (keys.of_secret(SECRET), keys.of_secret(SECRET), keys.of_private_key(PRIVATE)),
        (
            keys.of_private_key(PRIVATE),
            keys.of_public_key(PRIVATE.public_key()),
            keys.of_private_key(Ed25519PrivateKey.generate()),
        ),
        (
            keys.of_private_key(PRIVATE),
            keys.of_public_key(PRIVATE.public_key()),
            keys.of_secret(SECRET),
        ),
    ],
    ids=["secret to secret", "secret to key", "key to key", "key to secret"],
)


class TestKey:
    @KINDS
    async def test_may_be_changed_while_its_tokens_stay_valid(
        self,
        database: Database,
        somebody: Client,
        before: keys.SigningKey,
        verifier: keys.Key,
        after: keys.SigningKey,
    ) -> None:
        old, rotating, new = (
            Door(database, before),
            Door(database, after, verifier),
            Door(database, after),
        )
        first, second = old.issue(somebody), rotating.issue(somebody)

        in_between = [await rotating.lets_in(token) for token in (first, second)]
        afterwards = [await new.lets_in(token) for token in (first, second)]
        in_the_past = await old.lets_in(second)

        assert in_between == [True, True]
        assert afterwards == [False, True]
        assert not in_the_past
        assert jwt.get_unverified_header(second) == {
            "alg": after.algorithm,
            "kid": after.id,
            "typ": "JWT",
        }
        assert jwt.get_unverified_header(first)["kid"] == verifier.id

    async def test_signs_with_the_algorithm_it_is_for_and_no_other(
        self, database: Database, somebody: Client
    ) -> None:
        signer = keys.of_private_key(PRIVATE)
        door = Door(database, signer)
        claims = jwt.decode(door.issue(somebody), options={"verify_signature": False})
        public = PRIVATE.public_key().public_bytes_raw()

        def sign(secret: bytes, **header: object) -> str:
            # Whoever knows the public key must not make tokens with it as a shared secret.
            return jwt.encode(claims, secret, algorithm="HS256", headers=header)

        tokens = [
            sign(public, kid=signer.id),
            sign(public),
            sign(public, kid="another"),
            jwt.encode(claims, "", algorithm="none", headers={"kid": signer.id}),
        ]

        assert [await door.lets_in(token) for token in tokens] == [False] * len(tokens)

    async def test_of_one_tenant_opens_no_other(self, database: Database, somebody: Client) -> None:
        here = Door(database, keys.of_secret(SECRET))
        there = Door(database, keys.of_secret(SECRET), audience="another")

        token = here.issue(somebody)

        assert await here.lets_in(token)
        assert not await there.lets_in(token)

    async def test_makes_tokens_that_end(self, database: Database, somebody: Client) -> None:
        door = Door(database, keys.of_secret(SECRET))
        token = door.issue(somebody)
        door.clock.advance(timedelta(days=10, seconds=-5))
        before = await door.lets_in(token)

        door.clock.advance(timedelta(seconds=6))

        assert before
        assert not await door.lets_in(token)

    async def test_of_the_environment_signs_with_ed25519(self, settings: ChassisSettings) -> None:
        changes = {"token_private_key": PRIVATE}
        async with harness.running(service(api_settings(settings, **changes))) as api:
            caller = await Caller.signed_in(api.url)
            said = await caller("GET", "/api/ApiClients")
            await caller.close()

        claims = jwt.decode(
            caller.token,
            PRIVATE.public_key(),
            algorithms=["EdDSA"],
            audience=settings.mongo_database,
            issuer="kontor",
        )
        assert said.status == 200
        assert claims["sub"] == "owner"


async def test_a_token_of_a_new_secret_is_good_at_every_process_at_once(
    database: Database, somebody: Client
) -> None:
    one, other = (Door(database, keys.of_secret(SECRET)) for _ in range(2))
    before = one.issue(somebody)
    knew = await other.lets_in(before)
    await keep_client(database, somebody.id, "OrderRead", secret="new", generation=2)
    renewed = await one.clients.with_secret(somebody.id, "new")

    assert renewed is not None
    is_in = await other.lets_in(one.issue(renewed))
    is_still_in = await other.lets_in(before)

    assert (knew, is_in, is_still_in) == (True, True, False)


async def test_an_unknown_client_costs_as_much_as_a_wrong_secret(database: Database) -> None:
    clients = Clients(database)
    known, inactive = uuid4().hex, uuid4().hex
    for id_ in (known, inactive):
        await clients.add(an_api_client(id_, is_active=id_ == known), "the secret", request=None)

    async def spent(id_: str, secret: str) -> float:
        """Return how much of the processor ten tries take: how long they wait, others decide."""
        began = process_time()
        for _ in range(10):
            await clients.with_secret(id_, secret)
        return process_time() - began

    wrong = await spent(known, "another secret")
    unknown = await spent("nobody", "the secret")
    deactivated = await spent(inactive, "another secret")

    clients.close()
    assert unknown > wrong / 2
    assert deactivated > wrong / 2


async def test_credentials_are_in_no_log(
    settings: ChassisSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with harness.running(service(api_settings(settings))) as api:
        caller = Caller(api.url)
        said = [
            await caller("POST", "/api/token", **sent)
            for sent in (
                {"query": {"clientId": "who", "clientSecret": "what-nobody-may-see"}},
                {"json": {"clientId": "who", "clientSecret": "what-nobody-may-see"}},
                {"json": {"clientId": "who", "clientSecret": ["what-nobody-may-see"]}},
                {"query": {"clientSecret": "what-nobody-may-see", "returnAsJson": "perhaps"}},
            )
        ]
        await caller.close()

    logged = capsys.readouterr()
    assert [one.status for one in said] == [401, 401, 401, 400]
    assert "what-nobody-may-see" not in json.dumps([one.json for one in said])
    assert "/api/token" in logged.out
    assert "what-nobody-may-see" not in logged.out + logged.err
