"""The compiler of searches: nothing that a client sends becomes more than a value."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.note import PropertyItem
from contracts.order_search import OrderFilter
from contracts.search import EVERYTHING, Scope, compiled, fits
from contracts.search.table import FILTERS, RANGES
from contracts.settings import DEFAULT

NOW = datetime(2026, 6, 15, tzinfo=UTC)
NASTY = st.text(min_size=1, max_size=20) | st.sampled_from(["$where", "$ne", "a.b", ".*", "^#live"])
OPERATORS = {
    *("$and", "$or", "$in", "$nin", "$gte", "$lte", "$eq", "$elemMatch", "$regex"),
}
PATHS = {
    *("groups", "keys", "name", "late", "secretKeyHash"),
    *("order.created", "order.modified", "order.completed", "order.customerNumber"),
    *("order.properties", "order.orderForm.payments"),
    *("key", "value", "keyGroup", "valueType"),
}

TEXTS = [name for name, one in OrderFilter.model_fields.items() if one.annotation == str | None]
LISTS = [name for name in FILTERS if "list[str]" in str(OrderFilter.model_fields[name].annotation)]


def match(search: OrderFilter, scope: Scope = EVERYTHING) -> dict[str, Any]:
    return compiled(search, scope, now=NOW, configuration=DEFAULT).match


def names(value: object) -> Iterator[str]:
    """Yield every name of a member, however deep."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from names(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names(inner)


class TestValues:
    @given(NASTY, st.sampled_from(TEXTS))
    def test_of_texts_never_become_names(self, text: str, member: str) -> None:
        found = match(OrderFilter.model_validate({member: text}))

        assert set(names(found)) <= OPERATORS | PATHS

    @given(st.lists(NASTY, min_size=1, max_size=3), st.sampled_from(LISTS))
    def test_of_lists_never_become_names(self, texts: list[str], member: str) -> None:
        found = match(OrderFilter.model_validate({member: texts}))

        assert set(names(found)) <= OPERATORS | PATHS

    @given(NASTY, NASTY)
    def test_of_properties_never_become_names(self, key: str, value: str) -> None:
        items = [
            PropertyItem(key=key, value=value),
            PropertyItem(key=key),
            PropertyItem(value=value),
        ]

        found = match(OrderFilter(properties=items))

        assert set(names(found)) <= OPERATORS | PATHS

    def test_that_are_two_in_one_term_are_not_taken_for_others(self) -> None:
        both = match(OrderFilter(property=PropertyItem(key="a", value="b\x1fc")))
        apart = match(OrderFilter(selected_stores=["a"], selected_statuses=["b\x1fc"]))

        assert both["order.properties"] == {
            "$elemMatch": {"key": {"$eq": "a"}, "value": {"$eq": "b\x1fc"}}
        }
        assert apart == {"$and": [{"groups": "#store a"}, {"groups": "#status b\x1fc"}]}

    @pytest.mark.parametrize(
        "search", [{"customerName": "\u0301"}, {"customerName": "\u00b4"}, {"searchText": "-- &"}]
    )
    def test_of_which_nothing_is_left_find_nothing(self, search: dict[str, str]) -> None:
        assert {"_id": {"$in": []}} in match(OrderFilter.model_validate(search))["$and"]


class TestScope:
    def test_restricts_every_search(self) -> None:
        scope = Scope(stores=frozenset({"oslo"}), markets=frozenset({"nor", "swe"}))

        found = match(OrderFilter(email="a@b"), scope)

        assert found == {
            "$and": [
                {"groups": "#store oslo"},
                {"groups": {"$in": ["#market nor", "#market swe"]}},
                {"keys": "#email a@b"},
            ]
        }

    def test_of_nothing_finds_nothing(self) -> None:
        scope = Scope(stores=frozenset())

        assert match(OrderFilter(), scope) == {"groups": {"$in": []}}


class TestSearch:
    def test_for_nothing_finds_all_that_is_not_deleted(self) -> None:
        assert match(OrderFilter()) == {"groups": "#live"}

    def test_looks_where_deleted_orders_are_only_when_asked_for_them(self) -> None:
        deleted = match(OrderFilter(selected_statuses=["DELETED"], email="a"))
        both = match(OrderFilter(selected_statuses=["New", "Deleted"]))

        assert deleted == {"$and": [{"groups": "~#status deleted"}, {"keys": "~#email a"}]}
        assert both == {
            "groups": {
                "$in": ["#status new", "~#status new", "#status deleted", "~#status deleted"]
            }
        }

    def test_finds_the_newest_of_many_without_looking_at_all(self) -> None:
        query = compiled(
            OrderFilter(search_text="shirt"), EVERYTHING, now=NOW, configuration=DEFAULT
        )

        assert query.match == {"keys": {"$regex": "^shirt"}}
        assert query.paged == {"$and": [query.match, {"groups": "#live"}]}

    @pytest.mark.parametrize("member", [*FILTERS, *RANGES])
    def test_filters_by_members_that_exist(self, member: str) -> None:
        members = OrderFilter.model_fields

        assert member in members or {f"{member}_from", f"{member}_to"} <= members.keys()


class TestFits:
    @pytest.mark.parametrize(
        ("condition", "is_met"),
        [
            ({}, True),
            ({"groups": "a"}, True),
            ({"groups": "x"}, False),
            ({"groups": {"$in": ["x", "b"]}}, True),
            ({"groups": {"$in": ["x", "y"]}}, False),
            ({"groups": {"$in": []}}, False),
            ({"groups": {"$nin": ["x"]}}, True),
            ({"groups": {"$nin": ["x", "b"]}}, False),
            ({"groups": {"$in": ["a"], "$nin": ["b"]}}, False),
            ({"$and": [{"groups": "a"}, {"groups": "b"}]}, True),
            ({"$and": [{"groups": "a"}, {"groups": "x"}]}, False),
            ({"$or": [{"groups": "x"}, {"groups": "b"}]}, True),
            ({"$or": [{"groups": "x"}, {"groups": "y"}]}, False),
        ],
    )
    def test_compares_groups(self, condition: dict[str, Any], *, is_met: bool) -> None:
        assert fits(condition, frozenset({"a", "b"})) is is_met

    @pytest.mark.parametrize(
        "search", [{"email": "a@b"}, {"created_to": NOW}, {"search_text": "a"}, {"secret_key": "s"}]
    )
    def test_refuses_to_judge_by_more_than_groups(self, search: dict[str, Any]) -> None:
        condition = match(OrderFilter.model_validate(search))

        with pytest.raises(ValueError, match="do not tell"):
            fits(condition, frozenset({"#live"}))

    def test_refuses_to_compare_in_other_ways(self) -> None:
        with pytest.raises(ValueError, match="not compared by"):
            fits({"groups": {"$regex": "^a"}}, frozenset({"a"}))
