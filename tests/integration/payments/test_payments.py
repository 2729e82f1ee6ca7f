from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from contracts.messages.orders import StepFinished, StepStatus
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    ForgetOrder,
    PaymentCommand,
    PaymentOperation,
    VoidPayment,
)
from services.chassis.clock import MovableClock
from services.chassis.mongo import Bson, Database
from tests.harness import Wire, until
from tests.provider import Behaviour, Provider

pytestmark = pytest.mark.usefixtures("clock")


def an_order() -> str:
    return f"O-{uuid4().hex[:12]}"


def asked(amount: str | int = 100, **changes: object) -> PaymentOperation:
    members: dict[str, object] = {
        "payment_id": "P1",
        "payment_method_name": "Card",
        "amount": Decimal(amount),
        "currency": "NOK",
        "connector_id": "psp",
        "reference": "ORD-1",
    }
    return PaymentOperation.model_validate(members | changes)


async def carried_out(
    wire: Wire,
    kind: type[PaymentCommand],
    order_id: str,
    *operations: PaymentOperation,
    times: int = 2,
    within: float = 20.0,
) -> StepFinished:
    """Send the command, twice unless told otherwise, and return its one answer."""
    run_id = uuid4().hex
    await wire.send(
        kind(order_id=order_id, run_id=run_id, step=1, operations=operations), times=times
    )
    return await the_answer(wire, run_id, within=within)


async def the_answer(wire: Wire, run_id: str, *, within: float = 20.0) -> StepFinished:
    answers = await wire.wait_for(
        "orders.commands", lambda one: run_id.encode() in one.data, within=within
    )
    assert len(answers) == 1
    return StepFinished.model_validate_json(answers[0].data)


async def the_operations(mongo: Database, order_id: str | Bson) -> list[Bson]:
    found = mongo["payment_operations"].find({"orderId": order_id})
    return await found.sort("created", 1).to_list(None)


async def until_attempted(mongo: Database, order_id: str, times: int) -> None:
    async def enough() -> bool:
        found = await the_operations(mongo, order_id)
        return bool(found) and found[0]["attempts"] >= times

    condition: Callable[[], bool | Awaitable[bool]] = enough
    await until(condition)


async def until_ended(mongo: Database, order_id: str | Bson, count: int) -> None:
    async def ended() -> bool:
        found = await the_operations(mongo, order_id)
        return len(found) == count and all("completed" in one for one in found)

    condition: Callable[[], bool | Awaitable[bool]] = ended
    await until(condition)


def told(wire: Wire, order_id: str) -> set[UUID]:
    """The ids of the messages to the order."""
    return {one.id for one in wire.on("orders.commands") if one.key == order_id}


