"""Dead letters over HTTP: listed, read, put back, thrown away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.api.app import Api
from services.chassis.mongo import Database
from tests.harness import until
from tests.integration.api.answering import Answerer
from tests.integration.api.calling import Caller, keep_client

PATH = "/api/DeadLetters"
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
async def none_left(database: Database) -> AsyncIterator[None]:
    yield
    await database["dead_letters"].delete_many({})


async def a_dead_letter(
    database: Database,
    prefix: str,
    data: bytes,
    *,
    age: int = 0,
    key: str | bytes = "ORD-1",
    **others: str,
) -> str:
    """Keep a command that no service could handle, as the chassis does."""
    id_ = str(uuid4())
    key = key.encode() if isinstance(key, str) else key
    headers = {
        "ce_id": str(uuid4()),
        "ce_type": "orders.place_order",
        "ce_subject": key.decode("latin-1"),
        "ce_time": NOW.isoformat(),
        **others,
    }
    await database["dead_letters"].insert_one(
        {
            "_id": id_,
            "service": "workflow",
            "topic": f"{prefix}orders.commands",
            "partition": 3,
            "offset": 17,
            "key": key,
            "orderId": headers["ce_subject"][:1000],
            "type": "orders.place_order",
            "reason": "KeyError: 'marketId'",
            "attempts": 5,
            "at": NOW - timedelta(minutes=age),
            "redrives": 0,
            "headers": [[name, value.encode()] for name, value in headers.items()],
            "data": data,
        }
    )
    return id_


class TestList:
    async def test_has_the_newest_first_page_by_page(
        self, database: Database, api: Api, call: Caller
    ) -> None:
        prefix = api.settings.topic_prefix
        ids = [await a_dead_letter(database, prefix, b"{}", age=age) for age in (3, 1, 2)]

        first = await call("GET", PATH, query={"page": "1", "pageSize": "2"})
        second = await call("GET", PATH, query={"page": "2", "pageSize": "2"})

        assert [one["id"] for one in first.json["items"]] == [ids[1], ids[2]]
        assert [one["id"] for one in second.json["items"]] == [ids[0]]
        assert (second.json["totalCount"], second.json["page"], second.json["pageSize"]) == (
            3,
            2,
            2,
        )
        assert "payload" not in first.json["items"][0]

    @pytest.mark.parametrize("query", [{"page": "0"}, {"pageSize": "501"}, {"page": "x"}])
    async def test_refuses_pages_that_cannot_be(self, call: Caller, query: dict[str, str]) -> None:
        said = await call("GET", PATH, query=query)

        assert (said.status, said.problem) == (400, "validation-failed")

    async def test_is_for_the_owner_alone(self, database: Database, api: Api) -> None:
        await keep_client(database, "admin", "SettingsAdmin", "AllStores", secret="s")
        admin = await Caller.signed_in(api.url, "admin", "s")

        said = await admin("GET", PATH)

        await admin.close()
        assert (said.status, said.problem) == (403, "forbidden")


class TestGet:
    @pytest.mark.parametrize(
        ("data", "payload", "encoding"),
        [
            ('{"name": "Åse"}'.encode(), '{"name": "Åse"}', "utf-8"),
            (b"\xff\x00", "/wA=", "base64"),
            (b"x" * 100_000, "x" * 100_000, "utf-8"),
        ],
        ids=["text", "bytes", "long"],
    )
    async def test_shows_the_payload(  # noqa: PLR0917 - fixtures and cases
        self, database: Database, api: Api, call: Caller, data: bytes, payload: str, encoding: str
    ) -> None:
        id_ = await a_dead_letter(database, api.settings.topic_prefix, data)

        said = await call("GET", f"{PATH}/{id_}")

        assert said.json["payload"] == payload
        assert said.json["payloadEncoding"] == encoding
        assert said.json["headers"]["ce_type"] == "orders.place_order"
        assert said.json["reason"] == "KeyError: 'marketId'"

    async def test_shows_what_is_longer_than_any_text_of_ours(
        self, database: Database, api: Api, call: Caller
    ) -> None:
        prefix, long = api.settings.topic_prefix, "x" * 100_000
        id_ = await a_dead_letter(database, prefix, b"?", key=long.encode(), ce_type=long)

        said = await call("GET", f"{PATH}/{id_}")

        assert said.status == 200
        assert said.json["key"] == said.json["headers"]["ce_type"] == long

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    async def test_knows_nothing_of_others(self, call: Caller, method: str) -> None:
        said = await call(method, f"{PATH}/nobody")

        assert (said.status, said.problem) == (404, "not-found")


class TestDelete:
    async def test_removes_it(self, database: Database, api: Api, call: Caller) -> None:
        id_ = await a_dead_letter(database, api.settings.topic_prefix, b"{}")

        said = await call("DELETE", f"{PATH}/{id_}", query={"why": "a test"})

        assert (said.status, said.body) == (204, b"")
        assert (await call("GET", f"{PATH}/{id_}")).status == 404


class TestRedrive:
    async def test_puts_the_message_back_under_a_new_id(
        self, database: Database, api: Api, call: Caller, answerer: Answerer
    ) -> None:
        key = f"ORD-{uuid4().hex[:8]}"
        id_ = await a_dead_letter(database, api.settings.topic_prefix, b'{"a": 1}', key=key)
        stored: Any = await database["dead_letters"].find_one({"_id": id_})

        said = await call("POST", f"{PATH}/{id_}/Redrive")

        (again,) = await until(lambda: answerer.named(key))
        assert said.status == 202
        assert said.json == {"id": id_, "state": "redriven"}
        assert again.data == b'{"a": 1}'
        assert str(again.id).encode() != dict(stored["headers"])["ce_id"]
        assert (await call("POST", f"{PATH}/{id_}/Redrive")).status == 404

    async def test_puts_back_what_is_no_message_too(
        self, database: Database, api: Api, call: Caller, answerer: Answerer
    ) -> None:
        name = uuid4().hex[:8]
        id_ = await a_dead_letter(
            database,
            api.settings.topic_prefix,
            b"?",
            key=b"\xff" + name.encode(),
            ce_id="none",
            ce_time="never",
            ce_sequence="one",
            ce_replyto="9" * 5000,
        )

        said = await call("POST", f"{PATH}/{id_}/Redrive")

        (again,) = await until(lambda: answerer.named(f"\N{REPLACEMENT CHARACTER}{name}"))
        assert said.status == 202
        assert (again.data, again.sequence, again.reply_to) == (b"?", None, None)
