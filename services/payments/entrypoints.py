"""The table of this service: what it handles, and how its calls are made and recorded."""

from typing import Final

from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    ForgetOrder,
    VoidPayment,
)
from services.chassis.calls import Gateway, Limits
from services.chassis.consumer import Table
from services.chassis.unit_of_work import Route
from services.payments import handlers
from services.payments.domain.operation import Operation, ProviderCall
from services.payments.domain.outcome import Outcome
from services.payments.gateways import CONCURRENCY, Providers

TABLE: Final[Table] = {
    AuthorizePayment: Route(AuthorizePayment, handlers.authorize_payment),
    CapturePayment: Route(CapturePayment, handlers.capture_payment, handlers.earlier),
    VoidPayment: Route(VoidPayment, handlers.void_payment, handlers.given_back_before),
    CreditPayment: Route(CreditPayment, handlers.credit_payment, handlers.earlier),
    ForgetOrder: Route(ForgetOrder, handlers.forget_order),
}


def gateway(providers: Providers) -> Gateway[ProviderCall, Outcome]:
    """Return the one kind of call: an operation, in lanes by payment, with limits by connector."""
    return Gateway(
        kind=handlers.PAYMENT,
        request=ProviderCall,
        call=providers.carry_out,
        record=handlers.record_outcome,
        loads=lambda call: [(Operation, id_) for id_ in (*call.siblings, *call.given_back)],
        limits=lambda _: Limits(concurrency=CONCURRENCY),
    )
