"""Automations: a run begins, is recorded look by look, and moves orders on one by one."""

from typing import Final

from contracts.messages.orders import AutomateOrder, RunAutomations
from services.chassis.calls import Attempt, Verdict
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.automate import automate
from services.workflow.domain.automation_runs import (
    RUNS,
    AutomationRuns,
    Look,
    Looked,
    begin,
    go_on,
)
from services.workflow.domain.order import OrderDocument
from services.workflow.handlers.conclude import cause, keep

AUTOMATION: Final = "automation"


def run_automations(message: RunAutomations, uow: UnitOfWork) -> None:
    """Begin the run: the orders are looked for in a call, as no handler may wait for a query."""
    before = uow.find(AutomationRuns, RUNS)
    runs, look = begin(before, message, now=uow.now, configuration=uow.configuration)
    uow.save(runs)
    uow.call(AUTOMATION, look, lane=RUNS, target=RUNS)


def record_look(look: Look, looked: Looked, _: Attempt, uow: UnitOfWork) -> Verdict:
    """Send on their way the orders that were found; go on, or end the run."""
    before = uow.find(AutomationRuns, RUNS)
    follows = go_on(before, look, looked, now=uow.now, configuration=uow.configuration)
    if follows is None:
        return Verdict()
    uow.save(follows.runs)
    uow.send(*looked.commands, anew=True)
    if follows.look is not None:
        uow.call(AUTOMATION, follows.look, lane=RUNS, target=RUNS)
    if follows.run is not None:
        uow.send(follows.run, not_before=follows.due, anew=True)
    return Verdict()


def automate_order(command: AutomateOrder, uow: UnitOfWork) -> None:
    """Move the order on."""
    existing = uow.find(OrderDocument, command.order_id)
    progress = automate(existing, command, cause(uow), now=uow.now, configuration=uow.configuration)
    keep(progress, existing, uow)
