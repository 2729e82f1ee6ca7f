"""Documents that go all at once, without having been read."""

from typing import ClassVar

from contracts.message import Message
from services.chassis.mongo import Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.chassis.unit_of_work import Route, UnitOfWork
from tests import toy
from tests.harness import Wire, running
from tests.integration.chassis.seen import counter, counters_everywhere
from tests.toy import Add, Counter


class Wipe(Message):
    """Forget all counters whose names begin so, and mark another."""

    type: ClassVar[str] = "toy.wipe"
    topic: ClassVar[str] = toy.COMMANDS

    counter: str
    marked: str

    @property
    def key(self) -> str:
        return self.counter


def wipe(command: Wipe, uow: UnitOfWork) -> None:
    name = command.counter
    uow.delete_all(Counter, {"_id": {"$regex": f"^{name}"}}, lambda one: one.id.startswith(name))
    uow.patch_all(Counter, {"_id": command.marked}, {"$set": {"total": 1000}})


def service(settings: ChassisSettings) -> Service:
    """Return the toy with a way to wipe."""
    return Service(
        name="toy",
        settings=settings,
        listens_to=[toy.COMMANDS],
        speaks_on=[toy.EVENTS, "replies"],
        table={**toy.TABLE, Wipe: Route(Wipe, wipe)},
        gateways=(),
    )


class TestARemoval:
    async def test_takes_what_was_saved_before_it_and_leaves_what_comes_after(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        gone, kept, *_ = counters_everywhere(settings, 2)  # of one partition
        stored = [wire.sealed(Add(counter=name, amount=1)) for name in (gone, kept)]
        async with running(service(settings)):
            await wire.producer.send(stored)
            await wire.wait_for(toy.EVENTS, lambda event: event.key in {gone, kept}, count=2)
        batch = [
            Add(counter=gone, amount=2),
            Wipe(counter=gone, marked=kept),
            Add(counter=gone, amount=3),
            Add(counter=kept, amount=4),
        ]
        await wire.producer.send([wire.sealed(message) for message in batch])

        async with running(service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key in {gone, kept}, count=5)

        assert await counter(mongo, gone) == [3]
        assert await counter(mongo, kept) == [1, 4]
        found = await mongo["counters"].find_one({"_id": kept})
        assert found is not None
        assert found["total"] == 1000
