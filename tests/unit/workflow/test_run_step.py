"""One step, run by hand in whatever status the order has (S2, manual steps; decided 5.7)."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from contracts.message import Message
from contracts.messages.inventory import ReduceStock, ReleaseStock, ReserveStock
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import (
    OrderUpdated,
    OrderWorkflowFailed,
    RunTimedOut,
    RunWorkflowStep,
    StepFinished,
    StepStatus,
)
from contracts.messages.payments import AuthorizePayment, CapturePayment, VoidPayment
from contracts.order import Order
from contracts.settings import DEFAULT, Configuration, Property, WorkflowStep
from contracts.settings.order_settings import OrderSettings
from services.chassis.outcomes import Refused
from services.workflow.domain.events import conclude
from services.workflow.domain.finish_step import finish_step, run_timed_out
from services.workflow.domain.order import OrderDocument, Run
from services.workflow.domain.run import DEADLINE, Progress
from services.workflow.domain.run_step import BY_HAND, run_step
from services.workflow.domain.steps import step_named
from tests.builders import a_form, a_payment, an_order
from tests.unit.workflow.kept import CAUSE, LATER, form_of, holding, kept, shipments_of

PENDING = [a_payment(id="p", status="Pending", amount=998)]


def ordered(status: str = "InProgress", **form: object) -> OrderDocument:
    return kept(an_order(status=status, order_form=a_form(**form)))


def offering(*steps: WorkflowStep) -> Configuration:
    settings = DEFAULT.order_settings.model_copy(update={"available_manual_workflow_steps": steps})
    return DEFAULT.model_copy(update={"order_settings": settings})


def run_by_hand(
    document: OrderDocument | None,
    name: str,
    *properties: Property,
    configuration: Configuration = DEFAULT,
    user_id: str | None = None,
    if_match: tuple[int, ...] | None = None,
) -> Progress:
    command = RunWorkflowStep(
        order_id="ORD-2024-000001",
        name=name,
        properties=properties,
        user="shop",
        user_id=user_id,
        origin="a test",
        if_match=if_match,
    )
    return run_step(document, command, CAUSE, now=LATER, configuration=configuration)


def refused(
    document: OrderDocument | None, name: str, configuration: Configuration = DEFAULT
) -> tuple[str, str]:
    """Return the slug, and what was expected of the name."""
    with pytest.raises(Refused) as refusal:
        run_by_hand(document, name, configuration=configuration)
    problem = refusal.value.problem
    (fault,) = problem.errors or ()
    assert (problem.status, fault.path, fault.got) == (400, "name", name)
    return problem.slug, fault.message


def waiting(progress: Progress) -> Run:
    run = progress.document.run
    assert run is not None
    return run


def answered(
    progress: Progress,
    status: StepStatus = StepStatus.SUCCESS,
    configuration: Configuration = DEFAULT,
    **more: object,
) -> Progress:
    run = waiting(progress)
    finished = StepFinished.model_validate(
        {"order_id": progress.document.id, "run_id": run.id, "step": run.position, "status": status}
        | more
    )
    return finish_step(progress.document, finished, now=LATER, configuration=configuration)


def outcomes(progress: Progress) -> list[tuple[str, str]]:
    assert progress.ended is not None
    return [(one.action_type, one.action_status) for one in progress.ended.results]


def kinds(messages: Sequence[Message]) -> list[type[Message]]:
    return [type(message) for message in messages]


def events(progress: Progress, before: Order) -> list[object]:
    assert progress.ended is not None
    _, told = conclude(
        progress, progress.ended, before=before, now=LATER, configuration=DEFAULT, seed="abcdef"
    )
    return [type(one.event) for one in told]


class TestAStepByHand:
    @pytest.mark.parametrize(
        ("name", "document", "asked"),
        [
            ("IncreaseReservedInventory", ordered(), ReserveStock),
            ("ReduceReservedInventory", holding(ordered()), ReleaseStock),
            ("Notification", ordered(), SendNotification),
            ("resendconfirmation", ordered(), SendNotification),
            ("AuthorizePayment", ordered(payments=PENDING), AuthorizePayment),
            ("CapturePayments", ordered(), CapturePayment),
            ("CancelPayments", ordered("OrderCanceled"), VoidPayment),
        ],
    )
    def test_is_asked_for_and_ends_its_run_when_it_is_answered(
        self, name: str, document: OrderDocument, asked: type[Message]
    ) -> None:
        begun = run_by_hand(document, name)

        done = answered(begun)

        run = waiting(begun)
        assert kinds(begun.messages) == [asked]
        assert (len(run.plan), run.deadline) == (1, LATER + DEADLINE)
        assert [step.casefold() for step, _ in outcomes(done)] == [name.casefold()]
        assert (done.document.run, done.messages, done.aborted) == (None, [], False)
        assert done.document.order.status == document.order.status

    def test_takes_goods_out_of_shipments_that_are_released(self) -> None:
        document = ordered()
        form = form_of(document.order)
        (shipment,) = shipments_of(document.order)
        shipment = shipment.model_copy(update={"status": "Released"})
        order = document.order.model_copy(
            update={"order_form": form.model_copy(update={"shipments": [shipment]})}
        )

        begun = run_by_hand(document.model_copy(update={"order": order}), "ReduceInventory")
        without = run_by_hand(document, "ReduceInventory")

        assert kinds(begun.messages) == [ReduceStock]
        assert outcomes(without) == [("ReduceInventory", "Warning")]

    def test_that_nobody_else_carries_out_has_ended_at_once(self) -> None:
        document = ordered()

        done = run_by_hand(document, "setcompleteddate", user_id="kari")

        assert outcomes(done) == [("SetCompletedDate", "Success")]
        assert done.document.order.completed == LATER
        assert done.document.order.status == "InProgress"
        assert done.ended is not None
        assert (done.ended.user, done.ended.told) == ("kari", ())
        assert events(done, document.order) == [OrderUpdated]

    def test_runs_where_no_status_has_steps(self) -> None:
        kind = DEFAULT.order_type("Online")
        assert kind is not None
        idle = kind.model_copy(update={"disable_workflow": True})
        configuration = DEFAULT.model_copy(update={"order_types": (idle,)})
        unknown = DEFAULT.model_copy(update={"order_types": ()})

        done = [
            run_by_hand(ordered(), "SetCompletedDate", configuration=one)
            for one in (configuration, unknown)
        ]

        assert [outcomes(one) for one in done] == [[("SetCompletedDate", "Success")]] * 2
        assert [one.ended.told for one in done if one.ended is not None] == [(), ()]

    def test_leaves_an_order_alone_that_has_no_status(self) -> None:
        document = ordered()
        order = document.order.model_copy(update={"status": None})

        done = run_by_hand(document.model_copy(update={"order": order}), "SetCompletedDate")

        assert done.document.order.status is None
        assert events(done, order) == [OrderUpdated]

    def test_keeps_its_step_while_it_waits_whatever_becomes_of_the_settings(self) -> None:
        before = offering(WorkflowStep(name="IncreaseReservedInventory", stop_on_error=True))
        begun = run_by_hand(ordered(), "increasereservedinventory", configuration=before)
        stored = OrderDocument.from_bson(begun.document.to_bson() | {"revision": 1})

        done = answered(
            Progress(stored), StepStatus.ERROR, offering(WorkflowStep(name="Notification"))
        )

        assert stored.run == begun.document.run
        assert outcomes(done) == [("IncreaseReservedInventory", "Error")]
        assert done.aborted

    def test_that_fails_and_stops_takes_back_what_it_did(self) -> None:
        document = ordered(payments=PENDING)
        begun = run_by_hand(document, "AuthorizePayment")

        done = answered(begun, StepStatus.ERROR, reason="declined")

        assert done.aborted
        assert kinds(done.messages) == [VoidPayment]
        assert [one.message for one in done.document.order.errors or ()] == ["declined"]
        assert done.document.order.status == "InProgress"
        assert OrderWorkflowFailed in events(done, document.order)

    def test_that_fails_and_does_not_stop_ends_well_and_says_so(self) -> None:
        done = answered(run_by_hand(ordered(), "Notification"), StepStatus.ERROR, reason="no mail")

        assert not done.aborted
        assert outcomes(done) == [("Notification", "Error")]
        assert [one.message for one in done.document.order.errors or ()] == ["no mail"]

    def test_that_nobody_answers_is_given_up_and_counts_when_it_is_late(self) -> None:
        begun = run_by_hand(ordered(), "CapturePayments")
        run = waiting(begun)
        timeout = RunTimedOut(order_id=begun.document.id, run_id=run.id, step=0)
        late = StepFinished(
            order_id=begun.document.id,
            run_id=run.id,
            step=0,
            status=StepStatus.SUCCESS,
            payments=(a_payment(id="c", transaction_type="Capture", amount=998),),
        )

        over = run_timed_out(
            begun.document, timeout, now=LATER + timedelta(minutes=3), configuration=DEFAULT
        )
        after = finish_step(over.document, late, now=LATER, configuration=DEFAULT)

        assert over.aborted
        assert outcomes(over) == [("CapturePayments", "Error")]
        assert form_of(after.document.order).captured_payment_total == 998

    def test_that_is_left_until_the_order_is_saved_holds_nobody_up(self) -> None:
        later = offering(WorkflowStep(name="Notification", run_after_order_is_saved=True))

        done = run_by_hand(ordered(), "Notification", configuration=later)

        assert kinds(done.messages) == [SendNotification]
        assert (done.document.run, outcomes(done)) == (None, [])


class TestWhatMayBeRun:
    def test_is_every_step_that_is_known_but_the_one_that_moves_on(self) -> None:
        expected = f"expected one of {', '.join(BY_HAND)}"

        said = {name: refused(ordered(), name) for name in ("SyncToERP", "", "ChangeStatus")}

        assert said == dict.fromkeys(said, ("step-not-available", expected))
        assert "ChangeStatus" not in BY_HAND
        assert all(step_named(name) is not None for name in BY_HAND)
        assert {"Notification", "ResendConfirmation", "CapturePayment"} < set(BY_HAND)

    def test_is_what_the_settings_name_if_they_name_any(self) -> None:
        configuration = offering(
            WorkflowStep(name="ResendConfirmation", translate_key="again"),
            WorkflowStep(name="SyncToERP"),
            WorkflowStep(name="ChangeStatus"),
            WorkflowStep(name="CapturePayments", active=False),
            WorkflowStep(name="AuthorizePayment", group_id="money"),
        )
        others = ("Notification", "SyncToERP", "ChangeStatus", "CapturePayments")

        done = answered(
            run_by_hand(ordered(), "resendConfirmation", configuration=configuration),
            configuration=configuration,
        )
        said = [refused(ordered(), name, configuration) for name in (*others, "AuthorizePayment")]

        assert done.ended is not None
        (result,) = done.ended.results
        assert (result.action_type, result.translate_key) == ("ResendConfirmation", "again")
        assert set(said) == {("step-not-available", "expected one of ResendConfirmation")}

    def test_is_nothing_where_the_settings_name_only_what_is_not_built(self) -> None:
        said = refused(ordered(), "Notification", offering(WorkflowStep(name="SyncToERP")))

        assert said == ("step-not-available", "expected none: no step may be run by hand")

    def test_is_the_first_of_a_name_that_is_for_the_order(self) -> None:
        def allocating(market: str, warehouse: str) -> WorkflowStep:
            where = Property(key="WarehouseCode", value=warehouse)
            return WorkflowStep(
                name="AllocateToWarehouse", enabled_for_markets=(market,), properties=(where,)
            )

        both = offering(allocating("SWE", "Stockholm"), allocating("NOR", "Oslo"))
        name = "AllocateToWarehouse"

        done = run_by_hand(ordered(), name, configuration=both)
        said = refused(ordered(), name, offering(allocating("SWE", "Stockholm")))

        assert [one.warehouse_code for one in shipments_of(done.document.order)] == ["Oslo"]
        assert said[1].startswith("expected a step that is for this order: ")

    def test_is_told_what_the_client_sends_before_what_the_settings_say(self) -> None:
        configured = Property(key="WarehouseCode", value="Oslo")
        step = WorkflowStep(name="AllocateToWarehouse", properties=(configured,))
        sent = Property(key="warehousecode", value="Bergen")

        plain, changed = (
            run_by_hand(ordered(), step.name, *properties, configuration=offering(step))
            for properties in ((), (sent,))
        )

        assert shipments_of(plain.document.order)[0].warehouse_code == "Oslo"
        assert shipments_of(changed.document.order)[0].warehouse_code == "Bergen"

    @pytest.mark.parametrize(
        ("document", "if_match", "slug"),
        [
            (None, None, "order-not-found"),
            (kept(an_order(is_read_only=True)), None, "order-read-only"),
            (ordered(), (2,), "precondition-failed"),
            (run_by_hand(ordered(), "Notification").document, None, "order-locked"),
        ],
    )
    def test_is_refused_when_no_change_may_be_made(
        self, document: OrderDocument | None, if_match: tuple[int, ...] | None, slug: str
    ) -> None:
        with pytest.raises(Refused) as refusal:
            run_by_hand(document, "Notification", if_match=if_match)

        assert refusal.value.problem.slug == slug


class TestManualSteps:
    def test_are_those_known_in_the_words_of_the_settings(self) -> None:
        none = OrderSettings().manual_steps(["A", "B"])
        some = OrderSettings(
            available_manual_workflow_steps=(WorkflowStep(name="b"), WorkflowStep(name="C"))
        ).manual_steps(["A", "B"])

        assert [step.name for step in none] == ["A", "B"]
        assert [step.name for step in some] == ["b"]
