"""How an operation ends, what the order hears of it, and what is taken back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, assert_never
from uuid import UUID

from contracts.messages.orders import StepFinished, StepStatus
from contracts.messages.payments import PaymentCommand
from contracts.note import ExternalId
from contracts.payment import Payment, PaymentLineReference, TransactionType
from services.payments.domain.operation import Kind, Operation, undoing

RETRIES: Final = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15))
"""Pauses before the attempts that follow one without a known outcome (decided 7.2)."""

ASK_FIRST: Final = timedelta(seconds=30)
ASK_SLOWEST: Final = timedelta(minutes=5)
ASK_FOR: Final = timedelta(hours=24)
"""How an outcome that is still unknown goes on being asked for: ever slower, for a day."""

_TYPES: Final[dict[Kind, TransactionType]] = {
    "authorize": "Authorization",
    "capture": "Capture",
    "void": "Void",
    "credit": "Credit",
}


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The money was moved: this much, of this authorization."""

    amount: Decimal
    transaction_id: str | None = None
    provider_transaction_id: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider says no."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Nothing was moved, and asking again would not help."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether money was moved."""

    reason: str


Outcome = Succeeded | Declined | Failed | Unknown


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows from an outcome.

    `changed` are documents to write, `undo` operations to begin, `again_at` the next attempt.
    """

    changed: tuple[Operation, ...] = ()
    undo: tuple[Operation, ...] = ()
    answers: tuple[StepFinished, ...] = ()
    again_at: datetime | None = None
    given_up: bool = False


def settle(
    siblings: Sequence[Operation], id_: str, outcome: Outcome, *, cause: UUID, now: datetime
) -> Settled:
    """Return what follows from the outcome of an attempt.

    The step is answered when none of its operations is pending any more. What turns out after that
    to have moved money is undone, and so is what an authorization that failed in part has held:
    there is no money taken without an order (decided 7.2).

    :param siblings: the operations that are answered together
    :param id_: which of them was attempted
    :param cause: an id that is new at every attempt
    """
    before = next(one for one in siblings if one.id == id_)
    if before.state not in {"pending", "unknown"}:
        return Settled()  # two processes made the call, under one key; the other was first
    after, again_at = _after(before, outcome, now)
    siblings = tuple(after if one.id == id_ else one for one in siblings)
    changed: tuple[Operation, ...] = (after,)
    if after.state != before.state and siblings[0].id != id_:
        # Written as well, so that of two processes that record the last two operations at once
        # one must look again and sees that all have ended.
        changed = (after, siblings[0].model_copy())
    waiting = any(one.state == "pending" for one in siblings)
    answers: tuple[StepFinished, ...] = ()
    wrong: list[Operation] = []
    if before.state == "unknown" and not waiting:
        wrong = [after]
    elif not waiting:
        answers = answer(siblings)
        if any(one.kind == "authorize" and one.state != "succeeded" for one in siblings):
            wrong = list(siblings)
    undo = [undoing(one, cause=cause, now=now) for one in wrong]
    return Settled(
        changed=changed,
        undo=tuple(one for one in undo if one is not None),
        answers=answers,
        again_at=again_at,
        given_up=after.state == "unknown" and again_at is None,
    )


def _after(before: Operation, outcome: Outcome, now: datetime) -> tuple[Operation, datetime | None]:
    attempts = before.attempts + 1
    match outcome:
        case Succeeded():
            found = _changed(
                before,
                attempts=attempts,
                state="succeeded",
                completed=now,
                amount=outcome.amount,
                transaction_id=outcome.transaction_id or before.transaction_id,
                provider_transaction_id=outcome.provider_transaction_id,
                reason=outcome.note,
            )
        case Declined() | Failed():
            state = "declined" if isinstance(outcome, Declined) else "failed"
            found = _changed(
                before, attempts=attempts, state=state, completed=now, reason=outcome.reason
            )
        case Unknown():
            return _still_unknown(before, attempts, outcome.reason, now)
        case _:
            assert_never(outcome)
    return found, None


