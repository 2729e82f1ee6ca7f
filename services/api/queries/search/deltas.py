"""Reads of what changed since a time, made so that none misses a change.

Why reads are announced, and why further pages are those of the moment of the first:
services/decisions/0008-deltas-miss-nothing.md.
"""

import asyncio
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from bson import Timestamp
from pymongo import UpdateOne

from contracts.order_search import OrderFilter
from services.api.domain import Client
from services.api.queries.search.reading import moment
from services.chassis.mongo import Bson, Database

COLLECTION: Final = "delta_reads"
LEASE: Final = timedelta(milliseconds=100)
"""For how long ahead reads are announced: those of a process within it share one write."""
KEPT: Final = timedelta(days=1)
"""How soon, at the latest, a batch whose process died is handled again."""


@dataclass(frozen=True, slots=True)
class Delta:
    """A read of changes of which there are several pages: up to which time, as of which moment."""

    until: datetime
    at: Timestamp


class Deltas:
    """The collection `delta_reads`: up to which time each process, and each page, reads changes."""

    def __init__(self, database: Database) -> None:
        self._client = database.client
        self._reads = database[COLLECTION]
        self._process = secrets.token_bytes(16)
        self._announced = datetime.min.replace(tzinfo=UTC)
        self._announcing = asyncio.Lock()

    async def prepare(self) -> None:
        """Create the index by which writers find the latest read, and by which reads expire."""
        await self._reads.create_index("read", expireAfterSeconds=int(KEPT.total_seconds()))

    async def announce(self, until: datetime) -> None:
        """Return when it is announced, for good, that all that changed up to a time may be read.

        Whoever commits a change after that finds the announcement when they have committed.
        """
        async with self._announcing:
            if until <= self._announced:
                return
            ahead = until + LEASE
            await self._reads.update_one(
                {"_id": self._process}, {"$max": {"read": ahead}}, upsert=True
            )
            self._announced = ahead

    async def keep(
        self, search: OrderFilter, client: Client, reader: bytes, *, until: datetime
    ) -> Delta:
        """Return a read as of this moment, and remember it for its further pages."""
        ids = _ids(search, client, reader)
        async with await self._client.start_session() as session:
            await self._reads.find_one({"_id": ids[0]}, session=session)
            delta = Delta(until, moment(session))
        kept = {"$set": {"read": delta.until, "at": delta.at}}
        await self._reads.bulk_write(
            [UpdateOne({"_id": id_}, kept, upsert=True) for id_ in ids], ordered=False
        )
        return delta

    async def resume(self, search: OrderFilter, client: Client, reader: bytes) -> Delta | None:
        """Return the read whose first page was answered; None if there is none that fits.

        That is the reader's own, or else the last one of the client: its token may be a new one.
        """
        ids = _ids(search, client, reader)
        kept = await self._reads.find({"_id": {"$in": ids}}).to_list(None)
        found: Bson | None = min(kept, key=lambda one: ids.index(one["_id"]), default=None)
        return None if found is None else Delta(found["read"], found["at"])


def _ids(search: OrderFilter, client: Client, reader: bytes) -> list[bytes]:
    """Return what is the same for all pages of a search: that the reader asks for, or the client.

    Facets are often wanted of one page alone.
    """
    asked = search.model_dump_json(exclude_none=True, exclude={"page", "disable_facets"})
    ours = f"{client.id}\n{asked}\n".encode()
    return [blake2b(ours + one, digest_size=16).digest() for one in (reader, b"")]
