"""API clients: who they are, and whether a secret is theirs."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from contracts.model import Model
from services.api.domain import OWNER, Client, client
from services.chassis.mongo import Bson, Database, InTransaction, Session, transact_once

# OWASP's least for argon2id: 20 ms and 19 MiB a try, and two tries at a time.
_hasher: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_AT_A_TIME: Final = 2


class ApiClient(Model):
    """A client of the API: what it may do, and in which stores and markets."""

    client_id: str
    name: str
    roles: list[str]
    stores: list[str]
    markets: list[str]
    is_active: bool
    created: datetime
    modified: datetime


class ClientWithSecret(ApiClient):
    """A client and its secret, which no other answer shows."""

    client_secret: str


class ApiClientPage(Model):
    """Some clients, the oldest first."""

    items: list[ApiClient]
    total_count: int
    page: int
    page_size: int


class TakenId(Exception):
    """Another client has this id."""


class LastOwner(Exception):
    """Without this client there would be no active ApiOwner."""


Change = Callable[[ApiClient], ApiClient | None]
"""What becomes of a client; None removes it. May be asked more than once, in any thread."""


class Clients:
    """The collection `api_clients`, and the slow work of hashing secrets."""

    def __init__(self, database: Database) -> None:
        self._database = database
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
        fits = await self._fits(stored, secret)
        return _client(found) if fits else None

    # -- managing them -----------------------------------------------------------------------------

    async def page(self, *, page: int, page_size: int) -> ApiClientPage:
        """Return the clients, the oldest first."""
        cursor = self._clients.find({}, {"secretHash": 0}).sort([("created", 1), ("_id", 1)])
        found = await cursor.skip((page - 1) * page_size).limit(page_size).to_list(None)
        return ApiClientPage(
            items=[_shown(one) for one in found],
            total_count=await self._clients.count_documents({}),
            page=page,
            page_size=page_size,
        )

    async def get(self, id_: str) -> ApiClient | None:
        """Return one client, whether it is active or not."""
        found = await self._clients.find_one({"_id": id_}, {"secretHash": 0})
        return None if found is None else _shown(found)

    async def add(self, new: ApiClient, secret: str, *, request: UUID | None) -> ApiClient | None:
        """Store a new client; return the one that this very request has made before, if it has.

        :param request: what the request is known by when it comes again; None if it will not
        :raises TakenId: if there is another one with this id
        """
        stored = {
            "_id": new.client_id,
            "secretHash": await self._hashed(secret),
            "generation": _first_generation(),
            "created": new.created,
            "request": request,
            **_changeable(new),
        }
        try:
            await self._clients.insert_one(stored)
        except DuplicateKeyError as error:
            its = {"_id": new.client_id, "request": request}
            found = None if request is None else await self._clients.find_one(its)
            if found is None:
                raise TakenId from error
            return _shown(found)
        return None

    async def change(
        self,
        id_: str,
        change: Change,
        *,
        secret: str | None = None,
        request: UUID | None,
        now: datetime,
    ) -> tuple[ApiClient, bool] | None:
        """Make of the client what `change` says; None if there is no such client.

        A new secret ends the old one and its tokens. Whatever `change` raises, nothing is changed.
        What this very request has done before is not done again: others may have changed the client
        since. So the second of what is returned says whether it was done before, the first what was
        made of the client then or now, or what it was until it was removed.

        :param request: what the request is known by when it comes again; None if it will not
        :raises LastOwner: if no active ApiOwner would be left
        """
        hashed = None if secret is None else await self._hashed(secret)

        def work(database: InTransaction, session: Session) -> Bson | None:
            clients = database["api_clients"]
            found = clients.find_one({"_id": id_}, session=session)
            if found is None:
                return None
            before = _shown(found)
            after = change(before)
            if _is_owner(before) and not (after and _is_owner(after)):
                _keep_another_owner(clients, id_, session)
            if after is None:
                clients.delete_one({"_id": id_}, session=session)
                return _public(before)
            update: Bson = {"$set": _changeable(after)}
            if hashed is not None:
                update["$set"]["secretHash"] = hashed
                update["$inc"] = {"generation": 1}
            clients.update_one({"_id": id_}, update, session=session)
            return _public(after)

        made, is_earlier = await transact_once(self._database, work, request=request, at=now)
        return None if made is None else (_shown(made), is_earlier)

    async def keep_owner(self, id_: str, secret: str, *, now: datetime) -> None:
        """Make this client an active ApiOwner with this secret, which the environment says.

        It counts once: what is changed over HTTP afterwards stays, so that a restart does not
        bring back a secret that was rotated. A new secret ends the tokens of the old one.
        """
        found = await self._clients.find_one({"_id": id_}) or {}
        if "ownerHash" in found and await self._fits(found["ownerHash"], secret):
            return
        if found and await self._fits(found["secretHash"], secret) and _is_owner(_shown(found)):
            said = {"$set": {"ownerHash": found["secretHash"]}}
            await self._clients.update_one({"_id": id_, "secretHash": found["secretHash"]}, said)
            return
        hashed = await self._hashed(secret)
        await self._clients.update_one(
            {"_id": id_},
            {
                "$set": {
                    "secretHash": hashed,
                    "ownerHash": hashed,
                    "generation": _first_generation(),
                    "isActive": True,
                    "modified": now,
                },
                "$addToSet": {"roles": OWNER},
                "$setOnInsert": {"name": "Owner", "stores": [], "markets": [], "created": now},
            },
            upsert=True,
        )

    # -- secrets -----------------------------------------------------------------------------------

    async def _fits(self, stored: str, secret: str) -> bool:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _verified, stored, secret)

    async def _hashed(self, secret: str) -> str:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _hasher.hash, secret)


def _first_generation() -> int:
    """Return where the generations of a client's secrets begin.

    A client may have the id of one that was removed, whose tokens are not its own.
    """
    return secrets.randbits(48)


def _verified(stored: str, secret: str) -> bool:
    try:
        return _hasher.verify(stored, secret)
    except (VerifyMismatchError, InvalidHashError):
        return False


def _keep_another_owner(clients: Collection[Bson], id_: str, session: Session) -> None:
    """Make sure that somebody else is an active ApiOwner, and stays it until the commit.

    Two owners who remove each other at once write to each other's documents by this, so one of
    the two transactions has to begin anew, and then finds nobody.
    """
    others = clients.update_many(
        {"_id": {"$ne": id_}, "roles": OWNER, "isActive": True},
        {"$inc": {"ownersGone": 1}},
        session=session,
    )
    if not others.matched_count:
        raise LastOwner


def _is_owner(one: ApiClient) -> bool:
    return one.is_active and OWNER in one.roles


def _changeable(one: ApiClient) -> Bson:
    return {
        "name": one.name,
        "roles": one.roles,
        "stores": one.stores,
        "markets": one.markets,
        "isActive": one.is_active,
        "modified": one.modified,
    }


def _public(one: ApiClient) -> Bson:
    return {"_id": one.client_id, "created": one.created, **_changeable(one)}


def _shown(found: Bson) -> ApiClient:
    return ApiClient(
        client_id=found["_id"],
        name=found.get("name", found["_id"]),
        roles=found.get("roles", []),
        stores=found.get("stores", []),
        markets=found.get("markets", []),
        is_active=bool(found.get("isActive")),
        created=found["created"],
        modified=found.get("modified", found["created"]),
    )


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
