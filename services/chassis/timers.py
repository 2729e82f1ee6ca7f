"""Delayed messages: kept in `timers`, sent when due by whichever process holds the lease.

There is no other clockwork: deadlines, step time-outs and clean-up are all delayed messages. A
message may be sent twice when its sender dies between sending and deleting; its id tells.
"""

import asyncio
import os
import socket
from datetime import datetime, timedelta
from uuid import uuid4

import structlog
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.chassis import inbox, metrics
from services.chassis.clock import Clock
from services.chassis.kafka import Producer
from services.chassis.mongo import Database

LEASE = timedelta(seconds=6)
RENEW = 2.0
POLL = 0.5
FOLLOW = 4.0
AT_ONCE = 500
LATE = timedelta(seconds=10)
THOROUGH = timedelta(minutes=1)

log = structlog.get_logger()


class Recent:
    """From when on a look at what is due has to look.

    What was deleted stays in MongoDB's indexes for as long as a scroll may read the past, a quarter
    of an hour: whoever begins at the first entry walks over all of it, twice a second. So a look
    begins a little before the last one that left nothing; once a minute, and at first, one looks
    at everything, for what was written late or by a clock that runs behind.
    """

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._all_at: datetime | None = None

    def due(self, now: datetime) -> dict[str, datetime]:
        """Return the condition for the time of what is due."""
        if self._all_at is None or now >= self._all_at:
            self._since, self._all_at = None, now + THOROUGH
        return {"$lte": now} if self._since is None else {"$gte": self._since, "$lte": now}

    def nothing_left(self, now: datetime) -> None:
        """Note that all that was due by now is done."""
        self._since = now - LATE


class Timers:
    """Sends what is due, if this process is the one that does."""

    def __init__(self, database: Database, producer: Producer, clock: Clock) -> None:
        self._timers = database["timers"]
        self._leases = database["leases"]
        self._producer = producer
        self._clock = clock
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._recent = Recent()
        self._task: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Create the index by which due messages are found."""
        await self._timers.create_index([("at", 1)])

    def start(self) -> None:
        """Begin to compete for the lease."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop, and let another process take over at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            try:
                await self._leases.delete_one({"_id": "timers", "owner": self._owner})
            except PyMongoError as error:
                # The lease runs out by itself.
                log.warning("timers.lease_left", error=type(error).__name__)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        leading_until = 0.0
        while True:
            try:
                if loop.time() >= leading_until - LEASE.total_seconds() + RENEW:
                    leading_until = (
                        loop.time() + LEASE.total_seconds() if await self._lead() else 0.0
                    )
                if leading_until > loop.time():
                    while await self.send_due() == AT_ONCE:
                        continue
                else:
                    self._recent = Recent()
            except PyMongoError as error:
                log.warning("timers.waiting", error=type(error).__name__)
            except Exception:  # the deadlines of all others must not stop for one message
                log.exception("timers.broke")
                await asyncio.sleep(RENEW)
            await asyncio.sleep(POLL if leading_until else FOLLOW)

    async def _lead(self) -> bool:
        """Take or keep the lease, whose time is MongoDB's: clocks of processes may differ."""
        free = {
            "$or": [
                {"$eq": ["$owner", self._owner]},
                {"$lte": [{"$ifNull": ["$until", "$$NOW"]}, "$$NOW"]},
            ]
        }
        until = {"$add": ["$$NOW", LEASE // timedelta(milliseconds=1)]}
        taken = {
            "owner": {"$cond": [free, self._owner, "$owner"]},
            "until": {"$cond": [free, until, "$until"]},
        }
        try:
            found = await self._leases.find_one_and_update(
                {"_id": "timers"},
                [{"$set": taken}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        except DuplicateKeyError:
            return False
        return bool(found and found["owner"] == self._owner)

    async def send_due(self) -> int:
        """Send up to 500 messages whose time has come, the oldest first; return how many."""
        now = self._clock.now()
        cursor = self._timers.find({"at": self._recent.due(now)}).sort("at", 1)
        due = await cursor.limit(AT_ONCE).to_list(None)
        if due:
            await self._producer.send([inbox.from_bytes(found["m"]) for found in due])
            await self._timers.delete_many({"_id": {"$in": [found["_id"] for found in due]}})
            metrics.timers_sent.inc(len(due))
        if len(due) < AT_ONCE:
            self._recent.nothing_left(now)
        return len(due)
