"""Stock: what is sent on to the inventory service, and what is found in its records."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from contracts.message import Envelope
from contracts.messages.inventory import SetStock
from contracts.messages.replies import Reply
from services.api.queries import stock
from services.chassis.mongo import Database
from tests.integration.api.answering import Answerer, answer
from tests.integration.api.calling import Caller

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
COUNTERS = {"isModified": True, "totalCount": 1, "updatedCount": 1, "unchangedCount": 0}
ITEM = {"sku": "SKU-1", "warehouseCode": "WH1", "inventory": 50}


def counted(command: Envelope, _: object) -> tuple[Reply, object]:
    return answer(command, 200), COUNTERS


@pytest.fixture(autouse=True)
def _counting(answerer: Answerer) -> None:
    answerer.script = counted


class TestUpdateMany:
    @pytest.mark.parametrize("method", ["PUT", "POST"])
    async def test_hands_the_items_on_and_answers_with_counters(
        self, call: Caller, answerer: Answerer, method: str
    ) -> None:
        answerer.seen.clear()

        said = await call(
            method,
            "/api/inventory/updatemany?IsReservedInventoryOverwritten=True",
            [ITEM, {"Sku": "SKU-2", "warehouseCode": "WH1", "reservedInventory": 2.5}],
        )

        assert (said.status, said.json) == (200, COUNTERS)
        (sent,) = answerer.seen
        command = SetStock.model_validate_json(sent.data)
        assert [item.sku for item in command.items] == ["SKU-1", "SKU-2"]
        assert command.items[1].reserved_inventory == Decimal("2.5")
        assert command.overwrite_reserved
        assert command.user == "owner"

    async def test_refuses_the_whole_list_for_one_bad_item(
        self, call: Caller, answerer: Answerer
    ) -> None:
        answerer.seen.clear()

        said = await call("PUT", "/api/Inventory/UpdateMany", [ITEM, {"sku": "SKU-2"}])

        assert said.status == 400
        assert [error["path"] for error in said.json["errors"]] == ["[1].warehouseCode"]
        assert answerer.seen == []

    async def test_takes_a_thousand_items_and_not_one_more(self, call: Caller) -> None:
        most = await call("PUT", "/api/Inventory/UpdateMany", [ITEM] * 1000)
        more = await call("PUT", "/api/Inventory/UpdateMany", [ITEM] * 1001)

        assert (most.status, more.status) == (200, 400)

    async def test_happens_once_for_a_key(self, call: Caller, answerer: Answerer) -> None:
        answerer.seen.clear()
        headers = {"Idempotency-Key": uuid4().hex}

        said = [
            await call("PUT", "/api/Inventory/UpdateMany", [ITEM], headers=headers)
            for _ in range(2)
        ]

        assert [one.json for one in said] == [COUNTERS, COUNTERS]
        assert len(answerer.seen) == 1


def a_record(sku: str, warehouse: str, inventory: int, **members: object) -> dict[str, Any]:
    return {
        "_id": f"{sku}@{warehouse}",
        "revision": 1,
        "sku": sku,
        "warehouseCode": warehouse,
        "inventory": Decimal(inventory),
        "reservedInventory": Decimal(1),
        "isInStock": inventory > 1,
        "created": NOON,
        "modified": NOON,
        **members,
    }


@pytest.fixture(scope="class")
async def records(database: Database) -> AsyncIterator[None]:
    await database["stock"].insert_many(
        [
            a_record("A", "WH1", 10, cost=Decimal("2.50"), costCurrency="NOK"),
            a_record("A", "WebShop", 0),
            a_record("B", "WH1", 5, modified=datetime(2026, 11, 21, tzinfo=UTC)),
        ]
    )
    yield
    await database["stock"].delete_many({})


@pytest.mark.usefixtures("records")
class TestSearch:
    async def test_names_the_members_that_it_does_not_know(self, call: Caller) -> None:
        said = await call("POST", "/api/Inventory/Search", {"productCodes": ["A"], "take": 1})

        assert (said.status, len(said.json["result"])) == (200, 2)
        assert said.headers["ignored-fields"] == "take"

    async def test_answers_with_whole_records(self, call: Caller) -> None:
        said = await call(
            "POST",
            "/api/Inventory/Search",
            {"productCodes": ["A"], "warehouseCodes": ["WH1"]},
        )

        assert said.json == {
            "result": [
                {
                    "sku": "A",
                    "warehouseCode": "WH1",
                    "inventory": 10,
                    "reservedInventory": 1,
                    "calculatedInventory": 9,
                    "cost": 2.5,
                    "costCurrency": "NOK",
                    "costTotal": 25,
                    "created": "2026-11-20T12:00:00Z",
                    "modified": "2026-11-20T12:00:00Z",
                }
            ],
            "totalHits": 1,
        }

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, ["A@WH1", "A@WebShop", "B@WH1"]),
            ({"productCodes": ["B", "C"]}, ["B@WH1"]),
            ({"WarehouseCodes": ["WebShop"]}, ["A@WebShop"]),
            ({"isInStock": True}, ["A@WH1", "B@WH1"]),
            ({"isInStock": False}, ["A@WebShop"]),
            ({"lastModified": "2026-11-21T01:00:00+01:00"}, ["B@WH1"]),
            ({"marketId": "nor"}, ["A@WH1", "A@WebShop", "B@WH1"]),
            ({"marketId": "NOR", "warehouseCodes": ["WH1"]}, ["A@WH1", "B@WH1"]),
            ({"marketGroupId": "nowhere"}, []),
            ({"isWebWarehouse": True}, ["A@WH1", "B@WH1"]),
        ],
    )
    async def test_finds_what_fits(
        self, call: Caller, wanted: dict[str, object], found: list[str]
    ) -> None:
        said = await call("POST", "/api/inventory/search", wanted)

        names = [f"{item['sku']}@{item['warehouseCode']}" for item in said.json["result"]]
        assert names == found
        assert said.json["totalHits"] == len(found)

    async def test_tells_no_value_of_goods_that_would_be_more_than_an_amount(
        self, call: Caller, database: Database
    ) -> None:
        most = 500_000_000_000_000
        await database["stock"].insert_one(a_record("C", "WH1", most, cost=Decimal(most)))

        said = await call("POST", "/api/Inventory/Search", {"warehouseCodes": ["WH1"]})

        await database["stock"].delete_one({"sku": "C"})
        assert [item["sku"] for item in said.json["result"]] == ["A", "B", "C"]
        assert said.json["result"][2]["inventory"] == most
        assert "costTotal" not in said.json["result"][2]

    async def test_takes_a_thousand_skus_and_not_one_more(self, call: Caller) -> None:
        most = await call("POST", "/api/Inventory/Search", {"productCodes": ["A"] * 1000})
        more = await call("POST", "/api/Inventory/Search", {"productCodes": ["A"] * 1001})

        assert (most.status, more.status) == (200, 400)

    async def test_goes_on_where_it_ended(
        self, call: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stock, "MOST_HITS", 2)

        first = await call("POST", "/api/Inventory/Search", {"isInStock": True})
        whole = await call("POST", "/api/Inventory/Search", {})
        rest = await call("GET", f"/api/Inventory/Scroll/{whole.json['scrollId']}")

        assert "scrollId" not in first.json
        assert [item["sku"] for item in rest.json["result"]] == ["B"]
        assert rest.json["totalHits"] == 3
        assert "scrollId" not in rest.json

    @pytest.mark.parametrize("id_", ["x", "e30", "æ", "a" * 5000])
    async def test_knows_its_own_scroll_ids(self, call: Caller, id_: str) -> None:
        said = await call("GET", f"/api/Inventory/Scroll/{id_}")

        assert (said.status, said.problem) == (404, "not-found")
