"""The step that writes to the customer (domain 5.2)."""

from contracts.messages.notifications import NotifiedLine, SendNotification
from contracts.messages.orders import StepStatus
from services.workflow.domain.steps.step import ZERO, Asked, Context, Finished


def notify(context: Context) -> Finished | Asked:
    """Write to the customer."""
    order = context.order
    if order.is_notifications_disabled:
        return Finished(status=StepStatus.WARNING, reason="notifications are disabled")
    form = order.order_form
    lines, total = (form.line_items, form.total) if form else (None, None)
    if context.run.shipment is not None:
        (shipment,) = context.shipments
        lines, total = shipment.line_items, shipment.total
    return Asked(
        [
            SendNotification(
                order_id=order.id,
                run_id=context.run.id,
                step=context.run.position,
                answer=not context.after_saving,
                order_number=order.order_number or order.id,
                order_type=order.order_type,
                status=context.run.status,
                market_id=order.market_id,
                store_id=order.store_id,
                recipient=order.customer_email,
                recipient_name=order.customer_name,
                currency=order.billing_currency,
                total=total,
                lines=tuple(
                    NotifiedLine(
                        name=line.display_name or line.code or line.line_item_id,
                        quantity=line.quantity or ZERO,
                        total=line.extended_price or ZERO,
                    )
                    for line in lines or ()
                ),
            )
        ]
    )
