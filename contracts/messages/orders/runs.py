"""Commands that begin a run of an order's workflow, and what runs hear of their steps."""

from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from pydantic import Field
from pydantic_core import to_json

from contracts.messages.orders.message import COMMANDS, OrderMessage
from contracts.order import Order
from contracts.payment import Payment


class StepStatus(StrEnum):
    """How a workflow step ended (S3, action result model)."""

    SUCCESS = "Success"
    WARNING = "Warning"
    ERROR = "Error"


class PlaceOrder(OrderMessage):
    """Store a new order and start the run of its first status (S0, create order)."""

    type: ClassVar[str] = "orders.place_order"
    topic: ClassVar[str] = COMMANDS

    order: Order
    user: str
    """The client id on whose behalf this happens."""
    origin: str
    """Method and path of the request."""
    ignored_fields: tuple[str, ...] = ()

    @staticmethod
    def around(order: bytes, *, order_id: str, user: str, origin: str) -> bytes:
        """Return the body of the command around an order that is valid JSON already."""
        head = to_json({"orderId": order_id, "user": user, "origin": origin})
        return head[:-1] + b',"order":' + order + b"}"


class UpdateOrderStatus(OrderMessage):
    """Set a status and run its workflow (S3, update order status)."""

    type: ClassVar[str] = "orders.update_order_status"
    topic: ClassVar[str] = COMMANDS

    status: str
    skip_run_workflow: bool = False
    user: str
    user_id: str | None = None
    """Recorded on the change instead of `user` when the client names somebody."""
    origin: str


class StepFinished(OrderMessage):
    """A step that another service carried out has ended.

    `run_id` and `step` say which one; an answer to a run that is over changes nothing. Payments are
    appended to the order's, or replace those with their id; `reserved` is what the order now holds
    of each line; `costs` is the cost of a unit of each line, where stock knows it.
    """

    type: ClassVar[str] = "orders.step_finished"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int
    status: StepStatus
    reason: str | None = None
    payments: tuple[Payment, ...] = ()
    reserved: dict[str, Decimal] = Field(default_factory=dict)
    costs: dict[str, Decimal] = Field(default_factory=dict)


class RunTimedOut(OrderMessage):
    """The deadline of a run has passed; harmless when the run has ended or moved on."""

    type: ClassVar[str] = "orders.run_timed_out"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int
