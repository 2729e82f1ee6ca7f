from typing import Annotated

import pytest
from pydantic import Field

from contracts.model import Model
from services.api.domain import Refusal
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request


class Wanted(Model):
    """A query with a list and a single value."""

    selected_ids: Annotated[list[str], Field(min_length=1)]
    word: str | None = None
    is_urgent: bool = False


async def nothing() -> dict[str, object]:
    return {}


def asking(query: bytes) -> Request:
    scope = {"method": "GET", "headers": [], "query_string": query}
    return Request(scope, nothing, path="/", parameters={}, limit=0)


def test_a_list_has_every_value_and_a_single_one_the_last() -> None:
    found = query_of(asking(b"selectedIds=a,b&SELECTEDIDS=c&word=x&Word=y"), Wanted)

    assert found == Wanted(selected_ids=["a,b", "c"], word="y")


def test_a_list_that_is_missing_is_named() -> None:
    with pytest.raises(Refusal) as refused:
        query_of(asking(b"word=x"), Wanted)

    assert [one.path for one in refused.value.problem.errors or ()] == ["selectedIds"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (b"selectedIds=a&isUrgent=maybe", "expected true or false"),
        (b"selectedIds=a&isUrgent=", "expected true or false"),
    ],
)
def test_what_makes_no_sense_is_said_in_our_words(query: bytes, message: str) -> None:
    with pytest.raises(Refusal) as refused:
        query_of(asking(query), Wanted)

    assert [one.message for one in refused.value.problem.errors or ()] == [message]
