"""Numbers of orders: sequences without gaps (S0, create with a generated number; domain 2.14).

A number is given in the transaction that stores its order
(services/decisions/0009-numbers-in-the-orders-own-transaction.md).
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import ClassVar

from pydantic import TypeAdapter, ValidationError

from contracts.messages.orders import Numbering, PlaceNumberedOrder, PlaceOrder
from contracts.order import Order
from contracts.order_id import OrderId
from contracts.pattern import fits
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis.document import Document
from services.chassis.outcomes import Refused
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause, place
from services.workflow.domain.run import Progress

_ORDER_NUMBER: TypeAdapter[str] = TypeAdapter(OrderId)


class NumberSequence(Document):
    """How far a sequence has come."""

    collection: ClassVar[str] = "numbers"

    last: int

    @property
    def at_hand(self) -> bool:
        """Yes: the next number is wanted soon."""
        return True


Find = Callable[[str], OrderDocument | None]
"""Finds an order by its id."""


def place_numbered(  # noqa: PLR0913 - what a rule may know is handed to it
    sequence: NumberSequence | None,
    find: Find,
    command: PlaceNumberedOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> tuple[NumberSequence, Progress]:
    """Give the order the next number of the sequence, and place it.

    A number that is the id of an order already is passed over.

    :raises Refused: number-not-valid, or as `place` does; then the number is not used up
    """
    last, number = next(
        (last, number)
        for last, number in _following(sequence, command.numbering)
        if find(number) is None
    )
    _refuse_invalid(number, command.numbering)
    new = command.order
    order_id = new.id or number
    members = {name: getattr(new, name) for name in new.model_fields_set}
    placing = PlaceOrder(
        order_id=order_id,
        order=Order.model_validate(members | {"id": order_id, "order_number": number}),
        user=command.user,
        origin=command.origin,
        ignored_fields=command.ignored_fields,
    )
    progress = place(find(order_id), placing, cause, now=now, configuration=configuration)
    if sequence is None:
        return NumberSequence(id=command.numbering.sequence, last=last), progress
    return sequence.model_copy(update={"last": last}), progress


def wanted(
    sequence: NumberSequence | None,
    numbering: Numbering,
    quantity: int,
    *,
    is_taken: Callable[[str], bool | None],
) -> Iterable[str]:
    """Yield the numbers of which must be known whether they are taken, to give so many.

    The more were found taken, the farther it looks ahead.

    :param is_taken: says whether an order has this number as its id; None: not known yet
    """
    taken, missing = 0, quantity
    named = 0
    for _, number in _following(sequence, numbering):
        match is_taken(number):
            case True:
                taken += 1
            case False:
                missing -= 1
            case None:
                yield number
                named += 1
        if not missing or named >= missing + taken:
            return


def _refuse_invalid(number: str, numbering: Numbering) -> None:
    """Refuse a number that cannot stand in a URL, or that its own settings do not take.

    :raises Refused: number-not-valid
    """
    pattern = numbering.validation_regex
    try:
        _ORDER_NUMBER.validate_python(number)
    except ValidationError as error:
        raise Refused(problem("number-not-valid")) from error
    if pattern is not None and not fits(number, pattern):
        raise Refused(problem("number-not-valid"))


def _following(sequence: NumberSequence | None, numbering: Numbering) -> Iterator[tuple[int, str]]:
    """Yield the numbers that follow, each with its place in the sequence."""
    last = None if sequence is None else sequence.last
    for _ in count():
        last = numbering.following(last)
        yield last, numbering.written(last)
