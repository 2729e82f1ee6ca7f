"""Tokens, roles, and the answers that every path gives alike."""

import base64
from uuid import uuid4

import jwt
import pytest

from services.api.app import Api, service
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.harness import until
from tests.integration.api.calling import OWNER, OWNER_SECRET, Answer, Caller, keep_client
from tests.integration.api.conftest import api_settings

BASIC = base64.b64encode(f"{OWNER}:{OWNER_SECRET}".encode()).decode()
FORM = "application/x-www-form-urlencoded"


class TestToken:
    async def test_is_plain_text_for_a_query(self, api: Api) -> None:
        caller = Caller(api.url)

        said = await caller(
            "POST", "/api/Token", query={"ClientId": OWNER, "clientSecret": OWNER_SECRET}
        )

        await caller.close()
        assert said.headers["content-type"].startswith("text/plain")
        claims = jwt.decode(said.body, options={"verify_signature": False})
        assert claims["sub"] == OWNER
        assert claims["exp"] - claims["iat"] == 864_000
        assert "roles" not in claims

    async def test_is_json_on_demand(self, api: Api) -> None:
        caller = Caller(api.url)
        query = {"clientId": OWNER, "clientSecret": OWNER_SECRET, "returnAsJson": "true"}

        said = await caller("POST", "/api/token", query=query)

        await caller.close()
        assert said.json["tokenType"] == "Bearer"
        assert said.json["expiresIn"] == 864_000
        assert said.json["accessToken"]

    @pytest.mark.parametrize(
        ("data", "kind", "authorization"),
        [
            (
                f"grant_type=client_credentials&client_id={OWNER}&client_secret={OWNER_SECRET}",
                FORM,
                "",
            ),
            ("grant_type=client_credentials", FORM, f"Basic {BASIC}"),
            (f"client_id={OWNER}&client_secret={OWNER_SECRET}", FORM, ""),
            (
                f'{{"clientId":"{OWNER}","ClientSecret":"{OWNER_SECRET}","returnAsJson":true}}',
                "application/json",
                "",
            ),
            ('{"returnAsJson": true}', "application/json", f"basic {BASIC}"),
        ],
        ids=["OAuth's form", "OAuth's form and Basic", "form", "json", "json and Basic"],
    )
    async def test_is_given_whatever_way_is_asked(
        self, api: Api, data: str, kind: str, authorization: str
    ) -> None:
        caller = Caller(api.url)
        headers = {"content-type": kind}
        if authorization:
            headers["authorization"] = authorization

        said = await caller("POST", "/api/token", data=data.encode(), headers=headers)

        await caller.close()
        assert said.status == 200
        assert said.json["accessToken"]

    async def test_is_refused_alike_for_a_wrong_secret_and_an_unknown_client(
        self, api: Api
    ) -> None:
        caller = Caller(api.url)
        tries = [(OWNER, "wrong"), ("nobody", OWNER_SECRET), ("", ""), ("x\0", "y")]

        said = [
            await caller("POST", "/api/token", query={"clientId": id_, "clientSecret": secret})
            for id_, secret in tries
        ]

        await caller.close()
        assert {(one.status, one.body) for one in said} == {(401, said[0].body)}
        assert said[0].problem == "invalid-credentials"

    @pytest.mark.parametrize(
        "token",
        [
            "",
            "x",
            "a.b.c",
            jwt.encode({"sub": OWNER}, "t" * 32, algorithm="HS256"),
            jwt.encode({"sub": OWNER}, "u" * 32, algorithm="HS256"),
            jwt.encode({"sub": OWNER}, "", algorithm="none"),
        ],
    )
    async def test_that_is_not_ours_lets_nobody_in(self, api: Api, token: str) -> None:
        caller = Caller(api.url)

        said = await caller("GET", "/api/Orders/1", headers={"authorization": f"Bearer {token}"})

        await caller.close()
        assert (said.status, said.problem) == (401, "unauthorized")
        assert said.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        "change", [{"isActive": False}, {"generation": 2}], ids=["deactivated", "rotated"]
    )
    async def test_ends_with_its_client(
        self, api: Api, database: Database, change: dict[str, object]
    ) -> None:
        name = uuid4().hex
        await keep_client(database, name, "OrderRead", "AllStores", secret="s")
        caller = await Caller.signed_in(api.url, name, "s")
        before = await caller("GET", "/api/Orders/1")
        await database["api_clients"].update_one({"_id": name}, {"$set": change})

        async def refused() -> Answer | None:
            said = await caller("GET", "/api/Orders/1")
            return said if said.status == 401 else None

        said = await until(refused, within=5)

        await caller.close()
        assert before.status == 404
        assert said is not None
        assert said.problem == "unauthorized"


