"""Changes that wait for the order validator: what is asked, and what its answer makes of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from contracts.message import Envelope
from contracts.messages.orders import (
    AddComment,
    AddOrderLines,
    AddPayments,
    CancelOrderLines,
    CancelRun,
    ChangeCommand,
    OrderUpdated,
    OrderValidated,
    PatchLineItemIds,
    PatchOrder,
    PutPayments,
    ReplaceOrder,
    StepFinished,
    UpdateOrder,
    UpdateOrderStatus,
)
from contracts.messages.replies import REPLIES
from contracts.model import parse
from contracts.note import CommentRequest
from contracts.order import Order
from contracts.order_patch import LineIdMapping, OrderPatch, OrderUpdate
from contracts.problems import problem
from contracts.settings import DEFAULT, Configuration, Connector
from services.chassis.batch import Batch
from services.chassis.calls import Attempt
from services.chassis.inbox import Outcome
from services.chassis.outcomes import Refused
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.changing import Rule
from services.workflow.domain.finish_step import RunOver
from services.workflow.domain.order import OrderDocument, after_saving, order_bytes
from services.workflow.domain.run import Progress
from services.workflow.domain.validate import ValidationCall, candidate, conclude, validator_for
from services.workflow.entrypoints import CHANGES, TABLE
from services.workflow.handlers.validate import record_answer
from tests.builders import a_form, a_line, a_payment, an_order, the_reference_body
from tests.unit.workflow.kept import CAUSE, LATER, NOW, holding, kept, lines_of

VALIDATOR = Connector(
    connector_id="webhookOrderValidator",
    host="https://validator.example",
    implementations=("IWebhookOrderValidator",),
)


def validating(*connectors: Connector, **settings: object) -> Configuration:
    """Return settings by which these connectors validate."""
    changed = DEFAULT.order_settings.model_copy(
        update={"is_order_validation_enabled": True, **settings}
    )
    return DEFAULT.model_copy(update={"order_settings": changed, "connectors": connectors})


ON = validating(VALIDATOR)
_WHO: Mapping[str, Any] = {
    "order_id": "ORD-2024-000001",
    "user": "shop",
    "origin": "a test",
}


def stored() -> OrderDocument:
    """Return an order of two lines of which everything is reserved."""
    lines = [a_line(), a_line(line_item_id="2", code="SKU-002")]
    return holding(kept(an_order(order_form=a_form(line_items=lines, shipments=None))))


def overwritten_with(**members: object) -> ReplaceOrder:
    body = the_reference_body() | members
    return ReplaceOrder(order=parse(Order, body).value, **_WHO)


COMMANDS: Mapping[str, ChangeCommand] = {
    "a patch": PatchOrder(patch=parse(OrderPatch, {"customerName": "Kari"}).value, **_WHO),
    "a patch of a status": PatchOrder(patch=parse(OrderPatch, {"status": "Ship"}).value, **_WHO),
    "an update": UpdateOrder(
        order=parse(OrderUpdate, {"id": "ORD-2024-000001", "tags": ["a"]}).value, **_WHO
    ),
    "an update that runs": UpdateOrder(
        order=parse(OrderUpdate, {"id": "ORD-2024-000001", "status": "Ship"}).value,
        run_workflow=True,
        **_WHO,
    ),
    "another order": overwritten_with(customerName="Kari"),
    "a status": UpdateOrderStatus(status="Ship", **_WHO),
    "a status without a run": UpdateOrderStatus(status="Completed", skip_run_workflow=True, **_WHO),
    "a payment": AddPayments(payments=(a_payment(id=None, amount=5),), **_WHO),
    "other payments": PutPayments(payments=(a_payment(id="p", amount=5),), **_WHO),
    "a line": AddOrderLines(lines=(a_line(line_item_id="3"),), **_WHO),
    "a cancelled line": CancelOrderLines(line_item_ids=("1",), send_notifications=True, **_WHO),
    "both lines cancelled": CancelOrderLines(line_item_ids=("1", "2"), **_WHO),
    "another id": PatchLineItemIds(
        mappings=(LineIdMapping(old_line_item_id="1", new_line_item_id="9"),), **_WHO
    ),
    "a comment": AddComment(
        request=CommentRequest(order_id="ORD-2024-000001", comment="Hi", send_email=True), **_WHO
    ),
}


def rule_of(command: ChangeCommand) -> Rule[Any]:
    return CHANGES[type(command)]


def answered(
    command: ChangeCommand,
    change: Callable[[Order], Order] = lambda order: order,
    configuration: Configuration = ON,
) -> Progress:
    """Return what becomes of a command when the validator answers with a changed candidate."""
    rule, document = rule_of(command), stored()
    made = candidate(rule, document, command, CAUSE, now=NOW, configuration=configuration)
    body = order_bytes(change(made.document.order))
    answer = parse(Order, body, context={"pos": True}).value
    return conclude(
        rule,
        document,
        command,
        CAUSE,
        answer,
        since=NOW,
        now=NOW,
        configuration=configuration,
    )


class TestAValidator:
    def test_is_the_connector_of_that_name_that_can_do_it(self) -> None:
        norway = VALIDATOR.model_copy(
            update={"connector_id": "n", "name": "WebhookOrderValidator", "markets": ("NOR",)}
        )
        other = VALIDATOR.model_copy(update={"connector_id": "other"})
        idle = VALIDATOR.model_copy(update={"implementations": ("IPaymentProvider",)})

        assert validating(other, VALIDATOR, norway).order_validator("nor") is norway
        assert validating(other, VALIDATOR, norway).order_validator("SWE") is VALIDATOR
        assert validating(norway).order_validator("SWE") is None
        assert validating(other, idle).order_validator("NOR") is None

    def test_is_asked_about_orders_that_are_there_where_it_is_switched_on(self) -> None:
        off = DEFAULT.model_copy(update={"connectors": (VALIDATOR,)})

        assert validator_for(stored(), ON) is VALIDATOR
        assert validator_for(None, ON) is None
        assert validator_for(stored(), off) is None
        assert validator_for(stored(), validating()) is None


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("cancels", [False, True])
def test_a_validator_that_agrees_changes_nothing(name: str, cancels: bool) -> None:
    command = COMMANDS[name]
    configuration = validating(VALIDATOR, cancel_order_if_all_line_items_cancelled=cancels)
    plain = rule_of(command)(stored(), command, CAUSE, now=NOW, configuration=configuration)

    progress = answered(command, configuration=configuration)

    assert order_bytes(progress.document.order) == order_bytes(plain.document.order)
    assert list(progress.messages) == list(plain.messages)
    assert replace(progress, document=plain.document, messages=()) == replace(plain, messages=())
    assert progress.document.run == plain.document.run


class TestAnAnswer:
    def test_replaces_what_the_change_would_have_made(self) -> None:
        def dearer(order: Order) -> Order:
            form = order.order_form
            assert form is not None
            lines = [
                line.model_copy(update={"placed_price": Decimal(5)}) for line in lines_of(order)
            ]
            form = form.model_copy(update={"line_items": lines, "shipments": None})
            return order.model_copy(update={"order_form": form, "tags": ["seen"]})

        progress = answered(COMMANDS["a patch"], dearer)

        order = progress.document.order
        assert (order.customer_name, order.tags) == ("Kari", ["seen"])
        assert order.order_form is not None
        assert order.order_form.total == 20
        assert not progress.is_unchanged

    def test_does_not_write_what_only_the_system_writes(self) -> None:
        def forged(order: Order) -> Order:
            return order.model_copy(update={"modified_by": "me", "version": 99})

        order = answered(COMMANDS["a patch"], forged).document.order

        assert (order.modified_by, order.version) == ("shop", 3)

    def test_may_send_the_run_to_another_status(self) -> None:
        def elsewhere(order: Order) -> Order:
            return order.model_copy(update={"status": "InProgress"})

        progress = answered(COMMANDS["a status"], elsewhere)

        assert progress.ended is not None
        assert progress.ended.status == "InProgress"
        assert progress.document.order.status == "InProgress"

    @pytest.mark.parametrize(
        "change",
        [
            lambda order: order.model_copy(update={"id": "another"}),
            lambda order: order.model_copy(
                update={
                    "order_form": a_form(line_items=[a_line().model_copy(update={"quantity": -1})])
                }
            ),
        ],
        ids=["another order", "an order that cannot be"],
    )
    def test_that_cannot_be_stored_is_none(self, change: Callable[[Order], Order]) -> None:
        with pytest.raises(Refused) as refused:
            answered(COMMANDS["a patch"], change)

        assert refused.value.problem.slug == "validator-unavailable"


# -- on the way ------------------------------------------------------------------------------------


def handled(
    message: Any,  # noqa: ANN401 - any message of the table
    document: OrderDocument,
    *,
    number: int = 7,
    correlation: int = 7,
) -> Batch:
    """Return what the handler of a message does to the order."""
    batch = Batch(LATER, ON)
    batch.originals[OrderDocument, document.id] = document
    envelope = Envelope(
        UUID(int=number),
        message.type,
        message.topic,
        message.key,
        message.data(),
        LATER,
        correlation_id=str(UUID(int=correlation)),
        reply_to=3 if number == correlation else None,
    )
    unit = UnitOfWork(batch, envelope)
    TABLE[type(message)].handler(message, unit)
    unit.merge()
    return batch


def kept_by(batch: Batch) -> OrderDocument:
    found = batch.find(OrderDocument, "ORD-2024-000001")
    assert found is not None
    return found


def told(batch: Batch) -> list[str]:
    return [one.type for one in batch.outgoing]


class TestAChangeThatWaits:
    def test_is_asked_about_once_and_stores_nothing_but_that_it_waits(self) -> None:
        document = stored()

        batch = handled(COMMANDS["a patch"], document)

        held = kept_by(batch)
        assert held.order is document.order
        assert held.run is not None
        assert held.run.waiting_for == "ValidateOrder"
        (call,) = batch.calls
        assert (call.lane, call.target) == (document.id, "webhookOrderValidator")
        assert parse(Order, call.payload).value.customer_name == "Kari"
        assert (told(batch), batch.replies) == ([], [])
        assert batch.marks[0]["o"]["s"] == 202

    def test_is_given_up_where_no_answer_comes(self) -> None:
        asked = handled(COMMANDS["a patch"], stored())
        ((at, timer),) = asked.timers
        message = OrderValidated.model_validate_json(timer.data)

        batch = handled(message, kept_by(asked), number=8)

        assert at == LATER + timedelta(minutes=10)
        assert kept_by(batch).run is None
        assert batch.settled[0][1].problem == "validator-unavailable"

    def test_is_stored_with_the_answer_and_answered_to_whoever_began_it(self) -> None:
        asked = handled(COMMANDS["a patch"], stored())
        answer = parse(Order, asked.calls[0].payload).value
        message = OrderValidated(order_id=answer.id, run_id=str(UUID(int=7)), order=answer)

        batch = handled(message, kept_by(asked), number=8)

        order = kept_by(batch)
        assert (order.run, order.order.customer_name, order.version) == (None, "Kari", 4)
        assert told(batch) == [OrderUpdated.type]
        (reply,) = batch.replies
        assert batch.cancelled == [asked.timers[0][1].id]
        assert (reply.topic, reply.key, reply.partition) == (REPLIES, str(UUID(int=7)), 3)

    def test_ends_once_however_often_the_answer_comes(self) -> None:
        asked = handled(COMMANDS["a patch"], stored())
        answer = parse(Order, asked.calls[0].payload).value
        message = OrderValidated(order_id=answer.id, run_id=str(UUID(int=7)), order=answer)
        batch = handled(message, kept_by(asked), number=8)

        with pytest.raises(RunOver):
            handled(message, kept_by(batch), number=9)

    def test_leaves_the_order_as_it_was_where_it_is_refused(self) -> None:
        document = stored()
        asked = handled(COMMANDS["a patch"], document)
        why = problem("order-not-valid", "No.")
        message = OrderValidated(order_id=document.id, run_id=str(UUID(int=7)), problem=why)

        batch = handled(message, kept_by(asked), number=8)

        order = kept_by(batch)
        assert (order.run, order.version) == (None, document.version)
        assert order.order is document.order
        assert told(batch) == []
        assert len(batch.replies) == 1
        ((command, outcome),) = batch.settled
        assert (command, outcome.status, outcome.problem) == (UUID(int=7), 400, "order-not-valid")

    def test_is_made_again_where_a_step_has_reported_meanwhile(self) -> None:
        """What was reported late is told when the order is free, as after any run."""
        asked = handled(COMMANDS["a patch"], stored())
        answer = parse(Order, asked.calls[0].payload).value
        late = StepFinished(
            order_id=answer.id,
            run_id=after_saving("an earlier run"),
            step=1,
            status="Success",
            reserved={"1": Decimal(1)},
        )
        reported = handled(late, kept_by(asked), number=5, correlation=4)
        message = OrderValidated(order_id=answer.id, run_id=str(UUID(int=7)), order=answer)

        batch = handled(message, kept_by(reported), number=8)

        order = kept_by(batch)
        assert told(reported) == []
        assert reported.timers == []
        assert (order.run, order.version) == (None, 4)
        assert lines_of(order.order)[0].reserved_inventory_quantity == 1
        assert order.order.customer_name != "Kari"
        assert told(batch) == [OrderUpdated.type]
        ((_, outcome),) = batch.settled
        assert (outcome.status, outcome.problem) == (409, "version-conflict")

    def test_leaves_the_order_as_it_was_where_it_is_cancelled(self) -> None:
        document = stored()
        asked = handled(COMMANDS["a patch"], document)
        answer = parse(Order, asked.calls[0].payload).value
        late = OrderValidated(order_id=answer.id, run_id=str(UUID(int=7)), order=answer)

        batch = handled(CancelRun(**_WHO), kept_by(asked), number=8, correlation=8)

        order = kept_by(batch)
        assert (order.run, order.version, order.order) == (None, 3, document.order)
        assert told(batch) == []
        assert batch.cancelled == [asked.timers[0][1].id]
        assert batch.settled == [(UUID(int=7), Outcome(409, "run-cancelled", document.id))]
        said = {reply.key: json.loads(reply.data) for reply in batch.replies}
        waited, freed = said[str(UUID(int=7))], said[str(UUID(int=8))]
        assert waited["problem"]["type"].endswith("run-cancelled")
        assert "cancelled by shop" in waited["problem"]["detail"]
        assert (freed["statusCode"], freed["version"]) == (200, 3)
        assert freed["body"] == json.loads(order_bytes(document.order))
        with pytest.raises(RunOver):
            handled(late, order, number=9)

    def test_hears_that_an_answer_was_too_large_to_be_told(self) -> None:
        order = an_order(tags=["x" * 30_000] * 250, related_orders=["x" * 30_000] * 150)
        call = ValidationCall(order_id=order.id, run_id="r", connector="c")
        envelope = Envelope(UUID(int=1), "call", "calls", "1", b"", NOW, correlation_id="c")
        unit = UnitOfWork(Batch(NOW, ON), envelope)

        record_answer(call, order, Attempt(UUID(int=1), 1, NOW, "c", None), unit)

        (message,) = unit.staged.outgoing
        said = OrderValidated.model_validate_json(message.data)
        assert said.problem is not None
        assert (said.order, said.problem.slug) == (None, "validator-unavailable")

    def test_hears_of_a_failure_at_once(self) -> None:
        call = ValidationCall(order_id="1", run_id="r", connector="c")
        envelope = Envelope(UUID(int=1), "call", "calls", "1", b"", NOW, correlation_id="c")
        unit = UnitOfWork(Batch(NOW, ON), envelope)
        attempt = Attempt(UUID(int=1), 1, NOW - timedelta(seconds=1), "c", None)

        verdict = record_answer(call, problem("validator-unavailable"), attempt, unit)

        assert (verdict.again_at, verdict.failed) == (None, False)
        (message,) = unit.staged.outgoing
        said = OrderValidated.model_validate_json(message.data)
        assert said.problem is not None
        assert (said.order, said.problem.status) == (None, 502)
