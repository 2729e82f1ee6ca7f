"""Money: what an order shows against what the payments service did."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final
from uuid import UUID

from services.api.queries.reconcile.findings import Findings
from services.chassis.mongo import Bson

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_COUNTED: Final = frozenset({"Processed", "Paid", "Approved"})
_REFUSED: Final = frozenset({"declined", "failed"})
_DERIVED: Final = frozenset({8, 5})
"""The kinds of UUID that an operation's id is; once it was the second."""

# What each kind of operation, and each type of entry, adds to what is held and to what was taken.
_BY_KIND: Final = {"authorize": (1, 0), "capture": (-1, 1), "void": (-1, 0), "credit": (0, -1)}
_BY_TYPE: Final = {
    "Authorization": (1, 0),
    "Capture": (-1, 1),
    "Void": (-1, 0),
    "ReleaseRemainingAuthorization": (-1, 0),
    "Credit": (0, -1),
}
_TAKEN_ELSEWHERE: Final = {"Capture": 1, "Sale": 1, "Invoiced": 1, "Credit": -1}
"""What each type of entry that a client brought along adds to what was taken without us."""


def check_payments(
    order_id: str, order: Bson, operations: Sequence[Bson], findings: Findings
) -> None:
    """Compare authorized - voided - captured, and captured - credited (decided 7.4).

    Entries that a client brought along have no operation and count on neither side. While an
    operation is open the two cannot agree yet.
    """
    entries = order.get("orderForm", {}).get("payments", ())
    ours = {operation["_id"]: operation for operation in operations}
    shown = [entry for entry in entries if entry.get("internalReference") in ours]
    for entry in entries:
        reference = entry.get("internalReference")
        if entry["status"] in _COUNTED and reference not in ours and _is_derived(reference):
            findings.differs(
                "payment-without-operation",
                order_id=order_id,
                expected=reference,
                found=entry["amount"],
            )
    if _is_open(operations):
        return
    done = [one for one in operations if one["state"] == "succeeded"]
    expected = _sums((_BY_KIND[one["kind"]], one["amount"]) for one in done)
    found = _sums(
        (_BY_TYPE.get(entry["transactionType"], (0, 0)), entry["amount"])
        for entry in shown
        if entry["status"] in _COUNTED
    )
    if expected == found:
        return
    for kind, booked, said in zip(
        ("payment-held", "payment-captured"), expected, found, strict=True
    ):
        if booked != said:
            findings.differs(kind, order_id=order_id, expected=booked, found=said)
    named = {entry["internalReference"] for entry in shown}
    for one in done:
        if one["_id"] not in named and one["amount"]:
            findings.differs(
                "operation-not-on-order",
                order_id=order_id,
                expected=one["_id"],
                found=f"{one['kind']} {one['amount']:f}",
            )


def held_by_operations(operations: Iterable[Bson]) -> Decimal:
    """Return what the succeeded operations authorized and nobody voided or captured.

    Counted by authorization: what a client brought along and we gave up is not below zero.
    """
    by_authorization: dict[str, Decimal] = {}
    for one in operations:
        if one["state"] == "succeeded":
            key = one.get("transactionId") or one["_id"]
            change = _BY_KIND[one["kind"]][0] * one["amount"]
            by_authorization[key] = by_authorization.get(key, _ZERO) + change
    return sum((max(_ZERO, held) for held in by_authorization.values()), _ZERO)


def check_cancelled(
    order_id: str, order: Bson, operations: Sequence[Bson], findings: Findings
) -> None:
    """Compare captured - credited of a cancelled order with nothing, by what was done with it.

    What a client brought along was not taken by us, but what it paid back counts. What the order
    has earned may stay, unless a credit was refused at last, and nothing paid back instead: then it
    was to be given back. While an operation is open nothing is judged.
    """
    if _is_open(operations):
        return
    balances = _taken_by_payment(operations).values()
    over = sum((-one for one in balances if one < _ZERO), _ZERO)
    if over:
        findings.differs("cancelled-order-overcredited", order_id=order_id, expected=0, found=over)
    _check_kept("cancelled-order-keeps-money", order_id, order, operations, findings)


def check_aborted(
    order_id: str, order: Bson, operations: Sequence[Bson], findings: Findings
) -> None:
    """Compare captured - credited of an order whose first run was aborted with nothing.

    An abort voids what is held, but gives back no money that was charged before (decided 5.1).
    """
    if not _is_open(operations):
        _check_kept("aborted-order-keeps-money", order_id, order, operations, findings)


