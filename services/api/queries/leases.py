"""Which process reads which partition of `replies`."""

import os
import random
import secrets
import socket
from typing import Final

from pymongo.errors import DuplicateKeyError

from services.chassis.kafka import REPLY_PARTITIONS
from services.chassis.mongo import Bson, Database

LEASE_SECONDS: Final = 20
RENEW_SECONDS: Final = 5

# MongoDB's own clock, so that processes whose clocks differ agree on when a lease has run out.
_UNTIL: Final[Bson] = {"$add": ["$$NOW", LEASE_SECONDS * 1000]}


class Leases:
    """One process of the api and the partition it holds; two processes never hold the same."""

    def __init__(self, database: Database) -> None:
        self._leases = database["leases"]
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"

    async def take(self) -> int:
        """Return a partition that is ours from now on.

        :raises LookupError: if all are leased by others
        """
        for partition in random.sample(range(REPLY_PARTITIONS), REPLY_PARTITIONS):
            if await self._took(partition):
                return partition
        raise LookupError(f"all {REPLY_PARTITIONS} reply partitions are leased")

    async def _took(self, partition: int) -> bool:
        ours = [{"$set": {"owner": self._owner, "until": _UNTIL}}]
        try:
            await self._leases.update_one(
                {"_id": _key(partition), "until": {"$exists": False}}, ours, upsert=True
            )
        except DuplicateKeyError:
            expired = {"_id": _key(partition), "$expr": {"$lt": ["$until", "$$NOW"]}}
            result = await self._leases.update_one(expired, ours)
            return bool(result.matched_count)
        return True

    async def renew(self, partition: int) -> bool:
        """Keep the partition; says whether it was still ours."""
        result = await self._leases.update_one(
            {"_id": _key(partition), "owner": self._owner}, [{"$set": {"until": _UNTIL}}]
        )
        return bool(result.matched_count)

    async def release(self, partition: int) -> None:
        """Let another process have it at once."""
        await self._leases.delete_one({"_id": _key(partition), "owner": self._owner})


def _key(partition: int) -> str:
    return f"replies/{partition}"
