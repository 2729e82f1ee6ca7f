"""Sort orders, and scrolls over what orders were when they began."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from pydantic_core import from_json

from contracts.order_search import OrderScroll, OrderSearch, SortOrder
from contracts.settings import DEFAULT
from services.api.queries.search import Page, Scrolled, Searches
from services.chassis.mongo import Database
from tests.integration.api.found import EVERYTHING, NOW, a_body, days, keep

Json = Any  # Any: JSON, for tests to look into

SORT_ORDERS = get_args(get_args(SortOrder)[0])
SECRET = "s" * 32


@pytest.fixture(scope="module")
async def searches(database: Database) -> Searches:
    searches = Searches(database, secret=SECRET)
    await searches.prepare()
    return searches


def orders_of(scrolled: Scrolled) -> list[Json]:
    return [from_json(body) for body in scrolled.orders]


async def begun(searches: Searches, **asked: Json) -> Scrolled:
    search = OrderScroll.model_validate(asked)
    return await searches.scroll(search, EVERYTHING, now=NOW, configuration=DEFAULT, most=0)


async def rest(searches: Searches, scrolled: Scrolled) -> AsyncIterator[Json]:
    """Yield all orders of a scroll, those first that it has answered already."""
    while scrolled.orders:
        for order in orders_of(scrolled):
            yield order
        found = await searches.go_on(scrolled.scroll_id, EVERYTHING, now=NOW, configuration=DEFAULT)
        assert found is not None
        scrolled = found


async def paged(searches: Searches, asked: Json) -> list[Json]:
    """Return the orders of all pages of a search for seven."""
    search = OrderSearch.model_validate(asked)
    pages = [
        await searches.find(search, Page(skip, 2), EVERYTHING, now=NOW, configuration=DEFAULT)
        for skip in range(0, 10, 2)
    ]
    assert [(len(page.orders), page.total) for page in pages] == [
        *[(2, 7)] * 3,
        (1, 7),
        (0, 7),
    ]
    return [from_json(body) for page in pages for body in page.orders]


@pytest.fixture(scope="module")
async def market(database: Database) -> str:
    """Store orders of which several are equal in whatever they are sorted by."""
    market = uuid4().hex
    statuses = ["OrderCanceled", "New", "Zzz", "InProgress", "new", "Aaa", "Completed"]
    bodies = [
        a_body(
            f"{'bAc'[number % 3]}{number}-{market[:6]}",
            {
                "marketId": market,
                "created": days(number % 4),
                "modified": days(-(number % 3)),
                "customerName": ["Åse", "arne", "Bo", None][number % 4],
                "status": status,
                "storeId": "S" + "bac"[number % 3],
                "orderForm": {
                    "line": {"placedPrice": [9.95, 10, 100.005][number % 3]},
                },
            },
        )
        for number, status in enumerate(statuses)
    ]
    await keep(database, *bodies)
    # As an import may leave it that is not calculated.
    await database["orders"].update_one(
        {"_id": bodies[0]["id"]}, {"$unset": {"order.orderForm.total": ""}}
    )
    return market


class TestSortOrder:
    @pytest.mark.parametrize("sort_order", SORT_ORDERS)
    async def test_holds_over_pages_and_scrolls_alike(
        self, searches: Searches, market: str, sort_order: str
    ) -> None:
        asked = {"sort_order": sort_order, "selected_markets": [market]}
        # How a page is read depends on whether facets are counted, and one index leads to it.
        ways: list[Json] = [
            {},
            {"disable_facets": True},
            {"disable_facets": True, "search_text": "product"},
        ]

        read = [await paged(searches, asked | way) for way in ways]
        scroll = await begun(searches, **asked, take=2)
        scrolled = [order["id"] async for order in rest(searches, scroll)]

        found = read[0]
        assert [one == found for one in read] == [True, True, True]
        direction = 1 if sort_order.endswith("Ascending") else -1
        kind = sort_order.removesuffix("Ascending").removesuffix("Descending")
        expected = sorted(found, key=KEYS[kind])[::direction]
        assert [order["id"] for order in found] == [order["id"] for order in expected]
        assert len({order["id"] for order in found}) == 7
        assert scrolled == [order["id"] for order in found]


RANKS = ["New", "new", "InProgress", "Completed", "OrderCanceled", "Aaa", "Zzz"]
FOLDED = {"Åse": "ase", "arne": "arne", "Bo": "bo", None: ""}
KEYS = {
    "Created": lambda order: (order["created"], order["id"]),
    "Modified": lambda order: (order["modified"], order["id"]),
    "CustomerName": lambda order: (FOLDED[order.get("customerName")], order["id"]),
    "Status": lambda order: (RANKS.index(order["status"]), order["id"]),
    "OrderId": lambda order: order["id"],
    "Store": lambda order: (order["storeId"], order["id"]),
    "Total": lambda order: (order["orderForm"].get("total", 0), order["id"]),
}


class TestScroll:
    async def test_answers_what_orders_were_while_they_change_come_and_go(
        self, searches: Searches, database: Database
    ) -> None:
        market, orders = uuid4().hex, database["orders"]
        names = [f"{number:03}-{market}" for number in range(400)]
        await keep(
            database,
            *(
                a_body(name, {"marketId": market, "created": days(number % 50), "status": "New"})
                for number, name in enumerate(names)
            ),
        )
        stop = asyncio.Event()

        async def disturb() -> int:
            done = 0
            while not stop.is_set():
                name = names[(done * 7) % 400]
                await orders.update_one({"_id": name}, {"$set": {"order.status": "Changed"}})
                await orders.update_one({"_id": name}, {"$set": {"order.created": NOW}})
                await orders.delete_one({"_id": names[(done * 13) % 400]})
                await keep(database, a_body(uuid4().hex, {"marketId": market}))
                done += 1
            return done

        scroll = await begun(searches, selected_markets=[market], take=10)
        disturbing = asyncio.create_task(disturb())
        found = [order async for order in rest(searches, scroll)]
        stop.set()

        assert await disturbing > 0
        assert scroll.total == 400
        assert sorted(order["id"] for order in found) == names
        assert {order["status"] for order in found} == {"New"}
        created = [order["created"] for order in found]
        assert created == sorted(created, reverse=True)

    async def test_goes_on_in_any_process_and_again_from_the_same_place(
        self, searches: Searches, database: Database
    ) -> None:
        market = uuid4().hex
        await keep(database, *(a_body(f"{n}-{market}", {"marketId": market}) for n in range(3)))
        other = Searches(database, secret=SECRET)
        stranger = Searches(database, secret="another secret of 32 characters!")
        scroll = await begun(searches, selected_markets=[market], take=2)

        here, there, elsewhere = [
            await one.go_on(scroll.scroll_id, EVERYTHING, now=NOW, configuration=DEFAULT)
            for one in (searches, other, stranger)
        ]

        assert here is not None
        assert there is not None
        assert here.orders == there.orders
        assert len(here.orders) == 1
        assert elsewhere is None

    async def test_waits_five_minutes_for_each_call(
        self, searches: Searches, database: Database
    ) -> None:
        market = uuid4().hex
        await keep(database, *(a_body(f"{n}-{market}", {"marketId": market}) for n in range(3)))
        scroll = await begun(searches, selected_markets=[market], take=1)
        minutes = [NOW + timedelta(minutes=number) for number in (4.9, 9.8, 14.9)]

        second = await searches.go_on(
            scroll.scroll_id, EVERYTHING, now=minutes[0], configuration=DEFAULT
        )
        assert second is not None
        third = await searches.go_on(
            second.scroll_id, EVERYTHING, now=minutes[1], configuration=DEFAULT
        )
        assert third is not None
        late = await searches.go_on(
            third.scroll_id, EVERYTHING, now=minutes[2], configuration=DEFAULT
        )

        assert len(third.orders) == 1
        assert late is None
