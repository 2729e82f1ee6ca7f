from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.api.queries.explain import Explanation, service_of
from services.api.queries.story import told

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def known(**members: Any) -> Explanation:  # noqa: ANN401 - members as they are
    """An order of which nothing is known but that it is there."""
    nothing: dict[str, Any] = {
        "orderId": "ORD-1",
        "orderNumber": "10001",
        "status": "New",
        "version": 1,
        "results": [],
        "errors": [],
        "deadLetters": [],
        "reservations": [],
        "payments": [],
        "notifications": [],
        "deliveries": {},
        "safeManualSteps": ["Notification"],
    }
    return Explanation.model_validate(nothing | members)


def test_a_quiet_order_has_a_short_story() -> None:
    story = told(known()).story

    assert story == [
        "Order ORD-1 (number 10001) has the status New at version 1.",
        "No run is in hand, so nobody is being waited for.",
        "The order holds no stock.",
        "Safe to run by hand: Notification.",
    ]


def test_a_quiet_order_of_which_no_step_may_be_run_says_so() -> None:
    story = told(known(safeManualSteps=[])).story

    assert story[-1] == "No step is safe to run by hand."


def test_a_new_order_says_that_its_run_has_not_ended() -> None:
    story = told(known(version=0, status="Queued")).story

    assert story[0].endswith("is new: its first run has not ended, so it is Queued.")


def test_every_fact_has_its_sentence() -> None:
    run = {
        "id": "r",
        "status": "New",
        "step": "AuthorizePayment",
        "stepNumber": 2,
        "of": 3,
        "waitingFor": {"service": "payments", "step": "AuthorizePayment"},
        "since": NOON,
        "deadline": NOON.replace(minute=3),
        "command": "c",
    }
    payment = {
        "id": "o",
        "paymentId": "p",
        "kind": "authorize",
        "state": "pending",
        "amount": Decimal("998.00"),
        "currency": "NOK",
        "method": "Card",
        "connector": "bank",
        "reason": "no answer",
        "created": NOON,
        "attempts": 2,
    }
    held = {"lineItemId": "1", "sku": "A", "warehouseCode": "WH1", "quantity": Decimal(2)}

    story = told(known(run=run, payments=[payment], reservations=[held], safeManualSteps=[])).story

    assert (
        "A run of the status New is at step 2 of 3: AuthorizePayment has been waiting for the "
        "payments service since 2026-03-01 12:00:00 UTC; it is aborted at 2026-03-01 12:03:00 UTC."
    ) in story
    assert "Holding 998 NOK (Card): pending at bank after 2 attempts, no answer." in story
    assert "Line 1 holds 2 of A at WH1." in story
    assert story[-1] == (
        "No step is safe to run by hand while the run waits; POST /api/Orders/ORD-1/CancelRun "
        "ends it."
    )


def test_steps_belong_to_who_carries_them_out() -> None:
    assert service_of("capturePAYMENT") == "payments"
    assert service_of("SendConfirmation") == "notifications"
    assert service_of("ReduceInventory") == "inventory"
    assert service_of("ChangeStatus") == "workflow"
