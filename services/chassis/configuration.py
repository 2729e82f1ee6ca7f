"""The settings in force, noticed within a second of their change."""

import asyncio

import structlog
from pydantic import ValidationError
from pymongo.errors import PyMongoError

from contracts.settings import DEFAULT, Configuration
from services.chassis.mongo import Database

DOCUMENT = "configuration"
POLL = 0.8

log = structlog.get_logger()


class Watched:
    """Holds the newest configuration that the `settings` collection has."""

    def __init__(self, database: Database) -> None:
        self._collection = database["settings"]
        self._task: asyncio.Task[None] | None = None
        self.current: Configuration = DEFAULT

    async def start(self) -> None:
        """Read once, then watch."""
        await self.refresh()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def refresh(self) -> None:
        """Take over a newer version if there is one."""
        head = await self._collection.find_one({"_id": DOCUMENT}, {"version": 1})
        if head is None or head["version"] == self.current.version:
            return
        found = await self._collection.find_one({"_id": DOCUMENT})
        if found is not None:
            try:
                self.current = Configuration.model_validate_json(found["json"])
            except ValidationError as error:
                # What was stored was valid once; keep what works and say so.
                log.error("configuration.unreadable", faults=error.error_count())  # noqa: TRY400
            else:
                log.info("configuration.changed", version=self.current.version)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            try:
                await self.refresh()
            except PyMongoError as error:
                log.warning("configuration.unknown", error=type(error).__name__)
