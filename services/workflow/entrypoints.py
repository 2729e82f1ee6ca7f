"""Every message this service answers to, and who answers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.message import Message
from contracts.messages.orders import (
    AddComment,
    AddOrderLineProperties,
    AddOrderLines,
    AddPayments,
    CancelOrderLine,
    CancelOrderLines,
    DeleteOrder,
    EraseOrder,
    ImportOrders,
    OrderMessage,
    PatchLineItemIds,
    PatchOrder,
    PatchOrderLines,
    PlaceNumberedOrder,
    PlaceOrder,
    PutPayments,
    ReplaceOrder,
    RunTimedOut,
    StepFinished,
    UpdateOrder,
    UpdateOrderStatus,
    WriteLog,
)
from services.chassis.batch import Batch, Key, Loads
from services.chassis.unit_of_work import Route
from services.workflow import handlers
from services.workflow.domain.add_comment import add_comment
from services.workflow.domain.add_lines import add_lines
from services.workflow.domain.add_payments import add_payments
from services.workflow.domain.cancel_line import cancel_line, cancel_lines
from services.workflow.domain.delete_order import delete_order
from services.workflow.domain.line_properties import add_line_properties
from services.workflow.domain.number import NumberSequence, wanted
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.patch_lines import patch_lines
from services.workflow.domain.patch_order import patch_order
from services.workflow.domain.put_payments import put_payments
from services.workflow.domain.rename_lines import rename_lines
from services.workflow.domain.update import replace_order, update
from services.workflow.handlers import changing


def _order(message: OrderMessage) -> Loads:
    return [(OrderDocument, message.order_id)]


def _all_orders(command: ImportOrders) -> Loads:
    return [(OrderDocument, order.id) for order in command.orders]


def _numbered(command: PlaceNumberedOrder) -> Loads:
    yield NumberSequence, command.numbering.sequence
    if command.order.id is not None:
        yield OrderDocument, command.order.id


def _following_numbers(commands: Sequence[PlaceNumberedOrder], batch: Batch) -> Iterator[Key]:
    """Name the orders whose ids are the next numbers, for those numbers are taken."""

    def is_taken(number: str) -> bool | None:
        known = batch.has_loaded(OrderDocument, number)
        return batch.find(OrderDocument, number) is not None if known else None

    quantities = Counter(command.numbering for command in commands)
    for numbering, quantity in quantities.items():
        sequence = batch.find(NumberSequence, numbering.sequence)
        for number in wanted(sequence, numbering, quantity, is_taken=is_taken):
            yield OrderDocument, number


# Any: each route has a message type of its own.
TABLE: Mapping[type[Message], Route[Any]] = {
    PlaceOrder: Route(PlaceOrder, handlers.place_order, _order),
    PlaceNumberedOrder: Route(
        PlaceNumberedOrder, handlers.place_numbered_order, _numbered, then=_following_numbers
    ),
    ImportOrders: Route(ImportOrders, handlers.import_orders, _all_orders),
    UpdateOrderStatus: Route(UpdateOrderStatus, handlers.update_order_status, _order),
    StepFinished: Route(StepFinished, handlers.step_finished, _order),
    RunTimedOut: Route(RunTimedOut, handlers.time_run_out, _order),
    # Changes without a run: the command, and the rule it obeys.
    PutPayments: Route(PutPayments, changing(put_payments), _order),
    AddPayments: Route(AddPayments, changing(add_payments), _order),
    AddOrderLines: Route(AddOrderLines, changing(add_lines), _order),
    AddOrderLineProperties: Route(AddOrderLineProperties, changing(add_line_properties), _order),
    CancelOrderLine: Route(CancelOrderLine, changing(cancel_line), _order),
    CancelOrderLines: Route(CancelOrderLines, changing(cancel_lines), _order),
    AddComment: Route(AddComment, changing(add_comment), _order),
    DeleteOrder: Route(DeleteOrder, changing(delete_order), _order),
    UpdateOrder: Route(UpdateOrder, changing(update), _order),
    ReplaceOrder: Route(ReplaceOrder, changing(replace_order), _order),
    PatchOrder: Route(PatchOrder, changing(patch_order), _order),
    PatchOrderLines: Route(PatchOrderLines, changing(patch_lines), _order),
    PatchLineItemIds: Route(PatchLineItemIds, changing(rename_lines), _order),
    # What changes nothing of the order.
    WriteLog: Route(WriteLog, handlers.write_log, _order),
    # The end of an order.
    EraseOrder: Route(EraseOrder, handlers.erase_order, _order),
}