class TestAPaymentWithoutConnector:
    @pytest.mark.parametrize(
        ("kind", "word"),
        [
            (AuthorizePayment, "Authorization"),
            (CapturePayment, "Capture"),
            (VoidPayment, "Void"),
            (CreditPayment, "Credit"),
        ],
    )
    async def test_is_recorded_and_moves_no_money(
        self,
        wire: Wire,
        mongo: Database,
        provider: Provider,
        kind: type[PaymentCommand],
        word: str,
    ) -> None:
        order_id = an_order()

        finished = await carried_out(wire, kind, order_id, asked(connector_id=None))

        assert finished.status is StepStatus.SUCCESS
        assert [(one.transaction_type, one.status) for one in finished.payments] == [
            (word, "Processed")
        ]
        (operation,) = await the_operations(mongo, order_id)
        assert (operation["state"], operation["amount"]) == ("succeeded", Decimal(100))
        assert not provider.received

    async def test_is_given_back_to_each_order_that_had_the_id(
        self, wire: Wire, mongo: Database
    ) -> None:
        order_id, recorded = an_order(), asked(connector_id=None)
        all_of_them = {"$gt": f"{order_id}/", "$lt": f"{order_id}0"}

        for count in (2, 4):
            await carried_out(wire, AuthorizePayment, order_id, recorded)
            await wire.send(VoidPayment(order_id=order_id, operations=(recorded,)), times=2)
            await wire.send(ForgetOrder(order_id=order_id), times=2)
            await until_ended(mongo, all_of_them, count)

        kinds = [one["kind"] for one in await the_operations(mongo, all_of_them)]
        assert sorted(kinds) == ["authorize", "authorize", "void", "void"]

    async def test_is_given_back_once_for_each_run_that_was_aborted(
        self, wire: Wire, mongo: Database, provider: Provider
    ) -> None:
        order_id = an_order()
        recorded, card = asked(connector_id=None), asked(payment_id="P2")
        provider.behave("decline", only="authorize")

        for run in ("first", "second"):
            run_id = f"{run}-{order_id}"
            await wire.send(
                AuthorizePayment(
                    order_id=order_id, run_id=run_id, step=1, operations=(recorded, card)
                )
            )
            await the_answer(wire, run_id)
            undo = VoidPayment(order_id=order_id, operations=(recorded,), aborted_run=run_id)
            await wire.send(undo, times=2)
        await wire.send(ForgetOrder(order_id=order_id))
        await until_ended(mongo, order_id, 0)

        forgotten = {"$gt": f"{order_id}/", "$lt": f"{order_id}0"}
        recorded_kinds = [
            one["kind"]
            for one in await the_operations(mongo, forgotten)
            if one["paymentId"] == "P1"
        ]
        assert sorted(recorded_kinds) == ["authorize", "authorize", "void", "void"]


class TestAPaymentWithAProvider:
    async def test_is_held_charged_and_credited_once_each(
        self, wire: Wire, mongo: Database, provider: Provider
    ) -> None:
        order_id = an_order()

        held = await carried_out(wire, AuthorizePayment, order_id, asked())
        charged = await carried_out(wire, CapturePayment, order_id, asked(60))
        (capture,) = charged.payments
        credited = await carried_out(
            wire, CreditPayment, order_id, asked(25, payment_id=capture.id)
        )
        voided = await carried_out(wire, VoidPayment, order_id, asked())

        steps = (held, charged, credited, voided)
        assert {step.status for step in steps} == {StepStatus.SUCCESS}
        assert [step.payments[0].amount for step in steps] == [100, 60, 25, 40]
        assert len({step.payments[0].transaction_id for step in steps}) == 1
        assert provider.held(order_id) == 0
        assert provider.taken(order_id) == 35
        assert len(await the_operations(mongo, order_id)) == 4
        assert provider.faults == []

    async def test_is_asked_for_with_the_connectors_secret_and_headers(
        self, wire: Wire, provider: Provider
    ) -> None:
        order_id = an_order()

        await carried_out(wire, AuthorizePayment, order_id, asked())

        (entry,) = provider.done("authorize", order_id=order_id)
        assert entry.headers["Authorization"] == "Bearer the connector's secret"
        assert entry.headers["X-Merchant"] == "kontor"

    async def test_is_answered_once_when_all_operations_have_ended(
        self, wire: Wire, provider: Provider
    ) -> None:
        order_id = an_order()

        finished = await carried_out(
            wire,
            AuthorizePayment,
            order_id,
            asked(10),
            asked(20, payment_id="P2"),
            asked(30, payment_id="P3", connector_id=None),
        )

        assert finished.status is StepStatus.SUCCESS
        assert {one.id: one.amount for one in finished.payments} == {"P1": 10, "P2": 20, "P3": 30}
        assert provider.held(order_id) == 30

    async def test_is_never_charged_beyond_what_is_held(
        self, wire: Wire, provider: Provider
    ) -> None:
        order_id = an_order()
        await carried_out(wire, AuthorizePayment, order_id, asked())

        more = await carried_out(wire, CapturePayment, order_id, asked(150))
        again = await carried_out(wire, CapturePayment, order_id, asked(50))

        assert (more.status, more.reason) == (StepStatus.WARNING, "only 100 of 150 was held")
        assert again.status is StepStatus.ERROR
        assert provider.taken(order_id) == 100

    @pytest.mark.parametrize(
        ("behaviour", "ended"),
        [
            ("decline", ("declined", "insufficient funds")),
            ("refuse", ("failed", "the provider answered 422: no such currency")),
        ],
    )
    async def test_fails_for_good_when_the_provider_says_no(
        self,
        wire: Wire,
        mongo: Database,
        provider: Provider,
        behaviour: Behaviour,
        ended: tuple[str, str],
    ) -> None:
        order_id = an_order()
        provider.behave(behaviour)

        finished = await carried_out(wire, AuthorizePayment, order_id, asked())

        assert (finished.status, finished.payments) == (StepStatus.ERROR, ())
        (operation,) = await the_operations(mongo, order_id)
        assert (operation["state"], finished.reason) == ended
        assert provider.received["authorize"] == 1

    async def test_leaves_nothing_held_when_one_of_several_is_declined(
        self, wire: Wire, provider: Provider
    ) -> None:
        order_id = an_order()
        provider.behave("decline", times=1)

        finished = await carried_out(
            wire, AuthorizePayment, order_id, asked(10), asked(20, payment_id="P2")
        )

        assert (finished.status, finished.payments) == (StepStatus.ERROR, ())
        await until(lambda: provider.done("void", order_id=order_id))
        assert provider.held(order_id) == 0

    async def test_fails_at_once_when_its_provider_is_not_allowed_or_not_configured(
        self, wire: Wire, provider: Provider
    ) -> None:
        forbidden = await carried_out(
            wire, AuthorizePayment, an_order(), asked(connector_id="inside")
        )
        missing = await carried_out(wire, AuthorizePayment, an_order(), asked(connector_id="none"))

        assert (forbidden.status, missing.status) == (StepStatus.ERROR, StepStatus.ERROR)
        assert forbidden.reason == "10.0.0.1 is neither public nor in an allowed network"
        assert missing.reason == "the connector none has no host"
        assert not provider.received

    async def test_has_nothing_to_undo_when_it_was_never_held(
        self, wire: Wire, mongo: Database, provider: Provider
    ) -> None:
        order_id = an_order()
        provider.behave("decline")
        await carried_out(wire, AuthorizePayment, order_id, asked())

        await wire.send(VoidPayment(order_id=order_id, operations=(asked(),)), times=2)

        await until_ended(mongo, order_id, 2)
        assert provider.received["void"] == 0
        assert len(told(wire, order_id)) == 1


