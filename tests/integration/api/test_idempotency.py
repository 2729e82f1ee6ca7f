"""A repeated request gets the first answer, whatever happened in between (decided 10)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import zstandard
from pydantic_core import to_json

from contracts.problems import problem
from services.api.app import service
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.workflow.domain.versions import packed
from tests import harness
from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.answering import Answerer, answer
from tests.integration.api.calling import Caller, keep_client
from tests.integration.api.conftest import api_settings
from tests.integration.api.test_dead_letters import a_dead_letter


def a_body(**changes: object) -> dict[str, Any]:
    return {**the_reference_body(), "id": f"O-{uuid4().hex[:8]}", **changes}


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid4().hex}


@asynccontextmanager
async def impatient(settings: ChassisSettings, seconds: float) -> AsyncIterator[Caller]:
    """An api of its own that waits only so long, and a client of it."""
    async with harness.running(service(api_settings(settings, answer_seconds=seconds))) as api:
        caller = await Caller.signed_in(api.url)
        yield caller
        await caller.close()


async def keep_version(
    database: Database, order_id: str, command: str, *, version: int = 1, **members: object
) -> None:
    """Keep what the workflow service would have kept of a command that it carried out."""
    head = b'{"sequence":%d,"order":' % version
    document = {
        "_id": f"{order_id}/{version:010d}",
        "orderId": order_id,
        "version": version,
        "commandId": command,
        "statusCode": 201,
        "isAborted": False,
        "results": [],
        "at": datetime.now(UTC),
        "event": packed(head + to_json({"id": order_id, "version": version}) + b"}"),
        "orderAt": len(head),
    }
    await database["order_versions"].insert_one(document | members)


async def mark(database: Database, command: str, **outcome: object) -> None:
    await database["workflow_inbox"].insert_one(
        {"_id": UUID(command), "b": uuid4(), "at": datetime.now(UTC), "o": outcome}
    )


async def lose_the_answer(database: Database, headers: dict[str, str]) -> None:
    """Forget what a request was answered, as if the process had died then, two minutes ago."""
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    lost = await database["idempotency_keys"].update_one(
        {"_id.k": headers["Idempotency-Key"], "answer": {"$exists": True}},
        {"$unset": {"answer": 1}, "$set": {"at": long_ago}},
    )
    assert lost.modified_count == 1


def never(*_: object) -> None:
    """Leave the command unanswered."""


class TestRepeatedRequest:
    async def test_gets_the_answer_that_was_recorded(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        body, headers = a_body(), keyed()
        first = await call("POST", "/api/Orders", body, headers=headers)
        command = answerer.named(body["id"])[0].correlation_id
        await mark(database, command, s=201, o=body["id"], v=1)
        await keep_version(database, body["id"], command)

        again = await call("POST", "/API/orders", body, headers=headers)

        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status, again.json) == (201, {"id": body["id"], "version": 1})
        assert again.headers["location"] == first.headers["location"]
        assert len(answerer.named(body["id"])) == 1

    async def test_gets_the_refusal_that_was_answered(
        self, call: Caller, answerer: Answerer
    ) -> None:
        body, headers = a_body(), keyed()
        refused = problem("duplicate-order-id", "this very one")
        answerer.scripts[body["id"]] = lambda c, _: (answer(c, 409, problem=refused), None)
        first = await call("POST", "/api/Orders", body, headers=headers)

        again = await call("POST", "/api/Orders", body, headers=headers)

        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["idempotency-replayed"] == "true"
        assert len(answerer.named(body["id"])) == 1

    async def test_with_another_body_is_refused(self, call: Caller, answerer: Answerer) -> None:
        body, headers = a_body(), keyed()
        await call("POST", "/api/Orders", body, headers=headers)

        said = await call("POST", "/api/Orders", body | {"tags": []}, headers=headers)

        assert (said.status, said.problem) == (422, "idempotency-key-reused")
        assert len(answerer.named(body["id"])) == 1

    async def test_may_have_the_key_of_another_client(
        self, call: Caller, database: Database
    ) -> None:
        headers = keyed()
        await keep_client(database, "other", "ApiOwner", secret="s")
        other = await Caller.signed_in(call.url, "other", "s")

        said = [
            await one("POST", "/api/Orders", a_body(), headers=headers) for one in (call, other)
        ]

        await other.close()
        assert [one.status for one in said] == [201, 201]

    async def test_is_not_bound_by_an_answer_of_validation(self, call: Caller) -> None:
        headers = keyed()
        bad = await call("POST", "/api/Orders", a_body(storeId=None), headers=headers)

        good = await call("POST", "/api/Orders", a_body(), headers=headers)

        assert (bad.status, good.status) == (400, 201)

    async def test_shares_the_answer_with_the_first_while_that_is_under_way(
        self, call: Caller, answerer: Answerer
    ) -> None:
        body, headers = a_body(), keyed()
        waiting = [
            asyncio.create_task(call("POST", "/api/Orders", body, headers=headers))
            for _ in range(5)
        ]

        said = await asyncio.gather(*waiting)

        assert {(one.status, one.body) for one in said} == {(201, said[0].body)}
        assert len([one for one in said if "idempotency-replayed" not in one.headers]) == 1
        assert len({one.id for one in answerer.named(body["id"])}) == 1

    async def test_publishes_what_never_reached_kafka(
        self, call: Caller, answerer: Answerer
    ) -> None:
        body, headers = a_body(), keyed()
        await call("POST", "/api/Orders", body, headers=headers)
        command = answerer.named(body["id"])[0].id
        answerer.seen.clear()  # as if the process had died between storing the key and publishing

        said = await call("POST", "/api/Orders", body, headers=headers)

        assert said.status == 201
        assert said.headers["idempotency-replayed"] == "true"
        assert [one.id for one in answerer.named(body["id"])] == [command]

    async def test_finds_an_answer_that_went_to_another_process(
        self, settings: ChassisSettings, database: Database, answerer: Answerer
    ) -> None:
        body, headers = a_body(), keyed()
        answerer.scripts[body["id"]] = never
        async with impatient(settings, 0.2) as caller:
            first = await caller("POST", "/api/Orders", body, headers=headers)
        command = answerer.named(body["id"])[0].correlation_id
        async with impatient(settings, 10) as caller:
            again = asyncio.create_task(caller("POST", "/api/Orders", body, headers=headers))
            await until(lambda: len(answerer.named(body["id"])) == 2)
            await keep_version(database, body["id"], command)
            await mark(database, command, s=202, o=body["id"])

            said = await again

        assert first.status == 202
        assert (said.status, said.headers["idempotency-replayed"]) == (201, "true")


class TestShortReply:
    async def test_is_filled_from_the_history_of_the_order(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        body = a_body()
        await keep_version(database, body["id"], str(uuid4()), version=2)
        answerer.scripts[body["id"]] = lambda c, _: (answer(c, 201, version=2), None)

        said = await call("POST", "/api/Orders", body)

        assert (said.status, said.json) == (201, {"id": body["id"], "version": 2})
        assert said.headers["etag"] == '"2"'


class TestOperation:
    async def test_is_promised_at_once_on_demand(self, call: Caller, answerer: Answerer) -> None:
        body = a_body()

        said = await call("POST", "/api/Orders", body, headers={"Prefer": "respond-async"})

        assert said.status == 202
        where = said.headers["location"]
        assert where == f"/api/Operations/{said.json['operationId']}"
        pending = await call("GET", where)
        assert (pending.status, pending.json["state"]) == (200, "pending")
        (sent,) = await until(lambda: answerer.named(body["id"]))
        assert (str(sent.id), sent.reply_to) == (said.json["operationId"], None)

    async def test_is_promised_when_the_answer_does_not_come_in_time(
        self, settings: ChassisSettings, answerer: Answerer
    ) -> None:
        body, headers = a_body(), keyed()
        answerer.scripts[body["id"]] = never
        async with impatient(settings, 0.3) as caller:
            first = await caller("POST", "/api/Orders", body, headers=headers)
            again = await caller("POST", "/api/Orders", body, headers=headers)

        assert (first.status, again.status) == (202, 202)
        assert first.headers["location"] == again.headers["location"]

    @pytest.mark.parametrize(
        ("status", "answered"),
        [
            (201, {"id": "x", "version": 3}),
            (
                200,
                {
                    "order": {"id": "x", "version": 3},
                    "isAborted": False,
                    "orderActionExecutionResults": [
                        {"actionType": "A", "actionStatus": "Warning"},
                    ],
                    "workflowExecutionResult": {"isSuccessful": True, "executedSteps": ["A"]},
                },
            ),
        ],
    )
    async def test_that_succeeded_shows_the_answer(
        self, call: Caller, database: Database, status: int, answered: dict[str, Any]
    ) -> None:
        body = a_body()
        command = await self._promised(call, body)
        steps = [{"actionType": "A", "actionStatus": "Warning"}]
        await keep_version(
            database, body["id"], command, statusCode=status, version=3, results=steps
        )
        await keep_version(database, body["id"], str(uuid4()), version=4)
        await mark(database, command, s=202, o=body["id"])

        said = await call("GET", f"/api/Operations/{command}")

        assert said.json["state"] == "succeeded"
        assert said.json["statusCode"] == status
        expected = to_json(answered).replace(b'"x"', f'"{body["id"]}"'.encode())
        assert to_json(said.json["answer"]) == expected
        assert said.json["created"] <= said.json["completed"]

    async def test_is_pending_while_the_run_waits(self, call: Caller, database: Database) -> None:
        body = a_body()
        command = await self._promised(call, body)
        await keep_version(database, body["id"], command)
        await mark(database, command, s=202, o=body["id"])
        await database["orders"].insert_one({"_id": body["id"], "run": {"commandId": command}})

        said = await call("GET", f"/api/Operations/{command}")

        assert said.json["state"] == "pending"

    async def test_that_failed_shows_the_problem(self, call: Caller, database: Database) -> None:
        command = await self._promised(call, a_body())
        await mark(database, command, s=500, p="command-failed")

        said = await call("GET", f"/api/Operations/{command}")

        assert said.json["state"] == "failed"
        assert said.json["problem"]["type"].endswith("/command-failed")
        assert said.json["statusCode"] == 500

    async def test_of_another_client_is_not_found(self, call: Caller, database: Database) -> None:
        command = await self._promised(call, a_body())
        await keep_client(database, "stranger", "ApiOwner", secret="s")
        stranger = await Caller.signed_in(call.url, "stranger", "s")

        said = await stranger("GET", f"/api/Operations/{command}")

        await stranger.close()
        assert (said.status, said.problem) == (404, "not-found")

    @pytest.mark.parametrize("id_", ["x", "7f0d4a52-6d7e-4b0e-9a55-0d6a0f9f2c11"])
    async def test_that_never_was_is_not_found(self, call: Caller, id_: str) -> None:
        said = await call("GET", f"/api/Operations/{id_}")

        assert (said.status, said.problem) == (404, "not-found")

    @staticmethod
    async def _promised(call: Caller, body: dict[str, Any]) -> str:
        said = await call("POST", "/api/Orders", body, headers={"Prefer": "respond-async"})
        return str(said.json["operationId"])


class TestWriteThatNoCommandCarriesOut:
    async def test_happens_once_and_shows_its_secret_once(
        self, call: Caller, database: Database
    ) -> None:
        headers = keyed()
        path = "/api/ApiClients"

        first = await call("POST", path, {"roles": ["ApiUser"]}, headers=headers)
        again = await call("POST", path, {"roles": ["ApiUser"]}, headers=headers)

        secret = first.json["clientSecret"]
        assert (first.status, again.status) == (201, 201)
        assert again.json == {k: v for k, v in first.json.items() if k != "clientSecret"}
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"
        assert "idempotency-replayed" not in first.headers
        kept = await database["idempotency_keys"].find_one({"_id.k": headers["Idempotency-Key"]})
        assert kept is not None
        assert secret.encode() not in zstandard.decompress(kept["answer"]["body"])

    async def test_is_answered_alike_whatever_its_kind(self, call: Caller) -> None:
        made = await call("POST", "/api/ApiClients", {"roles": ["ApiUser"]})
        one = made.headers["location"]
        rotating, changing, removing, setting = keyed(), keyed(), keyed(), keyed()
        shipped = (await call("GET", "/api/Settings/Stores")).json

        rotated = [await call("POST", f"{one}/RotateSecret", headers=rotating) for _ in range(2)]
        changed = [await call("PATCH", one, {"name": "A"}, headers=changing) for _ in range(2)]
        removed = [await call("DELETE", one, headers=removing) for _ in range(2)]
        put = [
            await call("PUT", "/api/Settings/Stores", shipped[1:], headers=setting),
            await call("PUT", "/api/Settings/Stores", shipped),
            await call("PUT", "/api/Settings/Stores", shipped[1:], headers=setting),
        ]

        assert "clientSecret" in rotated[0].json
        assert "clientSecret" not in rotated[1].json
        assert (changed[0].status, changed[0].body) == (changed[1].status, changed[1].body)
        assert [said.status for said in removed] == [204, 204]
        assert (put[2].body, put[2].headers["etag"]) == (put[0].body, put[0].headers["etag"])
        assert (await call("GET", "/api/Settings/Stores")).json == shipped

    async def test_keeps_a_refusal_that_was_decided_and_no_other(self, call: Caller) -> None:
        id_, taken, bad = uuid4().hex, keyed(), keyed()
        path, body = "/api/ApiClients", {"roles": ["ApiUser"], "clientId": id_}
        await call("POST", path, body)

        refused = await call("POST", path, body, headers=taken)
        await call("DELETE", f"{path}/{id_}")
        replayed = await call("POST", path, body, headers=taken)
        other = await call("POST", path, {"roles": ["OrderRead"]}, headers=taken)
        invalid = await call("POST", path, {"roles": []}, headers=bad)
        garbled = await call("POST", path, data=b"{", headers=bad)
        corrected = await call("POST", path, {"roles": ["ApiUser"]}, headers=bad)

        assert (refused.status, refused.problem) == (409, "duplicate-client-id")
        assert replayed.json == refused.json
        assert replayed.headers["idempotency-replayed"] == "true"
        assert (other.status, other.problem) == (422, "idempotency-key-reused")
        assert (invalid.status, garbled.status, corrected.status) == (400, 400, 201)

    async def test_of_many_at_once_happens_once(self, call: Caller) -> None:
        headers = keyed()

        answers = await asyncio.gather(
            *(
                call("POST", "/api/ApiClients", {"roles": ["ApiUser"]}, headers=headers)
                for _ in "1234"
            )
        )

        assert {said.status for said in answers} == {201}
        assert len({said.json["clientId"] for said in answers}) == 1
        assert sum("clientSecret" in said.json for said in answers) == 1

    async def test_is_made_by_a_repeat_if_the_first_died_before_it(
        self, call: Caller, database: Database
    ) -> None:
        headers, body = keyed(), {"roles": ["ApiUser"]}
        first = await call("POST", "/api/ApiClients", body, headers=headers)
        await database["api_clients"].delete_one({"_id": first.json["clientId"]})
        await lose_the_answer(database, headers)

        again = await call("POST", "/api/ApiClients", body, headers=headers)

        assert (first.status, again.status) == (201, 201)
        assert "clientSecret" in again.json

    @pytest.mark.parametrize("is_named", [False, True])
    async def test_is_found_by_a_repeat_if_the_first_died_after_it(
        self, call: Caller, database: Database, *, is_named: bool
    ) -> None:
        headers, own = keyed(), {"clientId": uuid4().hex} if is_named else {}
        body = {"roles": ["ApiUser"], **own}
        first = await call("POST", "/api/ApiClients", body, headers=headers)
        await lose_the_answer(database, headers)

        again = await call("POST", "/api/ApiClients", body, headers=headers)
        recorded = await call("POST", "/api/ApiClients", body, headers=headers)
        other = await call("POST", "/api/ApiClients", body, headers=keyed())

        assert (again.status, again.headers["idempotency-replayed"]) == (201, "true")
        assert again.json == {k: v for k, v in first.json.items() if k != "clientSecret"}
        assert again.headers["location"] == first.headers["location"]
        assert recorded.json == again.json
        assert other.status == (409 if is_named else 201)

    async def test_changes_a_client_once_if_it_died_after_it(
        self, call: Caller, database: Database
    ) -> None:
        one = (await call("POST", "/api/ApiClients", {"roles": ["ApiUser"]})).headers["location"]
        headers = keyed()
        first = await call("PATCH", one, {"name": "A"}, headers=headers)
        later = await call("PATCH", one, {"name": "B"})
        await lose_the_answer(database, headers)

        again = await call("PATCH", one, {"name": "A"}, headers=headers)

        assert (first.status, again.status, again.json) == (200, 200, first.json)
        assert again.headers["idempotency-replayed"] == "true"
        assert (await call("GET", one)).json == later.json

    async def test_rotates_a_secret_once_and_never_shows_it_again_if_it_died_after_it(
        self, call: Caller, database: Database
    ) -> None:
        made = await call("POST", "/api/ApiClients", {"roles": ["ApiUser"]})
        path, headers = f"{made.headers['location']}/RotateSecret", keyed()
        first = await call("POST", path, headers=headers)
        await lose_the_answer(database, headers)

        again = await call("POST", path, headers=headers)
        recorded = await call("POST", path, headers=headers)

        id_, secret = made.json["clientId"], first.json["clientSecret"]
        itself = await Caller.signed_in(call.url, id_, secret)
        await itself.close()
        assert (again.status, again.headers["cache-control"]) == (200, "no-store")
        assert again.json == {k: v for k, v in first.json.items() if k != "clientSecret"}
        assert again.headers["idempotency-replayed"] == "true"
        assert recorded.json == again.json
        effects = await database["effects"].find({"made._id": id_}).to_list(None)
        assert len(effects) == 1
        assert secret not in str(effects)
        assert "Hash" not in str(effects)

    async def test_removes_a_client_once_if_it_died_after_it(
        self, call: Caller, database: Database
    ) -> None:
        headers, body = keyed(), {"roles": ["ApiUser"], "clientId": uuid4().hex}
        one = (await call("POST", "/api/ApiClients", body)).headers["location"]
        first = await call("DELETE", one, headers=headers)
        await call("POST", "/api/ApiClients", body)
        await lose_the_answer(database, headers)

        again = await call("DELETE", one, headers=headers)

        assert (first.status, again.status) == (204, 204)
        assert again.headers["idempotency-replayed"] == "true"
        assert (await call("GET", one)).status == 200

    @pytest.mark.parametrize(
        ("method", "action", "status"), [("POST", "/Redrive", 202), ("DELETE", "", 204)]
    )
    async def test_ends_a_dead_letter_once_if_it_died_after_it(  # noqa: PLR0917 - what it is about
        self,
        call: Caller,
        database: Database,
        settings: ChassisSettings,
        method: str,
        action: str,
        status: int,
    ) -> None:
        headers = keyed()
        id_ = await a_dead_letter(database, settings.topic_prefix, b"{}")
        path = f"/api/DeadLetters/{id_}{action}"
        first = await call(method, path, headers=headers)
        await lose_the_answer(database, headers)

        again = await call(method, path, headers=headers)
        other = await call(method, path, headers=keyed())

        assert (first.status, again.status, other.status) == (status, status, 404)
        assert again.body == first.body
        assert again.headers["idempotency-replayed"] == "true"

    async def test_redrives_under_one_id_if_it_died_in_the_midst_of_it(
        self, call: Caller, answerer: Answerer, database: Database, settings: ChassisSettings
    ) -> None:
        key, headers = f"ORD-{uuid4().hex[:8]}", keyed()
        id_ = await a_dead_letter(database, settings.topic_prefix, b"{}", key=key)
        letter = await database["dead_letters"].find_one({"_id": id_})
        assert letter is not None
        await call("POST", f"/api/DeadLetters/{id_}/Redrive", headers=headers)
        await lose_the_answer(database, headers)
        await database["effects"].delete_one({"made._id": id_})
        await database["dead_letters"].insert_one(letter)  # as if it had died before the removal

        again = await call("POST", f"/api/DeadLetters/{id_}/Redrive", headers=headers)

        await until(lambda: len(answerer.named(key)) == 2, within=30)
        assert (again.status, again.json["state"]) == (202, "redriven")
        assert len({one.id for one in answerer.named(key)}) == 1
        assert await database["dead_letters"].find_one({"_id": id_}) is None

    async def test_stays_found_when_a_repeat_was_refused(
        self, call: Caller, database: Database
    ) -> None:
        await keep_client(database, "moved", "UserAdmin", "store-oslo", secret="s")
        caller = await Caller.signed_in(call.url, "moved", "s")
        headers, body = keyed(), {"roles": ["ApiUser", "store-oslo"]}
        first = await caller("POST", "/api/ApiClients", body, headers=headers)
        await lose_the_answer(database, headers)

        await call("PATCH", "/api/ApiClients/moved", {"roles": ["UserAdmin", "store-rome"]})
        refused = await caller("POST", "/api/ApiClients", body, headers=headers)
        await call("PATCH", "/api/ApiClients/moved", {"roles": ["UserAdmin", "store-oslo"]})
        again = await caller("POST", "/api/ApiClients", body, headers=headers)

        await caller.close()
        assert (first.status, refused.status, again.status) == (201, 403, 201)
        assert again.json["clientId"] == first.json["clientId"]

    async def test_does_not_undo_a_later_one_if_it_died_after_it(
        self, call: Caller, database: Database
    ) -> None:
        path, headers = "/api/Settings/Stores", keyed()
        shipped = await call("GET", path)
        if_match = {**headers, "If-Match": shipped.headers["etag"]}
        first = await call("PUT", path, shipped.json[2:], headers=if_match)
        later = await call("PUT", path, shipped.json[1:])
        await lose_the_answer(database, headers)

        again = await call("PUT", path, shipped.json[2:], headers=if_match)
        stored = await call("GET", path)

        await call("PUT", path, shipped.json)
        assert (first.status, later.status, again.status) == (200, 200, 200)
        assert (again.body, again.headers["etag"]) == (first.body, first.headers["etag"])
        assert again.headers["idempotency-replayed"] == "true"
        assert stored.json == later.json == shipped.json[1:]
