"""One thing done with money: what is kept of it, and how it begins."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final, Literal, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from contracts.message import derived
from contracts.messages.payments import PaymentCommand, PaymentOperation, VoidPayment
from services.chassis.document import Document

AnyCommand = TypeVar("AnyCommand", bound=PaymentCommand)
Kind = Literal["authorize", "capture", "void", "credit"]
State = Literal["pending", "succeeded", "declined", "failed", "unknown"]

ZERO: Final = Decimal(0)

_GIVEN_BACK: Final = UUID("0c9a0f1e-8a53-5c0f-9d2c-2f8f5d0a6b11")

_UNDONE_BY: Final[dict[Kind, Kind]] = {"authorize": "void", "capture": "credit"}


class Operation(Document):
    """One thing done with the money of one payment; its id is the provider's Idempotency-Key.

    `pending` until the provider's answer is known, or until the step that waits can wait no longer;
    from then on `unknown` until it is. `command`, `position` and `count` say which operations are
    answered together. `transaction_id` is the authorization's, `provider_transaction_id` what the
    provider calls this very operation. Once succeeded, `amount` is what was moved.
    """

    collection: ClassVar[str] = "payment_operations"

    order_id: str
    payment_id: str
    kind: Kind
    amount: Decimal
    currency: str
    method: str
    connector: str | None = None
    state: State
    transaction_id: str | None = None
    provider_transaction_id: str | None = None
    reason: str | None = None
    created: datetime
    completed: datetime | None = None
    attempts: int = 0
    shipment_id: str | None = None
    reference: str | None = None
    line_item_ids: tuple[str, ...] = ()
    bound: Decimal | None = None
    """What the entry on the order is for, which is all there is where a client brought it along."""
    undoes: str | None = None
    """The operation that this one takes back, because its step had failed."""
    command: UUID
    position: int = 0
    count: int = 1
    run_id: str | None = None
    step: int | None = None

    @property
    def asked_for(self) -> str:
        """The order's id as providers were told it, also after the order was forgotten."""
        return self.order_id.partition("/")[0]

    @property
    def siblings(self) -> tuple[str, ...]:
        """The ids of all operations of the command, its own included."""
        return tuple(_operation_id(self.command, position) for position in range(self.count))


def _operation_id(command: UUID, position: int) -> str:
    return str(derived(command, f"operation/{position}"))


def forgotten(order_id: str, cause: UUID) -> str:
    """Return the name under which the books know an order that was deleted for good.

    No order has it as its id, which is free again: there is a slash in it.
    """
    return f"{order_id}/{cause}"


def give_back_id(run_id: str, payment_id: str) -> str:
    """Return the id of the recorded void that takes a failed run's hold back.

    A failed step takes its holds back here, an aborted run asks for it too: one id for both, so
    that the money is given back once.
    """
    return str(uuid5(_GIVEN_BACK, f"{run_id}/{payment_id}"))


class ProviderCall(BaseModel):
    """The promise to have one operation carried out by its provider.

    `siblings` are the operations that are answered together, this one included.
    """

    model_config = ConfigDict(frozen=True)

    order_id: str
    payment_id: str
    operation_id: str
    connector: str
    siblings: tuple[str, ...]
    given_back: tuple[str, ...] = ()
    """Ids under which holds of this command may have been given back already."""

    @property
    def lane(self) -> str:
        """The payment: what is done with it is done in order."""
        return f"{self.order_id}/{self.payment_id}"


def followed(command: PaymentCommand) -> list[str]:
    """Return the ids of the operations that those of the command follow."""
    return [asked.follows for asked in command.operations if asked.follows is not None]


def led(command: AnyCommand, known: Mapping[str, Operation]) -> AnyCommand:
    """Return the command with each operation for whoever carried out the one that it follows.

    Money that is held at one provider cannot be charged by another, and what was only recorded is
    nothing that a provider knows of (decided 7.1).

    :param known: operations by id; what is not this order's leads nobody
    """
    operations = tuple(
        asked
        if (before := known.get(asked.follows or "")) is None
        or before.asked_for != command.order_id
        else asked.model_copy(update={"connector_id": before.connector})
        for asked in command.operations
    )
    return command.model_copy(update={"operations": operations})


def begin(
    kind: Kind, command: PaymentCommand, *, cause: UUID, now: datetime
) -> tuple[Operation, ...]:
    """Return the operations of a command; those without a provider are done at once (decided 7.1).

    :param cause: the id of the command's message, from which theirs derive
    """
    return tuple(
        _begun(kind, command, asked, cause=cause, position=position, now=now)
        for position, asked in enumerate(command.operations)
    )


def _begun(  # noqa: PLR0913 - one operation has this many sides
    kind: Kind,
    command: PaymentCommand,
    asked: PaymentOperation,
    *,
    cause: UUID,
    position: int,
    now: datetime,
) -> Operation:
    recorded = asked.connector_id is None
    aborted = command.aborted_run if isinstance(command, VoidPayment) else None
    return Operation(
        id=give_back_id(aborted, asked.payment_id)
        if recorded and aborted is not None
        else _operation_id(cause, position),
        order_id=command.order_id,
        payment_id=asked.payment_id,
        kind=kind,
        amount=asked.amount,
        currency=asked.currency,
        method=asked.payment_method_name,
        connector=asked.connector_id,
        state="succeeded" if recorded else "pending",
        transaction_id=asked.transaction_id,
        created=now,
        completed=now if recorded else None,
        shipment_id=asked.shipment_id,
        reference=asked.reference,
        line_item_ids=asked.line_item_ids,
        bound=asked.bound,
        command=cause,
        position=position,
        count=len(command.operations),
        run_id=command.run_id,
        step=command.step,
    )


def undoing(operation: Operation, *, cause: UUID, now: datetime) -> Operation | None:
    """Return what takes this back: a void, a credit, or nothing where there is nothing to take."""
    kind = _UNDONE_BY.get(operation.kind)
    if kind is None or operation.state != "succeeded":
        return None
    recorded = operation.connector is None
    return Operation(
        id=give_back_id(operation.run_id, operation.payment_id)
        if recorded and kind == "void" and operation.run_id is not None
        else str(derived(cause, f"undo/{operation.id}")),
        order_id=operation.order_id,
        payment_id=operation.payment_id,
        kind=kind,
        amount=operation.amount,
        currency=operation.currency,
        method=operation.method,
        connector=operation.connector,
        state="succeeded" if recorded else "pending",
        transaction_id=operation.transaction_id,
        undoes=operation.id,
        created=now,
        completed=now if recorded else None,
        shipment_id=operation.shipment_id,
        reference=operation.reference,
        command=cause,
    )


def calls(operations: Sequence[Operation]) -> list[ProviderCall]:
    """Return the calls that these operations need."""
    return [
        ProviderCall(
            order_id=operation.order_id,
            payment_id=operation.payment_id,
            operation_id=operation.id,
            connector=operation.connector,
            siblings=operation.siblings if operation.run_id is not None else (operation.id,),
            given_back=tuple(
                give_back_id(one.run_id, one.payment_id)
                for one in operations
                if one.connector is None and one.run_id is not None
            ),
        )
        for operation in operations
        if operation.connector is not None and operation.state == "pending"
    ]
