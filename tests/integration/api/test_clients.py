"""API clients: made, changed, rotated and removed, over HTTP and with `kontor clients`."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jwt
import pytest

from services.api.app import Api
from services.api.entrypoints.documentation.examples import example_of
from services.api.queries.clients import Clients
from services.chassis.mongo import Database
from tests.harness import until
from tests.integration.api.calling import OWNER, OWNER_SECRET, Answer, Caller, keep_client

PATH = "/api/ApiClients"
EVERYWHERE = ("AllStores", "AllMarkets")

Json = Any  # Any: JSON


async def made(call: Caller, **members: object) -> Json:
    """Make a client, which must succeed, and return it with its secret."""
    said = await call("POST", PATH, {"roles": ["OrderRead"], **members})
    assert said.status == 201, said.json
    return said.json


@pytest.fixture
async def manager(api: Api, database: Database) -> AsyncIterator[Caller]:
    """Somebody who manages the clients of one store, and is no owner."""
    name = uuid4().hex
    await keep_client(database, name, "UserAdmin", "OrderAdmin", "store-oslo", secret="s")
    caller = await Caller.signed_in(api.url, name, "s")
    yield caller
    await caller.close()


async def until_refused(caller: Caller) -> Answer:
    async def refused() -> Answer | None:
        said = await caller("GET", "/api/Orders/1")
        return said if said.status == 401 else None

    found = await until(refused, within=5)
    assert found is not None
    return found


class TestClient:
    async def test_is_made_as_the_guide_says_and_shows_its_secret_once(
        self, api: Api, call: Caller, database: Database
    ) -> None:
        body = example_of("POST", PATH)

        said = await call("POST", PATH, body)
        shown = await call("GET", said.headers["location"])
        listed = await call("GET", PATH, query={"pageSize": "500"})
        itself = await Caller.signed_in(api.url, "erp-sync", said.json["clientSecret"])
        order = await itself("GET", "/api/Orders/1")

        await itself.close()
        stored = await database["api_clients"].find_one({"_id": "erp-sync"})
        assert (said.status, said.headers["location"]) == (201, f"{PATH}/erp-sync")
        assert said.headers["cache-control"] == "no-store"
        assert shown.json == {k: v for k, v in said.json.items() if k != "clientSecret"}
        assert {name: shown.json[name] for name in body} == body
        assert shown.json in listed.json["items"]
        assert order.status == 404
        assert stored is not None
        assert stored["secretHash"].startswith("$argon2id$")
        assert said.json["clientSecret"] not in str(stored)
        assert "ecret" not in str(listed.json).replace("erp-sync", "")

    async def test_is_listed_by_pages_from_the_oldest(self, call: Caller) -> None:
        ids = [(await made(call))["clientId"] for _ in range(3)]

        whole = (await call("GET", PATH, query={"pageSize": "500"})).json
        count = whole["totalCount"]
        last = (await call("GET", PATH, query={"page": str(count), "pageSize": "1"})).json
        bad = await call("GET", PATH, query={"page": "0", "pageSize": "501"})

        assert [one["clientId"] for one in whole["items"]][-3:] == ids
        assert [one["clientId"] for one in last["items"]] == ids[-1:]
        assert (last["page"], last["pageSize"]) == (count, 1)
        assert [fault["path"] for fault in bad.json["errors"]] == ["page", "pageSize"]

    async def test_with_faults_is_refused_with_all_of_them(
        self, call: Caller, database: Database
    ) -> None:
        body = {
            "clientId": "a:b",
            "name": "",
            "roles": ["orderadmin", "Boss", "store-"],
            "stores": [""],
            "isActive": "maybe",
        }

        said = await call("POST", PATH, body)
        none = await call("POST", PATH, {"roles": []})

        assert (said.status, said.problem) == (400, "validation-failed")
        faults = {fault["path"]: fault["message"] for fault in said.json["errors"]}
        assert set(faults) == {
            "clientId",
            "name",
            "roles[1]",
            "roles[2]",
            "stores[0]",
            "isActive",
        }
        assert "OrderAdmin" in faults["roles[1]"]
        assert "store-<storeId>" in faults["roles[1]"]
        assert [fault["path"] for fault in none.json["errors"]] == ["roles"]
        assert await database["api_clients"].find_one({"name": ""}) is None

    async def test_has_an_id_of_its_own(self, call: Caller) -> None:
        first = await made(call, Roles=["ORDERREAD"], colour="blue")

        again = await call("POST", PATH, {"clientId": first["clientId"], "roles": ["ApiUser"]})

        assert first["roles"] == ["OrderRead"]
        assert first["name"] == first["clientId"]
        assert (again.status, again.problem) == (409, "duplicate-client-id")

    async def test_keeps_what_a_change_does_not_name(self, call: Caller) -> None:
        before = await made(call, name="Till", stores=["Oslo", "Oslo"], markets=["NOR"])
        one = f"{PATH}/{before['clientId']}"

        said = await call("PATCH", one, {"roles": ["PosWriter"], "markets": [], "clientId": "x"})
        shown = await call("GET", one)

        wanted = {**before, "roles": ["PosWriter"], "markets": []}
        assert said.status == 200
        assert said.headers["ignored-fields"] == "clientId"
        assert said.json == shown.json
        for name in ("clientId", "name", "roles", "stores", "markets", "isActive", "created"):
            assert shown.json[name] == wanted[name]
        assert before["stores"] == ["Oslo"]

    async def test_that_is_deactivated_or_changed_notices_it_at_once(
        self, api: Api, call: Caller
    ) -> None:
        one = await made(call, roles=["OrderRead", *EVERYWHERE])
        caller = await Caller.signed_in(api.url, one["clientId"], one["clientSecret"])
        path = f"{PATH}/{one['clientId']}"

        before = await caller("GET", "/api/Orders/1")
        await call("PATCH", path, {"roles": ["ApiUser"]})
        without_role = await caller("GET", "/api/Orders/1")
        await call("PATCH", path, {"isActive": False})
        inactive = await caller("GET", "/api/Orders/1")
        again = {"clientId": one["clientId"], "clientSecret": one["clientSecret"]}
        token = await caller("POST", "/api/token", again, headers={"authorization": ""})

        await caller.close()
        assert [said.status for said in (before, without_role, inactive)] == [404, 403, 401]
        assert (token.status, token.problem) == (401, "invalid-credentials")

    async def test_that_is_given_a_new_secret_has_lost_the_old_one_and_its_tokens(
        self, api: Api, call: Caller
    ) -> None:
        one = await made(call, roles=["OrderRead", *EVERYWHERE])
        old = await Caller.signed_in(api.url, one["clientId"], one["clientSecret"])

        said = await call("POST", f"{PATH}/{one['clientId']}/rotatesecret")
        refused = await until_refused(old)
        again = {"clientId": one["clientId"], "clientSecret": one["clientSecret"]}
        token = await old("POST", "/api/token", again, headers={"authorization": ""})
        new = await Caller.signed_in(api.url, one["clientId"], said.json["clientSecret"])
        order = await new("GET", "/api/Orders/1")

        await old.close()
        await new.close()
        assert said.status == 200
        assert said.json["clientSecret"] != one["clientSecret"]
        assert refused.problem == "unauthorized"
        assert token.status == 401
        assert order.status == 404

    async def test_that_is_removed_is_gone(self, api: Api, call: Caller) -> None:
        one = await made(call)
        path = f"{PATH}/{one['clientId']}"
        itself = await Caller.signed_in(api.url, one["clientId"], one["clientSecret"])

        said = await call("DELETE", path)
        refused = await itself("GET", "/api/Orders/1")
        others = [
            await call(method, path + tail, body)
            for method, tail, body in (
                ("GET", "", None),
                ("DELETE", "", None),
                ("PATCH", "", {"name": "x"}),
                ("POST", "/RotateSecret", None),
            )
        ]

        await itself.close()
        assert (said.status, said.body) == (204, b"")
        assert refused.status == 401
        assert {(one.status, one.problem) for one in others} == {(404, "not-found")}

    async def test_does_not_come_back_with_another_of_its_id(self, api: Api, call: Caller) -> None:
        """The token of a client that was removed is good for ten days, but not for the next one."""
        first = await made(call, roles=["OrderRead", *EVERYWHERE])
        itself = await Caller.signed_in(api.url, first["clientId"], first["clientSecret"])
        await call("DELETE", f"{PATH}/{first['clientId']}")
        members = {"clientId": first["clientId"], "roles": ["OrderAdmin", *EVERYWHERE]}
        second = await made(call, **members)
        successor = await Caller.signed_in(api.url, second["clientId"], second["clientSecret"])

        said = [await one("GET", "/api/Orders/1") for one in (successor, itself)]

        await itself.close()
        await successor.close()
        assert [one.status for one in said] == [404, 401]


class TestManager:
    """Decided 13.3."""

    @pytest.mark.parametrize(
        ("body", "paths"),
        [
            ({"roles": ["ApiOwner"]}, ["roles[0]", "stores"]),
            ({"roles": ["OrderRead", "SettingsRead"], "stores": ["Oslo"]}, ["roles[1]"]),
            ({"roles": ["OrderRead", "AllStores"]}, ["roles[1]", "stores"]),
            ({"roles": ["OrderRead"], "stores": ["Oslo", "Bergen"]}, ["stores"]),
            ({"roles": ["OrderRead", "market-nor"]}, ["stores"]),
        ],
    )
    async def test_grants_no_more_than_it_holds(
        self, manager: Caller, body: Json, paths: list[str]
    ) -> None:
        said = await manager("POST", PATH, body)

        assert (said.status, said.problem) == (403, "forbidden")
        assert [fault["path"] for fault in said.json["errors"]] == paths

    async def test_grants_what_it_holds(self, manager: Caller) -> None:
        one = await made(manager, roles=["PosWriter", "store-OSLO"], stores=["Oslo"])
        path = f"{PATH}/{one['clientId']}"

        narrowed = await manager(
            "PATCH", path, {"roles": ["OrderRead", "store-oslo", "market-nor"]}
        )
        widened = await manager("PATCH", path, {"roles": ["OrderRead", "AllStores"]})
        shown = await manager("GET", path)

        assert (narrowed.status, widened.status) == (200, 403)
        assert shown.json == narrowed.json

    async def test_does_not_touch_who_holds_more(self, manager: Caller, call: Caller) -> None:
        before = (await call("GET", f"{PATH}/{OWNER}")).json

        said = [
            await manager(method, f"{PATH}/{OWNER}{tail}", body)
            for method, tail, body in (
                ("PATCH", "", {"name": "mine"}),
                ("PATCH", "", {"roles": ["OrderRead"], "stores": ["Oslo"]}),
                ("DELETE", "", None),
                ("POST", "/RotateSecret", None),
            )
        ]

        assert {(one.status, one.problem) for one in said} == {(403, "forbidden")}
        assert (await call("GET", f"{PATH}/{OWNER}")).json == before

    async def test_does_not_shut_itself_out(self, manager: Caller) -> None:
        claims = jwt.decode(manager.token, options={"verify_signature": False})
        itself = f"{PATH}/{claims['sub']}"

        inactive = await manager("PATCH", itself, {"isActive": False})
        removed = await manager("DELETE", itself)
        named = await manager("PATCH", itself, {"name": "Oslo's manager"})

        assert {(one.status, one.problem) for one in (inactive, removed)} == {
            (409, "client-needed")
        }
        assert named.status == 200


class TestLastOwner:
    """Decided 13.3."""

    async def test_stays_one(self, call: Caller) -> None:
        said = await call("PATCH", f"{PATH}/{OWNER}", {"roles": ["UserAdmin", *EVERYWHERE]})
        inactive = await call("PATCH", f"{PATH}/{OWNER}", {"isActive": False})

        assert {(one.status, one.problem) for one in (said, inactive)} == {(409, "client-needed")}

    async def test_stays_when_two_remove_each_other_at_once(
        self, api: Api, call: Caller, database: Database
    ) -> None:
        one, other = [await made(call, roles=["ApiOwner"]) for _ in range(2)]
        callers = [
            await Caller.signed_in(api.url, of["clientId"], of["clientSecret"])
            for of in (one, other)
        ]
        clients = database["api_clients"]
        await clients.update_one({"_id": OWNER}, {"$set": {"isActive": False}})

        said = await asyncio.gather(
            callers[0]("DELETE", f"{PATH}/{other['clientId']}"),
            callers[1]("DELETE", f"{PATH}/{one['clientId']}"),
        )
        left = await clients.count_documents({"roles": "ApiOwner", "isActive": True})

        await clients.update_one({"_id": OWNER}, {"$set": {"isActive": True}})
        for caller in callers:
            await caller.close()
        statuses = sorted(each.status for each in said)
        assert left == 1
        assert statuses[0] == 204
        assert statuses[1] in {401, 409}


class TestOneRequest:
    async def test_changes_a_client_once_however_often_it_is_carried_out_at_once(
        self, call: Caller, database: Database
    ) -> None:
        clients, now, request = Clients(database), datetime.now(UTC), uuid4()
        id_ = (await made(call))["clientId"]
        before = await clients.find(id_)

        done = await asyncio.gather(
            *(
                clients.change(id_, lambda one: one, secret=word, request=request, now=now)
                for word in "12345678"
            )
        )

        found = await clients.find(id_)
        clients.close()
        assert before is not None
        assert found is not None
        assert found.generation == before.generation + 1
        assert sorted(one is not None and one[1] for one in done) == [False, *[True] * 7]


class TestOwnerOfTheEnvironment:
    async def test_is_not_brought_back_to_what_it_was_by_a_restart(
        self, database: Database
    ) -> None:
        clients, now = Clients(database), datetime.now(UTC)
        name = uuid4().hex

        await clients.keep_owner(name, "first", now=now)
        await clients.change(name, lambda one: one, secret="rotated", request=None, now=now)
        await clients.keep_owner(name, "first", now=now)
        old, rotated = [await clients.with_secret(name, word) for word in ("first", "rotated")]
        await clients.keep_owner(name, "second", now=now)
        replaced = [await clients.with_secret(name, word) for word in ("rotated", "second")]

        clients.close()
        await database["api_clients"].delete_one({"_id": name})
        assert old is None
        assert rotated is not None
        assert [found is not None for found in replaced] == [False, True]

    async def test_that_took_over_a_rotated_secret_goes_on_from_there(
        self, database: Database
    ) -> None:
        clients, now = Clients(database), datetime.now(UTC)
        name = uuid4().hex
        await clients.keep_owner(name, "first", now=now)
        await clients.change(name, lambda one: one, secret="rotated", request=None, now=now)

        await clients.keep_owner(name, "rotated", now=now)
        kept = await clients.with_secret(name, "rotated")
        await clients.keep_owner(name, "first", now=now)
        back = await clients.with_secret(name, "first")

        clients.close()
        await database["api_clients"].delete_one({"_id": name})
        assert kept is not None
        assert back is not None
        assert kept.generation != back.generation


class TestCommand:
    async def test_manages_clients_over_http(self, api: Api) -> None:
        async def kontor_clients(*words: str) -> str:
            who = ("--url", api.url, "--client-id", OWNER)
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services", "clients", *words, *who),
                env={**os.environ, "KONTOR_CLIENT_SECRET": OWNER_SECRET, "COLUMNS": "300"},
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate()
            assert process.returncode == 0, said
            return said.decode()

        roles = ("--role", "OrderRead", "--role", "AllStores")
        made = json.loads(await kontor_clients("create", "--id", "till", "--store", "Oslo", *roles))
        shown = json.loads(await kontor_clients("show", "till"))
        changed = json.loads(
            await kontor_clients("update", "till", "--inactive", "--no-stores", "--name", "Till 1")
        )
        listed = await kontor_clients("list")
        rotated = json.loads(await kontor_clients("rotate", "till"))
        removed = await kontor_clients("remove", "till")

        assert made["clientSecret"] != rotated["clientSecret"]
        assert shown["stores"] == ["Oslo"]
        assert (changed["isActive"], changed["stores"], changed["name"]) == (False, [], "Till 1")
        assert "OrderRead, AllStores" in listed
        assert removed.strip() == "till is gone."
