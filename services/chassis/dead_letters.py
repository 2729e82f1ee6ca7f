"""What could not be handled, kept with its raw bytes, readable and redrivable.

One document a dead letter in `dead_letters`, written together with the inbox mark; the same record
also goes to the topic `<service>.dead`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from contracts.message import Envelope, Headers
from services.chassis.kafka import Producer
from services.chassis.mongo import Bson, Database

COLLECTION = "dead_letters"
_NAMESPACE = UUID("5b0f9a6e-4f0a-5f52-9b0e-6d2b6c1d7a11")


def id_of(topic: str, partition: int, offset: int) -> UUID:
    """Return the id of the dead letter that a record becomes: the same at every reading."""
    return uuid5(_NAMESPACE, f"{topic}/{partition}/{offset}")


def document(  # noqa: PLR0913 - a dead letter has this many facts
    *,
    service: str,
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    headers: Headers,
    data: bytes,
    reason: str,
    attempts: int,
    at: datetime,
) -> Bson:
    """Return the stored form of a dead letter."""
    names = {name: value.decode("utf-8", "replace") for name, value in headers}
    return {
        "_id": str(id_of(topic, partition, offset)),
        "service": service,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "key": key,
        "orderId": names.get("ce_subject"),
        "type": names.get("ce_type"),
        "reason": reason,
        "attempts": attempts,
        "at": at,
        "redrives": 0,
        "headers": [[name, value] for name, value in headers],
        "data": data,
    }


class DeadLetters:
    """Reads and redrives the dead letters of all services."""

    def __init__(self, database: Database, producer: Producer, topic_prefix: str) -> None:
        self._collection = database[COLLECTION]
        self._producer = producer
        self._prefix = topic_prefix

    async def prepare(self) -> None:
        """Create the index behind the list."""
        await self._collection.create_index([("at", -1)])

    async def page(self, *, page: int, page_size: int) -> tuple[list[Bson], int]:
        """Return one page, the newest first, without the payloads, and how many there are."""
        cursor = (
            self._collection.find({}, {"data": 0, "headers": 0, "key": 0})
            .sort([("at", -1), ("_id", 1)])
            .skip((page - 1) * page_size)
            .limit(page_size)
        )
        return await cursor.to_list(None), await self._collection.count_documents({})

    async def get(self, id_: str) -> Bson | None:
        """Return one dead letter whole, or None."""
        found: Bson | None = await self._collection.find_one({"_id": id_})
        return found

    async def discard(self, id_: str) -> bool:
        """Remove one for good; says whether it was there."""
        result = await self._collection.delete_one({"_id": id_})
        return bool(result.deleted_count)

    async def redrive(self, id_: str, *, now: datetime) -> bool:
        """Put the message back at the end of its order's line; says whether it was there.

        It travels under a new id derived from its own, because the old one is marked as handled.
        """
        found = await self.get(id_)
        if found is None:
            return False
        await self._producer.send([_revived(found, self._prefix, now)])
        await self._collection.delete_one({"_id": id_})
        return True


def _revived(found: Bson, prefix: str, now: datetime) -> Envelope:
    headers: Sequence[tuple[str, bytes]] = [(name, value) for name, value in found["headers"]]
    names = {name: value for name, value in headers if name not in {"ce_id", "ce_time"}}
    fresh: dict[str, Any] = {  # Any: header values are bytes, kept as they came
        **names,
        "ce_id": str(uuid5(UUID(found["_id"]), str(found["redrives"]))).encode(),
        "ce_time": now.isoformat().encode(),
    }
    fresh.setdefault("ce_type", b"unknown")
    fresh.setdefault("ce_subject", found["key"] or b"")
    return Envelope.read(
        topic=found["topic"].removeprefix(prefix),
        key=found["key"],
        headers=list(fresh.items()),
        data=found["data"],
    )
