"""Messages owned by the workflow service: commands to an order, and the events of orders."""

from contracts.messages.orders.changes import (
    ChangeCommand,
    PutPayments,
)
from contracts.messages.orders.events import (
    EVENTS,
    ORDER_EVENTS,
    Change,
    OrderCancelled,
    OrderCommentAdded,
    OrderCompleted,
    OrderCreated,
    OrderDeleted,
    OrderEvent,
    OrderLineCancelled,
    OrderPaymentUpdated,
    OrderReturnCreated,
    OrderReturnUpdated,
    OrderShipmentUpdated,
    OrderStatusChanged,
    OrderUpdated,
    OrderWorkflowFailed,
)
from contracts.messages.orders.message import (
    COMMANDS,
    OrderMessage,
)
from contracts.messages.orders.runs import (
    PlaceOrder,
    RunTimedOut,
    StepFinished,
    StepStatus,
    UpdateOrderStatus,
)

__all__ = [
    "COMMANDS",
    "EVENTS",
    "ORDER_EVENTS",
    "Change",
    "ChangeCommand",
    "OrderCancelled",
    "OrderCommentAdded",
    "OrderCompleted",
    "OrderCreated",
    "OrderDeleted",
    "OrderEvent",
    "OrderLineCancelled",
    "OrderMessage",
    "OrderPaymentUpdated",
    "OrderReturnCreated",
    "OrderReturnUpdated",
    "OrderShipmentUpdated",
    "OrderStatusChanged",
    "OrderUpdated",
    "OrderWorkflowFailed",
    "PlaceOrder",
    "PutPayments",
    "RunTimedOut",
    "StepFinished",
    "StepStatus",
    "UpdateOrderStatus",
]
