"""Running one step by hand, whatever the status of the order (S2, manual steps; decided 5.7)."""

from datetime import datetime
from typing import Final

from contracts.messages.orders import RunWorkflowStep
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration, WorkflowStep
from services.chassis.outcomes import Refused
from services.workflow.domain.changing import admitted
from services.workflow.domain.order import OrderDocument, Run
from services.workflow.domain.place import Cause
from services.workflow.domain.plan import Planned
from services.workflow.domain.run import Progress, start
from services.workflow.domain.steps import NAMES

_MOVES_ON: Final = "ChangeStatus"
"""The one step that is not for the hand: whoever wants another status enters that."""

BY_HAND: Final = tuple(name for name in NAMES if name != _MOVES_ON)


def run_step(
    document: OrderDocument | None,
    command: RunWorkflowStep,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Begin a run of this one step in the status that the order has and keeps.

    It runs for the whole order, and also where the order type disables its workflow.

    :raises Refused: as `admitted` says; step-not-available
    """
    document = admitted(document, command)
    status = document.order.status
    run = Run(
        id=str(cause.id),
        command_id=cause.command_id,
        reply_to=cause.reply_to,
        status=status or "",
        status_before=status,
        ignored_fields=command.ignored_fields or None,
        since=now,
        user=command.user_id or command.user,
        origin=command.origin,
    )
    step = _available(command, document, run, configuration)
    step = step.model_copy(update={"properties": (*command.properties, *step.properties)})
    run = run.model_copy(update={"by_hand": step})
    return start(document, run, now=now, configuration=configuration)


def _available(
    command: RunWorkflowStep, document: OrderDocument, run: Run, configuration: Configuration
) -> WorkflowStep:
    """Return the step of this name, as configured; of several the first that is for the order.

    :raises Refused: step-not-available
    """
    steps = configuration.order_settings.manual_steps(BY_HAND)
    names = ", ".join(step.name for step in steps)
    expected = f"one of {names}" if names else "none: no step may be run by hand"
    wanted = command.name.casefold()
    for step in steps:
        if step.name.casefold() == wanted:
            why_not = Planned(step).why_not(document.order, run)
            if why_not is None:
                return step
            expected = f"a step that is for this order: {why_not}"
    fault = FieldProblem(path="name", message=f"expected {expected}", got=command.name[:64])
    raise Refused(problem("step-not-available", errors=(fault,)))