def _check_kept(
    kind: str, order_id: str, order: Bson, operations: Sequence[Bson], findings: Findings
) -> None:
    balances = _taken_by_payment(operations).values()
    paid_back = _paid_back(order, operations)
    kept = sum((one for one in balances if one > _ZERO), _ZERO) - paid_back
    if kept <= _ZERO:
        return
    is_owed = not paid_back and _was_refused(operations)
    allowed = _ZERO if is_owed else _earned(order)
    if kept > allowed:
        findings.differs(kind, order_id=order_id, expected=allowed, found=kept)


def _taken_by_payment(operations: Sequence[Bson]) -> Mapping[str, Decimal]:
    """Return captured - credited of each payment of which the payments service captured anything.

    A credit names the entry of a capture, whose id is the operation's, or the payment itself.
    """
    named: dict[str, str] = {one["_id"]: one["paymentId"] for one in operations}
    taken: dict[str, Decimal] = {}
    captured: set[str] = set()
    for one in operations:
        if one["state"] == "succeeded":
            entry: str = one["paymentId"]
            payment = named.get(entry, entry)
            taken[payment] = taken.get(payment, _ZERO) + _BY_KIND[one["kind"]][1] * one["amount"]
            if one["kind"] == "capture":
                captured.add(payment)
    return {payment: taken[payment] for payment in captured}


def _paid_back(order: Bson, operations: Sequence[Bson]) -> Decimal:
    """Return what a client paid back beyond what it had taken itself."""
    ours = {one["_id"] for one in operations}
    taken = sum(
        (
            _TAKEN_ELSEWHERE.get(entry["transactionType"], 0) * entry["amount"]
            for entry in order.get("orderForm", {}).get("payments", ())
            if entry["status"] in _COUNTED and entry.get("internalReference") not in ours
        ),
        _ZERO,
    )
    return max(_ZERO, -taken)


def _was_refused(operations: Sequence[Bson]) -> bool:
    """Whether a credit did not happen and none was asked for since."""
    asked = [one for one in operations if one["kind"] == "credit"]
    last = max((one["created"] for one in asked), default=None)
    return any(one["state"] in _REFUSED for one in asked if one["created"] == last)


def _earned(order: Bson) -> Decimal:
    """Return what a cancelled order may have cost: what was delivered, less what returns give back.

    A return keeps its fees, and whatever else it does not give back.
    """
    form = order.get("orderForm", {})
    goods = sum((_price_of_delivered(line) for line in form.get("lineItems", ())), _ZERO)
    if not goods:
        return _ZERO
    shipping = form.get("shippingTotal", _ZERO) + form.get("handlingTotal", _ZERO)
    given_back = sum(
        (
            one.get("creditAmount", one.get("total", _ZERO))
            for one in order.get("returnOrderForms", ())
            if one.get("creditPayment") is not False
        ),
        _ZERO,
    )
    earned: Decimal = goods + shipping - given_back
    return max(_ZERO, earned)


def _price_of_delivered(line: Bson) -> Decimal:
    """Return the price of the units that were delivered; what came back was, tracked or not.

    Rounded up to a whole unit of money, since how a line's cents go to its units is not known here.
    """
    left = line.get("quantity", _ZERO) - line.get("canceledQuantity", _ZERO)
    gone = max(line.get("deliveredQuantity", _ZERO), line.get("returnQuantity", _ZERO))
    units = min(left, gone)
    if units <= _ZERO:
        return _ZERO
    price: Decimal = line.get("extendedPrice", _ZERO) * units / left
    return price.quantize(_ONE, rounding=ROUND_CEILING)


def _is_open(operations: Sequence[Bson]) -> bool:
    return any(one["state"] in {"pending", "unknown"} for one in operations)


def _sums(changes: Iterable[tuple[tuple[int, int], Decimal]]) -> tuple[Decimal, Decimal]:
    held = taken = _ZERO
    for (to_held, to_taken), amount in changes:
        held += to_held * amount
        taken += to_taken * amount
    return held, taken


def _is_derived(reference: object) -> bool:
    if not isinstance(reference, str):
        return False
    try:
        return UUID(reference).version in _DERIVED
    except ValueError:
        return False
