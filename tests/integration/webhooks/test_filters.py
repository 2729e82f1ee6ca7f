"""What endpoints hear of is what searches find: one compiler, judged here and by MongoDB."""

from datetime import UTC, datetime
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.order import Order
from contracts.order_search import OrderFilter
from contracts.search import EVERYTHING, Bson, compiled, fits
from contracts.settings import DEFAULT
from services.chassis.mongo import Database
from services.webhooks.domain.endpoint import wants
from services.workflow.domain.find import found_by
from tests.builders import a_form, a_shipment, an_order
from tests.unit.webhooks.test_endpoint import an_endpoint, an_event

NOW: Final = datetime(2026, 6, 15, tzinfo=UTC)

STORES = ("Oslo", "Bergen", "Straße")
MARKETS = ("NOR", "swe")
STATUSES = ("New", "Ship", "Deleted", None)
TYPES = ("Online", "POS", None)
TAGS = ("vip", "Gift")


def names(*known: str | None) -> st.SearchStrategy[list[str]]:
    """Lists of these, in some case, and of what no order has."""
    words = [word for name in known if name for word in (name, name.upper(), name.lower())]
    return st.lists(st.sampled_from([*words, "none"]), max_size=4)


OF_ENDPOINTS: Final = {
    "order_types": names(*TYPES),
    "selected_statuses": names(*STATUSES),
    "selected_stores": names(*STORES),
    "selected_markets": names(*MARKETS),
}
OF_GROUPS: Final = OF_ENDPOINTS | {
    "order_type": st.none() | st.sampled_from([name for name in TYPES if name]),
    "excluded_statuses": names(*STATUSES),
    "tags": names(*TAGS),
    "excluded_tags": names(*TAGS),
    "selected_warehouses": names("Oslo", "WH1"),
    "payment_statuses": st.lists(st.sampled_from(["Paid", "NotPaid", "PartiallyPaid"]), max_size=2),
}


@pytest.fixture(scope="module")
async def orders(mongo: Database) -> list[Order]:
    """Orders of every kind, which are stored."""
    kinds = product(STORES, MARKETS, STATUSES, TYPES)
    orders = [
        an_order(
            id=f"order-{at}",
            store_id=store,
            market_id=market,
            status=status,
            order_type=type_,
            tags=TAGS[: at % 3],
            order_form=a_form(
                shipments=[a_shipment(warehouse_code="WH1" if at % 2 else "Oslo")],
                authorized_payment_total=at % 5 * 250,
                total=500,
            ),
        )
        for at, (store, market, status, type_) in enumerate(kinds)
    ]
    await mongo["orders"].insert_many([{"_id": one.id, **found_by(one)} for one in orders])
    return orders


async def found(mongo: Database, match: Bson) -> set[str]:
    return {one["_id"] for one in await mongo["orders"].find(match, {"_id": 1}).to_list(None)}


def match_of(asked: dict[str, Any]) -> Bson:
    return compiled(OrderFilter(**asked), EVERYTHING, now=NOW, configuration=DEFAULT).match


class TestFilters:
    @given(asked=st.fixed_dictionaries({}, optional=OF_GROUPS))
    async def test_about_groups_are_judged_as_by_mongodb(
        self, mongo: Database, orders: list[Order], asked: dict[str, Any]
    ) -> None:
        match = match_of(asked)

        fitting = {one.id for one in orders if fits(match, frozenset(found_by(one)["groups"]))}

        assert fitting == await found(mongo, match)

    @given(asked=st.fixed_dictionaries({}, optional=OF_ENDPOINTS))
    async def test_of_endpoints_let_through_what_a_search_finds(
        self, mongo: Database, orders: list[Order], asked: dict[str, list[str]]
    ) -> None:
        filters = {member.removeprefix("selected_"): words for member, words in asked.items()}
        endpoint = an_endpoint(filters=filters)
        events = [
            an_event(
                order_id=one.id,
                store_id=one.store_id,
                market=one.market_id,
                status=one.status,
                sub_class_name=one.order_type,
            )
            for one in orders
        ]

        heard = {one.order_id for one in events if wants(endpoint, "order.updated", one)}

        # Searches show deleted orders only to who asks for them; events of them are heard.
        sought = {word.casefold() for word in asked.get("selected_statuses", ())}
        hidden = {one.id for one in orders if one.status == "Deleted" and "deleted" not in sought}
        assert heard - hidden == await found(mongo, match_of(asked))
