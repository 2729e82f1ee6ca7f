"""Commands on their way: published once, waited for, recognised when they come again."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from contracts.message import Envelope
from services.api.domain import Command, Origin, Refusal, Result, refusal
from services.api.queries.replies import Replies, Waiter
from services.api.queries.requests import Requests
from services.api.queries.results import Results
from services.chassis.clock import Clock
from services.chassis.kafka import NotTaken, Producer
from services.chassis.unit_of_work import MAX_DATA

LOOK_AGAIN: Final = 0.25
_RETRY_AFTER: Final = 2

Build = Callable[[UUID], Command]
"""Makes the command; whatever it needs an id for is derived from the command's own."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The command was carried out or refused; `replayed` if an earlier request began it."""

    command: UUID
    result: Result
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer is to be found at `/api/Operations/{command}`."""

    command: UUID
    replayed: bool = False


class Commands:
    """Publishes commands and finds out what became of them (design 3, decided 10)."""

    def __init__(  # noqa: PLR0913 - a composition root names each part once
        self,
        *,
        producer: Producer,
        replies: Replies,
        requests: Requests,
        results: Results,
        clock: Clock,
        answer_seconds: float,
    ) -> None:
        self._producer = producer
        self._replies = replies
        self._requests = requests
        self._results = results
        self._clock = clock
        self._patience = answer_seconds

    async def carry_out(self, build: Build, origin: Origin) -> Answered | Accepted:
        """Publish the command and wait for its answer as long as the origin wants.

        With an Idempotency-Key the command happens once, however often this is called, over
        restarts too; every call gets the first one's answer.

        :raises Refusal: idempotency-key-reused, if the key belongs to another request; too-large,
            if Kafka would not take it; unavailable, if Kafka cannot be reached
        """
        if origin.key is None:
            return await self._publish_and_wait(origin.command, build, origin)
        claim = await self._requests.claim(origin, now=self._clock.now())
        if claim.is_new:
            return await self._publish_and_wait(claim.command, build, origin)
        if claim.fingerprint != origin.fingerprint:
            raise refusal("idempotency-key-reused")
        if claim.result is not None:
            return Answered(claim.command, claim.result, replayed=True)
        command = build(claim.command)
        known = await self._find(claim.command, command)
        if known is not None:
            return Answered(claim.command, known, replayed=True)
        # Perhaps it never reached Kafka because the process died; if it did, the inbox knows it.
        return await self._publish_and_wait(claim.command, build, origin, replayed=True)

    async def _publish_and_wait(
        self, id_: UUID, build: Build, origin: Origin, *, replayed: bool = False
    ) -> Answered | Accepted:
        command = build(id_)
        if len(command.data) > MAX_DATA:
            raise refusal("too-large", "The command does not fit into a record of Kafka.")
        if origin.respond_async:
            await self._promise(id_, command, origin)
            try:
                await self._publish(id_, command, origin, reply_to=None)
            except Refusal:
                if not replayed:
                    await self._requests.withdraw(id_)
                raise
            return Accepted(id_, replayed)
        waiter = self._replies.expect(id_, patience=self._patience)
        try:
            await self._publish(id_, command, origin, reply_to=self._replies.partition)
            if replayed:
                result = await self._wait_or_find(waiter, id_, command)
            else:
                result = await waiter
        finally:
            self._replies.forget(id_, waiter)
        if result is not None:
            result = await self._results.filled(result)
        if result is None:
            await self._promise(id_, command, origin)
            return Accepted(id_, replayed)
        if origin.key is not None and (command.order_id is None or result.problem is not None):
            await self._requests.keep(origin, result)
        return Answered(id_, result, replayed)

    async def _wait_or_find(self, waiter: Waiter, id_: UUID, command: Command) -> Result | None:
        """Return the answer to a repeat, which may go to another process alone, or None."""
        while True:
            done, _ = await asyncio.wait((waiter,), timeout=LOOK_AGAIN)
            if done:
                return waiter.result()
            found = await self._find(id_, command)
            if found is not None:
                return found

    async def _find(self, id_: UUID, command: Command) -> Result | None:
        return await self._results.find(id_, service=command.service, order_id=command.order_id)

    async def _promise(self, id_: UUID, command: Command, origin: Origin) -> None:
        await self._requests.promise(id_, command, client=origin.client, now=self._clock.now())

    async def _publish(
        self, id_: UUID, command: Command, origin: Origin, *, reply_to: int | None
    ) -> None:
        envelope = Envelope(
            id=id_,
            type=command.type,
            topic=command.topic,
            key=command.key,
            data=command.data,
            time=self._clock.now(),
            correlation_id=str(id_),
            traceparent=origin.traceparent,
            reply_to=reply_to,
        )
        try:
            await self._producer.send_once(envelope, patience=self._patience)
        except TimeoutError as error:
            raise refusal(
                "unavailable",
                "Kafka did not confirm in time. Repeat the request with the same ids, or the same "
                "Idempotency-Key: it takes effect once.",
                retry_after=_RETRY_AFTER,
            ) from error
        except NotTaken as error:
            raise refusal("unavailable", retry_after=_RETRY_AFTER) from error
