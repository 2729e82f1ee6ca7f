"""The order validator: somebody outside looks at a change before it is stored (S2, validation).

A change is worked out and sent away as the order that it would make; what comes back replaces that
order. Meanwhile a run that has no steps stands on the order, which holds it like any other: it
keeps the command, so that the change is worked out again from the same order when the answer is
there, and nothing of it is stored before. It is about changes of orders that are there, whoever
makes them through the api (S2: update events; domain 3 no. 52); creating, importing and deleting
orders, and what steps do, goes unasked.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from contracts.message import derived
from contracts.messages.orders import ChangeCommand, OrderValidated, UpdateOrder, UpdateOrderStatus
from contracts.order import Order
from contracts.problems import Problem, problem
from contracts.settings import Configuration, Connector
from contracts.value import Value
from services.chassis.outcomes import Refused
from services.workflow.domain.cancel_order import cancelled_with_its_lines
from services.workflow.domain.change import enter
from services.workflow.domain.changing import AnyChange, Rule
from services.workflow.domain.finish_step import RunOver
from services.workflow.domain.order import Asking, OrderDocument, Run, order_bytes
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress, start
from services.workflow.domain.update import overwritten

STEP: Final = "ValidateOrder"

GIVEN_UP: Final = timedelta(minutes=10)
"""After which the order is let go: longer than a change may wait for its turn and its answer."""

Rules = Mapping[str, tuple[type[ChangeCommand], Rule[Any]]]
"""The rule of each command by its type; Any: each has a command of its own."""


class ValidationCall(Value):
    """That the order validator is to be asked; what about is the call's payload."""

    order_id: str
    run_id: str
    connector: str


def validator_for(document: OrderDocument | None, configuration: Configuration) -> Connector | None:
    """Return who validates changes of this order; None: nobody (S2, IsOrderValidationEnabled)."""
    if document is None or not configuration.order_settings.is_order_validation_enabled:
        return None
    return configuration.order_validator(document.order.market_id)


def candidate(  # noqa: PLR0913 - what a rule may know is handed to it
    rule: Rule[AnyChange],
    document: OrderDocument,
    command: AnyChange,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Work the change out without the runs that it begins: these are for when it is stored.

    :raises Refused: as the rule says
    """
    settings = configuration.order_settings
    if settings.cancel_order_if_all_line_items_cancelled:
        settings = settings.model_copy(update={"cancel_order_if_all_line_items_cancelled": False})
        configuration = configuration.model_copy(update={"order_settings": settings})
    return rule(document, _without_run(command), cause, now=now, configuration=configuration)


def _without_run(command: AnyChange) -> AnyChange:
    if isinstance(command, UpdateOrder):
        return command.model_copy(update={"run_workflow": False})
    if isinstance(command, UpdateOrderStatus):
        return command.model_copy(update={"skip_run_workflow": True})
    return command


def _runs(command: ChangeCommand) -> bool:
    if isinstance(command, UpdateOrder):
        return command.run_workflow
    return isinstance(command, UpdateOrderStatus) and not command.skip_run_workflow


def held(
    document: OrderDocument, progress: Progress, asking: Asking, *, before: bytes, timer: UUID
) -> OrderDocument:
    """Return the stored order with the run that holds it until the validator has answered.

    :param before: the stored order, compressed
    :param timer: what lets the order go when that takes too long
    """
    if progress.ended is None:
        raise ValueError("a candidate waits for nothing")
    run = progress.ended.model_copy(
        update={
            "plan": (STEP,),
            "waiting_for": STEP,
            "asking": asking,
            "shape": progress.shape,
            "before": before,
            "timer": timer,
            "deadline": progress.ended.since + GIVEN_UP,
        }
    )
    return document.model_copy(update={"run": run})


def asked(document: OrderDocument | None, message: OrderValidated) -> tuple[OrderDocument, Run]:
    """Return the order and the run that waits for this answer.

    :raises RunOver: if none does
    """
    if document is None or document.run is None or document.run.id != message.run_id:
        raise RunOver
    if document.run.asking is None:
        raise RunOver
    return document, document.run


def cause_of(run: Run, size: int) -> Cause:
    """Return the command that the run holds the order for."""
    return Cause(UUID(run.id), run.command_id, run.reply_to, size)


def conclude(  # noqa: PLR0913 - what a rule may know is handed to it
    rule: Rule[AnyChange],
    document: OrderDocument,
    command: AnyChange,
    cause: Cause,
    answer: Order,
    *,
    since: datetime,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Store the change as the validator wants it, and begin the run that it was to begin.

    :param document: the stored order, of which the candidate was made, without the run that held it
    :param answer: what replaces the candidate; the usual checks apply to it
    :param since: when the candidate was made
    :raises Refused: validator-unavailable, where the answer is no order that could be stored; and
        as the rule says, should the settings have changed meanwhile
    """
    made = candidate(rule, document, command, cause, now=since, configuration=configuration)
    made = _replaced(document, made, answer, command, cause, now=now, configuration=configuration)
    run, order = made.ended, made.document.order
    if run is None or not _runs(command):
        return cancelled_with_its_lines(document.order, made, now=now, configuration=configuration)
    if run.shipment is None:
        kind = configuration.order_type(order.order_type)
        status = kind.status(order.status) if kind is not None else None
        run = run.model_copy(update={"status": order.status or run.status})
        order = enter(order, status, run.status, now, configuration)
    entered = made.document.model_copy(update={"order": order})
    begun = start(entered, run, now=now, configuration=configuration)
    return replace(begun, messages=[*made.messages, *begun.messages])


def _replaced(  # noqa: PLR0913 - what a rule may know is handed to it
    document: OrderDocument,
    made: Progress,
    answer: Order,
    command: ChangeCommand,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Let the answer replace what the change has made, as if a client overwrote it next."""
    if answer.id != document.id:
        raise Refused(unavailable(f"it answered with another order, {answer.id!r}"))
    settings = configuration.order_settings.model_copy(
        update={"cancel_order_if_all_line_items_cancelled": False}
    )
    try:
        after = overwritten(
            made.document,
            answer,
            command,
            replace(cause, id=derived(cause.id, "validated")),
            now=now,
            configuration=configuration.model_copy(update={"order_settings": settings}),
        )
    except Refused as refused:
        faults = [f"{one.path} {one.message}" for one in refused.problem.errors or ()]
        reason = f"its order cannot be stored: {refused.problem.title}"
        raise Refused(unavailable("; ".join([reason, *faults[:3]]))) from refused
    return replace(
        made,
        document=after.document,
        messages=[*made.messages, *after.messages],
        is_unchanged=order_bytes(after.document.order) == order_bytes(document.order),
    )


def unavailable(reason: str) -> Problem:
    """Return the problem that the client gets where the validator gave no answer to go by."""
    return problem("validator-unavailable", f"The order validator: {reason}. Nothing was stored.")
