from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.queries.reconcile.findings import Findings
from services.api.queries.reconcile.payments import (
    check_cancelled,
    check_payments,
    held_by_operations,
)

TYPES = {"authorize": "Authorization", "capture": "Capture", "void": "Void", "credit": "Credit"}

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

amounts = st.decimals(min_value=1, max_value=10**6, places=2)
operations = st.lists(st.tuples(st.sampled_from(sorted(TYPES)), amounts), max_size=8)


def done(kind: str, amount: Decimal, number: int, **members: object) -> dict[str, Any]:
    """A stored operation that has succeeded."""
    id_ = str(uuid5(NAMESPACE_OID, str(number)))
    return {
        "_id": id_,
        "paymentId": "p1",
        "kind": kind,
        "amount": amount,
        "state": "succeeded",
        "created": NOON + timedelta(minutes=number),
        **members,
    }


def shown(operation: dict[str, Any]) -> dict[str, Any]:
    """The entry by which an order shows it."""
    return {
        "transactionType": TYPES[operation["kind"]],
        "status": "Processed",
        "amount": operation["amount"],
        "internalReference": operation["_id"],
    }


def kinds(entries: list[dict[str, Any]], done_: list[dict[str, Any]]) -> list[str]:
    findings = Findings(lambda _what, _number: None)
    check_payments("1", {"orderForm": {"payments": entries}}, done_, findings)
    return [one.kind for one in findings.differences]


@given(operations)
def test_an_order_that_shows_all_that_was_done_agrees(moves: list[tuple[str, Decimal]]) -> None:
    made = [done(kind, amount, number) for number, (kind, amount) in enumerate(moves)]

    assert kinds([shown(one) for one in made], made) == []


@given(operations, st.data())
def test_an_order_that_leaves_something_out_does_not(
    moves: list[tuple[str, Decimal]], data: st.DataObject
) -> None:
    made = [done(kind, amount, number) for number, (kind, amount) in enumerate(moves)]
    if not made:
        return
    hidden = data.draw(st.sampled_from(made))

    found = kinds([shown(one) for one in made if one is not hidden], made)

    assert found.count("operation-not-on-order") == 1
    assert set(found) & {"payment-held", "payment-captured"}


@given(operations)
def test_what_a_client_brought_along_makes_no_difference(
    moves: list[tuple[str, Decimal]],
) -> None:
    brought = [
        shown(done(kind, amount, number)) | {"internalReference": str(uuid4())}
        for number, (kind, amount) in enumerate(moves)
    ]

    assert kinds(brought, []) == []


def test_nothing_is_judged_while_an_operation_is_open() -> None:
    made = [done("authorize", Decimal(10), 1), done("void", Decimal(10), 2) | {"state": "pending"}]

    assert kinds([], made) == []


def test_money_is_held_by_authorization() -> None:
    ours = [
        done("authorize", Decimal(10), 1, transactionId="a"),
        done("capture", Decimal(4), 2, transactionId="a"),
    ]
    theirs = [done("void", Decimal(50), 3, transactionId="brought along")]

    assert held_by_operations([*ours, *theirs]) == 6


# -- cancelled orders ------------------------------------------------------------------------------


def judged(done_: list[dict[str, Any]], **order: object) -> list[tuple[str, Any, Any]]:
    """What is found of a cancelled order with which this was done."""
    findings = Findings(lambda _what, _number: None)
    check_cancelled("1", order, done_, findings)
    return [(one.kind, one.expected, one.found) for one in findings.differences]


def a_form(*entries: dict[str, Any], **line: object) -> dict[str, Any]:
    """An order form of one line of three pieces for 300, and 50 for its shipping."""
    sold = {"quantity": Decimal(3), "extendedPrice": Decimal(300)}
    return {"lineItems": [sold | line], "payments": list(entries), "shippingTotal": Decimal(50)}


def brought(kind: str, amount: int, status: str = "Processed") -> dict[str, Any]:
    """An entry that a client brought along."""
    entry = {"transactionType": kind, "status": status, "amount": Decimal(amount)}
    return entry | {"internalReference": "theirs"}


CAPTURED = done("capture", Decimal(350), 1)
KEEPS = "cancelled-order-keeps-money"


@given(operations)
def test_a_cancelled_order_keeps_what_was_captured_and_not_credited(
    moves: list[tuple[str, Decimal]],
) -> None:
    made = [done(kind, amount, number) for number, (kind, amount) in enumerate(moves)]
    left = sum(
        (amount if kind == "capture" else -amount if kind == "credit" else 0)
        for kind, amount in moves
    )
    ours = any(kind == "capture" for kind, _ in moves)

    found = judged(made)

    if not ours or not left:
        assert found == []
    elif left > 0:
        assert found == [(KEEPS, 0, float(left))]
    else:
        assert found == [("cancelled-order-overcredited", 0, float(-left))]


def test_a_credit_belongs_to_the_payment_whose_capture_it_names() -> None:
    other = done("capture", Decimal(100), 2, paymentId="p2")
    credit = done("credit", Decimal(350), 3, paymentId=CAPTURED["_id"])

    assert judged([CAPTURED, credit]) == []
    assert judged([CAPTURED, other, credit]) == [(KEEPS, 0, 100)]


