"""Webhook endpoints and deliveries, as the webhooks service keeps them."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic_core import from_json

from contracts.message import Envelope
from contracts.messages.replies import Reply
from contracts.messages.webhooks import (
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    EnableWebhookEndpoint,
    EndpointFilters,
    EndpointSettings,
    RedeliverDelivery,
    RedeliverEvents,
    RotateWebhookSecret,
    SendTestEvent,
)
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests.integration.api.answering import Answerer, answer
from tests.integration.api.calling import Caller, keep_client
from tests.integration.api.test_idempotency import impatient, keyed, never

URL = "https://hooks.example.com/orders"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def made(command: Envelope, data: Any) -> tuple[Reply, object]:  # noqa: ANN401 - JSON
    if command.type == CreateWebhookEndpoint.type:
        shown = {"id": command.key, "url": URL, "secret": data["secret"]}
        return answer(command, 201, order_id=None), shown
    if command.type == RotateWebhookSecret.type:
        shown = {"id": command.key, "url": URL, "secret": "whsec_" + data["keyMaterial"]}
        return answer(command, 200, order_id=None), shown
    if command.type in {RedeliverEvents.type, RedeliverDelivery.type}:
        shown = {"count": data.get("count", 1), "operationId": str(command.id)}
        return answer(command, 202, order_id=None), shown
    if command.type == SendTestEvent.type:
        return answer(command, 202, order_id=None), {"deliveryId": str(command.id)}
    if command.type != DeleteWebhookEndpoint.type:
        return answer(command, 200, order_id=None), {"id": command.key}
    return answer(command, 204, order_id=None), None


@pytest.fixture(autouse=True)
def _making(answerer: Answerer) -> None:
    answerer.script = made


async def keep_endpoint(database: Database, **members: object) -> str:
    id_ = f"ep_{uuid4().hex}"
    settings = EndpointSettings(url=URL).model_dump(exclude_none=True)
    document = {
        "_id": id_,
        "revision": 1,
        "settings": settings,
        "secrets": ["whsec_of_nobody_but_the_receiver"],
        "created": NOON,
        "createdBy": "owner",
        "modified": NOON,
    }
    await database["webhook_endpoints"].insert_one(document | members)
    return id_


class TestEndpoints:
    async def test_are_made_with_a_secret_of_32_bytes(
        self, call: Caller, answerer: Answerer
    ) -> None:
        answerer.seen.clear()

        said = await call(
            "POST", "/api/webhooks/endpoints", {"url": URL, "eventTypes": ["order.*"]}
        )

        assert said.status == 201
        assert said.headers["location"] == f"/api/Webhooks/Endpoints/{said.json['id']}"
        kind, _, word = said.json["secret"].partition("_")
        assert kind == "whsec"
        assert len(base64.b64decode(word, validate=True)) == 32
        command = CreateWebhookEndpoint.model_validate_json(answerer.seen[0].data)
        assert command.settings.event_types == ("order.*",)
        assert command.user == "owner"

    async def test_are_made_once_for_a_key(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        answerer.seen.clear()
        path, body, key = "/api/Webhooks/Endpoints", {"url": URL}, uuid4().hex
        headers = {"Idempotency-Key": key}

        first = await call("POST", path, body, headers=headers)
        secret = first.json["secret"]
        await keep_endpoint(database, _id=first.json["id"], secrets=[secret])
        again = await call("POST", path, body, headers=headers)

        assert (again.status, again.json["secret"]) == (201, secret)
        assert again.headers["idempotency-replayed"] == "true"
        assert len(answerer.seen) == 1
        kept = await database["idempotency_keys"].find_one({"_id.k": key})
        assert kept is not None
        assert "body" not in kept["result"]

    @pytest.mark.parametrize(
        ("body", "slug", "path"),
        [
            ({"url": "http://127.0.0.1/x"}, "address-not-allowed", "url"),
            ({"url": "http://[::ffff:10.0.0.1]/x"}, "address-not-allowed", "url"),
            ({"url": "ftp://example.com"}, "address-not-allowed", "url"),
            ({"url": "https://hooks example.com"}, "address-not-allowed", "url"),
            ({}, "validation-failed", "url"),
            (
                {"url": URL, "filters": {"stores": ["Oslo"] * 251}},
                "validation-failed",
                "filters.stores",
            ),
            ({"url": URL, "eventTypes": ["order.nonsense"]}, "validation-failed", "eventTypes"),
            ({"url": URL, "maxInFlight": 0}, "validation-failed", "maxInFlight"),
        ],
    )
    async def test_are_refused_when_they_cannot_work(
        self, call: Caller, answerer: Answerer, body: dict[str, object], slug: str, path: str
    ) -> None:
        answerer.seen.clear()

        said = await call("POST", "/api/Webhooks/Endpoints", body)

        assert (said.status, said.problem) == (400, slug)
        assert [error["path"] for error in said.json["errors"]] == [path]
        assert answerer.seen == []

    async def test_are_shown_without_their_secrets(self, call: Caller, database: Database) -> None:
        id_ = await keep_endpoint(database)

        one = await call("GET", f"/api/Webhooks/Endpoints/{id_}")
        many = await call("GET", "/api/Webhooks/Endpoints?pageSize=100")

        assert one.json["id"] == id_
        assert one.json["url"] == URL
        assert one.json in many.json["items"]
        assert many.json["totalCount"] == len(many.json["items"])
        assert b"whsec" not in one.body + many.body

    async def test_are_deleted(self, call: Caller, database: Database) -> None:
        id_ = await keep_endpoint(database)

        said = await call("DELETE", f"/api/Webhooks/Endpoints/{id_}")

        assert (said.status, said.body) == (204, b"")

    async def test_need_the_role_of_settings(self, call: Caller, database: Database) -> None:
        await keep_client(database, "reader", "SettingsRead", secret="s")
        reader = await Caller.signed_in(call.url, "reader", "s")

        seen = await reader("GET", "/api/Webhooks/Endpoints")
        refused = await reader("POST", "/api/Webhooks/Endpoints", {"url": URL})

        await reader.close()
        assert (seen.status, refused.status) == (200, 403)

    async def test_show_what_their_headers_say_to_those_alone_who_may_manage_them(
        self, call: Caller, database: Database
    ) -> None:
        """They may hold what opens the receiver."""
        headers = {"X-Api-Key": "opener"}
        wanted = [EndpointFilters(stores=stores) for stores in ((), ("Bergen",), ("OSLO",))]
        settings = [EndpointSettings(url=URL, filters=one, headers=headers) for one in wanted]
        ids = [
            await keep_endpoint(database, settings=one.model_dump(exclude_none=True))
            for one in settings
        ]
        await keep_client(database, "reads-oslo", "SettingsRead", secret="s", stores=["Oslo"])
        client = await Caller.signed_in(call.url, "reads-oslo", "s")

        one_by_one = [await client("GET", f"/api/Webhooks/Endpoints/{id_}") for id_ in ids]
        together = (await client("GET", "/api/Webhooks/Endpoints?pageSize=100")).json["items"]

        await client.close()
        assert [one.json["headers"]["X-Api-Key"] for one in one_by_one] == ["", "", "opener"]
        assert all(one.json in together for one in one_by_one)

    async def test_of_a_client_of_some_stores_hear_of_these_alone(
        self, call: Caller, database: Database
    ) -> None:
        await keep_client(
            database, "two-stores", "SettingsAdmin", secret="s", stores=["Oslo", "Moss"]
        )
        client = await Caller.signed_in(call.url, "two-stores", "s")
        wanted: list[dict[str, list[str]]] = [
            {},
            {"stores": []},
            {"stores": ["oslo", "Bergen"]},
            {"stores": ["OSLO"]},
        ]

        said = [
            await client("POST", "/api/Webhooks/Endpoints", {"url": URL, "filters": filters})
            for filters in wanted
        ]

        await client.close()
        assert [one.status for one in said] == [403, 403, 403, 201]
        assert [one.json["errors"] for one in said[:3]] == [
            [{"path": "filters.stores", "message": "expected some of: moss, oslo"}]
        ] * 3


class TestChanging:
    async def test_sends_only_what_the_patch_says(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        body = {"rateLimit": None, "filters": {"stores": ["Oslo"]}, "nonsense": 1}

        said = await call("PATCH", f"/api/Webhooks/Endpoints/{id_}", body)

        (command,) = answerer.named(id_)
        sent = ChangeWebhookEndpoint.model_validate_json(command.data)
        assert said.status == 200
        assert said.json == {"id": id_}
        assert said.headers["ignored-fields"] == "nonsense"
        assert sent.changes == {"rateLimit": None, "filters": {"stores": ["Oslo"]}}
        assert (sent.user, sent.stores, sent.markets) == ("owner", None, None)

    @pytest.mark.parametrize(
        ("body", "slug", "path"),
        [
            ({"url": "http://127.0.0.1/x"}, "address-not-allowed", "url"),
            ({"url": None}, "validation-failed", "url"),
            ({"eventTypes": []}, "validation-failed", "eventTypes"),
            ({"eventTypes": ["order.nonsense"]}, "validation-failed", "eventTypes"),
            ({"headers": {"Webhook-Id": None}}, "validation-failed", "headers"),
            ({"filters": {"stores": ["x"] * 251}}, "validation-failed", "filters.stores"),
            ({"isEnabled": "yes"}, "validation-failed", "isEnabled"),
        ],
    )
    async def test_is_refused_where_it_cannot_work(
        self, call: Caller, answerer: Answerer, body: dict[str, object], slug: str, path: str
    ) -> None:
        id_ = uuid4().hex

        said = await call("PATCH", f"/api/Webhooks/Endpoints/{id_}", body)

        assert (said.status, said.problem) == (400, slug)
        assert [error["path"] for error in said.json["errors"]] == [path]
        assert answerer.named(id_) == []

    async def test_says_in_whose_scope_it_is(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        roles = ("SettingsAdmin", "store-Oslo", "AllMarkets")
        await keep_client(database, "of-oslo", *roles, secret="s")
        client = await Caller.signed_in(call.url, "of-oslo", "s")

        for path in ("", "/RotateSecret", "/Enable", "/Disable"):
            method = "POST" if path else "PATCH"
            await client(method, f"/api/Webhooks/Endpoints/{id_}{path}", {})
        await client("DELETE", f"/api/Webhooks/Endpoints/{id_}")

        await client.close()
        sent = [from_json(command.data) for command in answerer.named(id_)]
        assert [one.get("stores") for one in sent] == [["oslo"]] * 5
        assert [one.get("markets") for one in sent] == [None] * 5


class TestRotatingASecret:
    async def test_makes_32_fresh_bytes_that_one_answer_shows(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        path = f"/api/Webhooks/Endpoints/{id_}/RotateSecret"

        said = [await call("POST", path), await call("POST", path, {"overlapSeconds": 0})]

        sent = [RotateWebhookSecret.model_validate_json(c.data) for c in answerer.named(id_)]
        assert [one.status for one in said] == [200, 200]
        assert said[0].headers["cache-control"] == "no-store"
        assert [len(base64.b64decode(one.key_material)) for one in sent] == [32, 32]
        assert sent[0].key_material != sent[1].key_material
        assert [one.overlap_seconds for one in sent] == [86_400, 0]

    async def test_shows_it_to_a_repeat_until_another_has_come(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        path = f"/api/Webhooks/Endpoints/{id_}/RotateSecret"
        headers = {"Idempotency-Key": uuid4().hex}

        first = await call("POST", path, headers=headers)
        (command,) = answerer.named(id_)
        secret = first.json["secret"]
        kept = database["webhook_endpoints"]
        one = {"_id": id_}
        await kept.update_one(one, {"$set": {"secrets": [secret], "rotation": str(command.id)}})
        again = await call("POST", path, headers=headers)
        await kept.update_one(one, {"$set": {"secrets": ["whsec_other"], "rotation": "other"}})
        late = await call("POST", path, headers=headers)

        assert len(answerer.named(id_)) == 1
        assert again.json["secret"] == secret
        assert (late.status, "secret" in late.json) == (200, False)
        assert b"whsec" not in late.body

    async def test_shows_it_to_a_repeat_where_the_first_answer_came_too_late(
        self, settings: ChassisSettings, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        path, headers = f"/api/Webhooks/Endpoints/{id_}/RotateSecret", keyed()
        answerer.scripts[id_] = never

        async with impatient(settings, 0.3) as caller:
            late = await caller("POST", path, headers=headers)
            command = answerer.named(id_)[0]
            secret = "whsec_" + from_json(command.data)["keyMaterial"]
            new = {"secrets": [secret], "rotation": str(command.id)}
            await database["webhook_endpoints"].update_one({"_id": id_}, {"$set": new})
            mark = {"_id": command.id, "b": uuid4(), "at": NOON, "o": {"s": 200}}
            await database["webhooks_inbox"].insert_one(mark)
            operation = await caller("GET", late.headers["location"])
            again = await caller("POST", path, headers=headers)

        assert late.status == 202
        assert (again.status, again.json["secret"]) == (200, secret)
        assert again.headers["cache-control"] == "no-store"
        assert operation.json["state"] == "succeeded"
        assert secret.encode() not in late.body + operation.body
        assert len(answerer.named(id_)) == 1


class TestEnabling:
    async def test_back_fills_unless_it_is_told_not_to(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        path = f"/api/Webhooks/Endpoints/{id_}/Enable"

        said = [await call("POST", path), await call("POST", path, {"backfill": False})]
        refused = await call("POST", path, {"backfill": "no"})

        sent = [EnableWebhookEndpoint.model_validate_json(c.data) for c in answerer.named(id_)]
        assert [one.status for one in said] == [200, 200]
        assert [one.backfill for one in sent] == [True, False]
        assert (refused.status, refused.problem) == (400, "validation-failed")


async def keep_delivery(database: Database, hour: int, **members: object) -> str:
    id_ = str(uuid4())
    attempt = {"number": 1, "startedAt": NOON, "durationMs": 2.5, "phases": {"total": 2.5}}
    document = {
        "_id": id_,
        "revision": 1,
        "endpointId": "ep_1",
        "eventId": str(uuid4()),
        "eventType": "order.created",
        "orderId": "O-1",
        "sequence": 1,
        "previousSequence": 0,
        "state": "delivered",
        "created": NOON + timedelta(hours=hour),
        "attempts": [attempt],
    }
    await database["webhook_deliveries"].insert_one(document | members)
    return id_


class TestDeliveries:
    async def test_are_found_by_what_is_known_of_them(
        self, call: Caller, database: Database
    ) -> None:
        await database["webhook_deliveries"].delete_many({})
        first = await keep_delivery(database, 1)
        second = await keep_delivery(database, 2, endpointId="ep_2", state="failed")
        third = await keep_delivery(database, 3, orderId="O-2")
        queries = {
            "": [third, second, first],
            "?endpointId=ep_1": [third, first],
            "?OrderId=O-1": [second, first],
            "?state=failed": [second],
            "?from=2026-11-20T14:00:00Z": [third, second],
            "?from=2026-11-20T14:00:00Z&to=2026-11-20T14:00:00Z": [second],
            "?page=2&pageSize=2": [first],
        }

        said = {query: await call("GET", f"/api/Webhooks/Deliveries{query}") for query in queries}

        found = {query: [item["id"] for item in one.json["items"]] for query, one in said.items()}
        assert found == queries
        assert said["?page=2&pageSize=2"].json["totalCount"] == 3
        assert "attempts" not in said[""].json["items"][0]

    async def test_of_orders_outside_the_scope_are_not_there(
        self, call: Caller, database: Database
    ) -> None:
        await database["webhook_deliveries"].delete_many({})
        await keep_client(database, "oslo", "SettingsRead", "market-NOR", "store-Oslo", secret="s")
        client = await Caller.signed_in(call.url, "oslo", "s")
        own = await keep_delivery(database, 1, storeId="oslo", marketId="nor")
        other = await keep_delivery(database, 2, storeId="bergen", marketId="nor")
        await keep_delivery(database, 3, storeId="oslo", marketId="swe")
        stock = await keep_delivery(database, 4, orderId=None)

        listed = await client("GET", "/api/Webhooks/Deliveries")
        seen = [
            await client("GET", f"/api/Webhooks/Deliveries/{one}") for one in (own, stock, other)
        ]

        await client.close()
        assert [one["id"] for one in listed.json["items"]] == [stock, own]
        assert listed.json["totalCount"] == 2
        assert [one.status for one in seen] == [200, 200, 404]

    @pytest.mark.parametrize("query", ["state=lost", "page=0", "pageSize=x", "from=yesterday"])
    async def test_are_not_looked_for_by_nonsense(self, call: Caller, query: str) -> None:
        said = await call("GET", f"/api/Webhooks/Deliveries?{query}")

        assert (said.status, said.problem) == (400, "validation-failed")
        assert [error["path"] for error in said.json["errors"]] == [query.partition("=")[0]]

    async def test_show_their_attempts_one_by_one(self, call: Caller, database: Database) -> None:
        id_ = await keep_delivery(database, 1)

        said = await call("GET", f"/api/Webhooks/Deliveries/{id_}")
        none = await call("GET", "/api/Webhooks/Deliveries/x")

        assert said.json["attempts"] == [
            {
                "number": 1,
                "startedAt": "2026-11-20T12:00:00Z",
                "durationMs": 2.5,
                "phases": {"total": 2.5},
            }
        ]
        assert none.status == 404


class TestRedelivering:
    async def test_counts_what_is_in_the_span_and_names_the_operation(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        for hour, state in enumerate(("failed", "failed", "skipped", "delivered", "failed")):
            at = NOON + timedelta(hours=hour)
            await keep_delivery(
                database, hour, endpointId=id_, state=state, occurred=at, created=at
            )
        path = f"/api/Webhooks/Endpoints/{id_}/Redeliver"
        body = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T15:00:00Z"}

        dry = await call("POST", path, body | {"dryRun": True})
        asked_before = len(answerer.named(id_))
        said = await call("POST", path, body)
        of_all = await call(
            "POST", path, body | {"states": ["delivered", "failed"], "eventTypes": ["order.*"]}
        )
        of_none = await call("POST", path, body | {"orderId": "O-2", "dryRun": True})

        assert (dry.status, dry.json) == (202, {"count": 3})
        assert asked_before == 0
        assert (said.status, said.json["count"]) == (202, 3)
        assert said.headers["location"] == f"/api/Operations/{said.json['operationId']}"
        assert of_all.json["count"] == 3
        assert of_none.json == {"count": 0}
        _, command = answerer.named(id_)
        sent = RedeliverEvents.model_validate_json(command.data).span
        assert (sent.since, sent.until) == (NOON, NOON + timedelta(hours=3))
        assert "order.created" in (sent.event_types or ())
        operation = await call("GET", said.headers["location"])
        assert (operation.status, operation.json["state"]) == (200, "pending")

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({}, "from"),
            ({"from": None}, "from"),
            ({"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T11:00:00Z"}, "to"),
            ({"from": "2026-11-20T12:00:00Z", "states": ["failed", "pending"]}, "states[1]"),
            ({"from": "2026-11-20T12:00:00Z", "states": []}, "states"),
            ({"from": "2026-11-20T12:00:00Z", "eventTypes": ["x"]}, "eventTypes"),
        ],
    )
    async def test_of_nonsense_is_refused(
        self, call: Caller, database: Database, body: dict[str, object], path: str
    ) -> None:
        id_ = await keep_endpoint(database)

        said = await call("POST", f"/api/Webhooks/Endpoints/{id_}/Redeliver", body)

        assert (said.status, said.problem) == (400, "validation-failed")
        assert [error["path"] for error in said.json["errors"]] == [path]

    async def test_of_one_delivery_asks_for_the_endpoint_that_it_is_to(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        endpoint = await keep_endpoint(database)
        roles = ("SettingsAdmin", "market-NOR", "store-Oslo")
        await keep_client(database, "of-nor", *roles, secret="s")
        client = await Caller.signed_in(call.url, "of-nor", "s")
        own = await keep_delivery(database, 1, endpointId=endpoint, storeId="oslo", marketId="nor")
        other = await keep_delivery(
            database, 2, endpointId=endpoint, storeId="bergen", marketId="nor"
        )

        said, unseen = [
            await client("POST", f"/api/Webhooks/Deliveries/{one}/Redeliver")
            for one in (own, other)
        ]

        await client.close()
        (command,) = answerer.named(endpoint)
        sent = RedeliverDelivery.model_validate_json(command.data)
        assert (said.status, unseen.status) == (202, 404)
        assert said.json["count"] == 1
        assert (sent.delivery_id, sent.stores, sent.markets) == (own, ("oslo",), ("nor",))


class TestTesting:
    async def test_names_the_delivery_that_tells_how_it_went_the_same_for_a_repeat(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        path, headers = f"/api/Webhooks/Endpoints/{id_}/Test", {"Idempotency-Key": uuid4().hex}

        first = await call("POST", path, headers=headers)
        again = await call("POST", path, headers=headers)
        other = await call("POST", path)

        one, two = answerer.named(id_)
        assert (first.status, first.json) == (202, {"deliveryId": str(one.id)})
        assert first.headers["location"] == f"/api/Webhooks/Deliveries/{one.id}"
        assert (again.status, again.json) == (202, first.json)
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"
        assert other.json == {"deliveryId": str(two.id)}

    async def test_says_in_whose_scope_it_is(
        self, call: Caller, answerer: Answerer, database: Database
    ) -> None:
        id_ = await keep_endpoint(database)
        roles = ("SettingsAdmin", "market-NOR", "store-Oslo")
        await keep_client(database, "tester", *roles, secret="s")
        await keep_client(database, "reader", "SettingsRead", "AllStores", secret="s")
        path = f"/api/Webhooks/Endpoints/{id_}/Test"

        said = []
        for name in ("tester", "reader"):
            client = await Caller.signed_in(call.url, name, "s")
            said.append(await client("POST", path))
            await client.close()

        (command,) = answerer.named(id_)
        sent = SendTestEvent.model_validate_json(command.data)
        assert [one.status for one in said] == [202, 403]
        assert (sent.user, sent.stores, sent.markets) == ("tester", ("oslo",), ("nor",))
