"""Orders as PDF, in files and at connectors: over HTTP, from what MongoDB has."""

import asyncio
import csv
import io
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from pydantic_core import from_json

from contracts.order import Order
from services.api.app import Api, service
from services.chassis.clock import Clock
from services.chassis.mongo import Bson, Database
from services.chassis.settings import ChassisSettings
from services.workflow.domain.order import OrderDocument
from services.workflow.queries import mark_late
from tests import harness
from tests.harness import until
from tests.integration.api.answering import Answerer
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.integration.api.conftest import api_settings
from tests.pdf import pages
from tests.receiver import Hook, Receiver, status
from tests.unit.api.test_documents import a_priced_order
from tests.unit.api.test_tables import cells

DAY = datetime(2024, 11, 20, 20, tzinfo=UTC)
IDS = ("ORD-2024-000001", "B-2", "C-3")


@pytest.fixture(scope="module")
async def api(settings: ChassisSettings, answerer: Answerer) -> AsyncIterator[Api]:  # noqa: ARG001 - it must stand before the api does
    local = api_settings(settings, allowed_networks=(ip_network("127.0.0.0/8"),))
    async with harness.running(service(local)) as api:
        yield api


@pytest.fixture(scope="module")
async def orders(database: Database) -> list[Order]:
    """Three orders, the example of the order reference first; each a day older than the next."""
    found = [
        a_priced_order(id=id_, order_number=id_, created=DAY + timedelta(days=place))
        for place, id_ in enumerate(IDS)
    ]
    changed = [found[0], found[1].model_copy(update={"market_id": "SWE"}), found[2]]
    await database["orders"].insert_many([as_kept(order) for order in changed])
    return changed


@pytest.fixture
async def oslo(database: Database, api: Api) -> AsyncIterator[Caller]:
    """A client that sees orders of one store alone, which has none here."""
    await keep_client(database, "oslo", "OrderAdmin", "store-oslo", secret="s")
    oslo = await Caller.signed_in(api.url, "oslo", "s")
    yield oslo
    await oslo.close()


@pytest.fixture
async def erp(call: Caller, api: Api) -> AsyncIterator[Hook]:
    """Whoever stands behind the connector `erp`."""
    async with Receiver() as receiver:
        hook = receiver.hook("erp")
        connector = {"connectorId": "erp", "name": "SAP", "host": hook.url, "secret": "s3cret"}
        await call("PUT", "/api/Settings/Connectors", [connector, {"connectorId": "bare"}])
        await until(lambda: getattr(api.watched.current.connector("erp"), "host", "") == hook.url)
        yield hook


def as_kept(order: Order, **changes: object) -> Bson:
    return {
        **OrderDocument(id=order.id, order=order, version=1).to_bson(),
        "revision": 1,
        **changes,
    }


def file_of(answer: Answer) -> str:
    return answer.headers["content-disposition"].split(";")[1].strip()


def paths(answer: Answer) -> list[str]:
    return [error["path"] for error in answer.json["errors"]]


class TestPdf:
    @pytest.mark.parametrize("word", ["GetOrderAsPdf", "getaspdf"])
    async def test_is_the_receipt_if_no_template_is_named(
        self, call: Caller, orders: list[Order], word: str
    ) -> None:
        said = await call("GET", f"/api/Orders/{word}/{orders[0].id}")

        assert said.status == 200, said.json
        assert said.headers["content-type"] == "application/pdf"
        assert said.headers["content-disposition"].startswith("inline; ")
        assert file_of(said) == 'filename="receipt-ORD-2024-000001.pdf"'
        (page,) = pages(said.body)
        # Norway's market writes Norwegian.
        assert {"Kvittering", "ORD-2024-000001", "Product A", "998,00"} <= set(page.splitlines())

    @pytest.mark.parametrize(
        ("name", "title"),
        [
            ("receipt", "Kvittering"),
            ("OrderConfirmation", "Ordrebekreftelse"),
            ("invoice.typ", "Faktura"),
            ("delivery-note", "Pakkseddel"),
            ("RETURNNOTE", "Returseddel"),
        ],
    )
    async def test_is_of_the_template_that_is_named(
        self, call: Caller, orders: list[Order], name: str, title: str
    ) -> None:
        query = {"templateFile": name, "ShipmentId": "1"}

        said = await call("GET", f"/api/Orders/GetOrderAsPdf/{orders[0].id}", query=query)

        assert said.status == 200, said.json
        assert title in pages(said.body)[0].splitlines()

    async def test_is_not_found_of_an_unknown_order_template_or_shipment(
        self, call: Caller, oslo: Caller, orders: list[Order]
    ) -> None:
        path = f"/api/Orders/GetOrderAsPdf/{orders[0].id}"

        said = [
            await call("GET", "/api/Orders/GetOrderAsPdf/none"),
            await oslo("GET", path),
            await call("GET", path, query={"templateFile": "poster"}),
            await call("GET", path, query={"templateFile": "../../secrets"}),
            await call("GET", path, query={"shipmentId": "7"}),
        ]

        assert [(one.status, one.problem) for one in said] == [
            (404, "order-not-found"),
            (404, "order-not-found"),
            (404, "template-not-found"),
            (404, "template-not-found"),
            (404, "not-found"),
        ]
        assert "delivery-note" in said[2].json["detail"]


