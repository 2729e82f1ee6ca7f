"""Money: what an order shows against what the payments service did."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final
from uuid import UUID

from services.api.queries.reconcile.findings import Findings
from services.chassis.mongo import Bson

_ZERO: Final = Decimal(0)
_COUNTED: Final = frozenset({"Processed", "Paid", "Approved"})
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
    if any(one["state"] in {"pending", "unknown"} for one in operations):
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
