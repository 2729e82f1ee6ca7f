"""What could not be handled, kept with its raw bytes, readable and redrivable.

One document a dead letter in `dead_letters`, written together with the inbox mark; the same record
also goes to the topic `<service>.dead`.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import structlog
import zstandard
from bson.errors import BSONError
from pymongo.errors import PyMongoError

from contracts.message import Envelope
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis.batch import MAX_DATA, Batch, fitting
from services.chassis.clock import Clock
from services.chassis.inbox import Inbox, Outcome, mark
from services.chassis.kafka import Producer
from services.chassis.mongo import (
    Bson,
    Database,
    InTransaction,
    Session,
    is_duplicate,
    is_outage,
    transact_once,
)
from services.chassis.store import Store
from services.chassis.unit_of_work import UnitOfWork
from services.chassis.works import LONGEST_HEADER, Work, headers_of, id_of

COLLECTION = "dead_letters"
_LARGEST_PLAIN = 12 * 1024 * 1024
_NUMBERS = frozenset({"ce_sequence", "ce_replyto"})
_NUMBER = re.compile(rb"\d{1,18}")

log = structlog.get_logger()


class CannotBury(Exception):
    """A dead letter cannot be written, and without it the message would be lost."""


def document(work: Work, *, service: str, at: datetime) -> Bson:
    """Return the stored form of a dead letter."""
    record = work.record
    headers = headers_of(record)
    data = record.value or b""
    # What Kafka carries compressed may be larger than what MongoDB takes.
    is_zipped = len(data) > _LARGEST_PLAIN
    names = {name: value.decode("utf-8", "replace")[:LONGEST_HEADER] for name, value in headers}
    return {
        "_id": str(id_of(record.topic, record.partition, record.offset)),
        "service": service,
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "key": record.key,
        "orderId": names.get("ce_subject"),
        "type": names.get("ce_type"),
        "reason": work.fault,
        "attempts": work.attempts,
        "at": at,
        "redrives": 0,
        "headers": [[name, value] for name, value in headers],
        "data": zstandard.compress(data) if is_zipped else data,
        "isZipped": is_zipped,
    }


class Burial:
    """Makes dead letters of what one service cannot handle."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        service: str,
        store: Store,
        inbox: Inbox,
        producer: Producer,
        clock: Clock,
        configuration: Callable[[], Configuration],
    ) -> None:
        self._service = service
        self._store = store
        self._inbox = inbox
        self._producer = producer
        self._clock = clock
        self._configuration = configuration

    async def bury(self, work: Work) -> tuple[UUID, bool]:
        """Write dead letter, mark and answer in one transaction, then send what leaves.

        Waits for MongoDB and Kafka if need be; does nothing twice. Returns the batch whose outbox
        is settled by that, and whether it died only now.

        :raises CannotBury: if MongoDB refuses the dead letter
        """
        batch = Batch(self._clock.now(), self._configuration())
        # A record that is no message may carry the id of one that is: its mark is its own.
        own = id_of(work.record.topic, work.record.partition, work.record.offset)
        marked = work.envelope.id if work.route is not None else own
        outcome = Outcome(500, "command-failed")
        batch.marks.append(mark(marked, batch=batch.id, at=batch.now, outcome=outcome))
        unit = UnitOfWork(batch, work.envelope)
        if work.envelope.reply_to is not None:
            unit.reply(outcome.status, problem=problem("command-failed"))
        unit.merge(marked=False)
        batch.dead_letters.append(document(work, service=self._service, at=batch.now))
        batch.outgoing.append(self._copy(work, own, batch.now))
        while True:
            try:
                await self._store.commit(batch)
            except (PyMongoError, BSONError) as error:
                if is_duplicate(error):
                    return await self._repeat(marked, batch), False
                if not is_outage(error):
                    raise CannotBury(type(error).__name__) from error
                await asyncio.sleep(1)
            else:
                await self._producer.send(batch.leaving)
                return batch.id, True

    async def _repeat(self, marked: UUID, batch: Batch) -> UUID:
        """Send again what a process that died had written and perhaps not sent."""
        while True:
            try:
                found = (await self._inbox.handled([marked])).get(marked)
                if found is None:
                    return batch.id
                await self._producer.send(await self._inbox.owed([found.batch]))
            except PyMongoError as error:
                if not is_outage(error):
                    raise CannotBury(type(error).__name__) from error
                await asyncio.sleep(1)
            else:
                return found.batch

    def _copy(self, work: Work, own: UUID, now: datetime) -> Envelope:
        """Return the record for the topic of the dead; without a body that would not fit."""
        data = work.record.value or b""
        return Envelope(
            id=own,
            type=work.envelope.type,
            topic=f"{self._service}.dead",
            key=work.envelope.key,
            data=data if len(data) <= MAX_DATA else b"",
            time=now,
            correlation_id=work.envelope.correlation_id,
            causation_id=str(work.envelope.id),
            traceparent=work.envelope.traceparent,
        )


class DeadLetters:
    """Reads and redrives the dead letters of all services."""

    def __init__(self, database: Database, producer: Producer, topic_prefix: str) -> None:
        self._database = database
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
        if found is not None and found.get("isZipped"):
            found["data"] = zstandard.decompress(found["data"])
        return found

    async def discard(self, id_: str, *, request: UUID | None = None, now: datetime) -> bool:
        """Remove one for good; says whether it was there when this request first came.

        :param request: what the request is known by when it comes again; None if it will not
        """

        def remove(database: InTransaction, session: Session) -> Bson | None:
            return database[COLLECTION].find_one_and_delete(
                {"_id": id_}, {"_id": 1}, session=session
            )

        removed, _ = await transact_once(self._database, remove, request=request, at=now)
        return removed is not None

    async def redrive(self, id_: str, *, request: UUID | None = None, now: datetime) -> bool:
        """Put the message back at the end of its order's line; says whether it was there.

        It travels under a new id derived from its own, because the old one is marked as handled.
        Whoever does it again has the same id, so it is handled once.

        :param request: as `discard` has it
        :raises TooLarge: if no record of ours can carry it
        """
        found = await self.get(id_)
        if found is not None:
            fitting("a dead letter", found["data"])
            await self._producer.send([_revived(found, self._prefix, now)])
        return await self.discard(id_, request=request, now=now)


def _revived(found: Bson, prefix: str, now: datetime) -> Envelope:
    """Return the message anew, as far as it is one: what is no message dies once more."""
    names = {
        name: value
        for name, value in found["headers"]
        if name not in _NUMBERS or _NUMBER.fullmatch(value)
    }
    fresh: dict[str, Any] = {  # Any: header values are bytes, kept as they came
        **names,
        "ce_id": str(uuid5(UUID(found["_id"]), str(found["redrives"]))).encode(),
        "ce_time": now.isoformat().encode(),
    }
    fresh.setdefault("ce_type", b"unknown")
    key: bytes = found["key"] or b""
    fresh.setdefault("ce_subject", key)
    return Envelope.read(
        topic=found["topic"].removeprefix(prefix),
        key=None if found["key"] is None else key.decode("utf-8", "replace").encode(),
        headers=list(fresh.items()),
        data=found["data"],
    )