class TestAnUnknownOutcome:
    @pytest.mark.parametrize(
        "behaviour", ["fail_before", "die_after", "garbage", "nul", "hang", "slow"]
    )
    async def test_is_asked_for_and_the_money_is_held_once(
        self,
        wire: Wire,
        mongo: Database,
        clock: MovableClock,
        provider: Provider,
        behaviour: Behaviour,
    ) -> None:
        order_id, run_id = an_order(), uuid4().hex
        provider.delay = 1.5
        provider.behave(behaviour, times=1)

        await wire.send(
            AuthorizePayment(order_id=order_id, run_id=run_id, step=1, operations=(asked(),)),
            times=2,
        )
        await until_attempted(mongo, order_id, 1)
        clock.advance(timedelta(seconds=2))
        if behaviour == "slow":
            await until(lambda: provider.done("authorize", order_id=order_id))
            clock.advance(timedelta(seconds=6))
        finished = await the_answer(wire, run_id)

        assert finished.status is StepStatus.SUCCESS
        assert provider.total("authorize", order_id=order_id) == 100
        assert provider.received["operation"] >= 1
        assert provider.received["authorize"] == (2 if behaviour in {"fail_before", "hang"} else 1)

    async def test_fails_the_step_after_four_attempts_and_is_undone_once_it_is_known(
        self, wire: Wire, mongo: Database, clock: MovableClock, provider: Provider
    ) -> None:
        order_id, run_id = an_order(), uuid4().hex
        provider.behave("die_after", times=1)
        await wire.send(
            AuthorizePayment(order_id=order_id, run_id=run_id, step=1, operations=(asked(),)),
            times=2,
        )
        await until_attempted(mongo, order_id, 1)
        provider.behave("fail_before", only="operation")
        for attempt in (2, 3, 4):
            clock.advance(timedelta(seconds=16))
            await until_attempted(mongo, order_id, attempt)
        finished = await the_answer(wire, run_id)
        unknown = await the_operations(mongo, order_id)
        held_meanwhile = provider.held(order_id)

        provider.behave("normal")
        clock.advance(timedelta(seconds=31))
        await until_ended(mongo, order_id, 2)

        assert finished.status is StepStatus.ERROR
        assert finished.payments == ()
        assert [one["state"] for one in unknown] == ["unknown"]
        assert held_meanwhile == 100
        assert provider.held(order_id) == 0
        authorization, void = await the_operations(mongo, order_id)
        assert void["undoes"] == authorization["_id"]
        assert provider.received["authorize"] == 1
        assert len(told(wire, order_id)) == 1

    async def test_that_was_nothing_leaves_nothing(
        self, wire: Wire, mongo: Database, clock: MovableClock, provider: Provider
    ) -> None:
        order_id, run_id = an_order(), uuid4().hex
        provider.behave("fail_before", only="authorize")
        await wire.send(
            AuthorizePayment(order_id=order_id, run_id=run_id, step=1, operations=(asked(),))
        )
        for attempt in (1, 2, 3, 4):
            await until_attempted(mongo, order_id, attempt)
            clock.advance(timedelta(seconds=31))
        finished = await the_answer(wire, run_id)
        await until_ended(mongo, order_id, 1)

        assert finished.status is StepStatus.ERROR
        assert provider.received["authorize"] == 4
        assert [one["state"] for one in await the_operations(mongo, order_id)] == ["failed"]

    async def test_keeps_what_comes_after_it_waiting(
        self, wire: Wire, mongo: Database, clock: MovableClock, provider: Provider
    ) -> None:
        order_id = an_order()
        provider.behave("die_after", times=1)
        await wire.send(
            AuthorizePayment(order_id=order_id, run_id="first", step=1, operations=(asked(),))
        )
        await wire.send(VoidPayment(order_id=order_id, operations=(asked(),)))
        await until_attempted(mongo, order_id, 1)
        voids_before = provider.received["void"]

        clock.advance(timedelta(seconds=2))
        await until(lambda: provider.done("void", order_id=order_id))

        assert voids_before == 0
        assert provider.total("void", order_id=order_id) == 100
        assert provider.faults == []


