"""Lists, searches and scrolls over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from services.api.app import Api
from services.chassis.mongo import Database
from tests.harness import until
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.integration.api.found import a_body, days, keep

Json = Any  # Any: JSON, for tests to look into

# The example of the order reference.
EXAMPLE = {
    "selectedStores": ["WebShop"],
    "selectedStatuses": ["New", "InProgress"],
    "createdFrom": "2024-01-01T00:00:00Z",
    "createdTo": "2024-12-31T23:59:59Z",
    "searchText": "Nordmann",
    "sortOrder": "CreatedDescending",
    "take": 20,
    "page": 1,
}


def fresh(prefix: str = "S") -> str:
    return f"{prefix}{uuid4().hex[:8]}"


async def kept(database: Database, count: int, store: str, **changes: Json) -> list[str]:
    """Store so many orders of a store, each newer than the one before; return their ids."""
    ids = [f"{store}-{number:03}" for number in range(count)]
    bodies = [
        a_body(id_, {"storeId": store, "created": days(place), **changes})
        for place, id_ in enumerate(ids)
    ]
    await keep(database, *bodies)
    return ids


def ids(answer: Answer, name: str = "items") -> list[str]:
    assert answer.status == 200, answer.json
    return [order["id"] for order in answer.json[name]]


async def configured(call: Caller, check: str, expected: Json, **settings: Json) -> None:
    """Put settings in force; they are when a search answers what is expected under a name."""
    answer = await call("PUT", "/api/Settings/OrderSettings", settings)
    assert answer.status == 200, answer.json

    async def in_force() -> bool:
        said = await call("POST", "/api/Orders/Search", {"email": "nobody"})
        return bool(said.json.get(check) == expected)

    await until(in_force)


class TestSearch:
    async def test_answers_the_example_of_the_reference_to_readers_of_both_documents(
        self, call: Caller, database: Database
    ) -> None:
        body = a_body("ORD-EXAMPLE", {"created": "2024-06-01T10:00:00Z"})
        await keep(database, body, a_body(fresh(), {"created": "2025-01-01T00:00:00Z"}))

        said = await call("POST", "/api/orders/search", EXAMPLE)

        assert ids(said) == ids(said, "result") == ["ORD-EXAMPLE"]
        order = await call("GET", "/api/Orders/ORD-EXAMPLE")
        assert said.json["items"] == said.json["result"] == [order.json]
        assert (said.json["totalCount"], said.json["totalHits"]) == (1, 1)
        assert (said.json["page"], said.json["pageSize"], said.json["scrollId"]) == (1, 20, None)
        assert said.json["facets"][0] == {
            "facetType": "status",
            "facets": [{"name": "New", "value": "New", "count": 1}],
        }

    async def test_for_changes_turns_the_pages_of_each_token_at_its_own_moment(
        self, call: Caller, database: Database
    ) -> None:
        store, body = fresh(), {"modifiedFrom": days(-20), "take": 2}
        newest_last = await kept(database, 6, store)
        other = await Caller.signed_in(call.url)

        async def page(caller: Caller, number: int) -> list[str]:
            asked = {**body, "selectedStores": [store], "page": number}
            return ids(await caller("POST", "/api/Orders/Search", asked))

        async def listed(caller: Caller, number: int) -> list[str]:
            query = {"storeId": store, "changedSince": days(-20), "pageSize": "2"}
            query["page"] = str(number)
            return ids(await caller("GET", "/api/Orders/GetOrders", query=query))

        searched, in_list = await page(call, 1), await listed(call, 1)
        await database["orders"].delete_many({"_id": {"$in": newest_last[4:]}})
        others = [await page(other, 1), await listed(other, 1)]
        searched += await page(call, 2)
        in_list += await listed(call, 2)

        await other.close()
        assert others == [newest_last[3:1:-1]] * 2
        assert searched == in_list == newest_last[:1:-1]

    async def test_without_any_wish_finds_the_newest_of_all(
        self, call: Caller, database: Database
    ) -> None:
        store = fresh()
        await keep(database, a_body(store, {"storeId": store, "created": "2199-01-01T00:00:00Z"}))

        said = await call("POST", "/api/Orders/Search", {})

        assert ids(said)[0] == store
        assert said.json["totalCount"] == await database["orders"].count_documents({})

    async def test_tells_which_members_nobody_knows(self, call: Caller) -> None:
        said = await call("POST", "/api/Orders/Search", {"colour": "red", "TAKE": 1})

        assert said.status == 200
        assert said.json["pageSize"] == 1
        assert said.headers["ignored-fields"] == "colour"

    @pytest.mark.parametrize(
        ("body", "paths"),
        [
            ({"take": 0, "page": -1}, ["take", "page"]),
            ({"take": 101, "sortOrder": "Newest"}, ["take", "sortOrder"]),
            ({"take": 100, "page": 101}, ["page"]),
            ({"createdFrom": "soon", "urgent": "yes"}, ["createdFrom", "urgent"]),
            ({"paymentStatuses": ["Paid", "Owed"]}, ["paymentStatuses[1]"]),
            ({"inventoryStatus": "Some", "tags": ["a"] * 251}, ["inventoryStatus", "tags"]),
            ({"searchText": "a b c d e f g h i j k l m n o p q r s t u"}, ["searchText"]),
            ({"email": {"$ne": None}, "customerIds": [{"$gt": ""}]}, ["email", "customerIds[0]"]),
        ],
    )
    async def test_refuses_what_makes_no_sense_naming_it_all(
        self, call: Caller, body: Json, paths: list[str]
    ) -> None:
        said = await call("POST", "/api/Orders/Search", body)

        assert (said.status, said.problem) == (400, "validation-failed")
        assert sorted(error["path"] for error in said.json["errors"]) == sorted(paths)

    async def test_names_the_words_of_a_closed_list(self, call: Caller) -> None:
        said = await call("POST", "/api/Orders/Search", {"paymentStatuses": ["Owed"]})

        assert (
            "'OverPaid', 'Paid', 'NotPaid' or 'PartiallyPaid'" in said.json["errors"][0]["message"]
        )


class TestPages:
    @pytest.mark.parametrize(
        "asked",
        [
            pytest.param({}, id="with facets"),
            pytest.param({"disableFacets": True}, id="counted in an index"),
            pytest.param(
                {"disableFacets": True, "searchText": "ola nordmann"}, id="counted by looking"
            ),
            pytest.param(
                {
                    "disableFacets": True,
                    "searchText": "ola nordmann",
                    "sortOrder": "StatusDescending",
                },
                id="by the order of the settings",
            ),
        ],
    )
    async def test_begin_with_one_do_not_overlap_and_end(
        self, asked: Json, call: Caller, database: Database
    ) -> None:
        store = fresh()
        # All of the same time, so that only the id tells them apart.
        newest_first = sorted(await kept(database, 5, store, created=days(0)), reverse=True)
        search = {"selectedStores": [store], "take": 2, **asked}
        pages = [
            await call("POST", "/api/Orders/Search", {**search, "page": page})
            for page in (1, 2, 3, 4)
        ]

        zeroth = await call("POST", "/api/Orders/Search", {**search, "page": 0})
        no_page = await call("POST", "/api/Orders/Search", search)

        assert [ids(page) for page in pages] == [
            newest_first[:2],
            newest_first[2:4],
            newest_first[4:],
            [],
        ]
        assert {page.json["totalCount"] for page in pages} == {5}
        assert ids(zeroth) == ids(no_page) == newest_first[:2]
        assert (zeroth.json["page"], no_page.json["page"]) == (0, 1)

    @pytest.mark.parametrize(
        "asked", [{"selectedStores": ["nowhere"]}, {"searchText": "nobody nowhere"}]
    )
    async def test_of_nothing_are_empty(self, asked: Json, call: Caller) -> None:
        said = await call("POST", "/api/Orders/Search", {"disableFacets": True, **asked})

        assert (ids(said), said.json["totalCount"]) == ([], 0)

    async def test_and_names_are_those_of_the_settings(
        self, call: Caller, database: Database
    ) -> None:
        store = fresh()
        first, second = await kept(database, 2, store)
        body = {"selectedStores": [store], "take": 1, "page": 1}

        await configured(call, "page", 0, searchPageBase=0, searchWrapper="guide")
        guide = await call("POST", "/api/Orders/Search", body)
        listed = await call("GET", f"/api/Orders/GetOrders?storeId={store}&page=1&pageSize=1")
        await configured(call, "page", 1, searchWrapper="reference")
        reference = await call("POST", "/api/Orders/Search", body)
        await configured(call, "totalHits", 0)

        assert (ids(guide, "result"), guide.json["totalHits"]) == ([first], 2)
        assert not {"items", "totalCount"} & guide.json.keys()
        assert (ids(reference), reference.json["totalCount"]) == ([second], 2)
        assert not {"result", "totalHits"} & reference.json.keys()
        assert ids(listed, "result") == [second]


class TestFacets:
    async def test_of_any_number_of_values_leave_the_total_as_it_is(
        self, call: Caller, database: Database
    ) -> None:
        store = fresh()
        bodies = [
            a_body(f"{store}-{n}", {"storeId": store, "tags": [f"t{n}-{m}" for m in range(240)]})
            for n in range(45)
        ]
        await keep(database, *bodies, a_body(store, {"storeId": store, "marketId": "A"}))

        said = await call("POST", "/api/Orders/Search", {"selectedStores": [store]})

        # Beside so many tags, those of other orders are none of the most frequent.
        await database["orders"].delete_many({"order.storeId": store})
        assert said.json["totalCount"] == 46

    async def test_count_the_orders_found_and_can_be_left_out(
        self, call: Caller, database: Database
    ) -> None:
        store, discount = fresh(), {"discountName": "Ten off", "discountId": "D10"}
        bodies: list[Json] = [
            {"tags": ["vip", "vip"], "properties": [{"key": "$Segment", "value": "gold"}]},
            {"tags": ["vip"], "properties": [{"key": "$Segment", "value": "gold"}]},
            {"salesChannel": "app", "properties": [{"key": "Other", "value": "x"}]},
            {"status": "Deleted"},
        ]
        form = {"discounts": [discount]}
        await keep(
            database,
            *(
                a_body(f"{store}-{place}", {"storeId": store, "orderForm": dict(form), **changes})
                for place, changes in enumerate(bodies)
            ),
        )
        await call("PUT", "/api/Settings/OrderSettings", {"facetProperties": ["$Segment"]})

        async def segmented() -> Answer | None:
            found = await call("POST", "/api/Orders/Search", {"selectedStores": [store]})
            return found if found.json["facets"][-1]["facetType"] == "$Segment" else None

        said = await until(segmented)
        without = await call(
            "POST", "/api/Orders/Search", {"selectedStores": [store], "disableFacets": True}
        )
        # Of few orders that are read anyway they are not counted by the database.
        of_few = await call(
            "POST",
            "/api/Orders/Search",
            {"selectedStores": [store], "email": "customer@example.com"},
        )
        await configured(call, "totalHits", 0)

        assert said is not None
        assert said.json["totalCount"] == 3
        assert {
            facet["facetType"]: {one["value"]: one["count"] for one in facet["facets"]}
            for facet in said.json["facets"]
        } == {
            "status": {"New": 3},
            "orderType": {"Online": 3},
            "market": {"NOR": 3},
            "store": {store: 3},
            "salesChannel": {"app": 1},
            "tags": {"vip": 2},
            "shippingMethodName": {"Bring_SERVICEPAKKE": 3},
            "paymentMethodName": {"Klarna": 3},
            "discount": {"Ten off": 3},
            "$Segment": {"gold": 2},
        }
        assert of_few.json == said.json
        assert without.json["facets"] == []

    async def test_of_all_orders_count_those_that_are_not_deleted(
        self, call: Caller, database: Database
    ) -> None:
        store = fresh()
        await kept(database, 2, store, tags=["vip", "web"])
        await kept(database, 1, f"{store}x", storeId=store, status="Deleted", tags=["vip"])
        cursor = database["orders"].find({"order.status": {"$ne": "Deleted"}})
        live = [one["order"] for one in await cursor.to_list(None)]

        said = await call("POST", "/api/Orders/Search", {"take": 1})

        found = {
            facet["facetType"]: {one["value"]: one["count"] for one in facet["facets"]}
            for facet in said.json["facets"]
        }
        assert said.json["totalCount"] == len(live)
        # Of values that few orders have, the rarest are left out.
        assert found["store"][store] == 2
        assert found["status"]["New"] == len([one for one in live if one["status"] == "New"])
        assert found["tags"]["vip"] == len([one for one in live if "vip" in one.get("tags", ())])


class TestLists:
    async def test_of_stores_and_statuses(self, call: Caller, database: Database) -> None:
        one, other = fresh(), fresh()
        (first,), (second,) = await kept(database, 1, one), await kept(database, 1, other)
        await kept(database, 1, fresh())
        path = f"/api/Orders/GetOrders?storeId={one}&StoreId={other}&status=New&status=InProgress"

        said = await call("GET", f"{path}&page=1&pageSize=50")
        changed = await call("GET", f"{path}&changedSince=2100-01-01")
        done = await call("GET", f"/api/Orders/GetOrders?storeId={one}&status=Completed")

        assert set(ids(said)) == {first, second}
        assert (said.json["totalCount"], said.json["page"], said.json["pageSize"]) == (2, 1, 50)
        assert ids(changed) == ids(done) == []

    async def test_of_types_and_their_counts(self, call: Caller, database: Database) -> None:
        store = fresh()
        await kept(database, 2, store)
        (sale,) = await kept(database, 1, f"{store}x", orderType="Pos", storeId=store)
        path = f"storeId={store}&orderTypes=Pos&orderTypes=ClickAndCollect"

        said = await call("GET", f"/api/Orders/GetOrders/ByOrderType?{path}&page=1")
        of_types = await call("GET", f"/api/Orders/GetOrders/Count?{path}")
        of_all = await call("GET", f"/api/Orders/GetOrders/Count?storeId={store}&status=New")

        assert ids(said) == [sale]
        assert (of_types.json, of_all.json) == (1, 3)

    async def test_are_counted_by_their_store_or_by_what_their_shipments_leave_from(
        self, call: Caller, database: Database
    ) -> None:
        shop, stock = fresh(), fresh()
        from_stock = {"orderForm": {"shipment": {"warehouseCode": stock}}}
        await kept(database, 2, shop, **from_stock)
        await kept(database, 1, stock, orderType="Pos")
        await kept(database, 1, f"{stock}x", storeId=stock, orderType="Pos", **from_stock)
        path = "/api/Orders/GetOrders/Count"

        of_store = await call("GET", f"{path}?storeId={stock}&filterOnWarehouse=false")
        of_stock = await call("GET", f"{path}?storeId={stock}&filterOnWarehouse=true")
        of_shop = await call("GET", f"{path}?storeId={shop}&FilterOnWarehouse=True")
        of_a_type = await call(
            "GET", f"{path}?storeId={stock}&storeId={shop}&filterOnWarehouse=true&orderTypes=Pos"
        )
        unclear = await call("GET", f"{path}?filterOnWarehouse=maybe")

        assert [one.json for one in (of_store, of_stock, of_shop, of_a_type)] == [2, 3, 0, 1]
        assert (unclear.status, unclear.problem) == (400, "validation-failed")
        assert [error["path"] for error in unclear.json["errors"]] == ["filterOnWarehouse"]

    async def test_of_a_customer(self, call: Caller, database: Database) -> None:
        store, customer = fresh(), fresh("CUST ")
        orders = await kept(database, 3, store, customerId=customer)
        path = f"/api/Orders/Customers/{customer}/Orders"

        said = await call("GET", f"{path}?page=1&pageSize=2")
        nothing = await call("GET", f"{path}?status=Completed")
        found = await call("POST", f"{path}/Search", {"take": 1, "page": 2})
        of_another = await call("POST", f"{path}/Search", {"customerId": "other"})
        of_nobody = await call("GET", "/api/Orders/Customers/%20/Orders")

        assert ids(said) == [orders[2], orders[1]]
        assert said.json["totalCount"] == 3
        assert ids(nothing) == ids(of_another) == []
        assert ids(found) == [orders[1]]
        assert (of_nobody.status, of_nobody.problem) == (404, "no-such-path")

    async def test_of_a_custom_property(self, call: Caller, database: Database) -> None:
        store = fresh()
        erp = [{"key": "ErpReference", "value": f"SAP-{store}"}]
        (order,) = await kept(database, 1, store, properties=erp)
        path = "/api/Orders/SearchByCustomProperties"

        said = await call("POST", f"{path}?key=ErpReference&value=SAP-{store}")
        other = await call("POST", f"{path}?key=ErpReference&value=SAP")
        incomplete = await call("POST", f"{path}?key=ErpReference")

        assert ids(said) == [order]
        assert ids(other) == []
        assert incomplete.status == 400
        assert [error["path"] for error in incomplete.json["errors"]] == ["value"]

    @pytest.mark.parametrize(
        ("query", "paths"),
        [
            ("page=0&pageSize=101", ["page", "pageSize"]),
            ("page=101&pageSize=100", ["page"]),
            ("changedSince=now", ["changedSince"]),
        ],
    )
    async def test_have_limits(self, call: Caller, query: str, paths: list[str]) -> None:
        said = await call("GET", f"/api/Orders/GetOrders?{query}")

        assert (said.status, said.problem) == (400, "validation-failed")
        assert sorted(error["path"] for error in said.json["errors"]) == paths

    async def test_need_a_store_where_the_settings_say_so(self, call: Caller) -> None:
        await call("PUT", "/api/Settings/OrderSettings", {"strictSeed": True})

        async def refused() -> Answer | None:
            said = await call("GET", "/api/Orders/GetOrders")
            return said if said.status == 400 else None

        said = await until(refused)
        blank = await call("GET", "/api/Orders/GetOrders?storeId=&storeId=%20")
        await call("PUT", "/api/Settings/OrderSettings", {})

        async def answered() -> bool:
            return (await call("GET", "/api/Orders/GetOrders")).status == 200

        await until(answered)
        assert said is not None
        assert [error["path"] for error in said.json["errors"]] == ["storeId"]
        assert blank.json == said.json


class TestScope:
    async def test_holds_for_everything_that_finds(
        self, api: Api, call: Caller, database: Database
    ) -> None:
        mine, theirs, name = fresh("Mine"), fresh("Theirs"), fresh()
        (order,) = await kept(database, 1, mine, customerId=name)
        await kept(database, 1, theirs, customerId=name)
        await keep_client(database, name, "OrderRead", stores=[mine.upper()], secret="s")
        await keep_client(database, f"{name}-no", "OrderRead", secret="s")
        shop = await Caller.signed_in(api.url, name, "s")
        nobody = await Caller.signed_in(api.url, f"{name}-no", "s")

        async def found(caller: Caller) -> list[list[str]]:
            both = {"selectedStores": [mine, theirs]}
            list_ = await caller("GET", f"/api/Orders/GetOrders?storeId={mine}&storeId={theirs}")
            scroll = await caller("POST", "/api/Orders/Scroll", both)
            search = await caller("POST", "/api/Orders/Search", both)
            customer = await caller("GET", f"/api/Orders/Customers/{name}/Orders")
            return [ids(one) for one in (list_, scroll, search, customer)]

        of_all, of_shop, of_nobody = await found(call), await found(shop), await found(nobody)
        count = await shop("GET", "/api/Orders/GetOrders/Count")

        await shop.close()
        await nobody.close()
        assert [len(one) for one in of_all] == [2, 2, 2, 2]
        assert of_shop == [[order]] * 4
        assert of_nobody == [[]] * 4
        assert count.json == 1


class TestScroll:
    async def test_is_refused_when_its_id_would_be_too_long(self, call: Caller) -> None:
        body = {"customerIds": [uuid4().hex for _ in range(250)]}

        said = await call("POST", "/api/Orders/Scroll", body)
        search = await call("POST", "/api/Orders/Search", body)

        assert (said.status, said.problem) == (400, "validation-failed")
        assert search.status == 200

    async def test_goes_on_until_nothing_is_left(self, call: Caller, database: Database) -> None:
        store = fresh()
        orders = await kept(database, 5, store)
        path = "/api/Orders/Scroll"

        pages = [await call("POST", path, {"selectedStores": [store], "take": 2, "page": 7})]
        while pages[-1].json["items"]:
            pages.append(await call("GET", f"{path}/{pages[-1].json['scrollId']}"))

        assert [ids(page) for page in pages] == [
            orders[:2:-1],
            orders[2:0:-1],
            orders[:1],
            [],
        ]
        assert all(page.json["items"] == page.json["result"] for page in pages)
        assert {page.json["totalCount"] for page in pages} == {5}

    async def test_belongs_to_its_client(self, api: Api, call: Caller, database: Database) -> None:
        name = fresh()
        await keep_client(database, name, "OrderRead", "AllStores", secret="s")
        other = await Caller.signed_in(api.url, name, "s")
        scroll = await call("POST", "/api/Orders/Scroll", {"take": 1})
        scroll_id = scroll.json["scrollId"]

        said = [
            await other("GET", f"/api/Orders/Scroll/{scroll_id}"),
            await call("GET", f"/api/Orders/Scroll/{scroll_id[:-4]}AAAA"),
            await call("GET", "/api/Orders/Scroll/abc123..."),
        ]

        await other.close()
        assert [(one.status, one.problem) for one in said] == [(404, "scroll-not-found")] * 3

    async def test_is_refused_to_who_has_too_many_open(self, api: Api, database: Database) -> None:
        name, store = fresh(), fresh()
        await kept(database, 2, store)
        await keep_client(database, name, "OrderRead", "AllStores", secret="s")
        reader = await Caller.signed_in(api.url, name, "s")
        body = {"selectedStores": [store], "take": 1}

        open_ = [await reader("POST", "/api/Orders/Scroll", body) for _ in range(10)]
        refused = await reader("POST", "/api/Orders/Scroll", body)
        scroll_id = open_[0].json["scrollId"]
        while ids(page := await reader("GET", f"/api/Orders/Scroll/{scroll_id}")):
            scroll_id = page.json["scrollId"]
        again = await reader("POST", "/api/Orders/Scroll", body)

        await reader.close()
        assert (refused.status, refused.problem) == (429, "too-many-requests")
        assert 0 < int(refused.headers["retry-after"]) <= 300
        assert again.status == 200
