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
    AutomateOrder,
    CancelOrderLine,
    CancelOrderLines,
    CancelRun,
    ChangeCommand,
    DeleteOrder,
    EraseOrder,
    ImportOrders,
    OrderMessage,
    OrderValidated,
    PatchLineItemIds,
    PatchOrder,
    PatchOrderLines,
    PlaceNumberedOrder,
    PlaceOrder,
    PlacePosOrder,
    PutPayments,
    ReplaceOrder,
    RunAutomations,
    RunCleanUp,
    RunReservations,
    RunScheduledTask,
    RunTimedOut,
    RunWorkflowStep,
    StepFinished,
    TryReserveOrderLines,
    UpdateOrder,
    UpdateOrderStatus,
    WriteLog,
)
from contracts.order import Order
from contracts.problems import Problem
from services.chassis.batch import Batch, Key, Loads
from services.chassis.calls import Gateway, Limits
from services.chassis.unit_of_work import Route
from services.workflow import handlers
from services.workflow.domain.add_comment import add_comment
from services.workflow.domain.add_lines import add_lines
from services.workflow.domain.add_payments import add_payments
from services.workflow.domain.cancel_line import cancel_line, cancel_lines
from services.workflow.domain.changing import Rule
from services.workflow.domain.delete_order import delete_order
from services.workflow.domain.line_properties import add_line_properties
from services.workflow.domain.number import NumberSequence, wanted
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.patch_lines import patch_lines
from services.workflow.domain.patch_order import patch_order
from services.workflow.domain.put_payments import put_payments
from services.workflow.domain.receipt import Receipt
from services.workflow.domain.rename_lines import rename_lines
from services.workflow.domain.run_step import run_step
from services.workflow.domain.scheduled import Look, Looked, ScheduledRuns
from services.workflow.domain.update import replace_order, update
from services.workflow.domain.update_status import update_status
from services.workflow.domain.validate import ValidationCall
from services.workflow.gateways import CONCURRENCY, Looks, Validator
from services.workflow.handlers import changing, validating
from services.workflow.handlers.schedule import LOOK
from services.workflow.handlers.validate import VALIDATION


def _order(message: OrderMessage) -> Loads:
    return [(OrderDocument, message.order_id)]


def _all_orders(command: ImportOrders) -> Loads:
    return [(OrderDocument, order.id) for order in command.orders]


def _runs(of: RunScheduledTask | Look) -> Loads:
    return [(ScheduledRuns, of.task)]


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


def _placed(command: PlaceOrder) -> Key:
    return OrderDocument, command.order_id


def _sale(command: PlacePosOrder) -> Loads:
    return [(OrderDocument, command.order_id), (Receipt, command.number)]


def _holders(commands: Sequence[PlacePosOrder], batch: Batch) -> Iterator[Key]:
    """Name the sales that have the numbers already."""
    for command in commands:
        receipt = batch.find(Receipt, command.number)
        if receipt is not None:
            yield OrderDocument, receipt.order_id


# Any: each rule has a command of its own, each route a message.
CHANGES: Mapping[type[ChangeCommand], Rule[Any]] = {
    UpdateOrderStatus: update_status,
    PutPayments: put_payments,
    AddPayments: add_payments,
    AddOrderLines: add_lines,
    AddOrderLineProperties: add_line_properties,
    CancelOrderLine: cancel_line,
    CancelOrderLines: cancel_lines,
    AddComment: add_comment,
    UpdateOrder: update,
    ReplaceOrder: replace_order,
    PatchOrder: patch_order,
    PatchOrderLines: patch_lines,
    PatchLineItemIds: rename_lines,
}
"""The rule that each change of an order obeys."""

TABLE: Mapping[type[Message], Route[Any]] = {
    PlaceOrder: Route(PlaceOrder, handlers.place_order, _order, creates=_placed),
    PlaceNumberedOrder: Route(
        PlaceNumberedOrder, handlers.place_numbered_order, _numbered, then=_following_numbers
    ),
    PlacePosOrder: Route(PlacePosOrder, handlers.place_pos_order, _sale, then=_holders),
    ImportOrders: Route(ImportOrders, handlers.import_orders, _all_orders),
    StepFinished: Route(StepFinished, handlers.step_finished, _order),
    RunTimedOut: Route(RunTimedOut, handlers.time_run_out, _order),
    CancelRun: Route(CancelRun, handlers.cancel_run, _order),
    DeleteOrder: Route(DeleteOrder, changing(delete_order), _order),
    # What steps do goes unasked, whoever runs them.
    RunWorkflowStep: Route(RunWorkflowStep, changing(run_step), _order),
    # What clients change of an order that is there: after the order validator, if there is one.
    **{kind: Route(kind, validating(rule), _order) for kind, rule in CHANGES.items()},
    OrderValidated: Route(
        OrderValidated,
        handlers.order_validated({kind.type: (kind, rule) for kind, rule in CHANGES.items()}),
        _order,
    ),
    # What happens by itself.
    RunAutomations: Route(RunAutomations, handlers.run_scheduled_task, _runs),
    RunReservations: Route(RunReservations, handlers.run_scheduled_task, _runs),
    RunCleanUp: Route(RunCleanUp, handlers.run_scheduled_task, _runs),
    AutomateOrder: Route(AutomateOrder, handlers.automate_order, _order),
    TryReserveOrderLines: Route(TryReserveOrderLines, handlers.try_reserve_order_lines, _order),
    # What changes nothing of the order.
    WriteLog: Route(WriteLog, handlers.write_log, _order),
    # The end of an order.
    EraseOrder: Route(EraseOrder, handlers.erase_order, _order),
}


def validation(validator: Validator) -> Gateway[ValidationCall, Order | Problem]:
    """Return the call about an order's change, in lanes by order, with limits by connector."""
    return Gateway(
        kind=VALIDATION,
        request=ValidationCall,
        call=validator.validate,
        record=handlers.record_answer,
        limits=lambda _: Limits(concurrency=CONCURRENCY),
    )


def looking(looks: Looks) -> Gateway[Look, Looked]:
    """Return the call that looks for the orders of scheduled tasks; each task has one lane."""
    return Gateway(
        kind=LOOK,
        request=Look,
        call=looks.look,
        record=handlers.record_look,
        loads=_runs,
    )