class TestExportToAFile:
    async def test_is_of_json_lines(self, call: Caller, orders: list[Order]) -> None:
        said = await call("POST", "/api/Orders/ExportOrders", {})

        assert said.status == 200, said.json
        assert said.headers["content-type"] == "application/x-ndjson"
        assert file_of(said).startswith('filename="orders-20')
        assert file_of(said).endswith('.jsonl"')
        found = [from_json(line) for line in said.body.splitlines()]
        read = await call("GET", f"/api/Orders/{orders[2].id}")
        assert [order["id"] for order in found] == list(reversed(IDS))
        assert found[0] == read.json

    async def test_is_a_table_of_what_the_search_finds(
        self,
        call: Caller,
        orders: list[Order],  # noqa: ARG002 - they must be there
    ) -> None:
        body = {"Format": "CSV", "search": {"selectedMarkets": ["NOR"], "colour": "red"}}

        said = await call("POST", "/api/Orders/ExportOrders", body)

        assert said.status == 200, said.json
        assert said.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert said.headers["ignored-fields"] == "search.colour"
        found = list(csv.DictReader(io.StringIO(said.body.decode(), newline="")))
        assert [row["id"] for row in found] == ["C-3", IDS[0]]
        assert {row["total"] for row in found} == {"1098"}

    async def test_is_a_workbook(
        self,
        call: Caller,
        orders: list[Order],  # noqa: ARG002 - they must be there
    ) -> None:
        said = await call("POST", "/api/Orders/ExportOrders", {"format": "xlsx"})

        assert said.status == 200, said.json
        assert file_of(said).endswith('.xlsx"')
        assert zipfile.is_zipfile(io.BytesIO(said.body))
        assert [row[0] for row in cells(said.body)[1:]] == list(reversed(IDS))

    async def test_has_nothing_outside_the_scope(
        self,
        oslo: Caller,
        orders: list[Order],  # noqa: ARG002 - they must be there
    ) -> None:
        said = await oslo("POST", "/api/Orders/ExportOrders", {"format": "json"})

        assert (said.status, said.body) == (200, b"")

    async def test_of_changes_misses_none_that_becomes_visible_after_it(
        self, call: Caller, database: Database
    ) -> None:
        begin = Clock().now()
        to_come = begin + timedelta(hours=1)
        late, later = (
            as_kept(a_priced_order(id=id_, modified=at, tags=["raced"]))
            for id_, at in (("late", begin), ("later", to_come))
        )

        async def changed(since: datetime) -> list[str]:
            search = {"tags": ["raced"], "modifiedFrom": since.isoformat()}
            said = await call("POST", "/api/Orders/ExportOrders", {"search": search})
            return [from_json(line)["id"] for line in said.body.splitlines()]

        before = await changed(begin)
        asked = Clock().now()
        await database["orders"].insert_many([late, later])
        await mark_late(database, ["late"], begin)
        after = await changed(asked)

        await database["orders"].delete_many({"order.tags": "raced"})
        assert before == []
        # What has a later time than the file itself is for the next one.
        assert after == ["late"]

    async def test_names_what_is_wrong(self, call: Caller) -> None:
        body = {"format": "pdf", "search": {"createdFrom": "yesterday"}}

        said = await call("POST", "/api/Orders/ExportOrders", body)

        assert (said.status, said.problem) == (400, "validation-failed")
        assert sorted(paths(said)) == ["format", "search.createdFrom"]
        assert "json" in said.json["errors"][0]["message"] + said.json["errors"][1]["message"]

    async def test_of_many_orders_is_never_in_memory(
        self, call: Caller, database: Database, api: Api
    ) -> None:
        some = as_kept(a_priced_order(tags=["many"], order_notes=[{"detail": "x" * 2_000}]))
        await database["orders"].insert_many(
            [{**some, "_id": f"many-{place}"} for place in range(4_000)], ordered=False
        )
        size = 0
        tracemalloc.start()
        try:
            async with call.session.post(
                f"{api.url}/api/Orders/ExportOrders",
                json={"search": {"tags": ["many"]}},
                headers={"authorization": f"Bearer {call.token}"},
            ) as answer:
                async for piece in answer.content.iter_any():
                    size += len(piece)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            await database["orders"].delete_many({"order.tags": "many"})

        assert size > 4_000 * 2_000
        assert peak < size / 2

    async def test_is_no_longer_made_when_the_client_has_left(
        self, call: Caller, database: Database, api: Api
    ) -> None:
        some = as_kept(a_priced_order(tags=["left"], order_notes=[{"detail": "x" * 30_000}]))
        await database["orders"].insert_many([{**some, "_id": f"l-{n}"} for n in range(1_000)])
        path, body = "/api/Orders/ExportOrders", {"search": {"tags": ["left"]}}
        headers = {"authorization": f"Bearer {call.token}"}
        # None of them is read, so none comes to its end.
        answers = [
            await call.session.post(api.url + path, json=body, headers=headers)
            for _ in range(api.settings.concurrent_batch)
        ]
        refused = await call("POST", path, body)

        for answer in answers:
            answer.close()

        async def free() -> bool:
            return (await call("POST", path, {"orderIds": ["none"]})).status != 429

        await until(free, within=30)
        await database["orders"].delete_many({"order.tags": "left"})
        assert (refused.status, refused.problem) == (429, "too-many-requests")


