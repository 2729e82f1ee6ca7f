"""Reply partitions: leased, never shared, and read from their end."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.messages.replies import Reply
from services.api.queries.leases import Leases
from services.api.queries.replies import Replies
from services.chassis.kafka import REPLY_PARTITIONS
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.harness import Wire


class TestLeases:
    async def test_are_never_shared(self, database: Database) -> None:
        await database["leases"].delete_many({})

        taken = await asyncio.gather(*(Leases(database).take() for _ in range(REPLY_PARTITIONS)))

        assert sorted(taken) == list(range(REPLY_PARTITIONS))
        with pytest.raises(LookupError):
            await Leases(database).take()

    async def test_are_free_again_when_they_run_out_or_are_given_back(
        self, database: Database
    ) -> None:
        await database["leases"].delete_many({})
        owners = [Leases(database) for _ in range(REPLY_PARTITIONS)]
        taken = [await owner.take() for owner in owners]
        past = datetime.now(UTC) - timedelta(seconds=1)
        await database["leases"].update_one(
            {"_id": f"replies/{taken[0]}"}, {"$set": {"until": past}}
        )
        await owners[1].release(taken[1])

        again = {await Leases(database).take() for _ in range(2)}

        assert again == {taken[0], taken[1]}
        assert not await owners[0].renew(taken[0])
        assert await owners[2].renew(taken[2])


class TestReplies:
    async def test_reach_whoever_waits_and_no_one_else(
        self, settings: ChassisSettings, database: Database, wire: Wire
    ) -> None:
        await database["leases"].delete_many({})
        mine, others = uuid4(), uuid4()
        async with harness.running(Replies(settings, Leases(database))) as replies:
            waiting = replies.expect(mine, patience=10)
            unheard = replies.expect(others, patience=0.5)
            sealed = wire.sealed(Reply(command_id=str(mine), status_code=204))
            begun = wire.sealed(Reply(command_id=str(others), status_code=202))
            elsewhere = wire.sealed(Reply(command_id=str(others), status_code=200))
            await wire.producer.send(
                [
                    replace(begun, partition=replies.partition),
                    replace(elsewhere, partition=(replies.partition + 1) % REPLY_PARTITIONS),
                    replace(sealed, partition=replies.partition),
                ]
            )

            found = await waiting
            nothing = await unheard

        assert found is not None
        assert found.status == 204
        assert nothing is None
