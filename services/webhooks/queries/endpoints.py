"""The endpoints as the calls need them."""

import asyncio

from services.chassis.mongo import Collection, Database
from services.webhooks.domain.endpoint import WebhookEndpoint

FRESH = 0.25


class Endpoints:
    """All endpoints, as they were at most a quarter of a second ago; read only when asked for."""

    def __init__(self) -> None:
        self._collection: Collection | None = None
        self._known: dict[str, WebhookEndpoint] = {}
        self._deleted: set[str] = set()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def prepare(self, database: Database) -> None:
        """Open the collection and read it once."""
        self._collection = database[WebhookEndpoint.collection]
        await self._read(float("-inf"))

    def at_hand(self, id_: str) -> WebhookEndpoint | None:
        """Return the endpoint if it is known here already."""
        return self._known.get(id_)

    def is_deleted(self, id_: str) -> bool:
        """Say whether it is known that the endpoint is no more; an id never comes back."""
        return id_ in self._deleted

    async def find(self, id_: str) -> WebhookEndpoint | None:
        """Return the endpoint, None if it was deleted.

        That it is closed is never said of one that was enabled before this was asked.
        """
        if id_ in self._deleted:
            return None
        now = asyncio.get_running_loop().time()
        if now - self._read_at > FRESH:
            await self._read(now - FRESH)
        found = self._known.get(id_)
        if found is None or not found.is_open:
            await self._read(now)
            found = self._known.get(id_)
            if found is None:
                self._deleted.add(id_)
        return found

    async def _read(self, not_before: float) -> None:
        """Read all endpoints, unless somebody has done so since."""
        async with self._reading:
            if self._read_at > not_before or self._collection is None:
                return
            began = asyncio.get_running_loop().time()
            stored = await self._collection.find({}).to_list(None)
            found = (WebhookEndpoint.from_bson(one) for one in stored)
            self._known = {one.id: one for one in found if isinstance(one, WebhookEndpoint)}
            self._read_at = began
