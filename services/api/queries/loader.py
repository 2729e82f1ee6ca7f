"""Loading by id together: what is asked for while loads are under way, the next one loads at once.

So under load a request pays a share of a round trip and of a change of threads, and alone it waits
for nobody. Nothing is remembered: whoever asks is answered from a load that began afterwards.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

AT_A_TIME: Final = 2
"""Loads under way at a time; more of them would make each smaller."""
MOST_TOGETHER: Final = 100
"""Ids of one load: MongoDB answers with so many documents in one piece."""

Value = TypeVar("Value")


class Loader(Generic[Value]):
    """Runs `load`, a plain function that blocks, in threads; it returns what it found by id."""

    def __init__(self, load: Callable[[Sequence[str]], Mapping[str, Value]]) -> None:
        self._load = load
        self._waiting: list[tuple[str, asyncio.Future[Value | None]]] = []
        self._under_way = 0

    async def get(self, id_: str) -> Value | None:
        """Return what has this id, None if nothing has; raises what the load raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Value | None] = loop.create_future()
        self._waiting.append((id_, future))
        if self._under_way < AT_A_TIME and len(self._waiting) == 1:
            loop.call_soon(self._begin)  # whoever asks in the same turn of the loop comes along
        return await future

    def _begin(self) -> None:
        while self._waiting and self._under_way < AT_A_TIME:
            together = self._waiting[:MOST_TOGETHER]
            del self._waiting[:MOST_TOGETHER]
            ids = list({id_ for id_, _ in together})
            self._under_way += 1
            loading = asyncio.get_running_loop().run_in_executor(None, self._load, ids)
            loading.add_done_callback(partial(self._end, together))

    def _end(
        self,
        together: Sequence[tuple[str, "asyncio.Future[Value | None]"]],
        loading: "asyncio.Future[Mapping[str, Value]]",
    ) -> None:
        self._under_way -= 1
        self._begin()
        error = loading.exception()
        for id_, future in together:
            if future.done():
                continue  # whoever waited was cancelled
            if error is None:
                future.set_result(loading.result().get(id_))
            else:
                future.set_exception(error)
