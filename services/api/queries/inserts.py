"""Single documents of many requests, written together."""

import asyncio
from typing import Final

from pymongo.errors import BulkWriteError, PyMongoError

from services.chassis.mongo import DUPLICATE_KEY, Bson, Collection

AT_ONCE: Final = 500


class Inserts:
    """Inserts what requests hand in, all that waits in one write.

    A lone document is written at once; under load a write carries what came during the one before,
    which costs a fifth of writing each alone.
    """

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._waiting: list[tuple[Bson, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def insert(self, document: Bson) -> bool:
        """Return whether it is in now; False if its id was taken.

        :raises PyMongoError: as the driver does
        """
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((document, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            taken: set[int] = set()
            fault: PyMongoError | None = None
            try:
                await self._collection.insert_many([one for one, _ in batch], ordered=False)
            except BulkWriteError as error:
                faults = (error.details or {}).get("writeErrors", [])
                taken = {one["index"] for one in faults if one["code"] == DUPLICATE_KEY}
                others = (error.details or {}).get("writeConcernErrors")
                if others or len(taken) < len(faults):
                    fault = error
            except PyMongoError as error:
                fault = error
            for index, (_, done) in enumerate(batch):
                if done.done():
                    continue  # its request was given up
                if fault is not None:
                    done.set_exception(fault)
                else:
                    done.set_result(index not in taken)
