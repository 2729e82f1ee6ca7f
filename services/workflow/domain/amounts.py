"""No amount of an order grows larger than what can be stored and read again (decided 2.6).

What comes in is held to that by the contracts; two amounts that are allowed can still multiply or
add up to one that is not.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from operator import attrgetter
from typing import Final, get_args

from contracts.faults import Path, spell
from contracts.model import Model
from contracts.money import LARGEST, Amount
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.order_patch import read_only
from contracts.problems import FieldProblem, problem
from contracts.return_form import ReturnForm
from contracts.shipment import Shipment
from services.chassis.outcomes import Refused


def _amounts(kind: type[Model]) -> tuple[str, ...]:
    """Return the members of a model that are amounts and calculated."""
    names = read_only(kind) or kind.model_fields.keys()
    return tuple(
        name
        for name in kind.model_fields
        if name in names and Amount in get_args(kind.model_fields[name].annotation)
    )


# What a client sends as a line's discount is one thing, what comes of it another (decided 3.2).
_CALCULATED: Final[Mapping[type[Model], tuple[str, ...]]] = {
    OrderLine: (*_amounts(OrderLine), "discounted"),
    **{kind: _amounts(kind) for kind in (Order, OrderForm, Shipment, ReturnForm)},
}
_LEAST: Final = -LARGEST
_READ: Final = {kind: attrgetter(*names) for kind, names in _CALCULATED.items()}


def refuse_too_much(order: Order) -> None:
    """Refuse an order in which an amount came out larger than any may be.

    :raises Refused: amount-too-large, naming every such amount
    """
    too_large = [
        FieldProblem(
            path=spell((*path, kind.model_fields[name].alias or name)),
            message="would be larger than 10^15",
            got=f"{amount:.6e}",
        )
        for path, kind, one in _parts(order)
        if _beyond(_READ[kind](one))
        for name, amount in zip(_CALCULATED[kind], _READ[kind](one), strict=True)
        if _beyond((amount,))
    ]
    if too_large:
        raise Refused(problem("amount-too-large", errors=tuple(too_large)))


def _beyond(amounts: tuple[Decimal | None, ...]) -> list[Decimal]:
    return [one for one in amounts if one and not _LEAST <= one <= LARGEST]


def _parts(order: Order) -> Iterator[tuple[Path, type[Model], Model]]:
    """Yield what has calculated amounts; a shipment's lines are shares of the form's."""
    yield (), Order, order
    form = order.order_form
    if form is not None:
        yield ("orderForm",), OrderForm, form
        for place, line in enumerate(form.line_items or ()):
            yield ("orderForm", "lineItems", place), OrderLine, line
        for place, shipment in enumerate(form.shipments or ()):
            yield ("orderForm", "shipments", place), Shipment, shipment
    for place, returned in enumerate(order.return_order_forms or ()):
        yield ("returnOrderForms", place), ReturnForm, returned