def _still_unknown(
    before: Operation, attempts: int, reason: str, now: datetime
) -> tuple[Operation, datetime | None]:
    """Try again by the schedule, then only ask, then give up and leave it to Reconcile."""
    if attempts <= len(RETRIES):
        return _changed(before, attempts=attempts, reason=reason), now + RETRIES[attempts - 1]
    found = _changed(before, attempts=attempts, reason=reason, state="unknown")
    if now - before.created >= ASK_FOR:
        return _changed(found, completed=now), None
    asked = min(attempts - len(RETRIES) - 1, 10)
    return found, now + min(ASK_FIRST * 2**asked, ASK_SLOWEST)


def _changed(operation: Operation, **changes: object) -> Operation:
    return operation.model_copy(update=changes)


# -- what the order hears -------------------------------------------------------------------------


def answer_at_once(
    command: PaymentCommand, operations: Sequence[Operation]
) -> tuple[StepFinished, ...]:
    """Return the answer to a command all of whose operations, perhaps none, ended as they began."""
    if operations:
        return answer(operations)
    return _answer(command.order_id, command.run_id, command.step, StepStatus.SUCCESS)


def answer(operations: Sequence[Operation]) -> tuple[StepFinished, ...]:
    """Return the answer to the step that waits for these operations; none while one is pending."""
    if any(one.state == "pending" for one in operations):
        return ()
    first = operations[0]
    faults = [one for one in operations if one.state != "succeeded"]
    notes = [one.reason for one in faults or operations if one.reason]
    # What an authorization that failed in part has held is given back, so it never was.
    told = () if faults and first.kind == "authorize" else operations
    return _answer(
        first.order_id,
        first.run_id,
        first.step,
        StepStatus.ERROR if faults else StepStatus.WARNING if notes else StepStatus.SUCCESS,
        reason="; ".join(dict.fromkeys(notes)) or None,
        payments=tuple(entry(one) for one in told if one.state == "succeeded" and one.amount),
    )


def _answer(  # noqa: PLR0913 - what an answer says
    order_id: str,
    run_id: str | None,
    step: int | None,
    status: StepStatus,
    *,
    reason: str | None = None,
    payments: tuple[Payment, ...] = (),
) -> tuple[StepFinished, ...]:
    """Return the answer, or nothing where no run waits for it."""
    if run_id is None or step is None:
        return ()
    return (
        StepFinished(
            order_id=order_id,
            run_id=run_id,
            step=step,
            status=status,
            reason=reason,
            payments=payments,
        ),
    )


def entry(operation: Operation) -> Payment:
    """Return how a successful operation stands on the order (domain 6.4).

    An authorization changes the entry that waited for it, of which only some members are named;
    anything else is an entry of its own. All of them name the authorization as their transaction:
    by that the order knows what belongs together. `internalReference` is the operation.
    """
    own = operation.kind != "authorize"
    known = {
        "amount": operation.amount,
        "payment_method_name": operation.method,
        "transaction_id": operation.transaction_id or operation.id,
        "transaction_type": _TYPES[operation.kind],
        "status": "Processed",
        "id": operation.id if own else operation.payment_id,
        "created": operation.created if own else None,
        "paid_date": operation.completed,
        "internal_reference": operation.id,
        "shipment_id": operation.shipment_id,
        "reason": operation.reason,
    }
    if operation.line_item_ids:
        known["order_line_references"] = [
            PaymentLineReference(line_item_id=line) for line in operation.line_item_ids
        ]
    if operation.provider_transaction_id and own:
        known["external_ids"] = [
            ExternalId(provider_name=operation.connector, id=operation.provider_transaction_id)
        ]
    return Payment.model_validate({name: is_ for name, is_ in known.items() if is_ is not None})
