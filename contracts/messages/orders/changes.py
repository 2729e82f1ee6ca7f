"""Commands that change an order without a run of its workflow."""

from datetime import datetime
from typing import ClassVar

from contracts.messages.orders.message import COMMANDS, OrderMessage
from contracts.note import CommentRequest
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.order_patch import (
    LineIdMapping,
    LinePropertiesPatch,
    OrderLinePatch,
    OrderPatch,
    OrderUpdate,
)
from contracts.payment import Payment


class ChangeCommand(OrderMessage):
    """A change that a client wants.

    `user` is the client, `origin` the method and path of its request. With `if_match` the change is
    made only while the order has one of these versions (RFC 9110, If-Match).
    """

    topic: ClassVar[str] = COMMANDS

    user: str
    origin: str
    if_match: tuple[int, ...] | None = None
    ignored_fields: tuple[str, ...] = ()
    """What the client sent and nobody knows (decided 2.8)."""


class PutPayments(ChangeCommand):
    """Replace all payments (S0, replace payments)."""

    type: ClassVar[str] = "orders.put_payments"

    payments: tuple[Payment, ...]


class AddPayments(ChangeCommand):
    """Add payments; one whose id is known replaces that payment (S0, add payments)."""

    type: ClassVar[str] = "orders.add_payments"

    payments: tuple[Payment, ...]


class AddOrderLines(ChangeCommand):
    """Add lines, to this shipment or the first open one (S0, add order line; decided 3.6)."""

    type: ClassVar[str] = "orders.add_order_lines"

    lines: tuple[OrderLine, ...]
    shipment_id: str | None = None
    is_list: bool = True
    """Whether the client sent a list; faults are named by their place in it."""


class CancelOrderLine(ChangeCommand):
    """Cancel all units of a line that are not delivered (S0, cancel order line)."""

    type: ClassVar[str] = "orders.cancel_order_line"

    line_item_id: str
    send_notifications: bool = False


class CancelOrderLines(ChangeCommand):
    """Cancel those of these lines that can be cancelled (S0, cancel order lines; domain 3 no. 19).

    Answered with how many that were.
    """

    type: ClassVar[str] = "orders.cancel_order_lines"

    line_item_ids: tuple[str, ...]
    send_notifications: bool = False


class AddOrderLineProperties(ChangeCommand):
    """Add properties to lines, or change them (S0, add/update order line properties)."""

    type: ClassVar[str] = "orders.add_order_line_properties"

    patches: tuple[LinePropertiesPatch, ...]


class AddComment(ChangeCommand):
    """Write a comment, and tell whom it is for (S0, add comment)."""

    type: ClassVar[str] = "orders.add_comment"

    request: CommentRequest


class DeleteOrder(ChangeCommand):
    """Hide the order, which can be restored (S0, delete order)."""

    type: ClassVar[str] = "orders.delete_order"


class EraseOrder(ChangeCommand):
    """Remove the order and all that is kept of it, for good (S0, delete order permanently)."""

    type: ClassVar[str] = "orders.erase_order"


class WriteLog(OrderMessage):
    """Note what somebody else did with the order; it changes nothing and has no event."""

    type: ClassVar[str] = "orders.write_log"
    topic: ClassVar[str] = COMMANDS

    at: datetime
    operation_id: int
    category: str
    message: str
    is_error: bool = False
    user: str
    origin: str


class UpdateOrder(ChangeCommand):
    """Merge these members into the order (S0, update order; decided 3.4).

    With `run_workflow` the workflow of the order's status, or of the one that is sent, runs
    afterwards. An order of a batch that is not there yet is added.
    """

    type: ClassVar[str] = "orders.update_order"

    order: OrderUpdate
    run_workflow: bool = False
    is_of_batch: bool = False

    def data(self) -> bytes:
        """Return the JSON body with what was sent and nothing else: a null clears."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_unset=True)


class ReplaceOrder(ChangeCommand):
    """Let the order be this, save for what only the system writes (S0, overwrite order)."""

    type: ClassVar[str] = "orders.replace_order"

    order: Order


class PatchOrder(ChangeCommand):
    """Lay a patch over the order (S0, patch order)."""

    type: ClassVar[str] = "orders.patch_order"

    patch: OrderPatch


class PatchOrderLines(ChangeCommand):
    """Lay a patch over each of these lines (S0, patch order lines)."""

    type: ClassVar[str] = "orders.patch_order_lines"

    lines: tuple[OrderLinePatch, ...]


class PatchLineItemIds(ChangeCommand):
    """Give lines other ids, all at once (S0, patch line item IDs)."""

    type: ClassVar[str] = "orders.patch_line_item_ids"

    mappings: tuple[LineIdMapping, ...]
