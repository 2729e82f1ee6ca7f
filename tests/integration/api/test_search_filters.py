"""Every filter of a search, both ways, on orders as the workflow service stores them."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from bson.codec_options import CodecOptions, DatetimeConversion
from pydantic_core import from_json, to_json

from contracts.model import parse
from contracts.order_search import OrderSearch
from contracts.search import compiled
from contracts.settings import DEFAULT
from contracts.terms import LIVE
from services.api.domain import Client
from services.api.queries.search import Page, Searches, paged
from services.api.queries.search.facets import counting
from services.api.queries.search.sorting import sorting
from services.chassis.mongo import Database
from services.workflow.queries import prepare
from tests.integration.api.found import EVERYTHING, NOW, a_body, days, keep

Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True)
class Case:
    """A search, what an order has that fits, and what one has that does not."""

    search: Json
    fits: Json
    other: Json = field(default_factory=dict)

    @property
    def name(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.search.items())


def dated(member: str, path: str) -> list[Case]:
    """Bounds of a date, which are inclusive."""
    return [
        Case({f"{member}From": days(-5)}, {path: days(-5)}, {path: days(-5.01)}),
        Case({f"{member}To": days(-5)}, {path: days(-5)}, {path: days(-4.99)}),
        Case(
            {f"{member}From": days(-5), f"{member}To": days(-4)},
            {path: days(-4.5)},
            {path: days(-3)},
        ),
    ]


def prop(**members: str) -> Json:
    return {"properties": [{"key": "k", "value": "v", "keyGroup": "g", "valueType": "t"} | members]}


def payment(**members: object) -> Json:
    return {"orderForm": {"payment": members}}


def line(**members: object) -> Json:
    return {"orderForm": {"line": members}}


def shipment(**members: object) -> Json:
    return {"orderForm": {"shipment": members}}


DISCOUNT = {"discountId": "D1", "discountName": "Ten off", "discountCode": "TEN"}

CASES = [
    # Free text: word beginnings, case and accents folded, every word somewhere.
    Case({"searchText": "nord"}, {"customerName": "Ola Nordmann"}, {"customerName": "Ola Anord"}),
    Case({"searchText": "SØREN aberg"}, {"customerName": "Soren Åberg"}, {}),
    Case({"searchText": "ola product"}, {}, {"customerName": "Kari"}),
    Case({"searchText": "T-77"}, {"id": "T-77", "orderNumber": "17"}),
    Case({"searchText": "554433"}, {"orderNumber": "K-554433"}),
    Case({"searchText": "kari@shop"}, {"customerEmail": "Kari@shop.example"}),
    Case({"searchText": "+47 911"}, {"customerPhone": "+47 911 22 333"}),
    Case({"searchText": "4791122"}, {"customerPhone": "+47 911 22 333"}),
    Case({"searchText": "c-900"}, {"customerNumber": "C-9001"}),
    Case({"searchText": "abc-7"}, line(code="ABC-77")),
    Case({"searchText": "wool sweat"}, line(displayName="Sweater of wool")),
    Case({"searchText": "erp-1"}, {"externalIds": [{"id": "ERP-1", "providerName": "erp"}]}),
    Case({"searchText": "track7"}, shipment(shipmentTrackingNumber="TRACK777")),
    Case({"searchQuery": "nord"}, {}, {"customerName": "Kari"}),
    Case({"searchText": "a.*(b"}, {"customerName": "a.*(b"}, {"customerName": "axx(b"}),
    # The order.
    Case({"orderNumber": "N1"}, {"orderNumber": "N1"}, {"orderNumber": "N11"}),
    Case({"orderNumber": "ID-1"}, {"id": "ID-1"}, {"orderNumber": "id-1"}),
    Case({"selectedStores": ["oslo", "Bergen"]}, {"storeId": "Oslo"}, {"storeId": "Os"}),
    Case(
        {"selectedWarehouses": ["oslo", "Bergen"]},
        shipment(warehouseCode="Oslo") | {"storeId": "WebShop"},
        shipment(warehouseCode="Os") | {"storeId": "Oslo"},
    ),
    Case({"selectedStatuses": ["InProgress", "x"]}, {"status": "InProgress"}),
    Case({"excludedStatuses": ["new"]}, {"status": "InProgress"}),
    Case(
        {"selectedStores": ["Oslo", "Bergen"], "selectedStatuses": ["new", "Ship"]},
        {"storeId": "oslo", "status": "New"},
        {"storeId": "Oslo", "status": "InProgress"},
    ),
    Case(
        {"selectedStores": ["Oslo"], "selectedStatuses": ["x"] * 249 + ["Ship"]},
        {"storeId": "Oslo", "status": "Ship"},
        {"storeId": "Bergen", "status": "Ship"},
    ),
    Case(
        {"selectedStores": ["Oslo", "Bergen"], "selectedStatuses": ["x"] * 249 + ["Ship"]},
        {"storeId": "Oslo", "status": "Ship"},
        {"storeId": "Os", "status": "Ship"},
    ),
    Case(
        {"selectedWarehouses": ["oslo", "Bergen"]},
        shipment(warehouseCode="Oslo"),
        {"storeId": "Oslo"},
    ),
    Case({"selectedMarkets": ["swe"]}, {"marketId": "SWE"}),
    Case({"orderType": "Pos"}, {"orderType": "Pos"}),
    Case({"orderTypes": ["Pos", "PreOrder"]}, {"orderType": "PreOrder"}),
    Case({"salesChannels": ["app"]}, {"salesChannel": "app"}, {"salesChannel": "web"}),
    Case({"tags": ["a", "b"]}, {"tags": ["b", "c"]}, {"tags": ["c"]}),
    Case({"excludedTags": ["a", "b"]}, {"tags": ["c"]}, {"tags": ["c", "a"]}),
    # The customer.
    Case({"email": "KARI@shop.example"}, {"customerEmail": "kari@shop.example"}),
    Case({"phone": "0047 911 22 333"}, {"customerPhone": "+4791122333"}),
    Case({"customerName": "dman"}, {"customerName": "Ola Nordmann"}, {"customerName": "Ola"}),
    Case({"customerName": "x" * 9000}, {"customerName": "x" * 9000}, {}),
    Case({"customerNumber": "C1"}, {"customerNumber": "C1"}, {"customerNumber": "C12"}),
    Case(
        {"customerNumber": "C2"}, {"customerNumber": "C2", "customerId": "C2"}, {"customerId": "C2"}
    ),
    Case({"customerId": "Cust"}, {"customerId": "Cust"}, {"customerId": "cust"}),
    Case({"customerIds": ["C1", "C2"]}, {"customerId": "C2"}),
    Case({"customerContact": "Kari"}, {"customerContact": "Kari"}, {"customerContact": "Karin"}),
    Case({"contactPersonPhone": "12345"}, {"contactPerson": {"phone": "123 45"}}),
    Case({"contactPersonEmail": "a@b"}, {"contactPerson": {"email": "A@b"}}),
    Case({"salesPersonId": "kim"}, {"salesPersonId": "kim"}),
    # Dates.
    *dated("created", "created"),
    *dated("modified", "modified"),
    Case({"modifiedSince": days(-5)}, {"modified": days(-5)}, {"modified": days(-6)}),
    *dated("readyForPickup", "readyForPickup"),
    *dated("completed", "completed"),
    *dated("followUpDate", "followUpDate"),
    # Products.
    Case({"productNumbers": ["A", "B"]}, line(code="B"), line(code="AB")),
    Case({"productSerialNumbers": ["S1"]}, line(serialNumber="S1")),
    Case({"productTypes": ["Shoe"]}, line(productType="shoe")),
    # Payments.
    Case({"paymentStatuses": ["paid"]}, payment(amount=998), payment(amount=998, status="Pending")),
    Case({"paymentStatuses": ["OverPaid"]}, payment(amount=1000)),
    Case({"paymentStatuses": ["PartiallyPaid"]}, payment(amount=1)),
    Case({"paymentStatuses": ["NotPaid", "PartiallyPaid"]}, payment(status="Failed")),
    Case({"paymentTransactionTypes": ["Capture", "Sale"]}, payment(transactionType="Sale")),
    Case({"paymentTransactionStatus": "failed"}, payment(status="Failed")),
    Case(
        {"paymentTransactionTypes": ["Authorization"], "paymentTransactionStatus": "Failed"},
        payment(status="Failed"),
        payment(status="Failed", transactionType="Capture"),
    ),
    Case({"paymentTransactionDateFrom": days(-1)}, payment(paidDate=days(-1), created=days(-9))),
    Case(
        {"paymentTransactionDateTo": days(-20)},
        payment(created=days(-20)),
        payment(created=days(-20), paidDate=days(-1)),
    ),
    Case(
        {"paymentTransactionTypes": ["Sale"], "paymentTransactionDateFrom": days(-1)},
        payment(transactionType="Sale", paidDate=days(0)),
        payment(transactionType="Sale", paidDate=days(-2)),
    ),
    Case(
        {"showOrdersWithAuthExpires": True},
        payment(authorizationExpires=days(7)),
        payment(authorizationExpires=days(7.01)),
    ),
    Case(
        {"showOrdersWithAuthExpires": True},
        payment(authorizationExpires=days(-7)),
        payment(authorizationExpires=days(-7)) | {"completed": days(-1)},
    ),
    # The rest.
    Case({"inventoryStatus": "InStock"}, line(reservedInventoryQuantity=2)),
    Case({"inventoryStatus": "PartiallyInStock"}, line(reservedInventoryQuantity=1)),
    Case({"inventoryStatus": "notInStock"}, {}, line(reservedInventoryQuantity=1)),
    Case({"shippingMethodNames": ["Pigeon"]}, shipment(shippingMethodName="Pigeon")),
    Case({"shippingMethodName": "pigeon"}, shipment(shippingMethodName="Pigeon")),
    Case(
        {"excludedShipmentExternalIdProviders": ["DHL", "ups"]},
        shipment(externalIds=[{"providerName": "post"}]),
        shipment(externalIds=[{"providerName": "dhl", "id": "1"}]),
    ),
    *[
        Case({"selectedDiscounts": [name]}, {"orderForm": {"discounts": [DISCOUNT]}})
        for name in DISCOUNT.values()
    ],
    Case({"selectedDiscounts": ["ten off"]}, line(orderLineDiscounts=[DISCOUNT])),
    Case({"selectedDiscounts": ["D1"]}, shipment(discounts=[DISCOUNT])),
    Case(
        {"externalIds": ["E1"]},
        {"externalIds": [{"id": "E1"}]},
        shipment(externalIds=[{"id": "E1"}]),
    ),
    Case(
        {"shipmentExternalIds": ["E1"]},
        shipment(externalIds=[{"id": "E1"}]),
        {"externalIds": [{"id": "E1"}]},
    ),
    Case({"urgent": True}, {"storePickDate": days(0)}, {"storePickDate": days(0.01)}),
    Case(
        {"urgent": True},
        {"customerPickupDeadline": days(-1), "readyForPickup": days(-2)},
        {"storePickDate": days(-1), "readyForPickup": days(-2)},
    ),
    Case(
        {"urgent": True},
        {"customerPickupDeadline": days(-1)},
        {"customerPickupDeadline": days(-1), "status": "OrderCanceled"},
    ),
    Case(
        {"futureDeliveries": True},
        {"requestedDeliveryDate": days(1)},
        {"requestedDeliveryDate": days(0)},
    ),
    Case({"futureDeliveries": True}, line(requestedDeliveryDate=days(1))),
    Case(
        {"hasErrors": True}, {"errors": [{"status": "Active"}]}, {"errors": [{"status": "Solved"}]}
    ),
    Case({"property": {"key": "k", "value": "v"}}, prop(), prop(value="V")),
    Case({"property": {"key": "k"}}, prop(), prop(key="kk")),
    Case({"property": {"value": "v"}}, prop(), prop(value="vv")),
    Case({"property": {"keyGroup": "g"}}, prop(), prop(keyGroup="gg")),
    Case({"property": {"valueType": "t"}}, prop(), prop(valueType="tt")),
    Case(
        {"property": {"key": "a.$b", "value": "$where"}}, prop(key="a.$b", value="$where"), prop()
    ),
    Case({"property": {"key": "k" * 256}}, prop(key="k" * 256), prop(key="k" * 255)),
    Case(
        {"property": {"key": "k", "value": "v" * 900}}, prop(value="v" * 900), prop(value="v" * 901)
    ),
    Case({"properties": [{"key": "x"}, {"key": "k", "keyGroup": "g"}]}, prop(), prop(keyGroup="h")),
    Case({"projectId": "P"}, {"projectIds": ["O", "P"]}),
    Case({"projectId": "P"}, {"projectId": "P"}),
    Case({"subscriptionId": "S"}, {"subscriptionId": "S"}),
    Case({"secretKey": "abc"}, {"secretKey": "abc"}, {"secretKey": "abcd"}),
    Case(
        {"picklistIds": ["L1", "L2"]}, shipment(properties=[{"key": "picklistId", "value": "L2"}])
    ),
    # Deleted orders are found by their status alone.
    Case({"selectedStatuses": ["deleted"]}, {"status": "Deleted"}),
    Case({"selectedStatuses": ["Deleted", "Ship"], "searchText": "ola"}, {"status": "Deleted"}),
    Case(
        {"selectedStatuses": ["Deleted", "Ship"], "property": {"key": "k"}},
        prop() | {"status": "Ship"},
    ),
    Case(
        {"selectedStatuses": ["Deleted", "Ship"], "completedFrom": days(-1)},
        {"completed": days(0), "status": "Deleted"},
    ),
    Case({"email": "customer@example.com"}, {}, {"status": "Deleted"}),
    Case({"customerName": "ola"}, {}, {"status": "Deleted"}),
    Case({"excludedTags": ["a"]}, {}, {"status": "Deleted"}),
    # Different members are all to be true; what is empty restricts nothing.
    Case(
        {"selectedStatuses": ["Ship"], "tags": ["a"]},
        {"status": "Ship", "tags": ["a"]},
        {"status": "Ship", "tags": ["b"]},
    ),
    Case(
        {
            "selectedStores": [],
            "searchText": " ",
            "email": "",
            "urgent": False,
            "property": {},
            "tags": ["a"],
        },
        {"tags": ["a"]},
    ),
]

NAMED = [
    pytest.param(place, case, id=f"{place} {case.name[:80]}") for place, case in enumerate(CASES)
]


AMONG_ALL = {
    *("createdFrom", "createdTo", "modifiedTo", "customerName"),
    *("excludedStatuses", "excludedTags", "excludedShipmentExternalIdProviders"),
}
"""What mostly fits so many orders, or any part of a text, that all that are there are looked at."""


@pytest.fixture(scope="module")
async def searches(database: Database) -> Searches:
    """Store two orders for each case in a market of their own: one fits, the other does not."""
    searches = Searches(database, secret="s" * 32)
    await searches.prepare()
    await prepare(database)
    await keep(database, *_bodies())
    return searches


def _bodies() -> Iterator[Json]:
    for place, case in enumerate(CASES):
        for kind, changes in (("fits", case.fits), ("other", case.other)):
            home = {"marketId": f"M{place}", "storeId": f"S{place}"}
            yield a_body(f"{kind}-{place}", home | changes)


def alone_with(place: int, case: Case) -> Client:
    """Return a client that sees the two orders of a case and no others."""
    if "marketId" in case.fits:
        return replace(EVERYTHING, stores=frozenset({f"s{place}"}))
    return replace(EVERYTHING, markets=frozenset({f"m{place}"}))


def ids(found: list[bytes]) -> list[str]:
    return [from_json(body)["id"] for body in found]


class TestFilter:
    @pytest.mark.parametrize(("place", "case"), NAMED)
    async def test_finds_what_fits_and_nothing_else(
        self, searches: Searches, place: int, case: Case
    ) -> None:
        search, client = parse(OrderSearch, to_json(case.search)).value, alone_with(place, case)

        found = await searches.find(search, Page(0, 10), client, now=NOW, configuration=DEFAULT)
        count = await searches.count(search, client, now=NOW, configuration=DEFAULT)

        assert ids(found.orders) == [case.fits.get("id", f"fits-{place}")]
        assert count == found.total == 1
        assert {one.count for facet in found.facets or () for one in facet.facets} == {1}

    @pytest.mark.parametrize(("place", "case"), NAMED)
    async def test_needs_no_scan_of_the_collection(
        self,
        searches: Searches,  # noqa: ARG002 - it has made the indexes
        database: Database,
        place: int,  # noqa: ARG002 - alone, without a scope
        case: Case,
    ) -> None:
        search = parse(OrderSearch, to_json(case.search)).value
        query = compiled(search, EVERYTHING.scope, now=NOW, configuration=DEFAULT)
        reads: list[list[Json]] = [
            paged(query, sorting(search, DEFAULT), Page(0, 20)),
            [{"$match": query.match}, {"$count": "n"}],
            counting(query.counted, ["k"]),
            counting(query.counted, []),
        ]

        plans = [str(await explained(database, pipeline)) for pipeline in reads]

        assert all("COLLSCAN" not in plan for plan in plans)

    @pytest.mark.parametrize(
        ("place", "case"),
        [(place, case) for place, case in enumerate(CASES) if not case.search.keys() <= AMONG_ALL],
    )
    async def test_looks_at_no_more_than_what_it_is_about(
        self,
        searches: Searches,  # noqa: ARG002 - it has made the indexes
        database: Database,
        place: int,  # noqa: ARG002 - alone, without a scope
        case: Case,
    ) -> None:
        search = parse(OrderSearch, to_json(case.search)).value
        query = compiled(search, EVERYTHING.scope, now=NOW, configuration=DEFAULT)

        plan = await explained(database, [{"$match": query.match}])

        chosen = str(plan["queryPlanner"]["winningPlan"])
        # All orders, and all texts, in whichever index: as long a way as the collection.
        assert f'["{LIVE}", "{LIVE}"]' not in chosen
        assert '["", {})' not in chosen

    @pytest.mark.parametrize("sort_order", ["Created", "Modified", "CustomerName", "OrderId"])
    @pytest.mark.parametrize("direction", ["Ascending", "Descending"])
    async def test_for_nothing_reads_all_orders_in_their_order(
        self,
        searches: Searches,  # noqa: ARG002 - it has made the indexes
        database: Database,
        sort_order: str,
        direction: str,
    ) -> None:
        search = OrderSearch.model_validate({"sort_order": sort_order + direction})
        query = compiled(search, EVERYTHING.scope, now=NOW, configuration=DEFAULT)
        pipeline = paged(query, sorting(search, DEFAULT), Page(0, 20))

        plan = await explained(database, pipeline)

        assert "'SORT'" not in str(plan["queryPlanner"]["winningPlan"])

    async def test_for_nothing_counts_facets_without_reading_orders(
        self,
        searches: Searches,  # noqa: ARG002 - it has made the indexes
        database: Database,
    ) -> None:
        query = compiled(OrderSearch(), EVERYTHING.scope, now=NOW, configuration=DEFAULT)

        plan = str(await explained(database, counting(query.counted, [])))

        assert "PROJECTION_COVERED" in plan
        assert "'FETCH'" not in plan

    def test_is_there_for_every_member(self) -> None:
        tested = {name for case in CASES for name in case.search}
        filters_nothing = {"take", "page", "sortOrder", "disableFacets"}

        members = {field.alias for field in OrderSearch.model_fields.values()}

        assert members - tested == filters_nothing


async def explained(database: Database, pipeline: list[Json]) -> Json:
    command = {"aggregate": "orders", "pipeline": pipeline, "cursor": {}}
    # Bounds that are open are no dates for Python.
    options: CodecOptions[Json] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
    return await database.command(
        "explain", command, verbosity="queryPlanner", codec_options=options
    )
