"""Steps that only look whether the run may go on (domain 5.2)."""

from contracts.messages.orders import StepStatus
from services.workflow.domain.calculate import outstanding
from services.workflow.domain.steps.step import Context, Finished


def validate_tracking_number(context: Context) -> Finished:
    """Refuse to go on without a tracking number."""
    missing = [
        shipment.shipment_id or "?"
        for shipment in context.shipments
        if not shipment.shipment_tracking_number
    ]
    if missing:
        return Finished(
            status=StepStatus.ERROR, reason=f"no tracking number on shipment {', '.join(missing)}"
        )
    return Finished()


def verify_completely_paid(context: Context) -> Finished:
    """Refuse to go on while something is owed."""
    settings = context.configuration.order_settings
    if outstanding(context.order, legacy_sign=settings.remaining_payment_legacy_sign) > 0:
        return Finished(status=StepStatus.ERROR, reason="the order is not paid completely")
    return Finished()
