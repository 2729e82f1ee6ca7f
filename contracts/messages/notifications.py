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

    `answer` says whether somebody waits for StepFinished, such as a step of the run; if nobody
    does, only a failure is told. `template` names the text where it is not the status's own; the
    text of the template "comment" is `subject` and `text`.
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
    template: str | None = None
    subject: str | None = None
    text: str | None = None
    recipient: str | None = None
    recipient_name: str | None = None
    copies: tuple[str, ...] = ()
    blind_copies: tuple[str, ...] = ()
    sender: str | None = None
    """An address; absent means the one that all our mail comes from."""
    sender_name: str | None = None
    currency: str | None = None
    total: Amount | None = None
    lines: tuple[NotifiedLine, ...] = ()


class ForgetNotifications(OrderMessage):
    """Forget who was written to about the order, which is no more; what waits is not sent."""

    type: ClassVar[str] = "notifications.forget_notifications"
    topic: ClassVar[str] = COMMANDS
