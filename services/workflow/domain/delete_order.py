"""Deleting an order: hidden, or gone for good (S0, delete order; domain 3 no. 25)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from contracts.message import Message
from contracts.messages.inventory import ForgetReservation
from contracts.messages.notifications import ForgetNotifications
from contracts.messages.orders import DeleteOrder, EraseOrder, OrderDeleted, OrderEvent
from contracts.messages.payments import ForgetOrder
from contracts.messages.replies import EMPTY
from contracts.messages.webhooks import ForgetDeliveries
from contracts.order import Order
from contracts.settings import Configuration
from services.workflow.domain.change import enter
from services.workflow.domain.changing import admitted, changed
from services.workflow.domain.order import DELETED, Deletion, OrderDocument, order_bytes
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from services.workflow.domain.steps import held, step_named
from services.workflow.domain.undo import deleted

ERASED: Final = (110110, "Deleted")


def delete_order(
    document: OrderDocument | None,
    command: DeleteOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Give the order the status Deleted and its stock back, also if it is read-only.

    Another status restores it. No workflow runs, and its money stays where it is.

    :raises Refused: as `admitted` says
    """
    document = admitted(document, command, even_read_only=True)
    kind = configuration.order_type(document.order.order_type)
    status = kind.status(DELETED) if kind is not None else None
    order = enter(document.order, status, DELETED, now, configuration)
    order, messages = deleted(document.order, order)
    closed = changed(
        document,
        order,
        command,
        cause,
        now=now,
        configuration=configuration,
        shape=EMPTY,
        is_priced=False,
    )
    return replace(closed, messages=messages)


@dataclass(frozen=True, slots=True)
class Erased:
    """An order that goes for good: what stays of it, and what the others hear."""

    document: OrderDocument
    deletion: Deletion
    event: OrderEvent
    messages: Sequence[Message]


def erase_order(
    document: OrderDocument | None,
    command: EraseOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Erased:
    """Let the order go for good, also if it is read-only; its id is free again (decided 2.3).

    Money that is only held is given up, since nobody could take it any more; what was taken stays
    taken. The event names no customer: of the order it carries what it takes to know it.

    :raises Refused: as `admitted` says
    """
    document = admitted(document, command, even_read_only=True)
    order, version = document.order, document.version + 1
    messages: list[Message] = [
        ForgetReservation(order_id=order.id),
        ForgetNotifications(order_id=order.id),
        ForgetDeliveries(order_id=order.id, last_sequence=document.version),
        *_given_up(order, configuration),
        ForgetOrder(order_id=order.id),
    ]
    deletion = Deletion(
        id=f"{order.id}/{cause.id}",
        order_id=order.id,
        order_number=order.order_number,
        order_type=order.order_type,
        market_id=order.market_id,
        store_id=order.store_id,
        version=version,
        created=order.created,
        deleted=now,
        user=command.user,
        origin=command.origin,
    )
    return Erased(document, deletion, _told(order, deletion), messages)


def _given_up(order: Order, configuration: Configuration) -> Sequence[Message]:
    authorizing = step_named("AuthorizePayment")
    if authorizing is None or authorizing.undo is None:
        raise LookupError("AuthorizePayment is no step with an undo")
    ids = [payment.id or payment.transaction_id for payment, _ in held(order)]
    return authorizing.undo(order, ids, None, configuration)


def _told(order: Order, deletion: Deletion) -> OrderEvent:
    left = Order(
        id=order.id,
        order_number=deletion.order_number,
        market_id=deletion.market_id,
        store_id=deletion.store_id,
        status=DELETED,
        order_type=deletion.order_type,
        created=deletion.created,
        modified=deletion.deleted,
        modified_by=deletion.user,
        version=deletion.version,
    )
    event = OrderDeleted(
        order_id=order.id,
        sequence=deletion.version,
        operation_id=ERASED[0],
        category=ERASED[1],
        timestamp=deletion.deleted,
        message="The order was deleted permanently",
        sub_class_name=order.order_type,
        object_id=order.id,
        object_number=order.order_number,
        market=order.market_id,
        store_id=order.store_id,
        user=deletion.user,
        user_id=deletion.user,
        status=DELETED,
        previous_status=order.status,
        origin=deletion.origin,
    )
    return event.carrying(order_bytes(left))
