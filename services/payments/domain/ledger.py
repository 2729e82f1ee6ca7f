"""What the operations of an order add up to, and how much of its money one more may move."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.payments.domain.operation import ZERO, Kind, Operation
from services.payments.domain.outcome import Failed, Succeeded


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a provider is told to do: how much, of which authorization.

    The same at every attempt: the lane of a payment keeps its ledger still meanwhile.
    """

    amount: Decimal
    transaction_id: str | None = None
    note: str | None = None


def instruct(
    operation: Operation, of_order: Sequence[Operation]
) -> Instruction | Succeeded | Failed:
    """Return what to tell the provider, or how the operation ends without asking anybody.

    Nothing is captured or voided that is not held, nothing credited that was not captured. What a
    client brought along is not in the ledger: then what the order says of it is the bound.
    """
    if operation.kind == "authorize":
        return Instruction(operation.amount)
    ours = _of_payment(operation, of_order)
    transaction_id = _transaction_id(ours) or operation.transaction_id
    free = _free(operation, ours)
    if free is None or free >= operation.amount:
        return Instruction(operation.amount, transaction_id)
    if operation.kind == "void":
        if free <= ZERO:
            return Succeeded(ZERO, transaction_id)
        return Instruction(free, transaction_id)
    word = "held" if operation.kind == "capture" else "captured"
    if free <= ZERO:
        return Failed(f"nothing is {word} of this payment")
    return Instruction(
        free, transaction_id, note=f"only {free:f} of {operation.amount:f} was {word}"
    )


def _of_payment(operation: Operation, of_order: Sequence[Operation]) -> list[Operation]:
    """Return the other operations of the same payment.

    A capture stands on the order as an entry of its own, so a credit may name that instead.
    """
    entries = {one.id: one.payment_id for one in of_order}
    payment_id = entries.get(operation.payment_id, operation.payment_id)
    return [
        one
        for one in of_order
        if one.id != operation.id and entries.get(one.payment_id, one.payment_id) == payment_id
    ]


def _transaction_id(operations: Sequence[Operation]) -> str | None:
    """Return the newest authorization that was made here."""
    made = [one for one in operations if one.kind == "authorize" and one.state == "succeeded"]
    return max(made, key=lambda one: one.created).transaction_id if made else None


def _free(operation: Operation, others: Sequence[Operation]) -> Decimal | None:
    """Return how much the operation may move, None if nobody can tell."""
    source: Kind = "capture" if operation.kind == "credit" else "authorize"
    is_ours = any(one.kind == source for one in others)
    if not is_ours and operation.bound is None:
        return None
    moved: dict[Kind, Decimal] = {"authorize": ZERO, "capture": ZERO, "void": ZERO, "credit": ZERO}
    for one in others:
        # An entry may be used again for another authorization that a client brings along.
        same = is_ours or one.transaction_id == operation.transaction_id
        if one.state == "succeeded" and same:
            moved[one.kind] += one.amount
    if not is_ours:
        moved[source] = operation.bound or ZERO
    if operation.kind == "credit":
        return moved["capture"] - moved["credit"]
    return moved["authorize"] - moved["capture"] - moved["void"]
