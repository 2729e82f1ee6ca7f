"""The life of a run, as pure rules."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from uuid import UUID, uuid5

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.message import Message
from contracts.messages.inventory import ReduceStock, ReleaseStock, ReleaseUnits, ReserveStock
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import (
    OrderCreated,
    OrderDeleted,
    OrderPaymentUpdated,
    OrderStatusChanged,
    OrderUpdated,
    OrderWorkflowFailed,
    PlaceOrder,
    RunTimedOut,
    StepFinished,
    StepStatus,
    UpdateOrderStatus,
)
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    VoidPayment,
)
from contracts.messages.replies import UNRUN
from contracts.note import EntityError
from contracts.order import Order
from contracts.settings import (
    DEFAULT,
    Configuration,
    Connector,
    Market,
    OrderStatus,
    OrderType,
    PaymentOption,
    StepGroup,
    WorkflowStep,
)
from contracts.shipment import StatusLogItem
from services.chassis.outcomes import Refused
from services.workflow.domain.events import Told, conclude, differences, run_result
from services.workflow.domain.finish_step import RunOver, finish_step, run_timed_out
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause, place
from services.workflow.domain.run import Progress
from services.workflow.domain.update_status import update_status
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order, the_reference_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMAND = UUID("11111111-1111-1111-1111-111111111111")


def a_cause(number: int = 0) -> Cause:
    id_ = uuid5(COMMAND, str(number))
    return Cause(id_, str(id_), 3, size=2_000)


def placed(order: Order, configuration: Configuration = DEFAULT) -> Progress:
    command = PlaceOrder(order_id=order.id, order=order, user="shop", origin="POST /api/Orders")
    return place(None, command, a_cause(), now=NOW, configuration=configuration)


def entering(
    document: OrderDocument | None,
    status: str,
    configuration: Configuration = DEFAULT,
    **more: bool,
) -> Progress:
    command = UpdateOrderStatus(
        order_id="ORD-2024-000001", status=status, user="shop", origin="POST …", **more
    )
    return update_status(document, command, a_cause(9), now=NOW, configuration=configuration)


def an_answer(
    progress: Progress, status: StepStatus = StepStatus.SUCCESS, **more: object
) -> StepFinished:
    run = progress.document.run
    assert run is not None
    return StepFinished.model_validate(
        {
            "order_id": progress.document.id,
            "run_id": run.id,
            "step": run.position,
            "status": status,
            **more,
        }
    )


def answered(
    progress: Progress,
    status: StepStatus = StepStatus.SUCCESS,
    configuration: Configuration = DEFAULT,
    **more: object,
) -> Progress:
    finished = an_answer(progress, status, **more)
    return finish_step(progress.document, finished, now=NOW, configuration=configuration)


def kinds(messages: object) -> list[type[Message]]:
    assert isinstance(messages, (list, tuple))
    return [type(message) for message in messages]


def told(progress: Progress, before: Order | None) -> tuple[OrderDocument, list[Told]]:
    assert progress.ended is not None
    return conclude(
        progress, progress.ended, before=before, now=NOW, configuration=DEFAULT, seed="abcdef"
    )


def the_answer_to(
    command: Message, status: StepStatus = StepStatus.SUCCESS, **more: object
) -> StepFinished:
    asked = command.model_dump(include={"order_id", "run_id", "step"})
    return StepFinished.model_validate({**asked, "status": status, **more})


def timed_out(progress: Progress) -> Progress:
    run = progress.document.run
    assert run is not None
    timeout = RunTimedOut(order_id=progress.document.id, run_id=run.id, step=run.position)
    return run_timed_out(progress.document, timeout, now=NOW, configuration=DEFAULT)


def a_change_to(status: str) -> WorkflowStep:
    return WorkflowStep.model_validate(
        {"name": "ChangeStatus", "properties": [{"key": "ToStatus", "value": status}]}
    )


def two_statuses(first: list[WorkflowStep], second: list[WorkflowStep]) -> Configuration:
    statuses = (
        OrderStatus(name="New", order=1, workflow_steps=tuple(first)),
        OrderStatus(name="Next", order=2, workflow_steps=tuple(second)),
    )
    kind = OrderType(name="Online", order_statuses=statuses)
    return DEFAULT.model_copy(update={"order_types": (kind,)})


def the_card_at(connector: str) -> dict[str, object]:
    card = PaymentOption(payment_method_name="Card", connector=connector)
    market = Market(market_id="NOR", currency="NOK", payment_options=(card,))
    return {
        "markets": (market,),
        "connectors": (Connector(connector_id=connector, host="https://psp.example"),),
    }


def one_status(*steps: WorkflowStep, name: str = "New", **more: object) -> Configuration:
    status = OrderStatus.model_validate({"name": name, "order": 1, "workflow_steps": steps, **more})
    other = OrderStatus(name="Next", order=2)
    kind = OrderType(name="Online", order_statuses=(status, other))
    return DEFAULT.model_copy(update={"order_types": (kind,)})


class TestPlace:
    def test_asks_for_the_stock_first_and_shows_the_order_as_queued(self) -> None:
        progress = placed(the_reference_order())

        assert kinds(progress.messages) == [ReserveStock]
        assert progress.document.order.status == "Queued"
        assert progress.ended is None

    def test_fills_in_what_the_client_left_out(self) -> None:
        order = placed(an_order(status=None, order_type=None, order_number=None)).document.order

        assert order.order_type == "Online"
        assert order.order_number == order.id
        assert order.customer_number == order.customer_id
        assert order.created == NOW

    def test_takes_no_word_of_a_client_for_what_its_life_here_brings_about(self) -> None:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        log = [StatusLogItem(status="Completed", timestamp=long_ago)]
        shipments = [a_shipment(order_status_log=log), a_shipment(shipment_id="2", line_items=[])]
        sent = an_order(
            status="Completed",
            completed=long_ago,
            ready_for_pickup=long_ago,
            customer_pickup_deadline=long_ago,
            is_new_customer=True,
            order_form=a_form(shipments=shipments),
        )

        order = placed(sent).document.order

        assert order.completed == NOW
        assert (order.ready_for_pickup, order.customer_pickup_deadline) == (None, None)
        assert order.is_new_customer is None
        assert order.order_form is not None
        assert [one.order_status_log for one in order.order_form.shipments or ()] == [None, None]

    def test_lets_the_order_be_found_by_its_key_while_its_first_run_waits(self) -> None:
        progress = placed(an_order(secret_key="s3cret"))

        assert progress.ended is None
        assert progress.document.to_bson()["secretKeyHash"] == sha256(b"s3cret").digest()

    def test_gives_every_payment_an_id_and_the_date_of_the_order(self) -> None:
        before = datetime(2024, 1, 15, tzinfo=UTC)

        new = placed(the_reference_order()).document.order.order_form
        moved = placed(an_order(created=before)).document.order.order_form

        assert new is not None
        assert moved is not None
        assert [bool(payment.id) for payment in new.payments or ()] == [True]
        assert [payment.created for payment in new.payments or ()] == [NOW]
        assert [payment.created for payment in moved.payments or ()] == [before]

    def test_lifts_a_line_that_stands_only_on_a_shipment(self) -> None:
        extra = a_line(line_item_id="2", code="SKU-002", quantity=Decimal(1))
        shipment = a_shipment(line_items=[a_line(), extra])

        form = placed(an_order(order_form=a_form(shipments=[shipment]))).document.order.order_form

        assert form is not None
        assert [line.line_item_id for line in form.line_items or ()] == ["1", "2"]

    def test_makes_one_shipment_when_there_is_none(self) -> None:
        form = placed(an_order(order_form=a_form(shipments=None))).document.order.order_form

        assert form is not None
        assert [one.warehouse_code for one in form.shipments or ()] == ["WebShop"]

    def test_refuses_an_id_that_is_taken(self) -> None:
        first = placed(the_reference_order())
        again = PlaceOrder(
            order_id=first.document.id, order=first.document.order, user="shop", origin="POST"
        )

        with pytest.raises(Refused) as refusal:
            place(first.document, again, a_cause(1), now=NOW, configuration=DEFAULT)

        assert refusal.value.problem.slug == "duplicate-order-id"

    def test_stores_an_order_of_an_unknown_type_and_runs_nothing(self) -> None:
        progress = placed(an_order(order_type="Barter"))

        assert progress.ended is not None
        assert progress.messages == []
        assert [error.key for error in progress.document.order.errors or ()] == ["orderType"]

    def test_notes_a_market_that_nobody_knows(self) -> None:
        order = placed(an_order(market_id="XXX", status="Nowhere")).document.order

        assert {error.key for error in order.errors or ()} == {"marketId", "status"}


class TestRun:
    def test_goes_from_stock_to_money_to_the_end(self) -> None:
        reserving = placed(the_reference_order())

        authorizing = answered(reserving, reserved={"1": 2})
        done = answered(authorizing)

        assert kinds(authorizing.messages) == [AuthorizePayment]
        assert done.ended is not None
        assert not done.aborted
        assert done.document.order.status == "New"
        assert kinds(done.messages) == [SendNotification]
        form = done.document.order.order_form
        assert form is not None
        assert [line.reserved_inventory_quantity for line in form.line_items or ()] == [2]

    def test_asks_nothing_of_a_provider_for_money_that_the_client_brought(self) -> None:
        authorizing = answered(placed(the_reference_order()))

        (command,) = authorizing.messages
        assert isinstance(command, AuthorizePayment)
        assert command.operations == ()

    def test_asks_to_hold_what_is_pending(self) -> None:
        form = a_form(payments=[a_payment(status="Pending", payment_method_name="Manual")])

        authorizing = answered(placed(an_order(order_form=form)))

        (command,) = authorizing.messages
        assert isinstance(command, AuthorizePayment)
        assert [operation.amount for operation in command.operations] == [Decimal(998)]

    def test_takes_back_what_it_did_when_the_money_is_refused(self) -> None:
        form = a_form(payments=[a_payment(status="Pending")])
        authorizing = answered(placed(an_order(order_form=form)), reserved={"1": 2})

        aborted = answered(authorizing, StepStatus.ERROR, reason="card declined")

        assert aborted.aborted
        assert kinds(aborted.messages) == [VoidPayment, ReleaseStock]
        assert authorizing.document.run is not None
        void = aborted.messages[0]
        assert isinstance(void, VoidPayment)
        assert (void.run_id, void.aborted_run) == (None, authorizing.document.run.id)
        order = aborted.document.order
        assert order.status == "New"
        assert [error.message for error in order.errors or ()] == ["card declined"]
        assert order.order_form is not None
        assert [one.status for one in order.order_form.payments or ()] == ["Failed"]
        assert [one.reserved_inventory_quantity for one in order.order_form.line_items or ()] == [0]

    def test_leaves_nothing_authorized_when_a_later_step_fails(self) -> None:
        configuration = one_status(
            WorkflowStep(name="AuthorizePayment"), WorkflowStep(name="ValidateTrackingNumber")
        )
        pending = a_payment(id="p", status="Pending")
        held = pending.model_copy(update={"status": "Processed"})
        authorizing = placed(an_order(order_form=a_form(payments=[pending])), configuration)

        aborted = answered(authorizing, configuration=configuration, payments=[held])

        form = aborted.document.order.order_form
        assert aborted.aborted
        assert kinds(aborted.messages) == [VoidPayment]
        assert form is not None
        assert [one.transaction_type for one in form.payments or ()] == ["Authorization", "Void"]
        assert form.authorized_payment_total == 0

    def test_goes_on_after_a_warning(self) -> None:
        authorizing = answered(placed(the_reference_order()), StepStatus.WARNING, reason="short")

        assert kinds(authorizing.messages) == [AuthorizePayment]

    def test_takes_an_answer_once(self) -> None:
        reserving = placed(the_reference_order())
        authorizing = answered(reserving)

        with pytest.raises(RunOver):
            finish_step(authorizing.document, an_answer(reserving), now=NOW, configuration=DEFAULT)

    def test_ignores_an_answer_that_comes_after_its_end(self) -> None:
        authorizing = answered(placed(the_reference_order()))
        done = answered(authorizing)

        with pytest.raises(RunOver):
            finish_step(done.document, an_answer(authorizing), now=NOW, configuration=DEFAULT)

    def test_writes_a_failure_after_saving_into_the_errors_of_the_order(self) -> None:
        done = answered(answered(placed(the_reference_order())))
        late = the_answer_to(done.messages[0], StepStatus.ERROR, reason="mailbox full")

        noted = finish_step(done.document, late, now=NOW, configuration=DEFAULT)

        assert [error.message for error in noted.document.order.errors or ()] == ["mailbox full"]
        assert [type(one.event) for one in told(noted, done.document.order)[1]] == [
            OrderWorkflowFailed
        ]
        with pytest.raises(RunOver):
            finish_step(noted.document, late, now=NOW, configuration=DEFAULT)

    def test_keeps_what_a_step_after_saving_did_while_the_next_run_waits(self) -> None:
        configuration = two_statuses(
            [WorkflowStep(name="AuthorizePayment", run_after_order_is_saved=True)],
            [WorkflowStep(name="IncreaseReservedInventory")],
        )
        pending = a_payment(id="p", status="Pending")
        done = placed(an_order(order_form=a_form(payments=[pending])), configuration)
        held = pending.model_copy(update={"status": "Processed"})
        late = the_answer_to(done.messages[0], payments=[held])
        waiting = entering(told(done, None)[0], "Next", configuration)

        absorbed = finish_step(waiting.document, late, now=NOW, configuration=configuration)
        ended = answered(absorbed, configuration=configuration)

        assert absorbed.ended is None
        form = ended.document.order.order_form
        assert form is not None
        assert form.authorized_payment_total == 998
        assert [type(one.event) for one in told(ended, done.document.order)[1]] == [
            OrderStatusChanged,
            OrderPaymentUpdated,
        ]

    def test_notes_a_step_of_our_own_that_failed_after_saving(self) -> None:
        step = WorkflowStep(name="ValidateTrackingNumber", run_after_order_is_saved=True)

        done = placed(the_reference_order(), one_status(step))

        assert done.ended is not None
        assert not done.aborted
        assert done.ended.results == ()
        assert [one.message for one in done.document.order.errors or ()] == [
            "no tracking number on shipment 1"
        ]
        assert [type(one.event) for one in told(done, None)[1]] == [
            OrderCreated,
            OrderWorkflowFailed,
        ]

    def test_notes_a_failure_that_does_not_stop_it_among_the_errors_of_the_order(self) -> None:
        failing = WorkflowStep(name="ChangeStatus", continue_on_error=True)
        configuration = two_statuses([], [failing, WorkflowStep(name="SetCompletedDate")])
        document = placed(the_reference_order(), configuration).document

        done = entering(document, "Next", configuration)

        assert done.ended is not None
        assert not done.aborted
        assert [one.action_status for one in done.ended.results] == ["Error", "Success"]
        errors = done.document.order.errors or []
        assert [(one.key, one.severity, one.status, one.message) for one in errors] == [
            ("ChangeStatus", "Error", "New", "the step has no property ToStatus")
        ]

    @pytest.mark.parametrize("verbose", [True, False])
    def test_tells_of_each_step_if_the_log_is_to_be_verbose(self, verbose: bool) -> None:
        elsewhere = WorkflowStep(name="CompleteShipment", enabled_for_markets=("SWE",))
        unlucky = WorkflowStep.model_validate(
            {"name": "SetCompletedDate", "workflowStepConditions": [{"type": "Error"}]}
        )
        steps = [WorkflowStep(name="IncreaseReservedInventory"), elsewhere, unlucky]
        settings = DEFAULT.order_settings.model_copy(update={"use_verbose_logging": verbose})
        configuration = one_status(*steps, WorkflowStep(name="Dance"))
        configuration = configuration.model_copy(update={"order_settings": settings})
        waiting = placed(the_reference_order(), configuration)

        done = finish_step(
            waiting.document,
            an_answer(waiting, StepStatus.WARNING),
            now=NOW + timedelta(milliseconds=40),
            configuration=configuration,
        )

        assert done.ended is not None
        sentences = (
            "IncreaseReservedInventory: Warning after 40 ms",
            "CompleteShipment: left out, since the order is not in its scope",
            "SetCompletedDate: left out, since the earlier results are not those it asks for",
            "Dance: Warning after 0 ms",
        )
        assert done.ended.told == (sentences if verbose else ())

    @pytest.mark.parametrize(
        ("status", "order_type", "expected"),
        [("New", "Online", ()), ("Elsewhere", "Online", None), ("New", "Nowhere", None)],
    )
    def test_has_a_workflow_to_tell_of_where_its_status_is_known_whatever_its_steps(
        self, status: str, order_type: str, expected: tuple[str, ...] | None
    ) -> None:
        order = the_reference_order()
        order = order.model_copy(update={"status": status, "order_type": order_type})

        done = placed(order, one_status())

        assert done.ended is not None
        assert done.ended.told == expected

    def test_hands_the_properties_of_the_status_to_its_steps(self) -> None:
        own = [{"key": "WarehouseCode", "value": "WH1"}]
        steps = [
            WorkflowStep(name="AllocateToWarehouse"),
            WorkflowStep.model_validate({"name": "AllocateToWarehouse", "properties": own}),
        ]
        found = []

        for step in steps:
            properties = [{"key": "warehouseCode", "value": "WH2"}]
            done = placed(the_reference_order(), one_status(step, properties=properties))
            form = done.document.order.order_form
            found += [one.warehouse_code for one in (form.shipments if form else None) or ()]

        assert found == ["WH2", "WH1"]

    def test_leaves_nothing_held_by_an_authorization_that_comes_after_the_deadline(self) -> None:
        pending = a_payment(id="p", status="Pending")
        order = an_order(order_form=a_form(payments=[pending]))
        authorizing = answered(placed(order), reserved={"1": 2})
        held = pending.model_copy(update={"status": "Processed"})
        late = an_answer(authorizing, payments=[held])

        ended = timed_out(authorizing)

        assert kinds(ended.messages) == [VoidPayment, ReleaseStock]
        form = ended.document.order.order_form
        assert form is not None
        assert [one.status for one in form.payments or ()] == ["Failed"]
        with pytest.raises(RunOver):
            finish_step(ended.document, late, now=NOW, configuration=DEFAULT)

    def test_keeps_a_charge_that_comes_after_the_deadline(self) -> None:
        capturing = entering(TestUpdateStatus().finished(), "Ship")
        charge = a_payment(id="c", transaction_type="Capture")
        late = an_answer(capturing, payments=[charge])
        ended = timed_out(capturing)

        kept = finish_step(ended.document, late, now=NOW, configuration=DEFAULT)

        assert ended.aborted
        form = kept.document.order.order_form
        assert form is not None
        assert form.captured_payment_total == 998
        with pytest.raises(RunOver):
            finish_step(kept.document, late, now=NOW, configuration=DEFAULT)

    def test_leaves_an_earlier_reservation_alone_where_a_later_one_fails(self) -> None:
        configuration = two_statuses(
            [WorkflowStep(name="IncreaseReservedInventory")],
            [WorkflowStep(name="IncreaseReservedInventory", stop_on_error=True)],
        )
        reserved = answered(
            placed(the_reference_order(), configuration),
            reserved={"1": 2},
            configuration=configuration,
        )
        again = entering(told(reserved, None)[0], "Next", configuration)

        aborted = answered(again, StepStatus.ERROR, reason="short", configuration=configuration)

        assert aborted.aborted
        assert aborted.messages == []
        form = aborted.document.order.order_form
        assert form is not None
        assert [one.reserved_inventory_quantity for one in form.line_items or ()] == [2]

    def test_takes_no_goods_back_where_only_money_was_asked_for(self) -> None:
        configuration = two_statuses(
            [WorkflowStep(name="IncreaseReservedInventory")],
            [WorkflowStep(name="AuthorizePayment"), WorkflowStep(name="ValidateTrackingNumber")],
        )
        reserved = answered(
            placed(the_reference_order(), configuration),
            reserved={"1": 2},
            configuration=configuration,
        )

        aborted = answered(
            entering(told(reserved, None)[0], "Next", configuration), configuration=configuration
        )

        assert aborted.aborted
        assert aborted.messages == []
        form = aborted.document.order.order_form
        assert form is not None
        assert [one.reserved_inventory_quantity for one in form.line_items or ()] == [2]

    def test_goes_by_the_steps_it_was_planned_with(self) -> None:
        before = one_status(
            WorkflowStep(name="IncreaseReservedInventory"),
            WorkflowStep(name="CompleteShipment"),
            a_change_to("Next"),
            WorkflowStep(name="SetCompletedDate"),
        )
        after = one_status(
            WorkflowStep(name="AddClickAndCollectTags"),
            WorkflowStep(name="SetCompletedDate"),
            a_change_to("Next"),
            WorkflowStep(name="CompleteShipment", active=False),
        )

        done = answered(placed(the_reference_order(), before), configuration=after)

        assert done.ended is not None
        assert [one.action_type for one in done.ended.results] == [
            "IncreaseReservedInventory",
            "ChangeStatus",
            "SetCompletedDate",
        ]
        assert done.document.order.status == "Next"

    def test_ends_where_its_order_type_is_gone(self) -> None:
        waiting = placed(the_reference_order())

        done = answered(waiting, configuration=DEFAULT.model_copy(update={"order_types": ()}))

        assert done.ended is not None
        assert done.document.order.status == "New"

    def test_judges_the_scope_of_a_step_when_its_turn_has_come(self) -> None:
        configuration = one_status(
            WorkflowStep(name="AddClickAndCollectTags"),
            WorkflowStep(name="IncreaseReservedInventory"),
            WorkflowStep(name="SetCompletedDate", enabled_for_tags=("clickandcollect",)),
            WorkflowStep(name="CompleteShipment", disabled_for_tags=("ClickAndCollect",)),
        )

        done = answered(placed(the_reference_order(), configuration), configuration=configuration)

        assert done.ended is not None
        assert [one.action_type for one in done.ended.results] == [
            "AddClickAndCollectTags",
            "IncreaseReservedInventory",
            "SetCompletedDate",
        ]

    @pytest.mark.parametrize(
        ("of_group", "of_step", "ran"),
        [
            ({}, {}, ["ValidateTrackingNumber"]),
            ({"stop_on_error": False}, {}, ["ValidateTrackingNumber", "SetCompletedDate"]),
            (
                {"stop_on_error": False},
                {"stop_on_error": True},
                ["ValidateTrackingNumber", "SetCompletedDate"],
            ),
            ({"active": False}, {}, []),
            ({"enabled_for_markets": ["SWE"]}, {}, []),
            ({}, {"active": False}, ["SetCompletedDate"]),
            ({}, {"disabled_for_markets": ["NOR"]}, ["SetCompletedDate"]),
        ],
    )
    def test_runs_the_steps_of_a_group_in_its_place(
        self, of_group: dict[str, object], of_step: dict[str, object], ran: list[str]
    ) -> None:
        group = StepGroup(
            group_id="checks",
            steps=(
                WorkflowStep.model_validate({"name": "ValidateTrackingNumber", **of_step}),
                WorkflowStep(name="SetCompletedDate"),
            ),
        )
        step = WorkflowStep.model_validate({"name": "Checks", "group_id": "Checks", **of_group})
        configuration = one_status(step).model_copy(update={"step_groups": (group,)})

        done = placed(the_reference_order(), configuration)

        assert done.ended is not None
        assert [one.action_type for one in done.ended.results] == ran

    def test_runs_after_saving_what_the_status_it_leaves_has_for_then(self) -> None:
        configuration = one_status(
            WorkflowStep(name="Notification", run_after_order_is_saved=True), a_change_to("Next")
        )

        done = placed(the_reference_order(), configuration)

        assert kinds(done.messages) == [SendNotification]
        assert done.document.order.status == "Next"

    def test_asks_under_another_number_in_each_status_it_comes_through(self) -> None:
        configuration = two_statuses(
            [WorkflowStep(name="IncreaseReservedInventory"), a_change_to("Next")],
            [WorkflowStep(name="ReduceReservedInventory")],
        )
        reserving = placed(the_reference_order(), configuration)
        early = an_answer(reserving)

        releasing = answered(reserving, configuration=configuration)

        assert releasing.document.order.status == "Queued"
        with pytest.raises(RunOver):
            finish_step(releasing.document, early, now=NOW, configuration=configuration)

    def test_puts_a_first_order_back_to_where_it_began(self) -> None:
        configuration = two_statuses(
            [WorkflowStep(name="IncreaseReservedInventory"), a_change_to("Next")],
            [WorkflowStep(name="ValidateTrackingNumber")],
        )

        aborted = answered(
            placed(the_reference_order(), configuration), configuration=configuration
        )

        assert aborted.aborted
        assert aborted.document.order.status == "New"
        assert kinds(aborted.messages) == [ReleaseStock]

    def test_says_that_a_status_to_move_on_to_does_not_exist(self) -> None:
        done = placed(the_reference_order(), one_status(a_change_to("Nowhere")))

        assert done.ended is not None
        assert [one.error_reason for one in done.ended.results] == ["there is no status Nowhere"]
        assert done.document.order.status == "New"

    def test_gives_back_what_is_held_at_a_connector_that_is_gone(self) -> None:
        with_connector = one_status(
            WorkflowStep(name="AuthorizePayment"), WorkflowStep(name="ValidateTrackingNumber")
        ).model_copy(update=the_card_at("psp"))
        without = with_connector.model_copy(update={"connectors": ()})
        pending = a_payment(id="p", status="Pending", payment_method_name="Card")
        held = pending.model_copy(update={"status": "Processed"})
        order = an_order(order_form=a_form(payments=[pending]))
        authorizing = placed(order, with_connector)

        aborted = answered(authorizing, configuration=without, payments=[held])

        (command,) = aborted.messages
        assert isinstance(command, VoidPayment)
        assert [one.connector_id for one in command.operations] == ["psp"]

    def test_ends_at_its_deadline_with_everything_taken_back(self) -> None:
        reserving = placed(the_reference_order())
        run = reserving.document.run
        assert run is not None
        assert run.deadline == NOW + timedelta(seconds=180)
        timeout = RunTimedOut(order_id=reserving.document.id, run_id=run.id, step=0)

        ended = run_timed_out(reserving.document, timeout, now=NOW, configuration=DEFAULT)

        assert ended.aborted
        assert kinds(ended.messages) == [ReleaseStock]
        with pytest.raises(RunOver):
            run_timed_out(ended.document, timeout, now=NOW, configuration=DEFAULT)

    def test_reports_an_unknown_step_as_a_warning_and_goes_on(self) -> None:
        configuration = one_status(WorkflowStep(name="Dance"), WorkflowStep(name="BookShipment"))

        done = placed(the_reference_order(), configuration)

        assert done.ended is not None
        assert [(one.action_type, one.action_status) for one in done.ended.results] == [
            ("Dance", StepStatus.WARNING),
            ("BookShipment", StepStatus.SUCCESS),
        ]

    @pytest.mark.parametrize(
        ("scope", "runs"),
        [
            ({}, True),
            ({"enabled_for_markets": ["nor"]}, True),
            ({"enabled_for_markets": ["SWE"]}, False),
            ({"disabled_for_markets": ["NOR"], "enabled_for_markets": ["NOR"]}, False),
            ({"enabled_for_stores": ["webshop"]}, True),
            ({"disabled_for_warehouses": ["MainWarehouse"]}, False),
            ({"enabled_for_shipment_options": ["Bring_SERVICEPAKKE"]}, True),
            ({"enabled_for_tags": ["vip"]}, False),
            ({"active": False}, False),
        ],
    )
    def test_runs_a_step_only_within_its_scope(self, scope: dict[str, object], runs: bool) -> None:
        step = WorkflowStep.model_validate({"name": "SetCompletedDate", **scope})

        done = placed(the_reference_order(), one_status(step))

        assert done.ended is not None
        assert bool(done.ended.results) is runs

    @pytest.mark.parametrize(
        ("first", "condition", "runs"),
        [
            ("SetCompletedDate", "Success", True),
            ("SetCompletedDate", "Warning", False),
            ("Dance", "Success", False),
            ("Dance", "Warning", True),
            ("ValidateTrackingNumber", "Error", True),
        ],
    )
    def test_runs_a_conditional_step_only_after_such_results(
        self, first: str, condition: str, runs: bool
    ) -> None:
        step = WorkflowStep.model_validate(
            {"name": "CompleteShipment", "workflow_step_conditions": [{"type": condition}]}
        )
        configuration = one_status(WorkflowStep(name=first, stop_on_error=False), step)

        done = placed(the_reference_order(), configuration)

        assert done.ended is not None
        assert ("CompleteShipment" in [one.action_type for one in done.ended.results]) is runs

    def test_is_aborted_where_its_steps_move_the_order_on_for_ever(self) -> None:
        to_and_fro = two_statuses(
            [WorkflowStep(name="IncreaseReservedInventory"), a_change_to("Next")],
            [a_change_to("New")],
        )
        cycling = placed(the_reference_order(), to_and_fro)

        while cycling.ended is None:
            cycling = answered(cycling, configuration=to_and_fro)

        assert cycling.aborted
        *moved, last = cycling.ended.results
        assert [one.action_status for one in moved] == [StepStatus.SUCCESS] * 17
        assert (last.action_type, last.action_status) == ("ChangeStatus", StepStatus.ERROR)
        assert last.cancel_workflow
        assert cycling.document.order.status == "New"
        (error,) = cycling.document.order.errors or [EntityError()]
        assert (error.message or "").startswith(
            "Next is not entered: steps have moved the order on"
        )
        assert ReleaseStock in kinds(cycling.messages)
        _, events = told(cycling, None)
        assert [type(one.event) for one in events] == [OrderCreated, OrderWorkflowFailed]


ASKING = ["IncreaseReservedInventory", "AuthorizePayment", "ReduceReservedInventory", "Dance"]


class TestLaws:
    @example(
        names=["AuthorizePayment", "AuthorizePayment", "IncreaseReservedInventory"],
        answers=[StepStatus.ERROR, StepStatus.SUCCESS, None, None, None],
        stops=False,
    )
    @given(
        names=st.lists(st.sampled_from([*ASKING, "ValidateTrackingNumber"]), max_size=5),
        answers=st.lists(st.sampled_from([*StepStatus, None]), min_size=5, max_size=5),
        stops=st.sampled_from([None, True, False]),
    )
    def test_a_first_run_that_is_aborted_holds_nothing(
        self, names: list[str], answers: list[StepStatus | None], stops: bool | None
    ) -> None:
        steps = [WorkflowStep(name=name, stop_on_error=stops) for name in names]
        configuration = one_status(*steps)
        pending = a_payment(id="p", status="Pending")
        progress = placed(an_order(order_form=a_form(payments=[pending])), configuration)
        asked, held, reserved = list(progress.messages), False, False

        for status in answers:
            if progress.ended is None:
                late = an_answer(progress)
                (command,) = progress.messages
                good = status in {StepStatus.SUCCESS, StepStatus.WARNING}
                more: dict[str, object] = {}
                if isinstance(command, ReserveStock):
                    reserved = reserved or good
                    more["reserved"] = {"1": 2 if good else 0}
                if isinstance(command, ReleaseStock):
                    reserved = reserved and not good
                    more["reserved"] = {"1": 0} if good else {}
                if isinstance(command, AuthorizePayment) and command.operations and good:
                    held = True
                    more["payments"] = [pending.model_copy(update={"status": "Processed"})]
                progress = (
                    timed_out(progress)
                    if status is None
                    else answered(progress, status, configuration, **more)
                )
                asked += progress.messages
                with pytest.raises(RunOver):
                    finish_step(progress.document, late, now=NOW, configuration=configuration)

        if progress.aborted:
            form = progress.document.order.order_form
            assert form is not None
            undone = kinds(list(progress.messages))
            assert form.authorized_payment_total == 0
            assert not held or VoidPayment in undone
            assert not reserved or ReleaseStock in undone
            assert not any(one.reserved_inventory_quantity for one in form.line_items or ())
        if progress.ended is not None:
            assert progress.document.run is None
            assert progress.document.order.status == "New"


def cancelling_payments(*, is_canceled_status: bool = True) -> Configuration:
    configuration = two_statuses([], [WorkflowStep(name="CancelPayments")])
    (kind,) = configuration.order_types
    new, following = kind.order_statuses
    following = following.model_copy(update={"is_canceled_status": is_canceled_status})
    kind = kind.model_copy(update={"order_statuses": (new, following)})
    return configuration.model_copy(update={"order_types": (kind,)})


class TestCancelPayments:
    def cancelling(self, *, is_canceled_status: bool = True) -> Progress:
        configuration = cancelling_payments(is_canceled_status=is_canceled_status)
        payments = [
            a_payment(id="a", transaction_id="a", amount=Decimal(600)),
            a_payment(id="c", transaction_id="a", transaction_type="Capture", amount=Decimal(200)),
        ]
        order = an_order(order_form=a_form(payments=payments))
        document, _ = told(placed(order, configuration), None)
        return entering(document, "Next", configuration)

    def test_gives_up_what_is_held_and_gives_back_what_was_charged(self) -> None:
        commands = self.cancelling().messages

        assert [
            (type(one), [operation.amount for operation in one.operations])
            for one in commands
            if isinstance(one, VoidPayment | CreditPayment)
        ] == [(VoidPayment, [Decimal(400)]), (CreditPayment, [Decimal(200)])]

    def test_leaves_the_money_of_an_order_that_is_not_cancelled(self) -> None:
        done = self.cancelling(is_canceled_status=False)

        assert done.ended is not None
        assert kinds(done.messages) == []
        assert [one.action_status for one in done.ended.results] == ["Warning"]

    @pytest.mark.parametrize("first", [0, 1])
    def test_is_done_when_both_have_answered_whichever_is_first(self, first: int) -> None:
        configuration = cancelling_payments()
        asked = self.cancelling()
        entries = [
            a_payment(id="v", transaction_id="a", transaction_type="Void", amount=Decimal(400)),
            a_payment(id="r", transaction_id="a", transaction_type="Credit", amount=Decimal(200)),
        ]

        waiting = answered(
            asked,
            StepStatus.WARNING,
            payments=[entries[first]],
            reason="so",
            configuration=configuration,
        )
        done = answered(waiting, payments=[entries[1 - first]], configuration=configuration)

        assert waiting.ended is None
        assert done.ended is not None
        (result,) = done.ended.results
        assert (result.action_status, result.error_reason) == (StepStatus.WARNING, "so")
        form = done.document.order.order_form
        assert form is not None
        assert form.authorized_payment_total == form.credit_payment_total == 200


class TestUpdateStatus:
    def finished(self) -> OrderDocument:
        done = answered(answered(placed(the_reference_order()), reserved={"1": 2}))
        return told(done, None)[0]

    def test_captures_and_takes_the_goods_on_ship(self) -> None:
        capturing = entering(self.finished(), "Ship")

        reducing = answered(capturing)

        assert kinds(capturing.messages) == [CapturePayment]
        assert kinds(reducing.messages) == [ReduceStock]
        (command,) = capturing.messages
        assert isinstance(command, CapturePayment)
        assert [one.amount for one in command.operations] == [Decimal(998)]

    def test_captures_no_more_than_the_order_costs_and_no_more_than_is_held(self) -> None:
        document = self.finished()
        payments = [
            a_payment(id="a", transaction_id="a", amount=Decimal(400)),
            a_payment(id="b", transaction_id="b", amount=Decimal(700)),
        ]
        order = document.order.model_copy(
            update={
                "order_form": document.order.order_form.model_copy(update={"payments": payments})
                if document.order.order_form
                else None
            }
        )

        (command,) = entering(document.model_copy(update={"order": order}), "Ship").messages

        assert isinstance(command, CapturePayment)
        assert [one.amount for one in command.operations] == [Decimal(400), Decimal(598)]

    @pytest.mark.parametrize(
        ("change", "status", "slug"),
        [
            ({}, "Nowhere", "unknown-status"),
            ({"is_read_only": True}, "Ship", "order-read-only"),
        ],
    )
    def test_refuses(self, change: dict[str, object], status: str, slug: str) -> None:
        document = self.finished()
        order = document.order.model_copy(update=change)

        with pytest.raises(Refused) as refusal:
            entering(document.model_copy(update={"order": order}), status)

        assert refusal.value.problem.slug == slug

    def test_refuses_an_order_that_is_not_there(self) -> None:
        with pytest.raises(Refused) as refusal:
            entering(None, "Ship")

        assert refusal.value.problem.slug == "order-not-found"

    @pytest.mark.parametrize("skip", [False, True])
    def test_refuses_while_a_run_waits_and_says_when_to_come_back(self, skip: bool) -> None:
        waiting = entering(self.finished(), "Ship").document

        with pytest.raises(Refused) as refusal:
            entering(waiting, "Completed", skip_run_workflow=skip)

        assert refusal.value.problem.slug == "order-locked"
        assert refusal.value.problem.retry_after == 1

    @pytest.mark.parametrize("skip", [False, True])
    def test_refuses_an_order_that_is_still_queued(self, skip: bool) -> None:
        queued = placed(the_reference_order()).document

        with pytest.raises(Refused) as refusal:
            entering(queued, "Ship", skip_run_workflow=skip)

        assert refusal.value.problem.slug == "order-queued"

    def test_runs_the_steps_again_where_the_status_stays(self) -> None:
        document = self.finished()
        order = document.order

        done = entering(document, "inprogress")
        again = entering(told(done, order)[0], "InProgress")

        assert done.document.order.status == "InProgress"
        _, (event,) = told(again, done.document.order)
        assert isinstance(event.event, OrderUpdated)
        assert event.event.previous_status == event.event.status == "InProgress"
        assert event.event.changes == ()

    def test_changes_nothing_where_the_status_stays_and_no_step_shall_run(self) -> None:
        once = entering(self.finished(), "Ship", skip_run_workflow=True)

        again = entering(once.document, "ship", skip_run_workflow=True)

        assert (once.is_unchanged, once.shape) == (False, None)
        assert (again.is_unchanged, again.shape) == (True, UNRUN)
        assert again.document.order == once.document.order

    def test_deletes_softly_and_restores(self) -> None:
        document = self.finished()

        deleted = entering(document, "deleted")
        kept, events = told(deleted, document.order)
        restored = entering(kept, "New", skip_run_workflow=True)

        assert deleted.document.order.status == "Deleted"
        assert kinds(deleted.messages) == [ReleaseStock]
        assert [type(one.event) for one in events] == [OrderStatusChanged, OrderDeleted]
        assert restored.document.order.status == "New"

    def test_deletes_by_a_step_as_by_a_request(self) -> None:
        configuration = two_statuses([], [a_change_to("Deleted")])
        (kind,) = configuration.order_types
        gone = OrderStatus(name="Deleted", order=3)
        kind = kind.model_copy(update={"order_statuses": (*kind.order_statuses, gone)})
        configuration = configuration.model_copy(update={"order_types": (kind,)})
        document = placed(the_reference_order(), configuration).document

        deleted = entering(document, "Next", configuration)

        assert deleted.document.order.status == "Deleted"
        assert kinds(deleted.messages) == [ReleaseStock]

    def test_refuses_a_status_that_the_present_one_does_not_lead_to(self) -> None:
        configuration = one_status(available_steps=["New"], enforce_available_steps_policy=True)
        document = placed(the_reference_order(), configuration).document

        with pytest.raises(Refused) as refusal:
            entering(document, "Next", configuration)

        problem = refusal.value.problem
        assert problem.slug == "status-not-available"
        assert [(one.path, one.got) for one in problem.errors or ()] == [("status", "Next")]

    @pytest.mark.parametrize("skip", [False, True])
    @pytest.mark.parametrize("by_step", [False, True])
    def test_holds_no_stock_in_a_cancelled_status_whatever_its_steps(
        self, skip: bool, by_step: bool
    ) -> None:
        gone = OrderStatus(name="Gone", order=3, is_canceled_status=True)
        configuration = two_statuses([], [a_change_to("Gone")])
        (kind,) = configuration.order_types
        kind = kind.model_copy(update={"order_statuses": (*kind.order_statuses, gone)})
        configuration = configuration.model_copy(update={"order_types": (kind,)})
        document = self.finished()

        cancelled = entering(
            document,
            "Next" if by_step else "Gone",
            configuration,
            skip_run_workflow=skip and not by_step,
        )
        again = entering(cancelled.document, "Gone", configuration)

        assert cancelled.document.order.status == "Gone"
        (release,) = cancelled.messages
        assert isinstance(release, ReleaseUnits)
        assert [(one.line_item_id, one.quantity) for one in release.lines] == [("1", Decimal(0))]
        form = cancelled.document.order.order_form
        assert form is not None
        assert [
            (line.reserved_inventory_quantity, line.canceled_date) for line in form.line_items or ()
        ] == [(Decimal(0), NOW)]
        assert kinds(again.messages) == []

    def test_runs_nothing_when_told_to_skip(self) -> None:
        document = self.finished()

        done = entering(document, "Ship", skip_run_workflow=True)

        assert done.ended is not None
        assert done.messages == ()
        assert done.document.order.status == "Ship"
        _, (event,) = told(done, document.order)
        assert (event.event.operation_id, event.event.category) == (310102, "Workflow")

    def test_delivers_the_rest_on_a_delivered_status(self) -> None:
        done = entering(self.finished(), "Completed", skip_run_workflow=True)

        form = done.document.order.order_form
        assert form is not None
        assert [line.delivered_quantity for line in form.line_items or ()] == [2]
        assert done.document.order.completed == NOW


class TestEvents:
    def test_begin_with_the_creation_under_sequence_1(self) -> None:
        done = answered(answered(placed(the_reference_order())))

        document, events = told(done, None)

        assert [type(one.event) for one in events] == [OrderCreated]
        assert [one.event.sequence for one in events] == [1]
        assert document.version == document.order.version == 1

    def test_number_several_events_of_one_command_in_turn(self) -> None:
        first, _ = told(answered(answered(placed(the_reference_order()))), None)

        document, events = told(entering(first, "Completed", skip_run_workflow=True), first.order)

        assert [one.event.type for one in events] == ["order.status_changed", "order.completed"]
        assert [one.event.sequence for one in events] == [2, 3]
        assert document.version == 3

    def test_tell_that_a_run_was_aborted(self) -> None:
        authorizing = answered(placed(the_reference_order()))
        aborted = answered(authorizing, StepStatus.ERROR, reason="declined")

        _, events = told(aborted, None)

        assert [type(one.event) for one in events] == [OrderCreated, OrderWorkflowFailed]
        assert [one.event.is_error for one in events] == [False, True]

    def test_say_what_changed_from_what_to_what(self) -> None:
        before = the_reference_order()
        after = before.model_copy(update={"status": "Ship", "tags": ["vip"]})

        changes = {one.path: (one.from_, one.to) for one in differences(before, after)}

        assert changes == {"status": ("New", "Ship"), "tags": (None, ["vip"])}

    def test_carry_the_order_and_their_own_id(self) -> None:
        _, (created,) = told(answered(answered(placed(the_reference_order()))), None)

        data = created.event.carrying(created.order).sealed(COMMAND)

        assert data.startswith(b'{"id":"11111111-1111-1111-1111-111111111111","orderId":')
        assert data.endswith(b',"order":' + created.order + b"}")

    def test_answer_a_status_change_with_the_union_of_the_documents(self) -> None:
        done = entering(TestUpdateStatus().finished(), "Ship", skip_run_workflow=True)
        assert done.ended is not None

        body = run_result(b'{"id":"x"}', done.ended.results, aborted=False)

        assert body == (
            b'{"order":{"id":"x"},"isAborted":false,"orderActionExecutionResults":[],'
            b'"workflowExecutionResult":{"isSuccessful":true,"executedSteps":[]}}'
        )

    @given(st.lists(st.sampled_from(list(StepStatus)), min_size=2, max_size=2), st.booleans())
    def test_count_every_version_without_a_gap_whatever_the_steps_say(
        self, statuses: list[StepStatus], pending: bool
    ) -> None:
        form = a_form(payments=[a_payment(status="Pending" if pending else "Processed")])
        progress = placed(an_order(order_form=form))
        for status in statuses:
            if progress.ended is None:
                progress = answered(progress, status, reason="so it is")

        document, events = told(progress, None)
        moved, more = told(entering(document, "InProgress", skip_run_workflow=True), document.order)

        sequences = [one.event.sequence for one in (*events, *more)]
        assert sequences == list(range(1, moved.version + 1))
        assert isinstance(more[0].event, OrderStatusChanged)


WITHOUT_TAX = DEFAULT.model_copy(
    update={
        "markets": tuple(
            one.model_copy(update={"is_tax_excluded": True}) for one in DEFAULT.markets
        )
    }
)


@pytest.mark.parametrize("settings", [DEFAULT, WITHOUT_TAX])
def test_what_was_worked_out_for_the_step_before_is_what_would_be_worked_out_anew(
    settings: Configuration,
) -> None:
    """The document at hand keeps it, one that was read again does not; new settings count."""
    waiting = answered(
        placed(
            an_order(
                order_form=a_form(
                    payments=[a_payment(status="Pending", transaction_type="Authorization")]
                )
            )
        ),
        reserved={"1": 1},
        costs={"1": "10.5"},
    )
    read_again = OrderDocument.from_bson({**waiting.document.to_bson(), "revision": 0})
    money = [a_payment(id="p", amount=998, status="Processed")]

    remembered = answered(waiting, configuration=settings, payments=money)
    anew = answered(Progress(read_again), configuration=settings, payments=money)

    assert waiting.document.reported is not None
    assert read_again.reported is None
    assert remembered.document.order == anew.document.order
    assert remembered.ended == anew.ended is not None
    [line] = (remembered.document.order.order_form or a_form()).line_items or []
    assert line.reserved_inventory_quantity == 1
    assert line.cost_total == 21
