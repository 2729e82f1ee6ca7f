"""A change waits for the order validator: it is asked, and what it says is the end of it."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from contracts.messages.orders import OrderValidated
from contracts.messages.replies import Reply
from contracts.order import Order
from contracts.problems import Problem, problem
from contracts.settings import Connector
from services.chassis.batch import TooLarge
from services.chassis.calls import Attempt, Verdict
from services.chassis.inbox import Outcome
from services.chassis.outcomes import Refused
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.changing import AnyChange, Rule
from services.workflow.domain.order import Asking, OrderDocument, Run, order_bytes
from services.workflow.domain.run import Progress
from services.workflow.domain.validate import (
    GIVEN_UP,
    Rules,
    ValidationCall,
    asked,
    candidate,
    cause_of,
    conclude,
    held,
    unavailable,
)
from services.workflow.handlers.conclude import announce, cause, compressed, decompressed, keep

VALIDATION: Final = "order_validation"


def ask(
    rule: Rule[AnyChange],
    command: AnyChange,
    existing: OrderDocument,
    validator: Connector,
    uow: UnitOfWork,
) -> bool:
    """Hold the order and ask the validator about the change; no: the command changes nothing."""
    made = candidate(
        rule, existing, command, cause(uow), now=uow.now, configuration=uow.configuration
    )
    if made.is_unchanged:
        return False
    asking = Asking(type=command.type, command=compressed(uow.envelope.data))
    before = compressed(order_bytes(existing.order))
    run_id = str(uow.envelope.id)
    # Whatever becomes of the call and of its answer, the order is not held for ever.
    nothing = OrderValidated(
        order_id=existing.id, run_id=run_id, problem=unavailable("no answer came")
    )
    timer = uow.send(nothing, not_before=uow.now + GIVEN_UP)
    uow.save(held(existing, made, asking, before=before, timer=timer))
    uow.call(
        VALIDATION,
        ValidationCall(order_id=existing.id, run_id=run_id, connector=validator.connector_id),
        lane=existing.id,
        target=validator.connector_id,
        payload=order_bytes(made.document.order),
    )
    uow.accept(existing.id, shape=made.shape)
    return True


def record_answer(
    call: ValidationCall, answer: Order | Problem, _attempt: Attempt, uow: UnitOfWork
) -> Verdict:
    """Tell the order's one writer what the validator says, whatever that is: nobody asks again.

    It never counts as a failure of the target: a circuit that opened would keep orders held that
    a client can be told about at once.
    """
    order = answer if isinstance(answer, Order) else None
    why = answer if isinstance(answer, Problem) else None
    said = OrderValidated(order_id=call.order_id, run_id=call.run_id, order=order, problem=why)
    try:
        uow.send(said)
    except TooLarge:
        why = unavailable("its answer is too large")
        uow.send(said.model_copy(update={"order": None, "problem": why}))
    return Verdict()


def order_validated(rules: Rules) -> Callable[[OrderValidated, UnitOfWork], None]:
    """Return the handler of what the validator says, for commands with these rules."""

    def validated(message: OrderValidated, uow: UnitOfWork) -> None:
        existing, run = asked(uow.find(OrderDocument, message.order_id), message)
        if run.timer is not None:
            uow.cancel(run.timer)
        try:
            progress = _stored(rules, existing, run, message, uow)
        except Refused as refused:
            _refuse(refused.problem, existing, run, uow)
        else:
            keep(progress, existing, uow)
            if progress.is_unchanged:
                outcome = Outcome(200, None, existing.id, existing.version, progress.shape)
                uow.settle(UUID(run.id), outcome)

    return validated


def _stored(
    rules: Rules, existing: OrderDocument, run: Run, message: OrderValidated, uow: UnitOfWork
) -> Progress:
    """Return the change as it is to be stored.

    :raises Refused: order-not-valid, validator-unavailable, version-conflict, and as the rule says
    """
    if message.order is None or run.asking is None:
        raise Refused(message.problem or problem("validator-unavailable"))
    if not _is_as_it_was(existing, run):
        raise Refused(problem("version-conflict"))
    kind, rule = rules[run.asking.type]
    body = decompressed(run.asking.command)
    return conclude(
        rule,
        existing.model_copy(update={"run": None}),
        kind.model_validate_json(body),
        cause_of(run, len(body)),
        message.order,
        since=run.since,
        now=uow.now,
        configuration=uow.configuration,
    )


def _is_as_it_was(existing: OrderDocument, run: Run) -> bool:
    """Say whether nothing was reported of the order since the candidate was made of it."""
    return run.before is None or decompressed(run.before) == order_bytes(existing.order)


def withdraw(why: Problem, existing: OrderDocument, run: Run, uow: UnitOfWork) -> None:
    """Let the order go before the validator has answered; what it says then changes nothing."""
    if run.timer is not None:
        uow.cancel(run.timer)
    _refuse(why, existing, run, uow)


def _refuse(why: Problem, existing: OrderDocument, run: Run, uow: UnitOfWork) -> None:
    """Let the order go as it is, and tell the client."""
    document = existing.model_copy(update={"run": None})
    if _is_as_it_was(existing, run):
        uow.save(document)
    else:
        # What steps reported meanwhile was to be told when the order is free again.
        late = run.model_copy(
            update={"asking": None, "timer": None, "user": "workflow", "origin": "workflow"}
        )
        announce(Progress(document, ended=late), late, existing, uow)
    reply = Reply(
        command_id=run.command_id, status_code=why.status, problem=why, order_id=existing.id
    )
    uow.answer(reply, body=None, reply_to=run.reply_to)
    uow.settle(UUID(run.id), Outcome(why.status, why.slug, existing.id))
