"""Reads of what changed since a time, made so that none misses a change.

Why a read announces itself, and why its further pages are those of the moment of its first:
services/decisions/0008-deltas-miss-nothing.md.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Final

from bson import Timestamp

from contracts.order_search import OrderFilter
from services.api.domain import Client
from services.api.queries.search.reading import moment
from services.chassis.mongo import Bson, Database

COLLECTION: Final = "delta_reads"
KEPT: Final = timedelta(days=1)
"""How soon, at the latest, a batch whose process died is handled again."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A read of changes: up to which time, and what the orders are taken to be.

    :param at: None takes them as they are
    """

    id: bytes
    until: datetime
    at: Timestamp | None


class Deltas:
    """The collection `delta_reads`: who has read changes, and up to which time."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._reads = database[COLLECTION]

    async def prepare(self) -> None:
        """Create the index by which writers find the latest read, and by which reads expire."""
        await self._reads.create_index("read", expireAfterSeconds=int(KEPT.total_seconds()))

    async def begin(self, search: OrderFilter, client: Client, *, now: datetime) -> Delta:
        """Announce a read of all that changed up to now, and return it."""
        id_ = _id(search, client)
        async with await self._client.start_session() as session:
            await self._reads.update_one(
                {"_id": id_},
                {"$max": {"read": now}, "$unset": {"at": ""}},
                upsert=True,
                session=session,
            )
            # Whoever commits after this moment finds the announcement when it has committed.
            return Delta(id_, now, moment(session))

    async def keep(self, delta: Delta) -> None:
        """Remember the moment of the first page for those that follow."""
        await self._reads.update_one(
            {"_id": delta.id}, {"$set": {"at": delta.at, "until": delta.until}}
        )

    async def resume(self, search: OrderFilter, client: Client) -> Delta | None:
        """Return the read whose first page was answered; None if there is none that fits."""
        id_ = _id(search, client)
        found: Bson | None = await self._reads.find_one({"_id": id_, "at": {"$exists": True}})
        return None if found is None else Delta(id_, found["until"], found["at"])


def _id(search: OrderFilter, client: Client) -> bytes:
    """Return what is the same for all pages of a search; facets are often wanted of one alone."""
    asked = search.model_dump_json(exclude_none=True, exclude={"page", "disable_facets"})
    return blake2b(f"{client.id}\n{asked}".encode(), digest_size=16).digest()
