"""The indexes by which orders are found, each of which costs at every write."""

from services.api.queries.search.indexes import INDEXES


def test_are_few() -> None:
    assert len(INDEXES) == 6
