"""Commands that begin a run of an order's workflow or end it, and what runs hear of their steps."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from contracts.message import Message
from contracts.messages.orders.changes import ChangeCommand
from contracts.messages.orders.message import COMMANDS, OrderMessage
from contracts.model import Model
from contracts.money import Amount
from contracts.order import NewOrder, Order
from contracts.payment import Payment
from contracts.problems import Problem
from contracts.settings import DELETE_OLD, ORDER_AUTOMATION, TRY_RESERVE, OrderAutomation, Property
from contracts.settings.setting import TupleOf
from contracts.shipment import ShipmentInfo
from contracts.value import Value


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
    category: str | None = None
    """What its event says of how it came (domain 5.6), such as BatchAdd; None: Created."""

    @staticmethod
    def around(
        order: bytes, *, order_id: str, user: str, origin: str, category: str | None = None
    ) -> bytes:
        """Return the body of the command around an order that is valid JSON already."""
        named = {"orderId": order_id, "user": user, "origin": origin, "category": category}
        return to_json(named)[:-1] + b',"order":' + order + b"}"


class Numbering(Value):
    """Which sequence gives the next number, and how it is written (domain 2.14).

    The next of the sequence is `start`, or the last one plus `increment` if that is more.
    """

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    sequence: str
    prefix: str = ""
    suffix: str = ""
    start: int = 1
    increment: int = 1
    validation_regex: str | None = None

    def following(self, last: int | None) -> int:
        """Return what follows in the sequence; `last` is None at its beginning."""
        return self.start if last is None else max(self.start, last + self.increment)

    def written(self, number: int) -> str:
        """Return a number of the sequence as orders have it."""
        return f"{self.prefix}{number}{self.suffix}"


class PlaceNumberedOrder(Message):
    """Store a new order under the next number of a sequence, and start its first run (S0).

    The number is the order's id too, where it has none. It belongs on the partition of its
    sequence, which thereby has one writer.
    """

    type: ClassVar[str] = "orders.place_numbered_order"
    topic: ClassVar[str] = COMMANDS

    command_id: str
    order: NewOrder
    numbering: Numbering
    user: str
    origin: str
    ignored_fields: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The command itself: which order it is about is not known yet."""
        return self.command_id


class PlacePosOrder(PlaceOrder):
    """Store a sale of the till as `PlaceOrder` does, if its number is no other sale's (S0)."""

    type: ClassVar[str] = "orders.place_pos_order"

    @property
    def number(self) -> str:
        """Of its receipt; it is the order's id where that had none."""
        return self.order.order_number or self.order_id


class ImportOrders(OrderMessage):
    """Store new orders as they are, without a run of any workflow (S0, import many orders).

    `order_id` is the first one's, so that all of one partition travel together. `places` says where
    in the request each stands, by which the answer names what was left out.
    """

    type: ClassVar[str] = "orders.import_orders"
    topic: ClassVar[str] = COMMANDS

    orders: tuple[Order, ...]
    places: tuple[int, ...]
    user: str
    origin: str
    ignored_fields: dict[int, tuple[str, ...]] = Field(default_factory=dict)
    """By place."""

    @staticmethod
    def around(  # noqa: PLR0913 - an import has this many facts
        orders: Iterable[bytes],
        *,
        order_id: str,
        places: Sequence[int],
        user: str,
        origin: str,
        ignored_fields: Mapping[int, Sequence[str]],
    ) -> bytes:
        """Return the body of the command around orders that are valid JSON already."""
        named = {
            "orderId": order_id,
            "places": places,
            "user": user,
            "origin": origin,
            "ignoredFields": ignored_fields,
        }
        return to_json(named)[:-1] + b',"orders":[' + b",".join(orders) + b"]}"


class UpdateOrderStatus(ChangeCommand):
    """Set a status and run its workflow (S3, update order status)."""

    type: ClassVar[str] = "orders.update_order_status"

    status: str
    shipment_info: ShipmentInfo | None = None
    """The shipment that alone enters the status; None means the whole order."""
    skip_run_workflow: bool = False
    user_id: str | None = None
    """Recorded on the change instead of `user` when the client names somebody."""


class RunWorkflowStep(ChangeCommand):
    """Run one step by hand, whatever the status of the order (S2, manual steps; decided 5.7)."""

    type: ClassVar[str] = "orders.run_workflow_step"

    name: str
    properties: TupleOf[Property] = ()
    """What the step is told; what the settings tell it of the same name stands behind."""
    user_id: str | None = None
    """As `UpdateOrderStatus.user_id`."""


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


class CancelRun(ChangeCommand):
    """End the run that waits, as if its deadline had passed (decided 5.8)."""

    type: ClassVar[str] = "orders.cancel_run"


class OrderValidated(OrderMessage):
    """What the order validator says of a change that waits for it (S2, validation).

    `run_id` says which change. `order` replaces the order that the change would have made; without
    one nothing is stored, and `problem` says why.
    """

    type: ClassVar[str] = "orders.order_validated"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    order: Order | None = None
    problem: Problem | None = None


class RunTimedOut(OrderMessage):
    """The deadline of a run has passed; harmless when the run has ended or moved on."""

    type: ClassVar[str] = "orders.run_timed_out"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int


class RunScheduledTask(Message):
    """Look which orders a scheduled task concerns.

    Each run sends the next one of its task, delayed. `number` is one more than that of the last
    run, so that of several such messages one has an effect.
    """

    topic: ClassVar[str] = COMMANDS
    task: ClassVar[str]
    """Its name in the settings (domain 2.14)."""

    number: int

    @property
    def key(self) -> str:
        """Those of a task in one line: there is one chain of each."""
        return self.task


class RunAutomations(RunScheduledTask):
    """Look which orders the automations concern (S2, order automation)."""

    type: ClassVar[str] = "orders.run_automations"
    task: ClassVar[str] = ORDER_AUTOMATION


class RunReservations(RunScheduledTask):
    """Look which orders wait for stock that is there by now (decided 6.1)."""

    type: ClassVar[str] = "orders.run_reservations"
    task: ClassVar[str] = TRY_RESERVE


class RunCleanUp(RunScheduledTask):
    """Look which orders are older than they are kept (S2, DeleteOrdersThreshold)."""

    type: ClassVar[str] = "orders.run_clean_up"
    task: ClassVar[str] = DELETE_OLD


class AutomateOrder(OrderMessage):
    """Let the automation move the order on, if it still has its type and status then (S2)."""

    type: ClassVar[str] = "orders.automate_order"
    topic: ClassVar[str] = COMMANDS

    automation: OrderAutomation


class Allotment(Model):
    """How many units a line of a shipment may take of what is in stock."""

    line_item_id: str
    shipment_id: str | None = None
    quantity: Amount


class TryReserveOrderLines(OrderMessage):
    """Reserve what a reservation before did not find, as far as the order still waits for it.

    `lines` says what there is for it. Without any, nothing of the order waited when it was looked
    at (decided 6.1).
    """

    type: ClassVar[str] = "orders.try_reserve_order_lines"
    topic: ClassVar[str] = COMMANDS

    lines: tuple[Allotment, ...] = ()
