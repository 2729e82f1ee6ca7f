"""Whoever answers the workflow's commands, where a test is about the workflow alone."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

from pydantic import TypeAdapter

from contracts.message import Envelope, Message
from contracts.messages import inventory, notifications, payments
from contracts.messages.inventory import ReduceStock, ReleaseStock, ReserveStock
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import OrderMessage, StepFinished, StepStatus
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    PaymentCommand,
    VoidPayment,
)
from contracts.payment import Payment
from tests.harness import Wire, until

Script = Callable[[OrderMessage], StepFinished | None]

KINDS: dict[str, type[OrderMessage]] = {
    kind.type: kind
    for kind in (
        ReserveStock,
        ReleaseStock,
        ReduceStock,
        AuthorizePayment,
        CapturePayment,
        VoidPayment,
        CreditPayment,
        SendNotification,
    )
}
TOPICS = (inventory.COMMANDS, payments.COMMANDS, notifications.COMMANDS)


def success(command: OrderMessage) -> StepFinished | None:
    """Answer as if all went well; whoever asks for no answer gets none."""
    if isinstance(command, ReserveStock):
        return finished(command, reserved={one.line_item_id: one.quantity for one in command.lines})
    if isinstance(command, ReduceStock):
        return finished(command, reserved={one.line_item_id: Decimal(0) for one in command.lines})
    if isinstance(command, PaymentCommand):
        return finished(command, payments=entries(command))
    if isinstance(command, SendNotification) and not command.answer:
        return None
    return finished(command)


def silence(_: OrderMessage) -> None:
    """Say nothing at all."""


def finished(
    command: OrderMessage, status: StepStatus = StepStatus.SUCCESS, **more: object
) -> StepFinished | None:
    """Return the answer to a command; None where none is wanted."""
    asked = command.model_dump(include={"order_id", "run_id", "step"})
    if asked["run_id"] is None:
        return None
    return StepFinished.model_validate({**asked, "status": status, **more})


def entries(command: PaymentCommand) -> tuple[Payment, ...]:
    """Return the payments that the payments service would report."""
    word = {
        AuthorizePayment: "Authorization",
        CapturePayment: "Capture",
        VoidPayment: "Void",
        CreditPayment: "Credit",
    }[type(command)]
    return tuple(
        Payment.model_validate(
            {
                "id": one.payment_id
                if isinstance(command, AuthorizePayment)
                else f"{one.payment_id}-{word}",
                "amount": one.amount,
                "payment_method_name": one.payment_method_name,
                "transaction_id": one.transaction_id,
                "transaction_type": word,
                "status": "Processed",
            }
        )
        for one in command.operations
    )


class Others:
    """Inventory, payments and notifications in one: each command is answered twice, by a script.

    `script(order_id, Kind, answer)` says how the commands of this kind about this order are
    answered; the rest succeeds.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._scripts: dict[tuple[str, type[Message]], Script] = {}
        self._asked: dict[str, list[OrderMessage]] = defaultdict(list)
        self._origins: dict[tuple[str, str | None, int | None], Envelope] = {}
        self._known: set[UUID] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            (ended,) = await asyncio.gather(self._task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), ended

    def script(self, order_id: str, kind: type[OrderMessage], answer: Script) -> None:
        """Answer the commands of this kind about this order like this."""
        self._scripts[order_id, kind] = answer

    def asked(self, order_id: str) -> list[OrderMessage]:
        """Return what was asked about the order so far, each command once."""
        return list(self._asked[order_id])

    def kinds(self, order_id: str) -> list[type[OrderMessage]]:
        """Return of which kinds those were."""
        return [type(one) for one in self.asked(order_id)]

    async def command(self, order_id: str, kind: type[OrderMessage]) -> OrderMessage:
        """Wait for a command of this kind about the order; return the last one."""

        def found() -> OrderMessage | None:
            return next((one for one in reversed(self.asked(order_id)) if type(one) is kind), None)

        command = await until(found)
        assert command is not None
        return command

    async def answer(self, answer: StepFinished | None) -> None:
        """Put an answer on the wire, twice."""
        if answer is None:
            return
        envelope = self._wire.sealed(answer)
        asked = self._origins.get((answer.order_id, answer.run_id, answer.step))
        if asked is not None:
            envelope = replace(
                envelope, correlation_id=asked.correlation_id, causation_id=str(asked.id)
            )
        await self._wire.producer.send([envelope, envelope])

    async def _serve(self) -> None:
        while True:
            for topic in TOPICS:
                for envelope in self._wire.on(topic):
                    if envelope.id not in self._known:
                        self._known.add(envelope.id)
                        await self._take(envelope)
            await asyncio.sleep(0.01)

    async def _take(self, envelope: Envelope) -> None:
        kind = KINDS[envelope.type]
        command = TypeAdapter(kind).validate_json(envelope.data)
        self._asked[command.order_id].append(command)
        place = command.model_dump(include={"order_id", "run_id", "step"})
        self._origins[place["order_id"], place["run_id"], place["step"]] = envelope
        await self.answer(self._scripts.get((command.order_id, kind), success)(command))
