"""Mail about an order beside the steps of its workflow, and the warning where none can be sent."""

from datetime import datetime
from typing import Final

from contracts.messages.notifications import SendNotification
from contracts.note import EntityError
from contracts.order import Order
from services.workflow.domain.order import after_saving, appended, replaced
from services.workflow.domain.place import Cause

DISABLED: Final = "notifications are disabled for this order"
NO_SMS: Final = "the SMS was not sent: no SMS gateway is configured"

# Under 0 and 1 the stock tells what became of the same change (`follow_stock`).
_STEP: Final = 2


def mail(order: Order, cause: Cause, *, template: str) -> SendNotification:
    """Return a mail to the customer, of which it is told where it does not arrive.

    What becomes of it is told as of a step after saving: it holds nothing up, and whatever is no
    success becomes an entry of the order's errors.
    """
    return SendNotification(
        order_id=order.id,
        run_id=after_saving(str(cause.id)),
        step=_STEP,
        answer=True,
        order_number=order.order_number or order.id,
        order_type=order.order_type,
        status=order.status or "",
        market_id=order.market_id,
        store_id=order.store_id,
        template=template,
        recipient=order.customer_email,
        recipient_name=order.customer_name,
        currency=order.billing_currency,
    )


def warned(order: Order, message: str, now: datetime) -> Order:
    """Return the order with a warning that somebody was not told."""
    warning = EntityError(
        key="notification", message=message, severity="Warning", status="New", occurred=now
    )
    return replaced(order, errors=appended(order.errors, warning))
