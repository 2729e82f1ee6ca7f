"""A message and the envelope it travels in: CloudEvents 1.0, binary mode, on Kafka."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import ClassVar, Final, TypeVar
from uuid import UUID

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from contracts.value import Value

Headers = Sequence[tuple[str, bytes]]

SOURCE = "kontor"
SCHEMA_BASE = "https://kontor.dev/schemas/"

_TIME: Final = 6
"""Bytes of an id that say when it, or what began it all, was made (RFC 9562, UUID version 7)."""


class Message(Value):
    """A command (imperative) or an event (past tense), without delivery details.

    A message never changes once published: fields may be added with a default, and a reader
    ignores what it does not know. `key` says which messages stay in order among themselves.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )

    type: ClassVar[str]
    topic: ClassVar[str]

    @property
    def key(self) -> str:
        """The order (or stock record, or endpoint) that this message is about."""
        raise LookupError(f"{type(self).__name__} does not say what it is about")

    @property
    def sequence_number(self) -> int | None:
        """The position of an event among the events with its key; None for commands."""
        return None

    def data(self) -> bytes:
        """Return the JSON body: camelCase, without members that are absent."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)

    def sealed(self, id_: UUID) -> bytes:  # noqa: ARG002 - events carry their id in the body
        """Return the body as it leaves under this id."""
        return self.data()


AnyMessage = TypeVar("AnyMessage", bound=Message)


class Undecodable(ValueError):
    """A record on a topic is no message: its headers do not name an id and a type."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message on its way: who it is, what caused it, where it goes.

    `correlation_id` is the id of the command that began it all, `causation_id` the id of the
    message that caused this one. `reply_to` is the partition of the `replies` topic on which
    somebody waits for the answer. `partition` is set only where the sender chooses it.
    """

    id: UUID
    type: str
    topic: str
    key: str
    data: bytes
    time: datetime
    correlation_id: str
    causation_id: str | None = None
    sequence: int | None = None
    traceparent: str | None = None
    reply_to: int | None = None
    partition: int | None = None

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the CloudEvents attributes as Kafka headers (binary mode)."""
        headers = [
            *_of_type(self.type),
            _of_time(self.time),
            ("ce_id", str(self.id).encode()),
            ("ce_subject", self.key.encode()),
            ("ce_correlationid", self.correlation_id.encode()),
        ]
        if self.causation_id is not None:
            headers.append(("ce_causationid", self.causation_id.encode()))
        if self.sequence is not None:
            headers.append(("ce_sequence", str(self.sequence).encode()))
        if self.traceparent is not None:
            headers.append(("ce_traceparent", self.traceparent.encode()))
        if self.reply_to is not None:
            headers.append(("ce_replyto", str(self.reply_to).encode()))
        return headers

    @classmethod
    def read(cls, *, topic: str, key: bytes | None, headers: Headers, data: bytes) -> "Envelope":
        """Return the envelope of a Kafka record.

        :raises Undecodable: if the attributes that every message has are missing or malformed
        """
        found = {name: value.decode("utf-8", "replace") for name, value in headers}
        try:
            id_ = UUID(found["ce_id"])
            return cls(
                id=id_,
                type=found["ce_type"],
                topic=topic,
                key=key.decode() if key is not None else found["ce_subject"],
                data=data,
                time=datetime.fromisoformat(found["ce_time"]).astimezone(UTC),
                correlation_id=found.get("ce_correlationid") or str(id_),
                causation_id=found.get("ce_causationid"),
                sequence=int(found["ce_sequence"]) if "ce_sequence" in found else None,
                traceparent=found.get("ce_traceparent"),
                reply_to=int(found["ce_replyto"]) if "ce_replyto" in found else None,
            )
        except KeyError as error:
            raise Undecodable(f"the header {error.args[0]} is missing") from error
        except ValueError as error:
            raise Undecodable("an id, a time or a number in the headers is malformed") from error


@lru_cache
def _of_type(kind: str) -> Headers:
    """Return what all messages of a type have in common."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_source", SOURCE.encode()),
        ("content-type", b"application/json"),
        ("ce_type", kind.encode()),
        ("ce_dataschema", f"{SCHEMA_BASE}{kind}.json".encode()),
    )


@lru_cache(maxsize=16)
def _of_time(at: datetime) -> tuple[str, bytes]:
    # All messages of a batch have the same time.
    return "ce_time", at.isoformat().replace("+00:00", "Z").encode()


def derived(cause: UUID, position: int | str) -> UUID:
    """Return the id of the message that `cause` leads to at this position.

    Handling the same message twice makes the same ids, so the second copy dies in the
    receiver's inbox. They begin as the cause's does: all that a command leads to stands together in
    every index, near what others lead to at the time (services/decisions/0012).
    """
    rest = blake2b(str(position).encode(), key=cause.bytes, digest_size=16 - _TIME).digest()
    return labelled(cause.bytes[:_TIME] + rest, version=8)


def labelled(made: bytes, *, version: int) -> UUID:
    """Return the UUID of these 16 bytes, with its version and variant in them (RFC 9562)."""
    named = bytearray(made)
    named[6] = version << 4 | named[6] & 0x0F
    named[8] = 0x80 | named[8] & 0x3F
    return UUID(bytes=bytes(named))
