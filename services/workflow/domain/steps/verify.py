"""Steps that only look whether the run may go on (domain 5.2)."""

from decimal import Decimal

from contracts.messages.orders import StepStatus
from contracts.money import exponent
from services.workflow.domain.calculate import outstanding
from services.workflow.domain.rounding import rounded
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


def validate_default_external_id(context: Context) -> Finished:
    """Refuse to go on without an external id of the order type's provider (WS)."""
    kind = context.configuration.order_type(context.order.order_type)
    provider = kind.default_external_id_provider if kind is not None else None
    known = {one.provider_name for one in context.order.external_ids or () if one.id}
    if provider and provider not in known:
        return Finished(status=StepStatus.ERROR, reason=f"no external id of {provider}")
    return Finished()


def verify_completely_paid(context: Context) -> Finished:
    """Refuse to go on while something is owed that rounding does not take away (WS)."""
    settings = context.configuration.order_settings
    owed = outstanding(context.order, legacy_sign=settings.remaining_payment_legacy_sign)
    cent = Decimal(1).scaleb(-exponent(context.order.billing_currency))
    if rounded(owed, cent) > 0:
        return Finished(status=StepStatus.ERROR, reason="the order is not paid completely")
    return Finished()
