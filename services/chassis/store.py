"""Loads the documents of a batch and writes the whole batch in one transaction."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pydantic.alias_generators import to_camel
from pymongo import DeleteOne, InsertOne, UpdateOne

from services.chassis import inbox
from services.chassis.batch import Batch, Call, Everything, Key, Lease, Overtaken
from services.chassis.document import Document
from services.chassis.faults import crash_point
from services.chassis.mongo import Bson, Database, InTransaction, Session, transact

MOST_AT_HAND = 512

Operation = InsertOne[Bson] | UpdateOne | DeleteOne
# By collection: what to write, and how many documents that must meet.
Writes = Mapping[str, tuple[list[Operation], int]]


class Store:
    """Loads the documents of a batch and commits it. One a service."""

    def __init__(
        self,
        database: Database,
        service: str,
        leases: Callable[[Sequence[Call]], list[tuple[Call, Lease]]],
    ) -> None:
        self._database = database
        self._service = service
        self._leases = leases
        self._at_hand: dict[Key, Document] = {}

    def forget(self) -> None:
        """Drop what is kept in memory: others may have written it meanwhile."""
        self._at_hand.clear()

    async def load(
        self, batch: Batch, wanted: Iterable[Key | Everything], absent: Iterable[Key] = ()
    ) -> None:
        """Bring the documents into the batch: one query a kind.

        :param absent: what is taken not to exist, unless it is at hand; nobody looks for it
        """
        batch.originals.update((key, self._at_hand.get(key)) for key in absent)
        ids: dict[type[Document], set[str]] = {}
        whole: set[type[Document]] = set()
        for one in wanted:
            if isinstance(one, Everything):
                whole.add(one.kind)
            elif one not in batch.originals:
                known = self._at_hand.get(one)
                if known is not None:
                    batch.originals[one] = known
                else:
                    ids.setdefault(one[0], set()).add(one[1])
        queries: list[tuple[type[Document], Bson]] = [(kind, {}) for kind in whole]
        for kind, names in ids.items():
            batch.originals.update(dict.fromkeys((kind, name) for name in names))
            queries.append((kind, {"_id": {"$in": list(names)}}))
        await asyncio.gather(*(self._fetch(batch, kind, query) for kind, query in queries))

    async def _fetch(self, batch: Batch, kind: type[Document], query: Bson) -> None:
        batch.everything.pop(kind, None)
        for stored in await self._database[kind.collection].find(query).to_list(None):
            document = kind.from_bson(stored)
            batch.originals[kind, document.id] = document

    async def commit(self, batch: Batch) -> None:
        """Write the whole batch in one transaction.

        :raises Overtaken: if a document was written by somebody else since it was loaded, or a
            call that the batch records is no longer this process's own
        :raises PyMongoError: as the driver does; a duplicate mark says that a message of this
            batch was handled before
        """
        batch.announce()
        batch.leases = self._leases(batch.calls)
        writes = _writes(batch)
        inserts = self._inserts(batch)

        def write(database: InTransaction, session: Session) -> None:
            self._update(batch, writes, database, session)
            for collection, documents in inserts.items():
                if documents:
                    database[collection].insert_many(documents, ordered=False, session=session)
            crash_point("in_transaction")

        try:
            await transact(self._database, write)
        except BaseException:
            self.forget()
            raise
        self._remember(batch)

    def _inserts(self, batch: Batch) -> dict[str, list[Bson]]:
        service = self._service
        return {
            f"{service}_calls": [_call_document(call, lease) for call, lease in batch.leases],
            "timers": [
                {"_id": envelope.id, "at": at, "m": inbox.to_bytes(envelope)}
                for at, envelope in batch.timers
            ],
            f"{service}_inbox": batch.marks,
            f"{service}_outbox": inbox.outbox(batch.id, batch.owed, at=batch.now),
            "dead_letters": batch.dead_letters,
        }

    def _update(
        self, batch: Batch, writes: Writes, database: InTransaction, session: Session
    ) -> None:
        # First of all: what is saved after a removal stays, and what was saved before is not
        # written in the first place. The same goes for what is rewritten.
        for removal in batch.removals:
            database[removal.kind.collection].delete_many(removal.query, session=session)
        for one in batch.rewrites:
            database[one.kind.collection].update_many(one.query, one.update, session=session)
        for name, (operations, expected) in writes.items():
            # In order: a second command in a transaction that the first one has aborted would hide
            # why, and the driver would try the whole again and again.
            result = database[name].bulk_write(operations, ordered=True, session=session)
            if result.matched_count + result.deleted_count < expected:
                raise Overtaken(name)
        for name, updates in _patches(batch).items():
            database[name].bulk_write(updates, ordered=True, session=session)
        if batch.settled:
            database[f"{self._service}_inbox"].bulk_write(
                [
                    UpdateOne({"_id": command}, {"$set": {"o": outcome.to_bson()}})
                    for command, outcome in batch.settled
                ],
                ordered=True,
                session=session,
            )
        if batch.cancelled:
            database["timers"].delete_many({"_id": {"$in": batch.cancelled}}, session=session)
        if batch.finished_calls:
            result = database[f"{self._service}_calls"].bulk_write(
                [one.write for one in batch.finished_calls], ordered=False, session=session
            )
            expected = sum(one.calls for one in batch.finished_calls)
            if result.matched_count + result.deleted_count < expected:
                raise Overtaken("calls")

    def _remember(self, batch: Batch) -> None:
        """Keep at hand what the next messages will ask for; the revision guards every write."""
        for removal in batch.removals:
            for key, known in list(self._at_hand.items()):
                if key[0] is removal.kind and removal.is_one(known):
                    del self._at_hand[key]
        for rewrite in batch.rewrites:
            for key, known in self._at_hand.items():
                if key[0] is rewrite.kind:
                    self._at_hand[key] = rewrite.rewritten(known)
        for key, after in batch.current.items():
            if after is None or not after.at_hand:
                self._at_hand.pop(key, None)
                continue
            before = batch.originals.get(key)
            revision = (before.revision if before is not None else 0) + (after is not before)
            self._at_hand[key] = after.model_copy(update={"revision": revision})
        while len(self._at_hand) > MOST_AT_HAND:
            self._at_hand.pop(next(iter(self._at_hand)))


def _patches(batch: Batch) -> Mapping[str, Sequence[UpdateOne]]:
    patches: dict[str, list[UpdateOne]] = {}
    for name, update in batch.patches:
        patches.setdefault(name, []).append(update)
    return patches


def _call_document(call: Call, lease: Lease) -> Bson:
    document: Bson = {
        "_id": call.id,
        "kind": call.kind,
        "lane": call.lane,
        "target": call.target,
        "request": call.request,
        "n": lease.number,
        "at": lease.until,
        "owner": lease.owner,
        "promised": call.at,
        "attempt": 0,
        "correlation": call.correlation_id,
        "trace": call.traceparent,
    }
    if call.payload is not None:
        document["payload"] = call.payload
    return document


def _writes(batch: Batch) -> Writes:
    writes: dict[str, tuple[list[Operation], int]] = {}
    for (kind, id_), after in batch.current.items():
        before = batch.originals.get((kind, id_))
        if after is before:
            continue
        operations, expected = writes.get(kind.collection, ([], 0))
        if before is None:
            if after is None:
                continue
            operations.append(InsertOne({**after.to_bson(), "revision": 1}))
        else:
            guard = {"_id": id_, "revision": before.revision}
            operations.append(
                DeleteOne(guard) if after is None else UpdateOne(guard, _change(before, after))
            )
            expected += 1
        writes[kind.collection] = (operations, expected)
    for operations, _ in writes.values():
        operations.sort(key=_command)
    return writes


def _command(operation: Operation) -> int:
    """Return its place: what is of one kind travels in one command."""
    return (InsertOne, UpdateOne, DeleteOne).index(type(operation))


def _change(before: Document, after: Document) -> Bson:
    """Return the update that turns the stored `before` into `after`.

    Copies share what they did not change, so identity tells which fields to write.
    """
    old: Mapping[str, Any] = before.__dict__  # Any: a field holds whatever its type says
    changed = {name for name, value in after.__dict__.items() if value is not old.get(name)}
    changed -= {"id", "revision"}
    written = after.to_bson(changed) if changed else {}
    update: Bson = {"$set": {**written, "revision": before.revision + 1}}
    gone = [name for name in map(to_camel, changed) if name not in written]
    if gone:
        update["$unset"] = dict.fromkeys(gone, "")
    return update
