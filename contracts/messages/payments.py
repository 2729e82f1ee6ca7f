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
    `transaction_id` is the authorization's; where this service made that itself, its own record
    counts.
    """

    payment_id: str
    transaction_id: str | None = None
    payment_method_name: str
    amount: Amount
    currency: str
    connector_id: str | None = None
    shipment_id: str | None = None
    reference: str | None = None
    line_item_ids: tuple[str, ...] = ()
    """The lines that a credit is for."""
    bound: Amount | None = None
    """What the entry is for: of money that a client brought along no more is moved in all."""
    follows: str | None = None
    """The operation by which the entry came about. Whoever carried that out carries this out too,
    whatever the settings say by now of who moves the money of new payments."""


class PaymentCommand(OrderMessage):
    """Operations of one kind for a step of a run, answered with one StepFinished.

    The answer has the payments that now stand on the order: an authorization has the id of the
    entry it acted on and only the members that changed, anything else is a new entry with an id of
    its own. It comes when every operation has ended, and is an Error unless all succeeded. An undo
    has no run to answer to: `run_id` is None.
    """

    topic: ClassVar[str] = COMMANDS

    run_id: str | None = None
    step: int | None = None
    operations: tuple[PaymentOperation, ...]


class AuthorizePayment(PaymentCommand):
    """Hold the money of all these payments, or of none.

    What an Error leaves held is voided by the payments service itself, also when that becomes known
    later, so such an answer names no payments (decided 7.2).
    """

    type: ClassVar[str] = "payments.authorize_payment"


class CapturePayment(PaymentCommand):
    """Charge money that is held, and never more than that; what was charged stays charged.

    A Warning says that less was held. A charge that turns out after an Error to have happened is
    given back (decided 7.2).
    """

    type: ClassVar[str] = "payments.capture_payment"


class VoidPayment(PaymentCommand):
    """Give up a hold, or what is left of it; harmless where nothing is held."""

    type: ClassVar[str] = "payments.void_payment"

    aborted_run: str | None = None
    """The run whose own holds these are, some of which may have been given up already."""


class CreditPayment(PaymentCommand):
    """Give captured money back, and never more than was captured."""

    type: ClassVar[str] = "payments.credit_payment"


class ForgetOrder(OrderMessage):
    """Know the order no more, which was deleted for good.

    What was done with its money stays in the books, under a name that no order can have.
    """

    type: ClassVar[str] = "payments.forget_order"
    topic: ClassVar[str] = COMMANDS
