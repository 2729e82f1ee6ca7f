"""A run is cancelled: its client gets the answer of an aborted run, the operator the order."""

from contracts.messages.orders import CancelRun
from contracts.messages.replies import ORDER
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.cancel_run import cancel, in_hand, withdrawn
from services.workflow.domain.order import OrderDocument, order_bytes
from services.workflow.handlers.conclude import keep
from services.workflow.handlers.validate import withdraw


def cancel_run(command: CancelRun, uow: UnitOfWork) -> None:
    """End the run that waits; one that only waits for the order validator leaves the order be."""
    existing, run = in_hand(uow.find(OrderDocument, command.order_id), command)
    if run.asking is not None:
        withdraw(withdrawn(command), existing, run, uow)
    else:
        progress = cancel(existing, run, command, now=uow.now, configuration=uow.configuration)
        keep(progress, existing, uow)
    left = uow.get(OrderDocument, command.order_id)
    uow.reply(
        200, body=order_bytes(left.order), order_id=left.id, version=left.version, shape=ORDER
    )
