"""Reply partitions: leased, never shared, and read from their end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer

from contracts.messages.replies import Reply
from services.api.queries import replies as module
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


def fetch_no_more(client: AIOKafkaConsumer) -> None:
    """Let it do all but fetch."""
    fetcher = client._fetcher  # noqa: SLF001 - that is the fault
    for task in (fetcher._fetch_task, *fetcher._pending_tasks):  # noqa: SLF001 - as above
        task.cancel()


def wait_for_news_for_ever(client: AIOKafkaConsumer) -> None:
    """Let it know of no leader and hear of none, as when the only broker was killed."""
    inner = client._client  # noqa: SLF001 - that is the fault
    inner._sync_task.cancel()  # noqa: SLF001 - as above
    inner.cluster._partitions.clear()  # noqa: SLF001 - as above


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

    async def test_are_still_read_on_a_partition_whose_lease_was_lost(
        self,
        settings: ChassisSettings,
        database: Database,
        wire: Wire,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(module, "RENEW_SECONDS", 0.1)
        await database["leases"].delete_many({})
        async with harness.running(Replies(settings, Leases(database))) as replies:
            lost = replies.partition
            its = {"_id": f"replies/{lost}"}
            await database["leases"].update_one(its, {"$set": {"owner": "another"}})
            await harness.until(lambda: replies.partition != lost, within=30)
            commands = {lost: uuid4(), replies.partition: uuid4()}
            waiting = [replies.expect(one, patience=30) for one in commands.values()]

            await wire.producer.send(
                [
                    replace(
                        wire.sealed(Reply(command_id=str(command), status_code=204)),
                        partition=partition,
                    )
                    for partition, command in commands.items()
                ]
            )
            found = await asyncio.gather(*waiting)

        assert [one.status for one in found if one is not None] == [204, 204]

    @pytest.mark.parametrize("hang", [fetch_no_more, wait_for_news_for_ever])
    async def test_reach_whoever_waits_although_the_client_of_kafka_hangs(
        self,
        settings: ChassisSettings,
        database: Database,
        wire: Wire,
        monkeypatch: pytest.MonkeyPatch,
        hang: Callable[[AIOKafkaConsumer], None],
    ) -> None:
        monkeypatch.setattr(module, "LOOK_EVERY", 1.0)
        monkeypatch.setattr(module, "ANSWERS_WITHIN", 2.0)
        await database["leases"].delete_many({})
        before, after = uuid4(), uuid4()
        async with harness.running(Replies(settings, Leases(database))) as replies:

            async def answered(command: UUID) -> int | None:
                waiting = replies.expect(command, patience=30)
                reply = wire.sealed(Reply(command_id=str(command), status_code=204))
                await wire.producer.send([replace(reply, partition=replies.partition)])
                found = await waiting
                return None if found is None else found.status

            at_first = await answered(before)
            stuck = replies._consumer  # noqa: SLF001 - that is the fault
            hang(stuck)
            at_last = await answered(after)
            fresh = replies._consumer  # noqa: SLF001 - as above

        assert (at_first, at_last) == (204, 204)
        assert fresh is not stuck
        assert stuck._closed  # noqa: SLF001 - nothing goes on trying
