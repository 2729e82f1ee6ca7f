"""Reading many orders: as they are now, or as they all were at one time."""

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bson import Timestamp
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure

from contracts.stored import plain_order_json
from services.chassis.mongo import NUMBERS, Bson, Database

AT_ONCE: Final = 8
"""Reads under way at a time: slow ones wait for each other, and nothing else for them."""
_SNAPSHOT_TOO_OLD: Final = 239


class TooOld(Exception):
    """MongoDB does not keep any more what orders were at that time."""


class Reader:
    """Reads the collection `orders`, which the workflow service owns."""

    def __init__(self, database: Database) -> None:
        self._orders = database.get_collection("orders", codec_options=NUMBERS).delegate
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="reader")

    async def aggregate(
        self, pipeline: Sequence[Bson], *, at: Timestamp | None = None
    ) -> list[Bson]:
        """Return what the pipeline makes of the orders, as they are or as they were at a time.

        :raises TooOld: if that time is too long ago
        """
        # One change of threads for the whole, where motor takes some for each of its parts
        # (services/decisions/0004-motor-behind-one-module.md).
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._aggregate, pipeline, at)

    async def count(self, match: Bson, *, at: Timestamp | None = None) -> int:
        """Return how many orders fit."""
        counted = await self.aggregate([{"$match": match}, {"$count": "n"}], at=at)
        return counted[0]["n"] if counted else 0

    def close(self) -> None:
        """Read nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _aggregate(self, pipeline: Sequence[Bson], at: Timestamp | None) -> list[Bson]:
        options: Bson = {"allowDiskUse": True}
        if at is not None:
            # A session with a snapshot would take a time of its own, and forget it with itself.
            options["readConcern"] = {"level": "snapshot", "atClusterTime": at}
        try:
            found: list[Bson] = self._orders.aggregate(pipeline, **options).to_list()
        except OperationFailure as failure:
            if failure.code == _SNAPSHOT_TOO_OLD:
                raise TooOld from failure
            raise
        return found


def moment(session: AsyncIOMotorClientSession) -> Timestamp:
    """Return the moment of the session's last write, for `aggregate`."""
    # motor's types take this property for a method.
    found: Timestamp = session.operation_time  # type: ignore[assignment] # set by the read
    return found


def bodies(found: Iterable[Bson]) -> list[bytes]:
    """Return the orders as JSON; what was found is used up."""
    return [plain_order_json(one["order"]) for one in found]
