"""Receipts of the till: no two sales have one number (S0, create POS order).

Tills do not wait for each other, so the number is claimed in the transaction that stores the order
(services/decisions/0009-numbers-in-the-orders-own-transaction.md).
"""

from datetime import datetime
from typing import ClassVar, Final

from contracts.messages.orders import PlacePosOrder
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis.document import Document
from services.chassis.outcomes import Refused
from services.workflow.domain.number import Find
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause, place
from services.workflow.domain.run import Progress

_TAKEN: Final = "Another order has this number; use one of its own."


class Receipt(Document):
    """Which sale has a number; the number is its id."""

    collection: ClassVar[str] = "receipts"

    order_id: str


def place_pos(  # noqa: PLR0913 - what a rule may know is handed to it
    receipt: Receipt | None,
    find: Find,
    command: PlacePosOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> tuple[Receipt, Progress]:
    """Claim the number for the order, and place it.

    :raises Refused: duplicate-order-id, also if another sale has the number; or as `place` does
    """
    claimed = receipt or Receipt(id=command.number, order_id=command.order_id)
    holder = find(claimed.order_id)
    if claimed.order_id != command.order_id and _has(holder, command.number):
        raise Refused(problem("duplicate-order-id", _TAKEN))
    existing = find(command.order_id)
    progress = place(existing, command, cause, now=now, configuration=configuration)
    return claimed.model_copy(update={"order_id": command.order_id}), progress


def _has(holder: OrderDocument | None, number: str) -> bool:
    """Say whether the sale still has the number: it may be gone, or have got another."""
    return holder is not None and holder.order.order_number == number
