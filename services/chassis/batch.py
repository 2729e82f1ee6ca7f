"""What one transaction writes, and what leaves after it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from pymongo import DeleteMany, UpdateMany, UpdateOne

from contracts.message import Envelope, derived
from contracts.settings import Configuration
from services.chassis.document import AnyDocument, Document
from services.chassis.ids import new_id
from services.chassis.inbox import Outcome
from services.chassis.mongo import Bson

# A little less than a record may have, for its key and headers.
MAX_DATA = 10 * 1024 * 1024 - 64 * 1024

Key = tuple[type[Document], str]


@dataclass(frozen=True, slots=True)
class Everything:
    """All documents of a kind; for kinds of which there are few."""

    kind: type[Document]


Loads = Iterable[Key | Everything]


class TooLarge(ValueError):
    """A message would pass what Kafka takes."""


class Overtaken(Exception):
    """Somebody else wrote a document of this batch first. The batch is handled again."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the outside that the transaction promises to make (see `calls.py`)."""

    id: UUID
    kind: str
    lane: str
    target: str
    request: bytes
    payload: bytes | None
    at: datetime
    correlation_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who makes a call: nobody else touches it before `until`. `number` orders its lane."""

    number: int
    owner: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class FinishedCalls:
    """What becomes of calls that were made, and how many of them the write must meet."""

    write: UpdateOne | UpdateMany | DeleteMany
    calls: int


@dataclass(frozen=True, slots=True)
class Removal:
    """Documents of a kind that go, whether read or not: those that the query finds.

    `is_one` says the same of a document that the batch has in hand.
    """

    kind: type[Document]
    query: Bson
    is_one: Callable[[Any], bool]  # Any: a document of this kind


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Documents of a kind that change, whether read or not: those that the query finds.

    `rewritten` does the same to a document that the batch has in hand, or returns it as it is.
    """

    kind: type[Document]
    query: Bson
    update: Bson
    rewritten: Callable[[Any], Any]  # Any: a document of this kind


@dataclass(slots=True, kw_only=True)
class Staged:
    """What one message wants written and sent, besides the documents that it changes.

    There is one for each message, so it holds no more than that.
    """

    patches: list[tuple[str, UpdateOne]] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)
    outgoing: list[Envelope] = field(default_factory=list)
    replies: list[Envelope] = field(default_factory=list)
    short_replies: list[Envelope] = field(default_factory=list)
    timers: list[tuple[datetime, Envelope]] = field(default_factory=list)
    cancelled: list[UUID] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    woken: list[str] = field(default_factory=list)
    settled: list[tuple[UUID, Outcome]] = field(default_factory=list)


@dataclass
class Batch(Staged):
    """Everything one transaction will write, and what leaves after it: what its messages staged."""

    now: datetime
    configuration: Configuration
    originals: dict[Key, Document | None] = field(default_factory=dict)
    current: dict[Key, Document | None] = field(default_factory=dict)
    causes: dict[Key, Envelope] = field(default_factory=dict)
    id: UUID = field(default_factory=new_id)
    leases: list[tuple[Call, Lease]] = field(default_factory=list)
    marks: list[Bson] = field(default_factory=list)
    finished_calls: list[FinishedCalls] = field(default_factory=list)
    dead_letters: list[Bson] = field(default_factory=list)
    everything: dict[type[Document], Sequence[Document]] = field(default_factory=dict)

    def find(self, kind: type[AnyDocument], id_: str) -> AnyDocument | None:
        """Return the document as the batch has it so far."""
        key = (kind, id_)
        if key in self.current:
            found = self.current[key]
        elif key in self.originals:
            found = self.originals[key]
        else:
            raise LookupError(f"{kind.__name__} {id_!r} was not loaded; add it to the route")
        return found if isinstance(found, kind) else None

    def has_loaded(self, kind: type[Document], id_: str) -> bool:
        """Say whether `find` can tell if there is such a document."""
        return (kind, id_) in self.current or (kind, id_) in self.originals

    def all(self, kind: type[AnyDocument]) -> Sequence[AnyDocument]:
        """Return every document of a kind that was loaded, as the batch has it, in order of id."""
        found = self.everything.get(kind)
        if found is None:
            names = {
                id_ for known in (self.originals, self.current) for of, id_ in known if of is kind
            }
            documents = (self.find(kind, id_) for id_ in sorted(names))
            found = self.everything[kind] = [one for one in documents if one is not None]
        # What is kept under a kind is of that kind, which a dict cannot express.
        return cast(Sequence[AnyDocument], found)

    def remove(self, removal: Removal) -> None:
        """Forget the documents in hand that go, so that nothing is written of them."""
        for known in (self.originals, self.current):
            for key, document in known.items():
                if key[0] is removal.kind and document is not None and removal.is_one(document):
                    known[key] = None
        self.everything.pop(removal.kind, None)
        self.removals.append(removal)

    def rewrite(self, rewrite: Rewrite) -> None:
        """Change the documents in hand, as those in MongoDB are changed before any write."""
        for known in (self.originals, self.current):
            for key, document in known.items():
                if key[0] is rewrite.kind and document is not None:
                    known[key] = rewrite.rewritten(document)
        self.everything.pop(rewrite.kind, None)
        self.rewrites.append(rewrite)

    def announce(self) -> None:
        """Add the events that changed documents announce about themselves.

        The id derives from document and revision, the cause is the last message that changed it.
        """
        for (kind, id_), after in self.current.items():
            if after is None or kind.announce is Document.announce:
                continue
            before = self.originals.get((kind, id_))
            cause = self.causes[kind, id_]
            for index, message in enumerate(after.announce(before)):
                data = fitting(message.type, message.data())
                self.outgoing.append(
                    Envelope(
                        id=derived(cause.id, f"{kind.collection}/{id_}/{after.revision}/{index}"),
                        type=message.type,
                        topic=message.topic,
                        key=message.key,
                        data=data,
                        time=self.now,
                        correlation_id=cause.correlation_id,
                        causation_id=str(cause.id),
                        sequence=message.sequence_number,
                        traceparent=cause.traceparent,
                    )
                )

    @property
    def owed(self) -> list[Envelope]:
        """What a crash after the commit must not lose."""
        return self.outgoing + self.short_replies

    @property
    def leaving(self) -> list[Envelope]:
        """What goes to Kafka now."""
        return self.outgoing + self.replies


def fitting(kind: str, data: bytes) -> bytes:
    """Return the body of a message.

    :raises TooLarge: if it would pass what Kafka takes
    """
    if len(data) > MAX_DATA:
        raise TooLarge(kind)
    return data
