"""Commands that change an order without a run of its workflow."""

from typing import ClassVar

from contracts.messages.orders.message import COMMANDS, OrderMessage
from contracts.payment import Payment


class ChangeCommand(OrderMessage):
    """A change that a client wants.

    `user` is the client, `origin` the method and path of its request. With `if_match` the change is
    made only while the order has one of these versions (RFC 9110, If-Match).
    """

    topic: ClassVar[str] = COMMANDS

    user: str
    origin: str
    if_match: tuple[int, ...] | None = None


class PutPayments(ChangeCommand):
    """Replace all payments (S0, replace payments)."""

    type: ClassVar[str] = "orders.put_payments"

    payments: tuple[Payment, ...]
