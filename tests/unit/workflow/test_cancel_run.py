"""A run that an operator cancels while it waits."""

import json
from collections.abc import Callable
from uuid import UUID

import pytest

from contracts.messages.inventory import ReleaseStock
from contracts.messages.orders import CancelRun, OrderCreated, OrderWorkflowFailed
from contracts.messages.payments import VoidPayment
from contracts.order import Order
from contracts.settings import DEFAULT
from services.chassis.outcomes import Refused
from services.workflow.domain.cancel_run import cancel, in_hand
from services.workflow.domain.finish_step import RunOver, finish_step
from services.workflow.domain.order import OrderDocument, order_bytes
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_payment, an_order
from tests.unit.workflow.kept import form_of
from tests.unit.workflow.test_run import (
    NOW,
    an_answer,
    answered,
    entering,
    kinds,
    placed,
    timed_out,
    told,
)
from tests.unit.workflow.test_validate import handled, kept_by
from tests.unit.workflow.test_validate import told as sent

CANCEL = CancelRun(order_id="ORD-2024-000001", user="kari", origin="a test")
REASON = "the run was cancelled by kari"


def an_unpaid_order() -> Order:
    return an_order(order_form=a_form(payments=[a_payment(id="p", status="Pending")]))


def reserving() -> Progress:
    """Return a first run that waits for the stock."""
    return placed(an_unpaid_order())


def authorizing() -> Progress:
    """Return a first run that holds stock and waits for the money."""
    return answered(reserving(), reserved={"1": 2})


def capturing() -> Progress:
    """Return a later run, which waits for the charge."""
    held = a_payment(id="p", status="Processed")
    done = answered(authorizing(), payments=[held])
    while done.ended is None:
        done = answered(done)
    return entering(told(done, None)[0], "Ship")


def cancelled(progress: Progress) -> Progress:
    document, run = in_hand(progress.document, CANCEL)
    return cancel(document, run, CANCEL, now=NOW, configuration=DEFAULT)


def refused(document: OrderDocument | None, command: CancelRun = CANCEL) -> str:
    with pytest.raises(Refused) as refusal:
        in_hand(document, command)
    return refusal.value.problem.slug


class TestARunThatIsCancelled:
    def test_takes_back_what_it_did_and_says_who_cancelled_it(self) -> None:
        late = an_answer(authorizing(), payments=[a_payment(id="p", status="Processed")])

        ended = cancelled(authorizing())

        order = ended.document.order
        assert (ended.aborted, ended.document.run, order.status) == (True, None, "New")
        assert kinds(ended.messages) == [VoidPayment, ReleaseStock]
        assert [one.status for one in form_of(order).payments or ()] == ["Failed"]
        assert [(one.key, one.message) for one in order.errors or ()] == [
            ("AuthorizePayment", REASON)
        ]
        with pytest.raises(RunOver):
            finish_step(ended.document, late, now=NOW, configuration=DEFAULT)

    def test_keeps_a_charge_that_comes_afterwards(self) -> None:
        waiting = capturing()
        late = an_answer(waiting, payments=[a_payment(id="c", transaction_type="Capture")])
        ended = cancelled(waiting)

        kept = finish_step(ended.document, late, now=NOW, configuration=DEFAULT)

        assert (ended.aborted, ended.document.order.status) == (True, "Ship")
        assert form_of(kept.document.order).captured_payment_total == 998
        with pytest.raises(RunOver):
            finish_step(kept.document, late, now=NOW, configuration=DEFAULT)

    @pytest.mark.parametrize("waiting", [reserving, authorizing, capturing])
    def test_ends_as_at_its_deadline_but_for_the_reason(
        self, waiting: Callable[[], Progress]
    ) -> None:
        progress = waiting()

        by_hand, by_itself = cancelled(progress), timed_out(progress)

        said = order_bytes(by_hand.document.order)
        assert said.count(REASON.encode()) == 1
        assert said.replace(REASON.encode(), b"no answer within 180 seconds") == order_bytes(
            by_itself.document.order
        )
        assert list(by_hand.messages) == list(by_itself.messages)
        assert by_hand.document.given_up == by_itself.document.given_up


class TestItIsRefused:
    def test_where_no_run_waits_or_there_is_no_order(self) -> None:
        ended = cancelled(reserving()).document

        assert refused(None) == "order-not-found"
        assert refused(ended) == "no-run-in-hand"

    def test_for_a_version_that_has_passed(self) -> None:
        waiting = capturing().document
        stale = CANCEL.model_copy(update={"if_match": (waiting.version + 1,)})
        fresh = CANCEL.model_copy(update={"if_match": (waiting.version,)})

        found, run = in_hand(waiting, fresh)

        assert (found, run) == (waiting, waiting.run)
        assert refused(waiting, stale) == "precondition-failed"


def test_a_read_only_order_is_let_go_like_any_other() -> None:
    progress = placed(an_unpaid_order().model_copy(update={"is_read_only": True}))

    ended = cancelled(progress)

    assert (ended.aborted, ended.document.run) == (True, None)
    assert ended.document.order.is_read_only


def test_both_clients_are_answered() -> None:
    waiting = authorizing().document
    run = waiting.run
    assert run is not None

    batch = handled(CANCEL, waiting, number=8, correlation=8)

    left = kept_by(batch)
    assert (left.run, left.version) == (None, 2)
    assert sent(batch) == [OrderCreated.type, OrderWorkflowFailed.type, *_UNDOING]
    said = {reply.key: json.loads(reply.data) for reply in batch.replies}
    assert set(said) == {run.command_id, str(UUID(int=8))}
    created, freed = said[run.command_id], said[str(UUID(int=8))]
    assert (created["statusCode"], freed["statusCode"]) == (201, 200)
    assert created["body"] == freed["body"]
    assert freed["body"] == json.loads(order_bytes(left.order))
    assert batch.marks[0]["o"] == {"s": 200, "o": left.id, "v": 2, "a": "order"}


_UNDOING = (VoidPayment.type, ReleaseStock.type)
