"""Every message this service answers to, and who answers."""

from collections.abc import Mapping
from typing import Any

from contracts.message import Message
from contracts.messages.orders import (
    OrderMessage,
    PlaceOrder,
    PutPayments,
    RunTimedOut,
    StepFinished,
    UpdateOrderStatus,
)
from services.chassis.unit_of_work import Loads, Route
from services.workflow import handlers
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.put_payments import put_payments
from services.workflow.handlers import changing


def _order(message: OrderMessage) -> Loads:
    return [(OrderDocument, message.order_id)]


# Any: each route has a message type of its own.
TABLE: Mapping[type[Message], Route[Any]] = {
    PlaceOrder: Route(PlaceOrder, handlers.place_order, _order),
    UpdateOrderStatus: Route(UpdateOrderStatus, handlers.update_order_status, _order),
    StepFinished: Route(StepFinished, handlers.step_finished, _order),
    RunTimedOut: Route(RunTimedOut, handlers.time_run_out, _order),
    # Changes without a run: the command, and the rule it obeys.
    PutPayments: Route(PutPayments, changing(put_payments), _order),
}