class TestAnOrderThatIsDeletedForGood:
    async def test_holds_no_money_any_more(
        self, wire: Wire, mongo: Database, clock: MovableClock, provider: Provider
    ) -> None:
        order_id = an_order()
        await carried_out(wire, AuthorizePayment, order_id, asked())
        provider.behave("fail_before", times=1, only="void")

        await wire.send(VoidPayment(order_id=order_id, operations=(asked(),)), times=2)
        await until(lambda: provider.received["void"])
        await wire.send(ForgetOrder(order_id=order_id), times=2)
        await until_ended(mongo, order_id, 0)
        clock.advance(timedelta(seconds=2))
        await until(lambda: provider.done("void", order_id=order_id), within=30)

        assert provider.held(order_id) == 0
        assert provider.total("void", order_id=order_id) == 100
        assert provider.faults == []

    async def test_gets_back_what_turns_out_to_have_been_held(
        self, wire: Wire, mongo: Database, clock: MovableClock, provider: Provider
    ) -> None:
        order_id, run_id = an_order(), uuid4().hex
        provider.behave("die_after", times=1)
        await wire.send(
            AuthorizePayment(order_id=order_id, run_id=run_id, step=1, operations=(asked(),))
        )
        await until_attempted(mongo, order_id, 1)
        provider.behave("fail_before", only="operation")
        for attempt in (2, 3, 4):
            clock.advance(timedelta(seconds=16))
            await until_attempted(mongo, order_id, attempt)
        await wire.send(ForgetOrder(order_id=order_id))

        provider.behave("normal")
        clock.advance(timedelta(seconds=31))
        await until(lambda: provider.done("void", order_id=order_id), within=30)

        assert provider.held(order_id) == 0
        assert provider.faults == []
