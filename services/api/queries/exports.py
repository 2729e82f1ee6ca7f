"""Orders as they leave in documents and files: as stored, and many at a time."""

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from contracts.search import Query
from services.api.domain import Client
from services.chassis.mongo import Bson, Database

AT_A_TIME: Final = 100
"""Orders in memory at a time, however many there are."""


class Exports:
    """The collection `orders`, which the workflow service owns."""

    def __init__(self, database: Database) -> None:
        self._orders = database["orders"]

    async def order(self, id_: str, client: Client) -> Bson | None:
        """Return the order as it is stored; None if there is none in this client's scope."""
        found = await self._orders.find_one({"_id": id_}, {"order": 1})
        return found["order"] if found is not None and _sees(client, found) else None

    async def orders(self, ids: Sequence[str], client: Client) -> dict[str, Bson]:
        """Return those of these orders that are in the client's scope, as they are stored."""
        found = await self._orders.find({"_id": {"$in": list(ids)}}, {"order": 1}).to_list(None)
        return {one["_id"]: one["order"] for one in found if _sees(client, one)}

    async def are_more_than(self, count: int, query: Query) -> bool:
        """Tell whether a search finds more orders."""
        return await self._orders.count_documents(query.match, limit=count + 1) > count

    async def every(
        self, query: Query, members: Sequence[str] = ()
    ) -> AsyncGenerator[list[Bson], None]:
        """Yield all that a search finds as it is stored, the newest first, some at a time.

        Each comes once, as it is when it is read: what becomes of it meanwhile may be in it or not,
        but when it was created does not change, and so its place does not.

        :param members: which ones are needed, by their stored path; all of them if none is named
        """
        wanted = dict.fromkeys((f"order.{path}" for path in members), 1) or {"order": 1}
        newest_first = [("order.created", -1), ("_id", -1)]
        # Not every search is answered by an index in this order; sorting must not need memory.
        found = self._orders.find(query.paged, wanted, allow_disk_use=True)
        cursor = found.sort(newest_first).batch_size(AT_A_TIME)
        try:
            while batch := await cursor.to_list(AT_A_TIME):
                yield [one["order"] for one in batch]
        finally:
            await cursor.close()


def _sees(client: Client, found: Bson) -> bool:
    order = found["order"]
    return client.sees(store_id=order.get("storeId"), market_id=order.get("marketId"))
