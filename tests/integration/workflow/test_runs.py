"""Runs over the wire: commands and answers come twice, late, or not at all."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic_core import from_json

from contracts.messages.inventory import ReduceStock, ReleaseStock, ReserveStock
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import COMMANDS, EVENTS, StepStatus
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    PaymentCommand,
    VoidPayment,
)
from contracts.messages.replies import REPLIES
from contracts.order import Order
from contracts.settings import DEFAULT, OrderStatus, OrderType, WorkflowStep
from services.chassis.settings import ChassisSettings
from services.workflow.app import service
from services.workflow.settings import Settings
from tests.builders import a_form, a_payment, an_order
from tests.harness import running, until
from tests.integration.workflow.conftest import Json, Workflow, fresh
from tests.integration.workflow.others import entries, finished, silence, success

OVER = timedelta(seconds=181)


def pending(**changes: object) -> Order:
    """Return an order whose money waits for an authorization."""
    form = a_form(payments=[a_payment(id="p", status="Pending", payment_method_name="Manual")])
    return an_order(id=fresh(), order_form=form, **changes)


def with_steps(first: list[WorkflowStep], second: list[WorkflowStep]) -> dict[str, object]:
    """Return settings with one more order type: New and Next, which run these steps."""
    statuses = (
        OrderStatus(name="New", order=1, workflow_steps=tuple(first)),
        OrderStatus(name="Next", order=2, workflow_steps=tuple(second)),
    )
    kind = OrderType(name="Special", order_statuses=statuses)
    return {"order_types": (*DEFAULT.order_types, kind)}


def the_answers_after(told: int, workflow: Workflow, command: UUID) -> list[Json]:
    """Return the answers to a command that came after so many others."""
    found = [one for one in workflow.wire.on(REPLIES) if one.key == str(command)]
    return [from_json(one.data) for one in found[told:]]


def payments(order: Json) -> list[tuple[str, str]]:
    return [(one["transactionType"], one["status"]) for one in order["orderForm"]["payments"]]


def reserved(order: Json) -> list[int]:
    return [one["reservedInventoryQuantity"] for one in order["orderForm"]["lineItems"]]


class TestARun:
    async def test_happens_once_though_everything_comes_twice(self, workflow: Workflow) -> None:
        order = pending()

        command = await workflow.place(order)
        reply = await workflow.reply(command)

        assert (reply["statusCode"], reply["version"]) == (201, 1)
        assert reply["body"]["status"] == "New"
        assert reserved(reply["body"]) == [2]
        assert payments(reply["body"]) == [("Authorization", "Processed")]
        await workflow.others.command(order.id, SendNotification)
        assert workflow.others.kinds(order.id) == [ReserveStock, AuthorizePayment, SendNotification]
        (created,) = await workflow.events(order.id, 1)
        assert created["order"] == reply["body"]
        assert created["changes"] == []
        assert "previousStatus" not in created
        (envelope,) = [one for one in workflow.wire.on(EVENTS) if one.key == order.id]
        assert envelope.correlation_id == str(command)
        (version,) = await workflow.versions(order.id)
        assert (version["commandId"], version["statusCode"]) == (str(command), 201)
        assert [one["actionType"] for one in version["results"]] == [
            "IncreaseReservedInventory",
            "AuthorizePayment",
        ]
        mark = await workflow.db["workflow_inbox"].find_one({"_id": command})
        assert mark is not None
        assert mark["o"] == {"s": 202, "o": order.id}

    async def test_answers_a_repeat_after_its_end_from_what_is_kept(
        self, workflow: Workflow
    ) -> None:
        order = pending()
        await workflow.placed(order)

        command = await workflow.enter(order.id, "InProgress")
        first = await workflow.reply(command)
        told = len([one for one in workflow.wire.on(REPLIES) if one.key == str(command)])
        await workflow.enter(order.id, "InProgress", id=command)
        replies = await until(lambda: the_answers_after(told, workflow, command))

        assert (first["statusCode"], first["version"]) == (200, 2)
        assert [(one["statusCode"], one["version"]) for one in replies] == [(200, 2)] * len(replies)
        assert first["body"]["order"]["version"] == 2
        mark = await workflow.db["workflow_inbox"].find_one({"_id": command})
        assert mark is not None
        assert mark["o"] == {"s": 200, "o": order.id, "v": 2}

    async def test_locks_the_order_while_it_waits(self, workflow: Workflow) -> None:
        order = pending()
        workflow.others.script(order.id, AuthorizePayment, silence)
        command = await workflow.place(order)
        authorize = await workflow.others.command(order.id, AuthorizePayment)

        refused = await workflow.entered(order.id, "InProgress", skip=True)
        await workflow.others.answer(success(authorize))
        await workflow.reply(command)
        workflow.others.script(order.id, CapturePayment, silence)
        shipping = await workflow.enter(order.id, "Ship")
        capture = await workflow.others.command(order.id, CapturePayment)
        locked = await workflow.entered(order.id, "Completed")
        await workflow.others.answer(success(capture))

        assert refused["problem"]["type"].endswith("/order-queued")
        assert (locked["statusCode"], locked["problem"]["retryAfter"]) == (409, 1)
        assert locked["problem"]["type"].endswith("/order-locked")
        assert (await workflow.reply(shipping))["statusCode"] == 200

    async def test_that_nobody_answers_ends_at_its_deadline_and_takes_everything_back(
        self, workflow: Workflow
    ) -> None:
        order = pending()
        workflow.others.script(order.id, AuthorizePayment, silence)
        command = await workflow.place(order)
        authorize = await workflow.others.command(order.id, AuthorizePayment)

        workflow.clock.advance(OVER)
        reply = await workflow.reply(command)
        await workflow.others.command(order.id, ReleaseStock)
        assert isinstance(authorize, AuthorizePayment)
        await workflow.others.answer(finished(authorize, payments=entries(authorize)))
        after = await workflow.entered(order.id, "InProgress")

        assert (reply["statusCode"], reply["body"]["status"]) == (201, "New")
        assert [one["message"] for one in reply["body"]["errors"]] == [
            "no answer within 180 seconds"
        ]
        assert set(workflow.others.kinds(order.id)[2:4]) == {VoidPayment, ReleaseStock}
        # The authorization came after all, and nothing of it is left.
        assert payments(after["body"]["order"]) == [("Authorization", "Failed")]
        assert after["body"]["order"]["orderForm"]["authorizedPaymentTotal"] == 0
        assert reserved(after["body"]["order"]) == [0]
        assert [one["type"] for one in await workflow.versions(order.id)] == [
            "order.created",
            "order.workflow_failed",
            "order.status_changed",
        ]

    async def test_keeps_a_charge_that_comes_after_its_deadline(self, workflow: Workflow) -> None:
        order = pending()
        workflow.others.script(order.id, CapturePayment, silence)
        await workflow.placed(order)
        shipping = await workflow.enter(order.id, "Ship")
        capture = await workflow.others.command(order.id, CapturePayment)

        workflow.clock.advance(OVER)
        reply = await workflow.reply(shipping)
        assert isinstance(capture, CapturePayment)
        await workflow.others.answer(finished(capture, payments=entries(capture)))

        assert reply["body"]["isAborted"]
        assert reply["body"]["order"]["status"] == "Ship"
        events = await workflow.events(order.id, 4)
        assert [(one["status"], one["isError"]) for one in events] == [
            ("New", False),
            ("Ship", False),
            ("Ship", True),
            ("Ship", False),
        ]
        assert events[-1]["order"]["orderForm"]["capturedPaymentTotal"] == 998
        assert ReduceStock not in workflow.others.kinds(order.id)

    async def test_survives_a_restart_of_the_service(
        self, settings: ChassisSettings, workflow: Workflow
    ) -> None:
        order = pending()
        workflow.others.script(order.id, AuthorizePayment, silence)
        command = await workflow.place(order)
        authorize = await workflow.others.command(order.id, AuthorizePayment)

        # Another process takes over some of the partitions, then leaves again.
        async with running(service(Settings(**settings.model_dump()))) as another:
            await until(lambda: another.consumer.assigned)
            await workflow.others.answer(success(authorize))
            reply = await workflow.reply(command)

        assert reply["statusCode"] == 201
        await workflow.events(order.id, 1)

    async def test_goes_by_its_plan_though_the_settings_change_while_it_waits(
        self, workflow: Workflow
    ) -> None:
        planned = [
            WorkflowStep(name="IncreaseReservedInventory"),
            WorkflowStep(name="CompleteShipment"),
            WorkflowStep(name="SetCompletedDate"),
        ]
        await workflow.configure(**with_steps(planned, []))
        order = pending(order_type="Special")
        workflow.others.script(order.id, ReserveStock, silence)
        command = await workflow.place(order)
        reserve = await workflow.others.command(order.id, ReserveStock)

        await workflow.configure(
            **with_steps([WorkflowStep(name="AuthorizePayment"), planned[2]], [])
        )
        await workflow.others.answer(success(reserve))
        reply = await workflow.reply(command)

        assert reserved(reply["body"]) == [2]
        assert reply["body"]["completed"]
        (version,) = await workflow.versions(order.id)
        assert [one["actionType"] for one in version["results"]] == [
            "IncreaseReservedInventory",
            "SetCompletedDate",
        ]


class TestStepsAfterSaving:
    async def test_report_whenever_they_have_ended(self, workflow: Workflow) -> None:
        later = WorkflowStep(name="AuthorizePayment", run_after_order_is_saved=True)
        await workflow.configure(
            **with_steps([later], [WorkflowStep(name="IncreaseReservedInventory")])
        )
        order = pending(order_type="Special")
        workflow.others.script(order.id, AuthorizePayment, silence)
        workflow.others.script(order.id, ReserveStock, silence)
        placed = await workflow.placed(order)
        authorize = await workflow.others.command(order.id, AuthorizePayment)
        entering = await workflow.enter(order.id, "Next")
        reserve = await workflow.others.command(order.id, ReserveStock)

        await workflow.others.answer(success(authorize))
        await workflow.others.answer(success(reserve))
        reply = await workflow.reply(entering)

        assert payments(placed["body"]) == [("Authorization", "Pending")]
        assert payments(reply["body"]["order"]) == [("Authorization", "Processed")]
        events = await workflow.events(order.id, 3)
        assert [one["previousStatus"] for one in events[1:]] == ["New", "New"]
        assert {one["path"] for one in events[1]["changes"]} >= {
            "status",
            "orderForm.payments[0].status",
            "orderForm.lineItems[0].reservedInventoryQuantity",
        }

    async def test_note_their_failure_on_the_order(self, workflow: Workflow) -> None:
        order = pending()
        await workflow.placed(order)
        notify = await workflow.others.command(order.id, SendNotification)

        await workflow.others.answer(finished(notify, StepStatus.ERROR, reason="mailbox full"))

        (_, failed) = await workflow.events(order.id, 2)
        assert failed["isError"]
        assert [one["message"] for one in failed["order"]["errors"]] == ["mailbox full"]
        assert failed["user"] == "workflow"


class TestCancelling:
    async def test_gives_up_what_is_held_and_gives_back_what_was_charged(
        self, workflow: Workflow
    ) -> None:
        order = pending()
        await workflow.placed(order)

        def half(command: object) -> object:
            assert isinstance(command, CapturePayment)
            (entry,) = entries(command)
            return finished(command, payments=[entry.model_copy(update={"amount": Decimal(400)})])

        workflow.others.script(order.id, CapturePayment, half)  # type: ignore[arg-type] # a script
        await workflow.entered(order.id, "Ship")

        reply = await workflow.entered(order.id, "OrderCanceled")

        asked = {
            type(one): [operation.amount for operation in one.operations]
            for one in workflow.others.asked(order.id)
            if isinstance(one, PaymentCommand)
        }
        assert asked[VoidPayment] == [598]
        assert asked[CreditPayment] == [400]
        form = reply["body"]["order"]["orderForm"]
        assert (form["authorizedPaymentTotal"], form["creditPaymentTotal"]) == (400, 400)
        assert [one["actionType"] for one in reply["body"]["orderActionExecutionResults"]] == [
            "CancelPayments",
            "ReduceReservedInventory",
            "SetCanceledDate",
            "Notification",
        ]

    async def test_is_harmless_where_nothing_is_held(self, workflow: Workflow) -> None:
        order = an_order(id=fresh(), order_form=None)
        await workflow.placed(order)

        reply = await workflow.entered(order.id, "OrderCanceled")

        assert (reply["statusCode"], reply["body"]["isAborted"]) == (200, False)
        assert reply["body"]["workflowExecutionResult"]["isSuccessful"]


class TestRefusals:
    async def test_of_a_duplicate_leave_the_first_order_as_it_is(self, workflow: Workflow) -> None:
        order = pending()
        first = await workflow.placed(order)

        refused = await workflow.placed(order.model_copy(update={"customer_name": "Kari"}))

        assert refused["statusCode"] == 409
        assert refused["problem"]["type"].endswith("/duplicate-order-id")
        stored = await workflow.stored(order.id)
        assert stored["order"]["customerName"] == first["body"]["customerName"]
        assert stored["version"] == 1

    @pytest.mark.parametrize("status", ["Nowhere", ""])
    async def test_of_a_status_that_does_not_exist_name_those_that_do(
        self, workflow: Workflow, status: str
    ) -> None:
        order = pending()
        await workflow.placed(order)

        refused = await workflow.entered(order.id, status)

        assert refused["statusCode"] == 400
        assert "InProgress" in refused["problem"]["detail"]
        assert (await workflow.stored(order.id))["version"] == 1

    async def test_of_an_order_that_is_not_there(self, workflow: Workflow) -> None:
        refused = await workflow.entered(fresh(), "Ship")

        assert (refused["statusCode"], refused["problem"]["status"]) == (404, 404)


class TestAnswers:
    async def test_to_nobody_change_nothing(self, workflow: Workflow) -> None:
        order = pending()
        await workflow.placed(order)
        reserve = await workflow.others.command(order.id, ReserveStock)
        late = success(reserve)
        assert late is not None
        revision = (await workflow.stored(order.id))["revision"]

        again = await workflow.wire.send(late, times=2)
        other = await workflow.wire.send(late.model_copy(update={"run_id": "another"}))

        async def taken() -> bool:
            marks = workflow.db["workflow_inbox"].find({"_id": {"$in": [again, other]}})
            return len(await marks.to_list(None)) == 2

        await until(taken)
        assert (await workflow.stored(order.id))["revision"] == revision
        assert len(await workflow.versions(order.id)) == 1
        assert [one for one in workflow.wire.on(REPLIES) if one.key == str(again)] == []
        assert [
            one.id for one in workflow.wire.on(COMMANDS) if one.causation_id == str(again)
        ] == []
