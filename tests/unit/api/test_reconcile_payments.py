from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from hypothesis import given
from hypothesis import strategies as st

from services.api.queries.reconcile.findings import Findings
from services.api.queries.reconcile.payments import check_payments, held_by_operations

TYPES = {"authorize": "Authorization", "capture": "Capture", "void": "Void", "credit": "Credit"}

amounts = st.decimals(min_value=1, max_value=10**6, places=2)
operations = st.lists(st.tuples(st.sampled_from(sorted(TYPES)), amounts), max_size=8)


def done(kind: str, amount: Decimal, number: int, **members: object) -> dict[str, Any]:
    """A stored operation that has succeeded."""
    id_ = str(uuid5(NAMESPACE_OID, str(number)))
    return {"_id": id_, "kind": kind, "amount": amount, "state": "succeeded", **members}


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
