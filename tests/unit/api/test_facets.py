"""Facets as they are answered; that they count what is found is tested on the real MongoDB."""

from typing import Any

from contracts.settings import DEFAULT
from contracts.terms import APART
from services.api.queries.search.facets import KINDS, MOST_VALUES, facets


def counted(**values: dict[str, int]) -> list[dict[str, Any]]:
    """Return counts of values by kind, as the database returns them."""
    return [
        {"_id": f"{kind}{APART}{value}", "count": count}
        for kind, counts in values.items()
        for value, count in counts.items()
    ]


class TestFacets:
    def test_are_always_there_in_their_order(self) -> None:
        found = facets([], ["Segment", "status"], DEFAULT)

        assert [one.facet_type for one in found] == [*KINDS, "Segment", "status"]
        assert all(one.facets == [] for one in found)

    def test_have_the_most_frequent_value_first_and_few_of_many(self) -> None:
        tags = {f"t{number:03}": number // 2 for number in range(2 * MOST_VALUES)}

        found = {one.facet_type: one.facets for one in facets(counted(tags=tags), [], DEFAULT)}

        counts = [one.count for one in found["tags"]]
        assert len(counts) == MOST_VALUES
        assert counts == sorted(tags.values(), reverse=True)[:MOST_VALUES]
        assert [one.value for one in found["tags"][:2]] == ["t498", "t499"]

    def test_call_values_what_the_settings_call_them(self) -> None:
        known = DEFAULT.market("NOR")
        values = counted(market={"NOR": 2, "XXX": 1}, store={"nowhere": 1}, tags={"NOR": 1})

        found = {one.facet_type: one.facets for one in facets(values, [], DEFAULT)}

        assert known is not None
        assert [(one.name, one.value) for one in found["market"]] == [
            (known.name, "NOR"),
            ("XXX", "XXX"),
        ]
        assert [one.name for one in found["store"] + found["tags"]] == ["nowhere", "NOR"]
        assert known.name != "NOR"

    def test_of_a_property_are_apart_from_those_of_the_same_name(self) -> None:
        values = counted(**{"status": {"New": 2}, "@status": {"hot": 1}})

        found = facets(values, ["status"], DEFAULT)

        assert [[one.value for one in facet.facets] for facet in (found[0], found[-1])] == [
            ["New"],
            ["hot"],
        ]