class TestRole:
    async def test_that_is_missing_is_named(self, api: Api, database: Database) -> None:
        await keep_client(database, "reader", "OrderRead", "AllStores", secret="s")
        reader = await Caller.signed_in(api.url, "reader", "s")

        said = await reader("POST", "/api/Orders", data=b"nonsense")

        await reader.close()
        assert (said.status, said.problem) == (403, "forbidden")
        assert "OrderAdmin" in said.json["detail"]

    async def test_is_asked_for_before_the_body_is_read(self, api: Api) -> None:
        nobody = Caller(api.url)

        said = await nobody("POST", "/api/Orders", data=b"x" * (6 * 1024 * 1024))

        await nobody.close()
        assert (said.status, said.problem) == (401, "unauthorized")


class TestPath:
    async def test_that_does_not_exist_is_a_problem(self, call: Caller) -> None:
        said = await call("GET", "/api/Nothing")

        assert (said.status, said.problem) == (404, "no-such-path")

    async def test_names_the_methods_it_takes(self, call: Caller) -> None:
        said = await call("DELETE", "/api/orders")
        options = await call("OPTIONS", "/api/orders")

        assert (said.status, said.problem) == (405, "method-not-allowed")
        assert said.headers["allow"] == options.headers["allow"]
        assert {"OPTIONS", "POST"} <= set(said.headers["allow"].split(", "))
        assert options.status == 204

    async def test_tells_by_head_what_it_would_tell_by_get(self, call: Caller) -> None:
        """RFC 9110, 9.3.2."""
        path = "/api/Settings/OrderTypes"

        get = await call("GET", path)
        head = await call("HEAD", path)
        none = await call("HEAD", "/api/Orders/none")

        assert (head.status, head.body) == (200, b"")
        assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
        assert (none.status, none.body) == (404, b"")

    @pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/api/Health", "/metrics"])
    async def test_of_health_needs_no_token(self, api: Api, path: str) -> None:
        nobody = Caller(api.url)

        said = await nobody("GET", path)

        await nobody.close()
        assert said.status == 200


class TestAnswer:
    async def test_that_is_long_comes_compressed_to_whom_that_suits(self, call: Caller) -> None:
        path = "/api/Settings/OrderTypes"

        plain, zipped = [
            await call("GET", path, headers={"accept-encoding": accepted})
            for accepted in ("identity", "gzip;q=0.9, deflate")
        ]
        short = await call("GET", "/health/live", headers={"accept-encoding": "gzip"})

        assert "content-encoding" not in plain.headers
        assert (zipped.headers["content-encoding"], zipped.json) == ("gzip", plain.json)
        assert int(zipped.headers["content-length"]) < len(plain.body) / 2
        for one in (plain, zipped):
            assert one.headers["vary"] == "accept-encoding"
            assert one.headers["etag"] == plain.headers["etag"]
        assert not {"vary", "content-encoding"} & set(short.headers)

    async def test_that_came_compressed_is_known_again_by_its_etag(self, call: Caller) -> None:
        path, compressed = "/api/Settings/OrderTypes", {"accept-encoding": "gzip"}
        read = await call("GET", path, headers=compressed)
        tag = read.headers["etag"]

        known = await call("GET", path, headers={**compressed, "if-none-match": tag})
        changed = await call("PUT", path, read.json, headers={"if-match": tag})
        stale = await call("PUT", path, read.json, headers={"if-match": '"999"'})

        assert (known.status, known.body) == (304, b"")
        assert changed.status == 200
        assert stale.status == 412

    async def test_is_for_pages_of_this_origin_alone(self, call: Caller) -> None:
        headers = {"origin": "https://shop.example", "access-control-request-method": "POST"}

        said = [
            await call(method, "/api/Orders", headers=headers) for method in ("OPTIONS", "POST")
        ]

        assert not [name for one in said for name in one.headers if name.startswith("access-")]

    async def test_is_for_the_pages_that_are_named(self, settings: ChassisSettings) -> None:
        named = api_settings(settings, cors_origins=("https://shop.example",))
        headers = {"origin": "https://shop.example"}
        before = {**headers, "access-control-request-method": "POST"}
        async with harness.running(service(named)) as api:
            page = Caller(api.url)
            asked = await page("OPTIONS", "/api/Orders", headers=before)
            said = await page("POST", "/api/Orders", headers=headers)
            other = await page("POST", "/api/Orders", headers={"origin": "https://other.example"})
            await page.close()

        assert asked.status == 204
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert said.status == 401
        assert said.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == "origin"


class TestBody:
    @pytest.mark.parametrize("inside", [b"[%b]", b'{"a":%b}', b'{"id":"x","nobodyKnows":%b}'])
    @pytest.mark.parametrize("path", ["/api/Orders", "/api/ApiClients", "/api/Settings/Markets"])
    async def test_may_not_be_nested_too_deeply(
        self, call: Caller, path: str, inside: bytes
    ) -> None:
        body = b"1"
        for _ in range(70):
            body = inside.replace(b"%b", body)

        method = "PUT" if "Settings" in path else "POST"
        said = await call(method, path, data=body)

        assert said.status == 400
        assert "at most 64 levels" in str(said.json["errors"])
