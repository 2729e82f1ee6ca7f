"""Commands on their way: published once, waited for, recognised when they come again."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid5

from contracts.message import Envelope
from services.api.domain import (
    Batch,
    Command,
    Origin,
    Refusal,
    Result,
    Summary,
    command_ids,
    refusal,
)
from services.api.queries.replies import BEGUN, Replies, Waiter
from services.api.queries.requests import Claim, Requests
from services.api.queries.results import Results
from services.chassis.batch import MAX_DATA
from services.chassis.clock import Clock
from services.chassis.kafka import NotTaken, Producer

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


@dataclass(frozen=True, slots=True)
class _Many:
    """The commands of one request by their ids, in the order of its entries."""

    id: UUID
    commands: Mapping[UUID, Command]
    batch: Batch

    @classmethod
    def built(
        cls, id_: UUID, builds: Sequence[Build], places: Sequence[Sequence[int]], summary: Summary
    ) -> "_Many":
        ids = command_ids(id_, places)
        commands = {one: _fitting(build(one)) for build, one in zip(builds, ids, strict=True)}
        service = next((command.service for command in commands.values()), "")
        return cls(id_, commands, Batch(service, places, summary))


def _fitting(command: Command) -> Command:
    """Return the command, unless no record can carry it.

    :raises Refusal: too-large
    """
    if len(command.data) > MAX_DATA:
        raise refusal("too-large", "The command does not fit into a record of Kafka.")
    return command


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
        claim = await self._claim(origin)
        if claim.is_new:
            return await self._publish_and_wait(claim.command, build, origin)
        if claim.result is not None:
            return Answered(claim.command, claim.result, replayed=True)
        command = build(claim.command)
        known = await self._find(claim.command, command)
        if known is not None:
            return Answered(claim.command, known, replayed=True)
        # Perhaps it never reached Kafka because the process died; if it did, the inbox knows it.
        return await self._publish_and_wait(claim.command, build, origin, replayed=True)

    async def tell(self, commands: Sequence[Command], origin: Origin) -> None:
        """Publish commands whose answers nobody waits for.

        :raises Refusal: unavailable, if Kafka cannot be reached
        """
        named = {uuid5(origin.command, str(place)): one for place, one in enumerate(commands)}
        await self._publish(named, origin, reply_to=None)

    async def carry_out_many(
        self,
        builds: Sequence[Build],
        origin: Origin,
        *,
        places: Sequence[Sequence[int]] | None = None,
        summary: Summary = "done",
    ) -> Answered | Accepted:
        """Publish the commands of one request in one go; wait for all answers, return them as one.

        Each command's id is derived from the request's, so an Idempotency-Key covers all of them,
        and `/api/Operations/{request}` tells how far they are together.

        :param places: which entries of the request each command stands for; None: one each
        :param summary: how the answers become one
        :raises Refusal: as `carry_out` does; if Kafka failed half-way some were published
        """
        claim = await self._claim(origin)
        if claim.result is not None:
            return Answered(claim.command, claim.result, replayed=True)
        places = places if places is not None else [(place,) for place in range(len(builds))]
        many = _Many.built(claim.command, builds, places, summary)
        if origin.respond_async:
            return await self._leave(
                many.id, many.batch, many.commands, origin, replayed=not claim.is_new
            )
        results = await self._publish_and_wait_all(many, origin, replayed=not claim.is_new)
        answers = [one for one in results if one is not None]
        if len(answers) < len(results):
            await self._promise(many.id, many.batch, origin)
            return Accepted(many.id, replayed=not claim.is_new)
        result = many.batch.result(answers)
        if origin.key is not None:
            await self._requests.keep(origin, result)
        return Answered(many.id, result, replayed=not claim.is_new)

    async def partitioner(self, topic: str) -> Callable[[str], int]:
        """Return what tells on which partition of the topic a key is.

        :raises Refusal: unavailable, if Kafka cannot be reached
        """
        try:
            return await self._producer.partitioner(topic)
        except NotTaken as error:
            raise refusal("unavailable", retry_after=_RETRY_AFTER) from error

    async def _claim(self, origin: Origin) -> Claim:
        """Return what the request's key stands for; without a key the request is new.

        :raises Refusal: idempotency-key-reused
        """
        if origin.key is None:
            return Claim(origin.command, origin.fingerprint, is_new=True)
        claim = await self._requests.claim(origin, now=self._clock.now())
        if claim.fingerprint != origin.fingerprint:
            raise refusal("idempotency-key-reused")
        return claim

    async def _leave(
        self,
        id_: UUID,
        promised: "Command | Batch",
        commands: Mapping[UUID, Command],
        origin: Origin,
        *,
        replayed: bool,
    ) -> Accepted:
        """Publish all, for an answer that is fetched later."""
        await self._promise(id_, promised, origin)
        try:
            await self._publish(commands, origin, reply_to=None)
        except Refusal:
            if not replayed:
                await self._requests.withdraw(id_)
            raise
        return Accepted(id_, replayed)

    async def _publish_and_wait_all(
        self, many: "_Many", origin: Origin, *, replayed: bool
    ) -> list[Result | None]:
        """Return all results, None for what has none in time; publish what may not have been."""
        service, ids = many.batch.service, list(many.commands)
        results: dict[UUID, Result] = {}
        if replayed:
            results = await self._results.find_many(ids, service=service)
        missing = {id_: one for id_, one in many.commands.items() if id_ not in results}
        waiters = {id_: self._replies.expect(id_, patience=self._patience) for id_ in missing}
        try:
            await self._publish(missing, origin, reply_to=self._replies.partition)
            # A repeat's answers may go to another process alone.
            pause = LOOK_AGAIN if replayed else None
            pending = set(waiters.values())
            while pending:
                _, pending = await asyncio.wait(pending, timeout=pause)
                if pending:
                    results |= await self._results.find_many(ids, service=service)
                    pending -= {waiters[id_] for id_ in results.keys() & waiters.keys()}
            for id_, waiter in waiters.items():
                found = waiter.result() if waiter.done() else None
                if found is not None:
                    results[id_] = found
        finally:
            for id_, waiter in waiters.items():
                self._replies.forget(id_, waiter)
        return [results.get(id_) for id_ in ids]

    async def _publish_and_wait(
        self, id_: UUID, build: Build, origin: Origin, *, replayed: bool = False
    ) -> Answered | Accepted:
        command = _fitting(build(id_))
        if origin.respond_async:
            return await self._leave(id_, command, {id_: command}, origin, replayed=replayed)
        waiter = self._replies.expect(id_, patience=self._patience)
        try:
            await self._publish({id_: command}, origin, reply_to=self._replies.partition)
            if replayed:
                result = await self._wait_or_find(waiter, id_, command)
            else:
                result = await waiter
        finally:
            self._replies.forget(id_, waiter)
        if result is not None:
            result = await self._results.filled(result)
        if result is None or result.status == BEGUN:
            await self._promise(id_, command, origin)
        if result is None:
            return Accepted(id_, replayed)
        if origin.key is not None and (command.order_id is None or result.problem is not None):
            kept = replace(result, body=None) if command.shows_secret else result
            await self._requests.keep(origin, kept)
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

    async def _promise(self, id_: UUID, command: Command | Batch, origin: Origin) -> None:
        await self._requests.promise(id_, command, client=origin.client, now=self._clock.now())

    async def _publish(
        self, commands: Mapping[UUID, Command], origin: Origin, *, reply_to: int | None
    ) -> None:
        now = self._clock.now()
        envelopes = [
            Envelope(
                id=id_,
                type=command.type,
                topic=command.topic,
                key=command.key,
                data=command.data,
                time=now,
                correlation_id=str(id_),
                traceparent=origin.traceparent,
                reply_to=reply_to,
                partition=command.partition,
            )
            for id_, command in commands.items()
        ]
        try:
            await self._producer.send_once(*envelopes, patience=self._patience)
        except TimeoutError as error:
            raise refusal(
                "unavailable",
                "Kafka did not confirm in time. Repeat the request with the same ids, or the same "
                "Idempotency-Key: it takes effect once.",
                retry_after=_RETRY_AFTER,
            ) from error
        except NotTaken as error:
            raise refusal("unavailable", retry_after=_RETRY_AFTER) from error
