"""Which number service gives a new order its number (domain 2.14)."""

from typing import Final
from uuid import UUID

from contracts.faults import excerpt
from contracts.message import derived
from contracts.messages.orders import Numbering
from contracts.order import NewOrder
from contracts.pattern import fits
from contracts.problems import FieldProblem
from contracts.settings import Configuration, NumberOption

_OF_ORDERS: Final = "Order"


def number_option(order: NewOrder, configuration: Configuration) -> NumberOption | None:
    """Return how numbers of such orders are made; None means a GUID.

    What the order type's orderNumberType names, else the options of type Order.
    """
    kind = configuration.order_type(order.order_type)
    number_type = (kind.order_number_type if kind is not None else None) or _OF_ORDERS
    return configuration.number_option(number_type, order.market_id)


def unfit_number(order: NewOrder, option: NumberOption | None) -> list[FieldProblem]:
    """Return what is wrong with the number that came, or did not come, with the order."""
    number = order.order_number
    if option is None:
        return []
    if number is None:
        if not option.is_auto_create_disabled:
            return []
        message = "is required: the number options say isAutoCreateDisabled"
        return [FieldProblem(path="orderNumber", message=message, got="nothing")]
    pattern = option.validation_regex
    if pattern is None or fits(number, pattern):
        return []
    message = f"expected a number that fits {pattern}, the validationRegex of the number options"
    return [FieldProblem(path="orderNumber", message=message, got=excerpt(number))]


def following(option: NumberOption | None, market_id: str, *, command: UUID) -> str | Numbering:
    """Return the GUID that is the number, or the sequence that gives it.

    :param command: what the GUID derives from, so that a repeat gives the same
    """
    if option is None or option.service == "GuidNumberService":
        made = str(derived(command, "number"))
        return made if option is None else f"{option.prefix}{made}{option.suffix}"
    return _numbering(option, market_id)


def _numbering(option: NumberOption, market_id: str) -> Numbering:
    """Return the sequence of the options, or for a service of markets that of this market.

    Options with the same `key` share a sequence; without one each entry has its own.
    """
    group = f"/{option.market_group_id}" if option.market_group_id else ""
    name = (option.key or f"{option.number_type}{group}") + (option.key_postfix or "")
    if option.service == "SequentialMarketNumberService":
        name += f"/{market_id}"
    return Numbering(
        sequence=name.casefold(),
        prefix=option.prefix,
        suffix=option.suffix,
        start=option.start_sequence,
        increment=option.increment_interval,
        validation_regex=option.validation_regex,
    )
