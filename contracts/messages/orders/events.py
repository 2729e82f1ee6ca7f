"""What happened to orders: the events that leave the house (design 11)."""

from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr
from pydantic.alias_generators import to_camel

from contracts.messages.orders.message import OrderMessage
from contracts.note import ExternalId, PropertyItem

EVENTS: Final = "orders.events"


class Change(BaseModel):
    """One member of the order before and after."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    path: str
    # Whatever JSON value the member has.
    from_: Any = Field(None, alias="from")  # Any: the JSON value of whatever member changed
    to: Any = None  # Any: as `from_`


class OrderEvent(OrderMessage):
    """Something happened to an order: what, to which state, and the whole order after it.

    The envelope is Omnium's (EV): `operation_id` and `category` are its words for what happened.
    `sequence` is the order's version: it starts at 1 and has no gap. The order itself is the member
    `order` of the body; senders hand it over as JSON with `carrying`.
    """

    topic: ClassVar[str] = EVENTS

    sequence: int
    operation_id: int
    category: str
    timestamp: datetime
    message: str
    class_name: str = "Order"
    sub_class_name: str | None = None
    object_id: str
    object_number: str | None = None
    market: str | None = None
    store_id: str | None = None
    user: str | None = None
    user_id: str | None = None
    status: str | None = None
    previous_status: str | None = None
    is_error: bool = False
    is_read: bool = False
    origin: str | None = None
    tags: tuple[str, ...] = ()
    external_ids: tuple[ExternalId, ...] = ()
    properties: tuple[PropertyItem, ...] = ()
    changes: tuple[Change, ...] = ()
    warehouses: tuple[str, ...] = ()
    """Sending warehouses of the shipments, by which receivers may filter."""

    _order: bytes = PrivateAttr(default=b"null")

    @property
    def sequence_number(self) -> int | None:
        """The order's version."""
        return self.sequence

    def carrying(self, order: bytes) -> "OrderEvent":
        """Return this event with the order, which is JSON already, as it leaves the house."""
        event = self.model_copy()
        event._order = order  # noqa: SLF001 - a private attribute of the same class
        return event

    def head(self, id_: UUID) -> bytes:
        """Return the JSON body without the order."""
        return b'{"id":"%s",' % str(id_).encode() + self.data()[1:]

    def sealed(self, id_: UUID) -> bytes:
        """Return the JSON body, with the event's id first and the order last."""
        return self.head(id_)[:-1] + b',"order":%s}' % self._order


class OrderCreated(OrderEvent):
    """An order was stored and its first run has ended."""

    type: ClassVar[str] = "order.created"


class OrderUpdated(OrderEvent):
    """Something of an order changed for which there is no narrower event."""

    type: ClassVar[str] = "order.updated"


class OrderStatusChanged(OrderEvent):
    """The order entered another status."""

    type: ClassVar[str] = "order.status_changed"


class OrderCancelled(OrderEvent):
    """The order entered a status that counts as cancelled."""

    type: ClassVar[str] = "order.cancelled"


class OrderCompleted(OrderEvent):
    """The order entered a status that counts as delivered."""

    type: ClassVar[str] = "order.completed"


class OrderDeleted(OrderEvent):
    """The order was deleted."""

    type: ClassVar[str] = "order.deleted"


class OrderLineCancelled(OrderEvent):
    """Units of a line were cancelled."""

    type: ClassVar[str] = "order.line_cancelled"


class OrderShipmentUpdated(OrderEvent):
    """A shipment changed."""

    type: ClassVar[str] = "order.shipment_updated"


class OrderPaymentUpdated(OrderEvent):
    """The payments changed."""

    type: ClassVar[str] = "order.payment_updated"


class OrderReturnCreated(OrderEvent):
    """Goods are coming back."""

    type: ClassVar[str] = "order.return_created"


class OrderReturnUpdated(OrderEvent):
    """A return changed."""

    type: ClassVar[str] = "order.return_updated"


class OrderCommentAdded(OrderEvent):
    """Somebody wrote a comment."""

    type: ClassVar[str] = "order.comment_added"


class OrderWorkflowFailed(OrderEvent):
    """A run was aborted, or a step after it failed; the order says why in its errors."""

    type: ClassVar[str] = "order.workflow_failed"


ORDER_EVENTS: Final[tuple[type[OrderEvent], ...]] = (
    OrderCreated,
    OrderUpdated,
    OrderStatusChanged,
    OrderCancelled,
    OrderCompleted,
    OrderDeleted,
    OrderLineCancelled,
    OrderShipmentUpdated,
    OrderPaymentUpdated,
    OrderReturnCreated,
    OrderReturnUpdated,
    OrderCommentAdded,
    OrderWorkflowFailed,
)
