"""The settings over HTTP: read, replaced whole, never half, never with a secret in the answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.settings import DEFAULT, DOCUMENTS
from services.api.app import Api
from services.chassis.configuration import Watched
from services.chassis.mongo import Database
from tests.harness import until
from tests.integration.api.calling import Caller, keep_client

MARKETS = "/api/Settings/Markets"
NORWAY: dict[str, Any] = {"marketId": "NOR", "currency": "NOK", "defaultTaxRate": 25.5}


@pytest.fixture(autouse=True)
async def shipped(database: Database) -> AsyncIterator[None]:
    """Begin and end with what was shipped."""
    yield
    await database["settings"].delete_many({})
    await database["settings_versions"].delete_many({})


class TestGet:
    @pytest.mark.parametrize("name", DOCUMENTS)
    async def test_shows_what_was_shipped(self, call: Caller, name: str) -> None:
        said = await call("GET", f"/api/settings/{name.lower()}")

        assert said.status == 200
        assert said.headers["etag"] == '"0"'
        assert isinstance(said.json, dict if name == "OrderSettings" else list)

    async def test_says_not_modified_to_who_has_it(self, call: Caller) -> None:
        said = await call("GET", MARKETS, headers={"If-None-Match": '"0"'})

        assert said.status == 304

    async def test_is_for_who_may_read_settings(self, database: Database, api: Api) -> None:
        await keep_client(database, "orders", "OrderAdmin", "AllStores", secret="s")
        caller = await Caller.signed_in(api.url, "orders", "s")

        said = await caller("GET", MARKETS)

        await caller.close()
        assert (said.status, said.problem) == (403, "forbidden")


class TestPut:
    @pytest.mark.parametrize("name", DOCUMENTS)
    async def test_takes_what_get_gave(self, call: Caller, name: str) -> None:
        read = await call("GET", f"/api/Settings/{name}")

        said = await call("PUT", f"/api/Settings/{name}", read.json)

        assert said.status == 200
        assert said.json == read.json

    @pytest.mark.parametrize("wrapper", [None, "Markets", "markets", "MARKETS"])
    async def test_takes_the_bare_value_and_the_wrapper(
        self, call: Caller, wrapper: str | None
    ) -> None:
        body: object = [NORWAY] if wrapper is None else {wrapper: [NORWAY]}

        said = await call("PUT", MARKETS, body)

        assert said.status == 200
        assert (await call("GET", MARKETS)).json[0]["defaultTaxRate"] == 25.5

    async def test_replaces_the_whole_document(self, call: Caller) -> None:
        await call("PUT", "/api/Settings/OrderSettings", {"useOrderStatusLog": True})

        await call("PUT", "/api/Settings/OrderSettings", {"OrderSettings": {"strictSeed": True}})

        found = (await call("GET", "/api/Settings/OrderSettings")).json
        assert found["strictSeed"] is True
        assert found["useOrderStatusLog"] is False

    async def test_is_in_force_everywhere_within_a_second(
        self, call: Caller, database: Database
    ) -> None:
        watched = Watched(database)
        await watched.start()

        await call("PUT", MARKETS, [NORWAY])

        await until(lambda: watched.current.default_tax_rate("NOR") == 25.5, within=1)
        await watched.stop()
        assert watched.current.version == 1
        assert watched.current.order_types == DEFAULT.order_types

    async def test_names_every_fault_and_stores_nothing(self, call: Caller) -> None:
        bad = [{"name": "Online", "orderStatuses": [{"name": "New", "order": "first"}]}, {}]

        said = await call("PUT", "/api/Settings/OrderTypes", {"OrderTypes": bad})

        assert (said.status, said.problem) == (400, "validation-failed")
        paths = {one["path"] for one in said.json["errors"]}
        assert {"[0].orderStatuses[0].order", "[1].name", "[1].orderStatuses"} <= paths
        assert (await call("GET", "/api/Settings/OrderTypes")).headers["etag"] == '"0"'

    async def test_lists_members_that_nobody_knows(self, call: Caller) -> None:
        said = await call("PUT", MARKETS, [{**NORWAY, "colour": "red"}])

        assert said.headers["ignored-fields"] == "[0].colour"

    async def test_warns_of_references_that_lead_nowhere(self, call: Caller) -> None:
        option = {"paymentMethodName": "Card", "connector": "bank"}
        sent = [{**NORWAY, "paymentOptions": [option]}]

        said = await call("PUT", MARKETS, sent)

        assert said.status == 200
        assert said.json["markets"][0]["paymentOptions"][0]["connector"] == "bank"
        assert {
            "document": "Markets",
            "path": "[0].paymentOptions[0].connector",
            "message": "no connector 'bank' is configured",
        } in said.json["warnings"]
        again = await call("PUT", MARKETS, said.json)
        assert again.json == said.json

    async def test_keeps_every_version_and_who_made_it(
        self, call: Caller, database: Database
    ) -> None:
        await call("PUT", MARKETS, [NORWAY])
        await call("PUT", "/api/Settings/StepGroups", [{"groupId": "a"}])
        await call("PUT", "/api/Settings/StepGroups", [{"groupId": "a"}])

        kept = await database["settings_versions"].find({}).sort("_id", 1).to_list(None)

        assert [(one["_id"], one["document"], one["user"]) for one in kept] == [
            (1, "Markets", "owner"),
            (2, "StepGroups", "owner"),
        ]


class TestIfMatch:
    async def test_lets_only_the_newest_be_replaced(self, call: Caller) -> None:
        first = await call("PUT", MARKETS, [NORWAY], headers={"If-Match": '"0"'})
        late = await call("PUT", MARKETS, [], headers={"If-Match": '"0"'})
        right = await call("PUT", MARKETS, [], headers={"If-Match": first.headers["etag"]})

        assert (first.status, first.headers["etag"]) == (200, '"1"')
        assert (late.status, late.problem) == (412, "precondition-failed")
        assert right.status == 200

    @pytest.mark.parametrize("condition", ["", '"7"', '"7", "8"', "0"])
    async def test_lets_nothing_be_replaced_that_it_does_not_name(
        self, call: Caller, condition: str
    ) -> None:
        said = await call("PUT", MARKETS, [NORWAY], headers={"If-Match": condition})

        assert (said.status, said.problem) == (412, "precondition-failed")

    @pytest.mark.parametrize("condition", ["*", '"7", W/"0"', '"0"'])
    async def test_lets_whatever_there_is_be_replaced_and_not_be_read_again(
        self, call: Caller, condition: str
    ) -> None:
        read = await call("GET", MARKETS, headers={"If-None-Match": condition})
        put = await call("PUT", MARKETS, [NORWAY], headers={"If-Match": condition})

        assert (read.status, put.status) == (304, 200)

    async def test_does_not_mind_changes_of_other_documents(self, call: Caller) -> None:
        await call("PUT", "/api/Settings/StepGroups", [{"groupId": "a"}])

        said = await call("PUT", MARKETS, [NORWAY], headers={"If-Match": '"0"'})

        assert said.status == 200

    async def test_lets_one_of_many_at_once_through(self, call: Caller) -> None:
        rates = range(8)

        said = await asyncio.gather(
            *(
                call(
                    "PUT",
                    MARKETS,
                    [{**NORWAY, "defaultTaxRate": rate}],
                    headers={"If-Match": '"0"'},
                )
                for rate in rates
            )
        )

        assert sorted(one.status for one in said) == [200, *[412] * 7]

    async def test_is_not_needed_for_documents_that_are_stored_at_once(self, call: Caller) -> None:
        groups = [{"groupId": "a"}]
        tasks = [{"name": "OrderAutomation", "active": False}]

        said = await asyncio.gather(
            call("PUT", "/api/Settings/StepGroups", groups),
            call("PUT", "/api/Settings/ScheduledTasks", tasks),
            call("PUT", MARKETS, [NORWAY]),
        )

        assert [one.status for one in said] == [200, 200, 200]
        assert (await call("GET", "/api/Settings/StepGroups")).json[0]["groupId"] == "a"
        assert (await call("GET", "/api/Settings/ScheduledTasks")).json[0]["active"] is False


class TestConnectors:
    PATH = "/api/Settings/Connectors"
    BANK: dict[str, Any] = {"connectorId": "bank", "host": "https://bank.example", "secret": "deep"}  # noqa: RUF012

    async def test_never_show_their_secrets(self, call: Caller) -> None:
        stored = await call("PUT", self.PATH, [self.BANK])

        read = await call("GET", self.PATH)

        assert stored.status == 200
        assert b"deep" not in stored.body + read.body
        assert b"secret" not in stored.body + read.body

    async def test_keep_their_secrets_when_they_come_back_without(
        self, call: Caller, database: Database
    ) -> None:
        await call("PUT", self.PATH, [self.BANK])
        read = (await call("GET", self.PATH)).json

        await call("PUT", self.PATH, [{**read[0], "name": "The bank"}])

        watched = Watched(database)
        await watched.refresh()
        connector = watched.current.connector("bank")
        assert connector is not None
        assert (connector.name, connector.secret) == ("The bank", "deep")

    @pytest.mark.parametrize(
        "host",
        [
            "https://thief.example",
            "https://bank.example@thief.example/",
            "https://bank.example:8443",
            "http://bank.example",
            None,
        ],
    )
    async def test_do_not_have_their_secrets_sent_elsewhere(
        self, call: Caller, database: Database, host: str | None
    ) -> None:
        """Else whoever may write settings reads the secret that nobody is shown."""
        await call("PUT", self.PATH, [self.BANK])

        said = await call("PUT", self.PATH, [{"connectorId": "BANK", "host": host}])

        watched = Watched(database)
        await watched.refresh()
        connector = watched.current.connector("bank")
        assert (said.status, said.problem) == (400, "validation-failed")
        assert [fault["path"] for fault in said.json["errors"]] == ["[0].secret"]
        assert connector is not None
        assert connector.host == self.BANK["host"]

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("headers", {"X-Merchant": "one\r\nX-Other: two"}),
            ("headers", {"X Merchant": "one"}),
            ("headers", {f"X-{number}": "" for number in range(21)}),
            ("secret", "one\ntwo"),
        ],
    )
    async def test_have_headers_that_can_be_sent(
        self, call: Caller, member: str, value: object
    ) -> None:
        said = await call("PUT", self.PATH, [{**self.BANK, member: value}])

        assert (said.status, said.problem) == (400, "validation-failed")
        assert [fault["path"] for fault in said.json["errors"]] == [f"[0].{member}"]

    async def test_that_go_are_missed_where_they_are_named(self, call: Caller) -> None:
        option = {"paymentMethodName": "Card", "connector": "bank"}
        await call("PUT", self.PATH, [self.BANK])
        await call("PUT", MARKETS, [{**NORWAY, "paymentOptions": [option]}])

        said = await call("PUT", self.PATH, [])

        assert said.json["warnings"] == [
            {
                "document": "Markets",
                "path": "[0].paymentOptions[0].connector",
                "message": "no connector 'bank' is configured",
            }
        ]
