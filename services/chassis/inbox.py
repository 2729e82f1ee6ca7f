"""What a service has handled (marks) and what it still owes Kafka (outbox documents).

A mark says that a message was handled, in which batch, and with which outcome; it lives for seven
days, at least as long as the topics. The outbox document of a batch holds every message the batch
produced; it is deleted once Kafka has acknowledged them, so a missing one means nothing is owed
(services/decisions/0001-one-batch-one-transaction.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import bson
import zstandard

from contracts.message import Envelope
from services.chassis.mongo import CODEC, Bson, Database

KEPT = timedelta(days=7)
_CHUNK = 8 * 1024 * 1024
_compressor = zstandard.ZstdCompressor(level=1)
_decompressor = zstandard.ZstdDecompressor()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command, small enough to keep: enough to answer a repeated request."""

    status: int
    problem: str | None = None
    order_id: str | None = None
    version: int | None = None
    shape: str | None = None

    def to_bson(self) -> Bson:
        """Return the members that are set, under one-letter names."""
        named = {
            "s": self.status,
            "p": self.problem,
            "o": self.order_id,
            "v": self.version,
            "a": self.shape,
        }
        return {name: value for name, value in named.items() if value is not None}

    @classmethod
    def from_bson(cls, document: Bson) -> "Outcome":
        """Read what `to_bson` wrote."""
        return cls(
            document["s"],
            document.get("p"),
            document.get("o"),
            document.get("v"),
            document.get("a"),
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """One handled message."""

    batch: UUID
    outcome: Outcome | None


def mark(message: UUID, *, batch: UUID, at: datetime, outcome: Outcome | None) -> Bson:
    """Return the mark's document; under 200 bytes."""
    document: Bson = {"_id": message, "b": batch, "at": at}
    if outcome is not None:
        document["o"] = outcome.to_bson()
    return document


def outbox(batch: UUID, envelopes: Sequence[Envelope], *, at: datetime) -> list[Bson]:
    """Return the outbox documents of a batch: one, or several when one would pass 8 MB."""
    documents: list[Bson] = []
    part: list[list[Any]] = []
    size = 0
    for envelope in envelopes:
        if part and size + len(envelope.data) > _CHUNK:
            documents.append(_packed(batch, len(documents), part, at))
            part, size = [], 0
        part.append(_row(envelope))
        size += len(envelope.data)
    if part:
        documents.append(_packed(batch, len(documents), part, at))
    return documents


def _packed(batch: UUID, number: int, rows: list[list[Any]], at: datetime) -> Bson:
    blob = _compressor.compress(bson.encode({"m": rows}, codec_options=CODEC))
    return {"_id": {"b": batch, "n": number}, "at": at, "m": blob}


def _row(envelope: Envelope) -> list[Any]:
    return [
        envelope.id,
        envelope.type,
        envelope.topic,
        envelope.key,
        envelope.data,
        envelope.time,
        envelope.correlation_id,
        envelope.causation_id,
        envelope.sequence,
        envelope.traceparent,
        envelope.reply_to,
        envelope.partition,
    ]


def to_bytes(envelope: Envelope) -> bytes:
    """Return one envelope as it is kept in `timers`."""
    return bson.encode({"m": _row(envelope)}, codec_options=CODEC)


def from_bytes(blob: bytes) -> Envelope:
    """Read what `to_bytes` wrote."""
    return _envelope(bson.decode(blob, codec_options=CODEC)["m"])


def _envelope(row: list[Any]) -> Envelope:
    row[5] = row[5].astimezone(UTC)
    return Envelope(*row)


class Inbox:
    """The marks and outbox documents of one service."""

    def __init__(self, database: Database, service: str) -> None:
        self.marks = database[f"{service}_inbox"]
        self.outbox = database[f"{service}_outbox"]

    async def prepare(self) -> None:
        """Create the index by which marks expire."""
        await self.marks.create_index("at", expireAfterSeconds=int(KEPT.total_seconds()))

    async def handled(self, messages: Iterable[UUID]) -> dict[UUID, Mark]:
        """Return the marks of those messages that were handled before."""
        cursor = self.marks.find({"_id": {"$in": list(messages)}})
        return {
            found["_id"]: Mark(found["b"], Outcome.from_bson(found["o"]) if "o" in found else None)
            for found in await cursor.to_list(None)
        }

    async def owed(self, batches: Iterable[UUID]) -> list[Envelope]:
        """Return what these batches produced and Kafka has perhaps not acknowledged, in order."""
        cursor = self.outbox.find({"_id.b": {"$in": list(set(batches))}}).sort("_id", 1)
        return [
            _envelope(row)
            for found in await cursor.to_list(None)
            for row in bson.decode(_decompressor.decompress(found["m"]), codec_options=CODEC)["m"]
        ]

    async def settle(self, batches: Sequence[UUID]) -> None:
        """Delete the outbox documents of batches whose messages Kafka has."""
        if batches:
            await self.outbox.delete_many({"_id.b": {"$in": list(batches)}})