def test_a_credit_of_what_a_client_had_captured_excuses_nothing_that_we_did() -> None:
    of_theirs = done("credit", Decimal(350), 2, paymentId="theirs")
    form = a_form(brought("Sale", 350))

    assert judged([of_theirs], orderForm=form) == []
    assert judged([CAPTURED, of_theirs], orderForm=form) == [(KEEPS, 0, 350)]


@pytest.mark.parametrize("state", ["declined", "failed"])
def test_a_credit_that_was_refused_gave_nothing_back(state: str) -> None:
    refused = done("credit", Decimal(350), 2, paymentId=CAPTURED["_id"], state=state)
    again = done("credit", Decimal(350), 3, paymentId=CAPTURED["_id"])

    assert judged([CAPTURED, refused]) == [(KEEPS, 0, 350)]
    assert judged([CAPTURED, refused, again]) == []


@pytest.mark.parametrize("state", ["pending", "unknown"])
def test_a_cancelled_order_is_not_judged_while_its_credit_is_open(state: str) -> None:
    open_ = done("credit", Decimal(350), 2, paymentId=CAPTURED["_id"], state=state)

    assert judged([CAPTURED, open_]) == []


def test_what_a_client_paid_back_by_itself_is_not_kept() -> None:
    assert judged([CAPTURED], orderForm=a_form(brought("Credit", 350))) == []
    assert judged([CAPTURED], orderForm=a_form(brought("Credit", 300))) == [(KEEPS, 0, 50)]
    assert judged([CAPTURED], orderForm=a_form(brought("Credit", 350, "Failed"))) != []
    own = (brought("Capture", 350), brought("Credit", 350))
    assert judged([CAPTURED], orderForm=a_form(*own)) == [(KEEPS, 0, 350)]


def test_our_own_entry_of_a_credit_is_not_counted_as_paid_back_once_more() -> None:
    part = done("credit", Decimal(100), 2, paymentId=CAPTURED["_id"])

    assert judged([CAPTURED, part], orderForm=a_form(shown(part))) == [(KEEPS, 0, 250)]


def test_goods_that_were_delivered_may_be_paid_for() -> None:
    sold = {"canceledQuantity": Decimal(1), "extendedPrice": Decimal(200)}
    two = a_form(deliveredQuantity=Decimal(2), **sold)
    exact = done("credit", Decimal(100), 2, paymentId=CAPTURED["_id"])
    little = done("credit", Decimal(90), 2, paymentId=CAPTURED["_id"])

    assert judged([CAPTURED, exact], orderForm=two) == []
    assert judged([CAPTURED, little], orderForm=two) == [(KEEPS, 250, 260)]


def test_the_price_of_a_part_of_a_line_is_rounded_up() -> None:
    form = a_form(deliveredQuantity=Decimal(1), extendedPrice=Decimal(100)) | {"shippingTotal": 0}
    one = done("capture", Decimal("33.34"), 1)

    assert judged([one], orderForm=form) == []


@pytest.mark.parametrize("tracked", [3, 0])
def test_a_return_may_keep_its_fee(tracked: int) -> None:
    form = a_form(deliveredQuantity=Decimal(tracked), returnQuantity=Decimal(3))
    # All came back, with its shipping, less a fee of 20.
    returns = [{"total": Decimal(330), "creditAmount": Decimal(330), "creditPayment": True}]
    given = done("credit", Decimal(330), 2, paymentId=CAPTURED["_id"])
    short = done("credit", Decimal(300), 2, paymentId=CAPTURED["_id"])

    assert judged([CAPTURED, given], orderForm=form, returnOrderForms=returns) == []
    assert judged([CAPTURED, short], orderForm=form, returnOrderForms=returns) == [(KEEPS, 20, 50)]


def test_a_return_without_credit_keeps_all_of_it() -> None:
    form = a_form(deliveredQuantity=Decimal(3), returnQuantity=Decimal(3))
    returns = [{"total": Decimal(300), "creditPayment": False}]

    assert judged([CAPTURED], orderForm=form, returnOrderForms=returns) == []


def test_nothing_is_earned_once_a_credit_was_refused() -> None:
    form = a_form(deliveredQuantity=Decimal(3))
    refused = done("credit", Decimal(350), 2, paymentId=CAPTURED["_id"], state="declined")

    assert judged([CAPTURED], orderForm=form) == []
    assert judged([CAPTURED, refused], orderForm=form) == [(KEEPS, 0, 350)]


def test_a_refused_credit_that_was_paid_back_by_hand_is_done_with() -> None:
    form = a_form(brought("Credit", 100), deliveredQuantity=Decimal(2))
    refused = done("credit", Decimal(100), 2, paymentId=CAPTURED["_id"], state="declined")

    assert judged([CAPTURED, refused], orderForm=form) == []


def test_of_credits_asked_for_at_once_each_counts() -> None:
    second = done("capture", Decimal(10), 2, paymentId="p2")
    credits_ = [
        done("credit", Decimal(350), 3, paymentId=CAPTURED["_id"]),
        done("credit", Decimal(10), 4, paymentId=second["_id"], state="declined"),
    ]
    for one in credits_:
        one["created"] = NOON + timedelta(hours=1)
    form = a_form(deliveredQuantity=Decimal(3))

    assert judged([CAPTURED, second, *credits_], orderForm=form) == [(KEEPS, 0, 10)]
