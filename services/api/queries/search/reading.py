"""Reading many orders: as they are now, or as they all were at one time."""

from collections.abc import Iterable, Sequence
from typing import Final

from bson import Timestamp
from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure

from contracts.stored import plain_order_json
from services.chassis.mongo import NUMBERS, Bson, Database

_SNAPSHOT_TOO_OLD: Final = 239


class TooOld(Exception):
    """MongoDB does not keep any more what orders were at that time."""


class Reader:
    """Reads the collection `orders`, which the workflow service owns."""

    def __init__(self, database: Database) -> None:
        self._orders = database.get_collection("orders", codec_options=NUMBERS)

    async def aggregate(
        self, pipeline: Sequence[Bson], *, at: Timestamp | None = None
    ) -> list[Bson]:
        """Return what the pipeline makes of the orders, as they are or as they were at a time.

        :raises TooOld: if that time is too long ago
        """
        options: Bson = {"allowDiskUse": True}
        if at is not None:
            # A session with a snapshot would take a time of its own, and forget it with itself.
            options["readConcern"] = {"level": "snapshot", "atClusterTime": at}
        try:
            return await self._orders.aggregate(pipeline, **options).to_list(None)
        except OperationFailure as failure:
            if failure.code == _SNAPSHOT_TOO_OLD:
                raise TooOld from failure
            raise

    async def count(self, match: Bson, *, at: Timestamp | None = None) -> int:
        """Return how many orders fit."""
        counted = await self.aggregate([{"$match": match}, {"$count": "n"}], at=at)
        return counted[0]["n"] if counted else 0


def moment(session: AsyncIOMotorClientSession) -> Timestamp:
    """Return the moment of the session's last write, for `aggregate`."""
    # motor's types take this property for a method.
    found: Timestamp = session.operation_time  # type: ignore[assignment] # set by the read
    return found


def bodies(found: Iterable[Bson]) -> list[bytes]:
    """Return the orders as JSON; what was found is used up."""
    return [plain_order_json(one["order"]) for one in found]
