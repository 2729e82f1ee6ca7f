import asyncio
from tests import toy
from tests.harness import Wire, running, until, database
import pytest
from services.chassis.settings import ChassisSettings


@pytest.fixture(scope="module")
async def toywire(settings):
    w = Wire(settings, topics=("toy.commands", "toy.events", "replies", "toy.dead"))
    await w.start()
    yield w
    await w.stop()


async def test_smoke(settings, toywire):
    async with running(toy.service(settings, retry_delays=[0.2, 0.3])) as s:
        ids = [
            await toywire.send(toy.Add(counter="a", amount=i), times=2, reply_to=3)
            for i in range(1, 6)
        ]
        got = await toywire.wait_for("toy.events", count=5)
        assert [e.sequence for e in got] == [1, 3, 6, 10, 15]
        await toywire.send(toy.Add(counter="b", mood="bad"))
        await toywire.send(toy.Add(counter="b", amount=7))
        await toywire.wait_for("toy.dead", count=1)
        await toywire.wait_for("toy.events", lambda e: e.key == "b", count=1)
        async with database(settings) as db:
            print(await db.dead_letters.find({}, {"data": 0}).to_list(None))
            print(await db.toy_inbox.find({}).to_list(3))
            await until(lambda: gone(db))
        r = await toywire.wait_for("replies", count=5)
        print([e.data for e in toywire.on("replies")])


async def gone(db):
    return await db.toy_outbox.count_documents({}) == 0
