"""Messages owned by the payments service."""

from typing import ClassVar, Final

from contracts.messages.orders import OrderMessage
from contracts.model import Model
from contracts.money import Amount

COMMANDS: Final = "payments.commands"


class PaymentOperation(Model):
    """One thing to do with the money of one payment of an order.

    `payment_id` is the entry on the order that it acts on, `connector_id` the provider that must be
    asked; without one the operation is only recorded (decided 7.1). `amount` is positive.
    """

    payment_id: str
    transaction_id: str | None = None
    payment_method_name: str
    amount: Amount
    currency: str
    connector_id: str | None = None
    shipment_id: str | None = None
    reference: str | None = None


class PaymentCommand(OrderMessage):
    """Operations of one kind for a step of a run, answered with one StepFinished.

    An undo has no run to answer to: `run_id` is None.
    """

    topic: ClassVar[str] = COMMANDS

    run_id: str | None = None
    step: int | None = None
    operations: tuple[PaymentOperation, ...]


class AuthorizePayment(PaymentCommand):
    """Hold the money."""

    type: ClassVar[str] = "payments.authorize_payment"


class CapturePayment(PaymentCommand):
    """Charge money that is held."""

    type: ClassVar[str] = "payments.capture_payment"


class VoidPayment(PaymentCommand):
    """Give up a hold."""

    type: ClassVar[str] = "payments.void_payment"


class CreditPayment(PaymentCommand):
    """Give captured money back."""

    type: ClassVar[str] = "payments.credit_payment"