class TestExportToAConnector:
    async def test_sends_every_order_and_tells_of_each(
        self, call: Caller, erp: Hook, orders: list[Order]
    ) -> None:
        erp.next(status(503))
        body = {"connectorId": "erp", "orderIds": [IDS[0], "none"]}

        said = [await call("POST", "/api/Orders/ExportOrders", body) for _ in range(2)]

        assert [one.status for one in said] == [200, 200]
        found, missing = said[1].json
        read = await call("GET", f"/api/Orders/{orders[0].id}")
        assert found["item"] == read.json
        assert found["logItems"][0]["isSuccess"] is True
        assert missing["item"] == {"id": "none"}
        assert missing["logItems"][0]["status"] == "NotFound"
        assert said[0].json[0]["logItems"][0]["errorReason"] == "the connector answered 503"
        assert [from_json(got.body)["id"] for got in erp.got] == [IDS[0], IDS[0]]
        assert erp.got[0].headers["authorization"] == "Bearer s3cret"

    async def test_has_one_key_for_an_order_however_often_the_request_comes(
        self,
        call: Caller,
        erp: Hook,
        orders: list[Order],  # noqa: ARG002 - they must be there
    ) -> None:
        body = {"connectorName": "sap", "orderIds": list(IDS)}
        headers = {"idempotency-key": "export-7"}

        for _ in range(2):
            await call("POST", "/api/Orders/ExportOrders", body, headers=headers)

        keys = [got.headers["idempotency-key"] for got in erp.got]
        assert (len(keys), len(set(keys))) == (6, 3)

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({}, "connectorId"),
            ({"connectorId": "nobody"}, "connectorId"),
            ({"connectorName": "nobody"}, "connectorName"),
            ({"connectorId": "bare"}, "connectorId"),
            ({"connectorId": "erp", "orderIds": []}, "orderIds"),
            ({"connectorId": "erp", "orderIds": ["x"] * 101}, "orderIds"),
        ],
    )
    async def test_names_what_is_missing(
        self, call: Caller, erp: Hook, body: dict[str, Any], path: str
    ) -> None:
        said = await call("POST", "/api/Orders/ExportOrders", {"orderIds": [IDS[0]], **body})

        assert (said.status, said.problem) == (400, "validation-failed")
        assert paths(said) == [path]
        assert list(erp.got) == []

    async def test_sends_nothing_outside_the_scope(
        self, oslo: Caller, erp: Hook, orders: list[Order]
    ) -> None:
        body = {"connectorId": "erp", "orderIds": [orders[0].id]}

        said = await oslo("POST", "/api/Orders/ExportOrders", body)

        assert (said.status, said.problem) == (404, "order-not-found")
        assert list(erp.got) == []


async def test_many_documents_at_a_time_are_all_made(call: Caller, orders: list[Order]) -> None:
    path = f"/api/Orders/GetAsPdf/{orders[0].id}"

    made = await asyncio.gather(*(call("GET", path) for _ in range(15)))

    assert {one.status for one in made} == {200}
