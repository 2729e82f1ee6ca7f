"""A process may die at any point of its work: the effect is there once, and nothing was lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import bson
import pytest

from contracts.message import derived
from services.chassis.mongo import CODEC, Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, until
from tests.integration.chassis.process import Process, process
from tests.integration.chassis.seen import (
    a_counter,
    committed,
    counter,
    events,
    nothing_is_owed,
    sequences,
)
from tests.toy import Add

AMOUNTS = (5, 6, 7)

POINTS = (
    "before_read",
    "after_read",
    "in_transaction",
    "after_commit",
    "during_produce",
    "before_outbox_delete",
    "before_offset_commit",
)


@asynccontextmanager
async def died_and_back(settings: ChassisSettings, point: str) -> AsyncIterator[Process]:
    """Run a toy until it dies at a point, then another one in its place."""
    async with process(settings, instance="only", KONTOR_CRASH_AT=point) as first:
        assert await first.ends() == -9
    async with process(settings, instance="only") as second:
        yield second


class TestCrash:
    @pytest.mark.parametrize("point", POINTS)
    async def test_loses_and_repeats_nothing(
        self, settings: ChassisSettings, wire: Wire, mongo: Database, point: str
    ) -> None:
        """Guards "crash at each of the seven points": marks, outbox, ids that derive from their
        cause, and the order of outbox and offsets."""
        name = a_counter()
        before = sum((await committed(settings)).values())
        sent = [wire.sealed(Add(counter=name, amount=n), reply_to=1) for n in AMOUNTS]
        await wire.producer.send(sent)

        async with died_and_back(settings, point):
            # A transaction left open blocks its documents until MongoDB's own time limit for it.
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=3, within=75)
            ids = {str(message.id) for message in sent}
            await until(lambda: ids <= {answer.key for answer in wire.on("replies")})
            await nothing_is_owed(mongo)

            async def caught_up() -> bool:
                return sum((await committed(settings)).values()) == before + 3

            await until(caught_up)

        assert await counter(mongo, name) == [*AMOUNTS]
        assert sequences(events(wire, name)) == {
            number: {str(derived(message.id, 1))} for number, message in enumerate(sent, start=1)
        }

    async def test_leaves_a_dead_letter_that_is_complete(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards the burial: dead letter, mark and answer are one transaction, sent again."""
        bad = wire.sealed(Add(counter=a_counter(), mood="bad"), reply_to=1)
        await wire.producer.send([bad])

        async with died_and_back(settings, "during_produce"):
            await wire.wait_for(toy.DEAD, lambda event: event.data == bad.data)
            await wire.wait_for("replies", lambda e: e.key == str(bad.id))
            await nothing_is_owed(mongo)

        assert await mongo["dead_letters"].count_documents({"data": bad.data}) == 1

    async def test_leaves_marks_of_less_than_200_bytes(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "the inbox stays small (marks of under 200 bytes)", here those of refusals."""
        name = a_counter()
        await wire.producer.send([wire.sealed(Add(counter=name, mood="no"), reply_to=1)])

        async with process(settings, instance="only"):
            await wire.wait_for("replies", lambda e: e.data.find(name.encode()) > 0)

        sizes = [
            len(bson.encode(mark, codec_options=CODEC)) async for mark in mongo["toy_inbox"].find()
        ]
        assert sizes
        assert max(sizes) < 200
