"""Who makes which call: the documents in `<service>_calls` and their leases.

Numbers (`n`) order a lane. `owner` and `at` say who may touch a call (see `calls.py`). `answered`
names the batch that recorded an outcome while its messages are on their way to Kafka: then the
call is over, or waits until `again`.
"""

import functools
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import structlog
from pymongo import DeleteMany, UpdateMany, UpdateOne
from pymongo.errors import PyMongoError

from services.chassis.clock import Clock
from services.chassis.mongo import CODEC, Bson, Database
from services.chassis.timers import Recent

LEASE = timedelta(seconds=60)
BEHIND = timedelta(seconds=1)
CLAIM_AT_MOST = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Write = UpdateOne | UpdateMany | DeleteMany

# Left to itself MongoDB tries out the index of owners too, at every write.
_BY_ID = "_id_"

log = structlog.get_logger()


class Claims:
    """The calls of one service, seen from one process."""

    def __init__(self, database: Database, service: str, clock: Clock) -> None:
        self._calls = database[f"{service}_calls"]
        self._clock = clock
        self._correction = timedelta()
        self.owner = f"{_machine()}/{os.getpid()}/{uuid4().hex[:8]}"
        self._number = 0
        self._recent = Recent()

    async def prepare(self) -> None:
        """Create the indexes behind the lanes and the claims."""
        await self._calls.create_index([("lane", 1), ("n", 1)])
        await self._calls.create_index([("at", 1), ("target", 1), ("lane", 1)])
        await self._calls.create_index([("owner", 1), ("target", 1)])
        await self._calls.create_index("answered", sparse=True)

    async def inherit(self, now: datetime) -> None:
        """Let any process have at once what is leased to processes of this machine that are gone.

        The leases of other machines have to run out first. The owner stays, by which the next one
        sees that the call may have been made.
        """
        ours = f"{_machine()}/"
        owners = await self._calls.distinct("owner", {"owner": {"$gte": ours, "$lt": f"{ours}:"}})
        dead = [owner for owner in owners if _is_gone(int(owner.removeprefix(ours).split("/")[0]))]
        if dead:
            await self._calls.update_many({"owner": {"$in": dead}}, {"$set": {"at": now}})

    async def compare_clocks(self) -> None:
        """Find out whether our clock differs from MongoDB's; as long as it may be right it is."""
        before = self._clock.now()
        said = await self._calls.database.command("hello", codec_options=CODEC)
        after, theirs = self._clock.now(), said["localTime"]
        self._correction = min(max(self._correction, theirs - after), theirs - before)

    def next_number(self) -> int:
        """Return the next place in a lane: MongoDB's time in nanoseconds, as far as we know it.

        Numbers grow within a process, and from one process to the next whatever their clocks say:
        when a lane moves to another process, what was promised first stays first.
        """
        since = self._clock.now() + self._correction - _EPOCH
        self._number = max(self._number + 1, since // timedelta(microseconds=1) * 1000)
        return self._number

    # -- what this process has --------------------------------------------------------------------

    async def renew(self, now: datetime) -> None:
        """Keep what is leased for another while."""
        await self._calls.update_many(
            {"owner": self.owner, "answered": None}, {"$set": {"at": now + LEASE}}
        )

    async def ours(self) -> set[UUID]:
        """Return the calls that are still leased by this process, and not recorded."""
        cursor = self._calls.find({"owner": self.owner, "answered": None}, {"_id": 1})
        return {found["_id"] for found in await cursor.to_list(None)}

    async def give_back(self, ids: Sequence[UUID], at: datetime) -> None:
        """Let any process have these from `at` on."""
        if not ids:
            return
        try:
            await self._calls.update_many(
                {"_id": {"$in": list(ids)}, "owner": self.owner},
                {"$set": {"at": at, "owner": None}},
            )
        except PyMongoError as error:
            # Their leases run out by themselves; they are late, not lost.
            log.warning("calls.not_given_back", error=type(error).__name__, calls=len(ids))

    async def give_all_back(self, now: datetime) -> None:
        """Let any process have whatever this one has leased, and may have begun."""
        try:
            await self._calls.update_many(
                {"owner": self.owner, "answered": None}, {"$set": {"at": now}}
            )
        except PyMongoError as error:
            log.warning("calls.not_given_back", error=type(error).__name__)

    async def wake(self, target: str, now: datetime) -> None:
        """Bring forward what waits for its next attempt at a target."""
        try:
            await self._calls.update_many(
                {"target": target, "owner": None, "answered": None}, {"$set": {"at": now}}
            )
        except PyMongoError as error:
            # They come when they are due.
            log.warning("calls.not_woken", error=type(error).__name__, target=target)

    async def behind(
        self, first: Mapping[str, int], is_held: Callable[[str, int], bool]
    ) -> set[str]:
        """Return the lanes that have a call before their number here which we do not hold."""
        try:
            # All members of the answer are in the index, so no document is read.
            cursor = self._calls.find(
                {"lane": {"$in": list(first)}, "n": {"$lt": max(first.values())}},
                {"_id": 0, "lane": 1, "n": 1},
            )
            earlier = await cursor.to_list(None)
        except PyMongoError as error:
            log.warning("calls.lanes_unknown", error=type(error).__name__)
            return set(first)
        return {
            found["lane"]
            for found in earlier
            if found["n"] < first[found["lane"]] and not is_held(found["lane"], found["n"])
        }

    # -- what an outcome does ---------------------------------------------------------------------

    def over(
        self, ids: Sequence[UUID], attempt: int, *, answering: UUID | None, now: datetime
    ) -> Write:
        """Return the write that ends those calls that are still ours and have had this attempt."""
        mine = self._mine({"$in": list(ids)}, attempt)
        if answering is None:
            return DeleteMany(mine, hint=_BY_ID)
        change = {"$set": {"answered": answering, "at": now + LEASE}}
        return UpdateMany(mine, change, hint=_BY_ID)

    def again(  # noqa: PLR0913 - what there is to say
        self,
        id_: UUID,
        attempt: int,
        at: datetime,
        *,
        counted: bool,
        answering: UUID | None,
        now: datetime,
    ) -> Write:
        """Return the write after which a call waits for its next attempt."""
        change: Bson = {"$inc": {"attempt": int(counted)}}
        if answering is None:
            change["$set"] = {"at": at, "owner": None}
        else:
            change["$set"] = {"answered": answering, "again": at, "at": now + LEASE}
        return UpdateOne(self._mine(id_, attempt), change, hint=_BY_ID)

    def _mine(self, id_: UUID | Bson, attempt: int) -> Bson:
        return {"_id": id_, "owner": self.owner, "attempt": attempt - 1, "answered": None}

    async def sent(self, batches: Iterable[UUID]) -> None:
        """Finish the calls whose outcome has left for Kafka."""
        answered = {"answered": {"$in": list(batches)}}
        await self._calls.delete_many({**answered, "again": None})
        await self._calls.update_many(
            answered,
            [{"$set": {"at": "$again", "owner": None}}, {"$unset": ["answered", "again"]}],
        )

    # -- claims -----------------------------------------------------------------------------------

    async def due_lanes(self, now: datetime, full: Sequence[str]) -> list[str]:
        """Return the lanes of what has been due longest, without the targets that are full."""
        due = {
            "at": self._recent.due(now),
            **({"target": {"$nin": list(full)}} if full else {}),
        }
        oldest = self._calls.find(due, {"_id": 0, "lane": 1}).sort("at", 1)
        found = await oldest.limit(2 * CLAIM_AT_MOST).to_list(None)
        if not found and not full:
            self._recent.nothing_left(now)
        return list(dict.fromkeys(one["lane"] for one in found))

    async def open_lanes(
        self, lanes: Sequence[str], now: datetime, is_held: Callable[[str], bool]
    ) -> tuple[list[str], int]:
        """Return the lanes whose first call is due; move the others out of the way of the claims.

        What stands behind a call that waits for its next attempt waits with it; what stands behind
        one that somebody is making now is looked at again in a second. Says how many were moved.
        """
        cursor = self._calls.aggregate(
            [
                {"$match": {"lane": {"$in": list(lanes)}}},
                {"$sort": {"lane": 1, "n": 1}},
                {"$group": {"_id": "$lane", "at": {"$first": "$at"}, "by": {"$first": "$owner"}}},
            ]
        )
        later: dict[datetime, list[str]] = {}
        for head in await cursor.to_list(None):
            if is_held(head["_id"]) or (head["by"] is not None and head["at"] > now):
                later.setdefault(now + BEHIND, []).append(head["_id"])
            elif head["at"] > now:
                later.setdefault(head["at"], []).append(head["_id"])
        if not later:
            return list(lanes), 0
        result = await self._calls.bulk_write(
            [
                UpdateMany(
                    {"lane": {"$in": names}, "at": {"$lte": now}, "owner": {"$ne": self.owner}},
                    {"$set": {"at": at, "owner": None}},
                )
                for at, names in later.items()
            ],
            ordered=False,
        )
        closed = {name for names in later.values() for name in names}
        return [lane for lane in lanes if lane not in closed], result.modified_count

    async def turns(
        self, lanes: Sequence[str], now: datetime, room: Callable[[str], int]
    ) -> list[Bson]:
        """Return what is due at the head of these lanes, without gaps, as far as there is room."""
        turns: list[Bson] = []
        closed: set[str] = set()
        more: Counter[str] = Counter()
        cursor = self._calls.find(
            {"lane": {"$in": list(lanes)}}, {"lane": 1, "n": 1, "at": 1, "target": 1, "owner": 1}
        ).sort([("lane", 1), ("n", 1)])
        for found in await cursor.limit(4 * CLAIM_AT_MOST).to_list(None):
            if found["lane"] in closed:
                continue
            if found["at"] > now or more[found["target"]] >= room(found["target"]):
                closed.add(found["lane"])
                continue
            more[found["target"]] += 1
            turns.append(found)
            if len(turns) >= CLAIM_AT_MOST:
                break
        return turns

    async def lease(self, turns: Sequence[Bson], now: datetime) -> dict[UUID, Bson]:
        """Lease these calls; return those that no other process was quicker to lease."""
        until = now + LEASE
        ids = [found["_id"] for found in turns]
        await self._calls.update_many(
            {"_id": {"$in": ids}, "at": {"$lte": now}},
            {"$set": {"at": until, "owner": self.owner}},
        )
        cursor = self._calls.find({"_id": {"$in": ids}, "owner": self.owner, "at": until})
        return {found["_id"]: found for found in await cursor.to_list(None)}


@functools.cache
def _machine() -> str:
    """Return what only processes share that see each other's ids."""
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    if not boot.exists() or not namespace.exists():
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot.read_text().strip()}/{namespace.stat().st_ino}"


def _is_gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # it is somebody else's, and lives
    return False
