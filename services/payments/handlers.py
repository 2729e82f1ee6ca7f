"""One function a message, and one for what became of a call to a provider."""

from collections.abc import Sequence
from typing import Final

import structlog

from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    ForgetOrder,
    PaymentCommand,
    VoidPayment,
)
from services.chassis.batch import Loads
from services.chassis.calls import Attempt, Verdict
from services.chassis.unit_of_work import UnitOfWork
from services.payments.domain.operation import (
    AnyCommand,
    Kind,
    Operation,
    ProviderCall,
    begin,
    calls,
    followed,
    forgotten,
    give_back_id,
    led,
)
from services.payments.domain.outcome import Outcome, Unknown, answer_at_once, settle

PAYMENT: Final = "payment"

log = structlog.get_logger()


def authorize_payment(command: AuthorizePayment, uow: UnitOfWork) -> None:
    """Hold the money."""
    _carry_out("authorize", command, uow)


def capture_payment(command: CapturePayment, uow: UnitOfWork) -> None:
    """Charge what is held."""
    _carry_out("capture", _led(command, uow), uow)


def void_payment(command: VoidPayment, uow: UnitOfWork) -> None:
    """Give up a hold."""
    command = _led(command, uow)
    operations = begin("void", command, cause=uow.envelope.id, now=uow.now)
    given_back = _given_back(command, uow)
    _keep([one for one in operations if one.id not in given_back], uow)
    uow.send(*answer_at_once(command, operations))


def credit_payment(command: CreditPayment, uow: UnitOfWork) -> None:
    """Give captured money back."""
    _carry_out("credit", _led(command, uow), uow)


def forget_order(command: ForgetOrder, uow: UnitOfWork) -> None:
    """Keep what was done with the order's money under another name than the order's."""
    name = forgotten(command.order_id, uow.envelope.id)

    def renamed(one: Operation) -> Operation:
        own = one.order_id == command.order_id
        return one.model_copy(update={"order_id": name}) if own else one

    old = {"orderId": command.order_id}
    uow.rewrite_all(Operation, old, {"$set": {"orderId": name}}, renamed)


def _carry_out(kind: Kind, command: PaymentCommand, uow: UnitOfWork) -> None:
    operations = begin(kind, command, cause=uow.envelope.id, now=uow.now)
    _keep(operations, uow)
    uow.send(*answer_at_once(command, operations))


def _led(command: AnyCommand, uow: UnitOfWork) -> AnyCommand:
    found = (uow.find(Operation, id_) for id_ in followed(command))
    return led(command, {one.id: one for one in found if one is not None})


def earlier(command: PaymentCommand) -> Loads:
    """Return what was done before that the command goes on with."""
    return [(Operation, id_) for id_ in followed(command)]


def given_back_before(command: VoidPayment) -> Loads:
    """Return that, and the voids that an aborted run asks for and that may have happened."""
    return [*earlier(command), *_give_backs(command)]


def _given_back(command: VoidPayment, uow: UnitOfWork) -> set[str]:
    return {id_ for _, id_ in _give_backs(command) if uow.find(Operation, id_) is not None}


def _give_backs(command: VoidPayment) -> list[tuple[type[Operation], str]]:
    """Return the voids that an aborted run asks for and that may have happened already."""
    run = command.aborted_run
    if run is None:
        return []
    return [(Operation, give_back_id(run, asked.payment_id)) for asked in command.operations]


def _keep(operations: Sequence[Operation], uow: UnitOfWork) -> None:
    for operation in operations:
        uow.save(operation)
    for call in calls(operations):
        uow.call(PAYMENT, call, lane=call.lane, target=call.connector)


def record_outcome(
    call: ProviderCall, outcome: Outcome, attempt: Attempt, uow: UnitOfWork
) -> Verdict:
    """Keep what the provider said; try again, answer the step, or undo what came too late."""
    siblings = [uow.get(Operation, id_) for id_ in call.siblings]
    settled = settle(siblings, call.operation_id, outcome, cause=uow.envelope.id, now=uow.now)
    for operation in settled.changed:
        uow.save(operation)
    done = {id_ for id_ in call.given_back if uow.find(Operation, id_) is not None}
    _keep([undo for undo in settled.undo if undo.id not in done], uow)
    uow.send(*settled.answers)
    if settled.given_up:
        log.error(
            "payment.unknown",
            order_id=call.order_id,
            operation=call.operation_id,
            connector=call.connector,
            attempts=attempt.number,
        )
    return Verdict(again_at=settled.again_at, failed=isinstance(outcome, Unknown))
