"""Requests that must be remembered: Idempotency-Keys, and operations that were answered 202."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import zstandard

from contracts.problems import Problem
from services.api.domain import Batch, Command, Origin, Result
from services.api.queries.inserts import Inserts
from services.chassis.mongo import Bson, Database, prepare_effects

KEPT: Final = timedelta(days=7)
"""As long as the inbox marks by which a repeat is recognised (decided 10.1)."""

_compressor = zstandard.ZstdCompressor(level=1)
_decompressor = zstandard.ZstdDecompressor()


@dataclass(frozen=True, slots=True)
class Kept:
    """What a request was answered that no command carried out, as a repeat gets it."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A key and the command it stands for.

    `result` is what that was answered, where it was kept, and `answer` the same of a request that
    no command carried out.
    """

    command: UUID
    fingerprint: bytes
    is_new: bool
    result: Result | None = None
    answer: Kept | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """A command whose answer was promised at `/api/Operations/{id}`; or a batch of them."""

    id: UUID
    client: str
    service: str
    order_id: str | None
    created: datetime
    batch: Batch | None = None


class Requests:
    """The api's memory of requests."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = database["idempotency_keys"]
        self._operations = database["operations"]
        self._new_keys = Inserts(self._keys)
        self._new_operations = Inserts(self._operations)

    async def prepare(self) -> None:
        """Create the indexes by which they expire."""
        for collection in (self._keys, self._operations):
            await collection.create_index("at", expireAfterSeconds=int(KEPT.total_seconds()))
        await prepare_effects(self._database, kept=KEPT)

    async def claim(self, origin: Origin, *, now: datetime) -> Claim:
        """Tie the origin's key to its command, or return what it is tied to already."""
        document = {
            **_key(origin),
            "command": origin.command,
            "fingerprint": origin.fingerprint,
            "at": now,
        }
        if await self._new_keys.insert(document):
            return Claim(origin.command, origin.fingerprint, is_new=True)
        found = await self._keys.find_one(_key(origin))
        if found is None:  # it expired this very moment
            return await self.claim(origin, now=now)
        result = _result(found["result"]) if "result" in found else None
        answer = _answer(found["answer"]) if "answer" in found else None
        command, fingerprint = found["command"], found["fingerprint"]
        return Claim(command, fingerprint, is_new=False, result=result, answer=answer)

    async def keep(self, origin: Origin, result: Result) -> None:
        """Keep what was answered to the request with this key."""
        kept: Bson = {"status": result.status, "order": result.order_id, "version": result.version}
        if result.shape is not None:
            kept["shape"] = result.shape
        if result.body is not None:
            kept["body"] = _compressor.compress(result.body)
        if result.problem is not None:
            kept["problem"] = result.problem.model_dump_json(exclude_none=True)
        await self._keys.update_one(_key(origin), {"$set": {"result": kept}})

    async def keep_answer(self, origin: Origin, answer: Kept) -> None:
        """Keep what was answered to the request with this key, which no command carried out."""
        kept: Bson = {"status": answer.status, "headers": [list(one) for one in answer.headers]}
        if answer.problem is not None:
            kept["problem"] = answer.problem.model_dump_json(exclude_none=True)
        else:
            kept["body"] = _compressor.compress(answer.body)
        await self._keys.update_one(_key(origin), {"$set": {"answer": kept}})

    async def take_over(self, origin: Origin, *, now: datetime, before: datetime) -> bool:
        """Let this request have the key if nobody was answered since that time."""
        abandoned = {**_key(origin), "answer": None, "at": {"$lt": before}}
        taken = await self._keys.update_one(abandoned, {"$set": {"at": now}})
        return bool(taken.modified_count)

    async def abandon(self, origin: Origin, *, since: datetime) -> None:
        """Let a repeat take the key over: perhaps something was done, and nobody was answered."""
        await self._keys.update_one({**_key(origin), "answer": None}, {"$set": {"at": since}})

    async def let_go(self, origin: Origin) -> None:
        """Forget the key: nothing was done."""
        await self._keys.delete_one(_key(origin))

    async def promise(
        self, command_id: UUID, command: Command | Batch, *, client: str, now: datetime
    ) -> None:
        """Remember that the answer to this was promised; harmless if it was already."""
        promised: Bson = {
            "_id": command_id,
            "client": client,
            "service": command.service,
            "at": now,
        }
        if isinstance(command, Batch):
            promised["places"] = [list(places) for places in command.places]
            promised["summary"] = command.summary
        else:
            promised["orderId"] = command.order_id
        await self._new_operations.insert(promised)

    async def withdraw(self, command_id: UUID) -> None:
        """Forget a promise: the command was not published."""
        await self._operations.delete_one({"_id": command_id})

    async def operation(self, id_: UUID) -> Operation | None:
        """Return the operation with this id."""
        found = await self._operations.find_one({"_id": id_})
        if found is None:
            return None
        batch = None
        if "places" in found:
            batch = Batch(found["service"], found["places"], found["summary"])
        order_id = found.get("orderId")
        return Operation(id_, found["client"], found["service"], order_id, found["at"], batch)


def _key(origin: Origin) -> Bson:
    return {"_id": {"c": origin.client, "k": origin.key}}


def _answer(kept: Bson) -> Kept:
    problem = Problem.model_validate_json(kept["problem"]) if "problem" in kept else None
    body = b"" if problem is not None else _decompressor.decompress(kept["body"])
    return Kept(kept["status"], body, [(name, text) for name, text in kept["headers"]], problem)


def _result(kept: Bson) -> Result:
    return Result(
        status=kept["status"],
        body=_decompressor.decompress(kept["body"]) if "body" in kept else None,
        problem=Problem.model_validate_json(kept["problem"]) if "problem" in kept else None,
        order_id=kept["order"],
        version=kept["version"],
        shape=kept.get("shape"),
    )
