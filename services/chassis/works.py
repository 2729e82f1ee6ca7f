"""One record on its way through the consumer: read as a message, or found to be unreadable.

Whoever can write to a topic can write anything. Nothing in a record may stop the consumer, so
whatever is wrong with one becomes a sentence here, and that never quotes the record.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from aiokafka import ConsumerRecord, TopicPartition
from pydantic import ValidationError

from contracts.message import Envelope, Message, Undecodable
from services.chassis.kafka import REPLY_PARTITIONS
from services.chassis.unit_of_work import Route

Line = tuple[str, str]

UNREADABLE = "unreadable"
LONGEST_HEADER = 1_000
_NAMESPACE = UUID("5b0f9a6e-4f0a-5f52-9b0e-6d2b6c1d7a11")
_NAME = re.compile(r"[A-Za-z_]\w{0,60}")


@dataclass(slots=True)
class Work:
    """A record, and what is known of it: without a route it can never be handled."""

    record: "ConsumerRecord[bytes, bytes]"
    envelope: Envelope
    route: Route[Any] | None = None  # Any: routes of every message type pass here
    message: Message | None = None
    attempts: int = 0
    fault: str = ""
    span: Any = None  # Any: a span of OpenTelemetry, which is not imported unless it is used
    came_from: str | None = None

    @property
    def partition(self) -> TopicPartition:
        """Where it was read."""
        return TopicPartition(self.record.topic, self.record.partition)

    @property
    def line(self) -> Line:
        """The line of messages in which it must keep its place."""
        return self.envelope.topic, self.envelope.key

    @property
    def name(self) -> str:
        """The type for logs and metrics: never one that only the record knows."""
        return self.envelope.type if self.route is not None else UNREADABLE


def id_of(topic: str, partition: int, offset: int) -> UUID:
    """Return the id of a record, the same at every reading."""
    return uuid5(_NAMESPACE, f"{topic}/{partition}/{offset}")


def headers_of(record: "ConsumerRecord[bytes, bytes]") -> list[tuple[str, bytes]]:
    """Return the headers; Kafka allows a null value, which means nothing to us."""
    return [(name, value if value is not None else b"") for name, value in record.headers]


def read(
    record: "ConsumerRecord[bytes, bytes]",
    *,
    routes: Mapping[str, Route[Any]],
    topic: str,
    now: datetime,
) -> Work:
    """Return the work that a record is; whatever is wrong with it stands in `fault`."""
    try:
        envelope = _envelope(record, topic)
    except Undecodable as error:
        return _unreadable(record, topic, now, str(error))
    route = routes.get(envelope.type)
    if route is None:
        return Work(record, envelope, fault="no handler for messages of this type")
    try:
        message = route.message.model_validate_json(envelope.data)
    except ValidationError as error:
        return Work(record, envelope, fault=_first_fault(error))
    except Exception as error:  # noqa: BLE001 - a validator's bug must not stop the consumer either
        return Work(record, envelope, fault=f"its validation broke with {type(error).__name__}")
    return Work(record, envelope, route, message)


def _envelope(record: "ConsumerRecord[bytes, bytes]", topic: str) -> Envelope:
    data = record.value if record.value is not None else b""
    try:
        envelope = Envelope.read(topic=topic, key=record.key, headers=headers_of(record), data=data)
    except OverflowError as error:
        raise Undecodable("the time in the headers is out of range") from error
    texts = (
        envelope.type,
        envelope.key,
        envelope.correlation_id,
        envelope.causation_id or "",
        envelope.traceparent or "",
    )
    if max(map(len, texts)) > LONGEST_HEADER:
        raise Undecodable(f"the key or a header is longer than {LONGEST_HEADER} characters")
    if envelope.reply_to is not None and not 0 <= envelope.reply_to < REPLY_PARTITIONS:
        raise Undecodable("the header ce_replyto names no partition")
    return envelope


def _unreadable(
    record: "ConsumerRecord[bytes, bytes]", topic: str, now: datetime, fault: str
) -> Work:
    """Return a work with a stand-in for the envelope that the record does not have."""
    id_ = id_of(record.topic, record.partition, record.offset)
    envelope = Envelope(
        id=id_,
        type=UNREADABLE,
        topic=topic,
        key=str(id_),
        data=record.value or b"",
        time=now,
        correlation_id=str(id_),
    )
    return Work(record, envelope, fault=fault)


def _first_fault(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    where = ".".join(_names(first["loc"])) or "the body"
    # The text of a validator of ours may quote what came; pydantic's own never does.
    ours = first["type"] in {"value_error", "assertion_error"}
    return f"{where}: {'a rule of the contract is broken' if ours else first['msg']}"


def _names(location: tuple[int | str, ...]) -> Iterator[str]:
    for part in location:
        is_name = isinstance(part, int) or _NAME.fullmatch(part)
        yield str(part) if is_name else "…"


def traced(work: Work, traceparent: str) -> None:
    """Let what comes of the work name it as the cause in its trace."""
    work.envelope = replace(work.envelope, traceparent=traceparent)
