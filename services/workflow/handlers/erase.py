"""An order and all that is kept of it goes, in one transaction."""

from contracts.messages.orders import EraseOrder
from contracts.messages.replies import EMPTY
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.delete_order import erase_order as rule
from services.workflow.domain.log import LogDocument
from services.workflow.domain.order import OrderDocument, VersionDocument
from services.workflow.domain.receipt import Receipt
from services.workflow.handlers.conclude import cause


def erase_order(command: EraseOrder, uow: UnitOfWork) -> None:
    """Remove the order with its versions, keep that it was removed, tell the others."""
    erased = rule(
        uow.find(OrderDocument, command.order_id),
        command,
        cause(uow),
        now=uow.now,
        configuration=uow.configuration,
    )
    uow.delete(erased.document)
    # What is kept of an order is neighbours: "/" comes right before "0".
    its = {"_id": {"$gt": f"{command.order_id}/", "$lt": f"{command.order_id}0"}}
    uow.delete_all(VersionDocument, its, lambda version: version.order_id == command.order_id)
    uow.delete_all(LogDocument, its, lambda entry: entry.order_id == command.order_id)
    number, id_ = erased.deletion.order_number, command.order_id
    receipt = {"_id": number, "orderId": id_}
    uow.delete_all(Receipt, receipt, lambda one: (one.id, one.order_id) == (number, id_))
    uow.save(erased.deletion)
    uow.send(erased.event, *erased.messages)
    uow.reply(200, order_id=command.order_id, shape=EMPTY)
