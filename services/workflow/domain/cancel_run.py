"""Ending a run that waits because an operator says so (decided 5.8)."""

from datetime import datetime

from contracts.messages.orders import CancelRun
from contracts.problems import Problem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.order import OrderDocument, Run
from services.workflow.domain.run import Progress, give_up


def in_hand(document: OrderDocument | None, command: CancelRun) -> tuple[OrderDocument, Run]:
    """Return the order and the run that waits; a read-only order is let go like any other.

    :raises Refused: order-not-found, precondition-failed, no-run-in-hand
    """
    if document is None:
        raise Refused(problem("order-not-found"))
    if command.if_match is not None and document.version not in command.if_match:
        raise Refused(problem("precondition-failed"))
    if document.run is None:
        raise Refused(problem("no-run-in-hand"))
    return document, document.run


def cancel(
    document: OrderDocument,
    run: Run,
    command: CancelRun,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """End the run as if its deadline had passed; the step in hand says who cancelled it."""
    reason = f"the run was cancelled by {command.user}"
    return give_up(document, run, reason, now=now, configuration=configuration)


def withdrawn(command: CancelRun) -> Problem:
    """Return what the client is told whose change waited for the order validator."""
    detail = f"It waited for the order validator and was cancelled by {command.user}."
    return problem("run-cancelled", f"{detail} Nothing was stored.")
