"""Messages owned by the notifications service."""

from typing import ClassVar, Final

from contracts.messages.orders import OrderMessage
from contracts.model import Model
from contracts.money import Amount

COMMANDS: Final = "notifications.commands"


class NotifiedLine(Model):
    """One line as the customer reads it."""

    name: str
    quantity: Amount
    total: Amount


class SendNotification(OrderMessage):
    """Tell the customer by e-mail what became of the order.

    `answer` says whether a step of the run waits for StepFinished; if none does, only a failure is
    told.
    """

    type: ClassVar[str] = "notifications.send_notification"
    topic: ClassVar[str] = COMMANDS

    run_id: str
    step: int
    answer: bool
    order_number: str
    order_type: str | None = None
    status: str
    market_id: str | None = None
    store_id: str | None = None
    recipient: str | None = None
    recipient_name: str | None = None
    currency: str | None = None
    total: Amount | None = None
    lines: tuple[NotifiedLine, ...] = ()
