"""What a handler may do: one message's view of the batch.

It reads documents that were loaded for the whole batch, sees what earlier messages of the batch
have saved, and stages its own changes, which are kept only if it returns.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic
from uuid import UUID

from pydantic import BaseModel
from pymongo import UpdateOne

from contracts.message import AnyMessage, Envelope, Message, derived
from contracts.messages.replies import REPLIES, Reply
from contracts.problems import Problem
from contracts.settings import Configuration
from services.chassis import inbox
from services.chassis.batch import (
    MAX_DATA,
    Batch,
    Call,
    Key,
    Loads,
    Removal,
    Rewrite,
    Staged,
    fitting,
)
from services.chassis.document import AnyDocument, Document
from services.chassis.inbox import Outcome
from services.chassis.mongo import Bson


class Missing(LookupError):
    """No document of this kind has this id."""


@dataclass(frozen=True, slots=True)
class Route(Generic[AnyMessage]):
    """Who handles a message, and which documents it needs at hand.

    `then` names the documents that only those at hand can tell, for all its messages of a batch
    together. It is asked until it names nothing new, each time one more query for the batch.
    `creates` names the one among `loads` that is most likely not there yet, since the message
    creates it: it is not looked for before its unique id has told that it is there.
    """

    message: type[AnyMessage]
    handler: "Callable[[AnyMessage, UnitOfWork], None]"
    loads: Callable[[AnyMessage], Loads] = lambda _: ()
    then: "Callable[[Sequence[AnyMessage], Batch], Iterable[Key]] | None" = None
    creates: Callable[[AnyMessage], Key] | None = None


class UnitOfWork:
    """What a handler may do to the world. Nothing happens until the handler returns."""

    __slots__ = ("_batch", "_documents", "_position", "envelope", "outcome", "staged")

    def __init__(self, batch: Batch, envelope: Envelope) -> None:
        self._batch = batch
        self._documents: dict[Key, Document | None] = {}
        self._position = 0
        self.envelope = envelope
        self.outcome: Outcome | None = None
        self.staged = Staged()

    @property
    def now(self) -> datetime:
        """The time of the batch, UTC, to the millisecond."""
        return self._batch.now

    @property
    def configuration(self) -> Configuration:
        """The settings in force for the whole batch."""
        return self._batch.configuration

    def find(self, kind: type[AnyDocument], id_: str) -> AnyDocument | None:
        """Return the document as it stands after all earlier messages, or None.

        :raises LookupError: if the route did not ask for it to be loaded
        """
        if (kind, id_) in self._documents:
            staged = self._documents[kind, id_]
            return staged if isinstance(staged, kind) else None
        return self._batch.find(kind, id_)

    def get(self, kind: type[AnyDocument], id_: str) -> AnyDocument:
        """Return the document as it stands after all earlier messages.

        :raises Missing: if there is none
        """
        found = self.find(kind, id_)
        if found is None:
            raise Missing(kind.__name__)
        return found

    def all(self, kind: type[AnyDocument]) -> Sequence[AnyDocument]:
        """Return every document of a kind that was loaded with `Everything`, in order of id.

        Earlier messages' changes are in it, those of the message in hand are not.
        """
        return self._batch.all(kind)

    def save(self, document: Document) -> None:
        """Keep the document's new state. A document that was not there before is inserted."""
        self._documents[type(document), document.id] = document

    def delete(self, document: Document) -> None:
        """Remove the document."""
        self._documents[type(document), document.id] = None

    def delete_all(
        self, kind: type[AnyDocument], query: Bson, is_one: Callable[[AnyDocument], bool]
    ) -> None:
        """Remove every document that the query finds, without reading them.

        `is_one` says the same of a document that earlier messages of the batch have saved. What
        is saved afterwards stays.
        """
        self.staged.removals.append(Removal(kind, query, is_one))

    def patch(self, kind: type[Document], id_: str, update: Bson) -> None:
        """Apply a MongoDB update to a document without reading it. No revision guards it."""
        self.staged.patches.append((kind.collection, UpdateOne({"_id": id_}, update)))

    def rewrite_all(
        self,
        kind: type[AnyDocument],
        query: Bson,
        update: Bson,
        rewritten: Callable[[AnyDocument], AnyDocument],
    ) -> None:
        """Apply a MongoDB update to every document that the query finds, without reading them.

        `rewritten` does the same to a document that earlier messages of the batch have saved, and
        leaves others alone. What is saved afterwards stays as it is saved.
        """
        self.staged.rewrites.append(Rewrite(kind, query, update, rewritten))

    def send(
        self, *messages: Message, not_before: datetime | None = None, anew: bool = False
    ) -> UUID:
        """Publish the messages after the transaction, in this order.

        With `not_before` they wait in `timers` until then. With `anew` each begins a story of its
        own, as a client's command does: what happens for ever must not be one endless trace.
        Returns the id of the last one, by which `cancel` takes a waiting message back.
        """
        last = self.envelope.id
        for message in messages:
            envelope = self._sealed(message, anew=anew)
            last = envelope.id
            if not_before is None:
                self.staged.outgoing.append(envelope)
            else:
                self.staged.timers.append((not_before, envelope))
        return last

    def cancel(self, timer: UUID) -> None:
        """Take back a message that waits in `timers`; harmless if it has left."""
        self.staged.cancelled.append(timer)

    def call(
        self, kind: str, request: BaseModel, *, lane: str, target: str, payload: bytes | None = None
    ) -> UUID:
        """Promise one request to the outside; returns its id, which is its idempotency key.

        Calls of one lane are made strictly one after the other, in the order of their promises.
        `payload` is kept beside the request as it is, and handed to the gateway with each attempt.
        """
        self._position += 1
        id_ = derived(self.envelope.id, self._position)
        self.staged.calls.append(
            Call(
                id=id_,
                kind=kind,
                lane=lane,
                target=target,
                request=request.__pydantic_serializer__.to_json(request, exclude_none=True),
                payload=payload,
                at=self.now,
                correlation_id=self.envelope.correlation_id,
                traceparent=self.envelope.traceparent,
            )
        )
        return id_

    def wake(self, target: str) -> None:
        """Make the calls to a target that wait for their next attempt due now."""
        self.staged.woken.append(target)

    def reply(  # noqa: PLR0913 - an answer has this many parts
        self,
        status: int,
        *,
        body: bytes | None = None,
        problem: Problem | None = None,
        order_id: str | None = None,
        version: int | None = None,
        shape: str | None = None,
    ) -> None:
        """Answer the command in hand: to whoever waits, and for good in the inbox mark.

        The mark keeps no body: a repeated answer is that version of the order in this shape.
        """
        slug = problem.slug if problem is not None else None
        self.outcome = Outcome(status, slug, order_id, version, shape)
        self.answer(
            Reply(
                command_id=self.envelope.correlation_id,
                status_code=status,
                problem=problem,
                order_id=order_id,
                version=version,
                shape=shape,
            ),
            body=body,
            reply_to=self.envelope.reply_to,
        )

    def accept(self, order_id: str, *, shape: str | None = None) -> None:
        """Record that the command in hand began something whose answer comes later."""
        self.outcome = Outcome(202, order_id=order_id, shape=shape)

    def settle(self, command: UUID, outcome: Outcome) -> None:
        """Record how a command ended that an earlier message brought and `accept` left open."""
        self.staged.settled.append((command, outcome))

    def answer(self, reply: Reply, *, body: bytes | None, reply_to: int | None) -> None:
        """Send an answer to a command that an earlier message brought; nobody waits: nothing."""
        if reply_to is None:
            return
        self._position += 1
        short = Envelope(
            id=derived(self.envelope.id, self._position),
            type=Reply.type,
            topic=REPLIES,
            key=reply.command_id,
            data=reply.data(),
            time=self.now,
            correlation_id=reply.command_id,
            causation_id=str(self.envelope.id),
            traceparent=self.envelope.traceparent,
            partition=reply_to,
        )
        full = short
        # An answer that would not fit leaves without its body, as a repeated one does.
        if body is not None and len(body) < MAX_DATA - len(short.data):
            full = Envelope(
                **{name: getattr(short, name) for name in Envelope.__slots__ if name != "data"},
                data=reply.with_body(body),
            )
        self.staged.replies.append(full)
        self.staged.short_replies.append(short)

    def _sealed(self, message: Message, *, anew: bool) -> Envelope:
        self._position += 1
        cause = self.envelope
        id_ = derived(cause.id, self._position)
        data = fitting(message.type, message.sealed(id_))
        return Envelope(
            id=id_,
            type=message.type,
            topic=message.topic,
            key=message.key,
            data=data,
            time=self._batch.now,
            correlation_id=str(id_) if anew else cause.correlation_id,
            causation_id=str(cause.id),
            sequence=message.sequence_number,
            traceparent=None if anew else cause.traceparent,
        )

    def merge(self, *, marked: bool = True) -> None:
        """Make what was staged part of the batch, and mark the message as handled."""
        batch, staged = self._batch, self.staged
        for removal in staged.removals:
            batch.remove(removal)
        for rewrite in staged.rewrites:
            batch.rewrite(rewrite)
        batch.current.update(self._documents)
        batch.causes.update(dict.fromkeys(self._documents, self.envelope))
        if batch.everything:
            for kind, _ in self._documents:
                batch.everything.pop(kind, None)
        batch.patches += staged.patches
        batch.outgoing += staged.outgoing
        batch.replies += staged.replies
        batch.short_replies += staged.short_replies
        batch.timers += staged.timers
        if staged.cancelled:
            gone = set(staged.cancelled)
            batch.timers = [(at, timer) for at, timer in batch.timers if timer.id not in gone]
            batch.cancelled += staged.cancelled
        batch.calls += staged.calls
        batch.woken += staged.woken
        batch.settled += staged.settled
        if marked:
            batch.marks.append(
                inbox.mark(self.envelope.id, batch=batch.id, at=batch.now, outcome=self.outcome)
            )
