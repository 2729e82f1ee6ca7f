"""What is told of an order besides its events."""

from contracts.messages.orders import WriteLog
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.log import write_log as rule
from services.workflow.domain.order import OrderDocument
from services.workflow.handlers.conclude import cause


def write_log(command: WriteLog, uow: UnitOfWork) -> None:
    """Keep the entry."""
    uow.save(rule(uow.find(OrderDocument, command.order_id), command, cause(uow)))
