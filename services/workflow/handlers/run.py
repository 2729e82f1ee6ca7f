"""Runs of an order's workflow: begun, continued, ended for want of an answer."""

from functools import partial

from contracts.messages.orders import (
    ImportOrders,
    PlaceNumberedOrder,
    PlaceOrder,
    PlacePosOrder,
    RunTimedOut,
    StepFinished,
)
from contracts.messages.replies import partly
from services.chassis.outcomes import Refused
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.finish_step import finish_step, run_timed_out
from services.workflow.domain.import_orders import IMPORTED, import_order
from services.workflow.domain.log import left_alone
from services.workflow.domain.number import NumberSequence, place_numbered
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import place
from services.workflow.domain.receipt import Receipt, place_pos
from services.workflow.handlers.conclude import announce, cause, keep


def place_order(command: PlaceOrder, uow: UnitOfWork) -> None:
    """Store the order and begin its first run."""
    existing, why = uow.find(OrderDocument, command.order_id), cause(uow)
    try:
        progress = place(existing, command, why, now=uow.now, configuration=uow.configuration)
    except Refused as refused:
        by = {"user": command.user, "origin": command.origin}
        entries = [*left_alone(existing, command.category, why, now=uow.now, **by)]
        if not entries:
            raise
        for entry in entries:
            uow.save(entry)
        uow.reply(refused.problem.status, problem=refused.problem, order_id=command.order_id)
    else:
        keep(progress, existing, uow)


def place_numbered_order(command: PlaceNumberedOrder, uow: UnitOfWork) -> None:
    """Store the order under the next number and begin its first run."""
    sequence, progress = place_numbered(
        uow.find(NumberSequence, command.numbering.sequence),
        partial(uow.find, OrderDocument),
        command,
        cause(uow),
        now=uow.now,
        configuration=uow.configuration,
    )
    uow.save(sequence)
    keep(progress, None, uow)


def place_pos_order(command: PlacePosOrder, uow: UnitOfWork) -> None:
    """Store the sale under its number, unless that is taken, and begin its first run."""
    receipt, progress = place_pos(
        uow.find(Receipt, command.number),
        partial(uow.find, OrderDocument),
        command,
        cause(uow),
        now=uow.now,
        configuration=uow.configuration,
    )
    uow.save(receipt)
    keep(progress, None, uow)


def import_orders(command: ImportOrders, uow: UnitOfWork) -> None:
    """Store the orders that are new, and answer which were left out."""
    skipped: dict[int, str] = {}
    by = {"user": command.user, "origin": command.origin}
    for place_, order in zip(command.places, command.orders, strict=True):
        existing = uow.find(OrderDocument, order.id)
        try:
            progress, run = import_order(
                existing,
                order,
                place_,
                command,
                cause(uow),
                now=uow.now,
                configuration=uow.configuration,
            )
        except Refused as refused:
            skipped[place_] = refused.problem.slug
            for entry in left_alone(existing, IMPORTED, cause(uow), now=uow.now, **by):
                uow.save(entry)
        else:
            announce(progress, run, None, uow)
    uow.reply(204, shape=partly(skipped))


def step_finished(message: StepFinished, uow: UnitOfWork) -> None:
    """Go on with the run."""
    existing = uow.find(OrderDocument, message.order_id)
    progress = finish_step(existing, message, now=uow.now, configuration=uow.configuration)
    keep(progress, existing, uow)


def time_run_out(message: RunTimedOut, uow: UnitOfWork) -> None:
    """End the run that nobody answered."""
    existing = uow.find(OrderDocument, message.order_id)
    progress = run_timed_out(existing, message, now=uow.now, configuration=uow.configuration)
    keep(progress, existing, uow)
