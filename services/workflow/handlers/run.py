"""Runs of an order's workflow: begun, continued, ended for want of an answer."""

from contracts.messages.orders import PlaceOrder, RunTimedOut, StepFinished, UpdateOrderStatus
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.finish_step import finish_step, run_timed_out
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import place
from services.workflow.domain.update_status import update_status
from services.workflow.handlers.conclude import cause, keep


def place_order(command: PlaceOrder, uow: UnitOfWork) -> None:
    """Store the order and begin its first run."""
    existing = uow.find(OrderDocument, command.order_id)
    progress = place(
        existing,
        command,
        cause(uow),
        now=uow.now,
        configuration=uow.configuration,
    )
    keep(progress, existing, uow)


def update_order_status(command: UpdateOrderStatus, uow: UnitOfWork) -> None:
    """Enter the status and begin its run."""
    existing = uow.find(OrderDocument, command.order_id)
    progress = update_status(
        existing, command, cause(uow), now=uow.now, configuration=uow.configuration
    )
    keep(progress, existing, uow)


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
