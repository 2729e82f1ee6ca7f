"""Documents that go, or change, all at once, without having been read."""

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
    """Forget all counters whose names begin so."""

    type: ClassVar[str] = "toy.wipe"
    topic: ClassVar[str] = toy.COMMANDS

    counter: str

    @property
    def key(self) -> str:
        return self.counter


def wipe(command: Wipe, uow: UnitOfWork) -> None:
    name = command.counter
    uow.delete_all(Counter, {"_id": {"$regex": f"^{name}"}}, lambda one: one.id.startswith(name))


class Reset(Message):
    """Let all counters whose names begin so begin at 1000."""

    type: ClassVar[str] = "toy.reset"
    topic: ClassVar[str] = toy.COMMANDS

    counter: str

    @property
    def key(self) -> str:
        return self.counter


def reset(command: Reset, uow: UnitOfWork) -> None:
    name = command.counter

    def anew(one: Counter) -> Counter:
        return one.model_copy(update={"total": 1000}) if one.id.startswith(name) else one

    uow.rewrite_all(Counter, {"_id": {"$regex": f"^{name}"}}, {"$set": {"total": 1000}}, anew)


def service(settings: ChassisSettings) -> Service:
    """Return the toy with a way to wipe, and one to reset."""
    return Service(
        name="toy",
        settings=settings,
        listens_to=[toy.COMMANDS],
        speaks_on=[toy.EVENTS, "replies"],
        table={**toy.TABLE, Wipe: Route(Wipe, wipe), Reset: Route(Reset, reset)},
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
            Wipe(counter=gone),
            Add(counter=gone, amount=3),
            Add(counter=kept, amount=4),
        ]
        await wire.producer.send([wire.sealed(message) for message in batch])

        async with running(service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key in {gone, kept}, count=5)

        assert await counter(mongo, gone) == [3]
        assert await counter(mongo, kept) == [1, 4]


class TestARewrite:
    async def test_changes_what_was_saved_before_it_and_leaves_what_comes_after(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        stored, fresh, late, *_ = counters_everywhere(settings, 3)  # of one partition
        async with running(service(settings)):
            await wire.send(Add(counter=stored, amount=1))
            await wire.wait_for(toy.EVENTS, lambda event: event.key == stored)
        batch = [
            Add(counter=fresh, amount=2),
            *(Reset(counter=name) for name in (stored, fresh, late)),
            Add(counter=fresh, amount=3),
            Add(counter=late, amount=4),
        ]
        await wire.producer.send([wire.sealed(message) for message in batch])

        names = {stored, fresh, late}
        async with running(service(settings)):
            await wire.wait_for(toy.EVENTS, lambda event: event.key in names, count=4)

        found = await mongo["counters"].find({"_id": {"$in": list(names)}}).to_list(None)
        totals = {one["_id"]: one["total"] for one in found}
        assert totals == {stored: 1000, fresh: 1003, late: 4}
