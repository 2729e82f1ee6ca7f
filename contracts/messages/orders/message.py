"""What every message about an order has in common."""

from typing import Final

from contracts.message import Message

COMMANDS: Final = "orders.commands"


class OrderMessage(Message):
    """A message about one order."""

    order_id: str

    @property
    def key(self) -> str:
        """The order."""
        return self.order_id
