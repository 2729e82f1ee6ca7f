"""API clients: who they are, and whether a secret is theirs."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from services.api.domain import OWNER, Client, client
from services.chassis.mongo import Bson, Database

# OWASP's least for argon2id: 20 ms and 19 MiB a try, and two tries at a time.
_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_AT_A_TIME: Final = 2


class Clients:
    """The collection `api_clients`, and the slow work of hashing secrets."""

    def __init__(self, database: Database) -> None:
        self._clients = database["api_clients"]
        self._threads = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="argon2")
        # What a wrong secret is compared with when there is no such client: the same work, so
        # neither the answer nor its time tells which of the two it was.
        self._nobody = _hasher.hash("nobody")

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False)

    async def find(self, id_: str) -> Client | None:
        """Return the client as it stands now; None if there is none, or it is deactivated."""
        found = await self._clients.find_one({"_id": id_}, {"secretHash": 0})
        return _client(found)

    async def with_secret(self, id_: str, secret: str) -> Client | None:
        """Return the active client whose secret this is, taking as long if there is none."""
        found = await self._clients.find_one({"_id": id_})
        stored = found["secretHash"] if found is not None else self._nobody
        fits = await self._in_thread(stored, secret)
        return _client(found) if fits else None

    async def keep_owner(self, id_: str, secret: str, *, now: datetime) -> None:
        """Make this client an active ApiOwner with this secret, if it is not one already.

        A new secret ends the tokens of the old one.
        """
        found = await self._clients.find_one({"_id": id_})
        if found is not None:
            same = await self._in_thread(found["secretHash"], secret)
            if same and found["isActive"] and OWNER in found["roles"]:
                return
        loop = asyncio.get_running_loop()
        hashed = await loop.run_in_executor(self._threads, _hasher.hash, secret)
        await self._clients.update_one(
            {"_id": id_},
            {
                "$set": {"secretHash": hashed, "isActive": True, "modified": now},
                "$addToSet": {"roles": OWNER},
                "$inc": {"generation": 1},
                "$setOnInsert": {"name": "Owner", "stores": [], "markets": [], "created": now},
            },
            upsert=True,
        )

    async def _in_thread(self, stored: str, secret: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _fits, stored, secret)


def _fits(stored: str, secret: str) -> bool:
    try:
        return _hasher.verify(stored, secret)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _client(found: Bson | None) -> Client | None:
    if found is None or not found.get("isActive"):
        return None
    return client(
        found["_id"],
        roles=found.get("roles", ()),
        stores=found.get("stores", ()),
        markets=found.get("markets", ()),
        generation=found.get("generation", 1),
    )
