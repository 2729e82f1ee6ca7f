"""Loading together what is asked for at the same time."""

import asyncio
from collections.abc import Mapping, Sequence
from threading import Event

import pytest

from services.api.queries.loader import AT_A_TIME, MOST_TOGETHER, Loader
from tests.harness import until


class Shelf:
    """What is loaded from; a load waits until the shelf is open."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.loads: list[list[str]] = []
        self.open = Event()
        self.open.set()

    def load(self, ids: Sequence[str]) -> Mapping[str, str]:
        """Return what there is of these."""
        self.loads.append(sorted(ids))
        self.open.wait(30)
        if "broken" in ids:
            raise OSError("broken")
        return {id_: self.values[id_] for id_ in ids if id_ in self.values}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def loader(shelf: Shelf) -> Loader[str]:
    return Loader(shelf.load)


async def under_way(shelf: Shelf, loader: Loader[str]) -> list[asyncio.Task[str | None]]:
    """Begin as many loads as there may be at a time; they wait for the shelf to open."""
    shelf.open.clear()
    tasks: list[asyncio.Task[str | None]] = []
    for number in range(AT_A_TIME):
        tasks.append(asyncio.create_task(loader.get(f"first{number}")))
        await until(lambda: len(shelf.loads) == len(tasks))
    return tasks


async def test_what_is_there_is_returned_and_what_is_not_is_none(
    shelf: Shelf, loader: Loader[str]
) -> None:
    shelf.values = {"a": "A"}

    found = await asyncio.gather(*map(loader.get, "aba"))

    assert found == ["A", None, "A"]
    assert shelf.loads == [["a", "b"]]


async def test_what_is_asked_for_while_loads_are_under_way_is_loaded_by_the_next_one(
    shelf: Shelf, loader: Loader[str]
) -> None:
    shelf.values = {name: name.upper() for name in "abc"}
    first = await under_way(shelf, loader)

    tasks = [asyncio.create_task(loader.get(name)) for name in "abcb"]
    await asyncio.sleep(0)
    shelf.open.set()

    assert await asyncio.gather(*tasks) == ["A", "B", "C", "B"]
    assert await asyncio.gather(*first) == [None] * AT_A_TIME
    assert shelf.loads[AT_A_TIME:] == [["a", "b", "c"]]


async def test_nobody_is_answered_from_a_load_that_began_before_the_question(
    shelf: Shelf, loader: Loader[str]
) -> None:
    first = await under_way(shelf, loader)

    again = asyncio.create_task(loader.get("first0"))
    await asyncio.sleep(0)
    shelf.values = {"first0": "new"}
    shelf.open.set()

    assert await again == "new"
    assert shelf.loads[AT_A_TIME:] == [["first0"]]
    await asyncio.gather(*first)


async def test_a_load_takes_no_more_than_mongodb_answers_with_in_one_piece(
    shelf: Shelf, loader: Loader[str]
) -> None:
    names = [f"{number:04}" for number in range(MOST_TOGETHER * 2 + 1)]
    shelf.values = dict(zip(names, names, strict=True))

    found = await asyncio.gather(*map(loader.get, names))

    assert found == names
    assert sorted(map(len, shelf.loads)) == [1, MOST_TOGETHER, MOST_TOGETHER]


async def test_a_load_that_fails_fails_for_those_who_asked_for_it_alone(
    shelf: Shelf, loader: Loader[str]
) -> None:
    shelf.values = {"a": "A"}

    broken = await asyncio.gather(loader.get("broken"), loader.get("a"), return_exceptions=True)
    found = await loader.get("a")

    assert [type(one) for one in broken] == [OSError, OSError]
    assert found == "A"


async def test_whoever_waits_no_more_keeps_nobody_else_from_the_answer(
    shelf: Shelf, loader: Loader[str]
) -> None:
    shelf.values = {"a": "A"}
    first = await under_way(shelf, loader)
    gone, stays = (asyncio.create_task(loader.get("a")) for _ in range(2))
    await asyncio.sleep(0)

    gone.cancel()
    await asyncio.wait([gone])
    shelf.open.set()

    assert gone.cancelled()
    assert await stays == "A"
    await asyncio.gather(*first)
