"""Bodies that are nearly right: the documents' examples with something wrong in them."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Json = Any
"""Any: JSON, right or wrong."""

Path = tuple[str | int, ...]


def _nested(levels: int) -> Json:
    value: Json = {}
    for _ in range(levels):
        value = {"a": [value]}
    return value


WRONG: Final[tuple[Json, ...]] = (
    *(None, True, False, 0, -1, 0.5, 1e15, -1e300, 10**30, 0.000_000_1, [], {}, [[]], [None]),
    *("", " ", "x", "\0", "\ud800", "x" * 40_000, "NaN", "1e400", "-0", "٣", "😀", "\u202e\uffff"),
    *("0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999-14:00", "2024-02-30", "2024-W01-1"),
    *("$where", "a.b", "../..", "'; DROP TABLE", "{{7*7}}", "<script>", "true", "1", "null"),
    *({"$gt": ""}, {"a.b": {"$x": 1}}, {"": ""}, {"\0": 1}, ["x"] * 300, [{}] * 300, ["x", 1, {}]),
    *(_nested(10), _nested(100), float("inf"), float("nan")),
)
"""What is put where something else should be. JSON has no infinity and no NaN, but some send it."""
NAMES: Final = ("$set", "a.b", "", "__proto__", "Id", "STATUS", "x" * 300, "\0", "\ud800", "nobody")
"""What a member is called that should not be there, or is there already in another case."""


def _paths(value: Json, path: Path = ()) -> Iterator[Path]:
    yield path
    members = value.items() if isinstance(value, dict) else ()
    entries = enumerate(value) if isinstance(value, list) else ()
    for name, inner in (*members, *entries):
        yield from _paths(inner, (*path, name))


def _replaced(body: Json, path: Path, make: Callable[[Json], Json]) -> Json:
    if not path:
        return make(body)
    body = copy.copy(body)
    body[path[0]] = _replaced(body[path[0]], path[1:], make)
    return body


@st.composite
def mutated(draw: st.DrawFn, example: Json) -> Json:
    """Draw the example with one to three things wrong in it."""
    body = example
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        path = draw(st.sampled_from(list(_paths(body))))
        kind = draw(st.sampled_from(("value", "value", "absent", "more", "again")))
        wrong = draw(st.sampled_from(WRONG))
        name = draw(st.sampled_from(NAMES))
        body = _replaced(body, path, partial(_mutate, kind=kind, wrong=wrong, name=name))
    return body


def _mutate(old: Json, *, kind: str, wrong: Json, name: str) -> Json:
    if kind == "more" and isinstance(old, dict):
        return {**old, name: wrong}
    if kind == "absent" and isinstance(old, dict) and old:
        return dict(list(old.items())[1:])
    if kind == "again" and isinstance(old, list) and old:
        return [*old, old[-1]]
    return wrong


def several(strategy: st.SearchStrategy[Json], count: int) -> list[Json]:
    """Return so many different ones, always the same."""
    found: list[Json] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: Json) -> None:
        found.append(one)

    collect()
    return found
