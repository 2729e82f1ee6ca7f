"""Scheduled tasks: a run begins, is recorded look by look, and reaches orders one by one."""

from typing import Final

from contracts.messages.orders import AutomateOrder, RunScheduledTask, TryReserveOrderLines
from services.chassis.calls import Attempt, Verdict
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.automate import automate
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.scheduled import Look, Looked, ScheduledRuns, begin, go_on
from services.workflow.domain.try_reserve import try_reserve
from services.workflow.handlers.conclude import cause, keep

LOOK: Final = "automation"
"""The name of the calls, from when automations were the only task."""


def run_scheduled_task(message: RunScheduledTask, uow: UnitOfWork) -> None:
    """Begin the run: the orders are looked for in a call, as no handler may wait for a query."""
    before = uow.find(ScheduledRuns, message.task)
    runs, look = begin(before, message, now=uow.now, configuration=uow.configuration)
    uow.save(runs)
    uow.call(LOOK, look, lane=look.task, target=look.task)


def record_look(look: Look, looked: Looked, _: Attempt, uow: UnitOfWork) -> Verdict:
    """Send what is to be done with the orders that were found; go on, or end the run."""
    before = uow.find(ScheduledRuns, look.task)
    follows = go_on(before, look, looked, now=uow.now, configuration=uow.configuration)
    if follows is None:
        return Verdict()
    uow.save(follows.runs)
    uow.send(*looked.commands, anew=True)
    if follows.look is not None:
        uow.call(LOOK, follows.look, lane=look.task, target=look.task)
    if follows.run is not None:
        uow.send(follows.run, not_before=follows.due, anew=True)
    return Verdict()


def automate_order(command: AutomateOrder, uow: UnitOfWork) -> None:
    """Move the order on."""
    existing = uow.find(OrderDocument, command.order_id)
    progress = automate(existing, command, cause(uow), now=uow.now, configuration=uow.configuration)
    keep(progress, existing, uow)


def try_reserve_order_lines(command: TryReserveOrderLines, uow: UnitOfWork) -> None:
    """Ask for what the order was allotted of the stock that came in."""
    existing = uow.find(OrderDocument, command.order_id)
    document, messages = try_reserve(
        existing, command, uow.envelope.id, configuration=uow.configuration
    )
    if document is not existing:
        uow.save(document)
    uow.send(*messages)
