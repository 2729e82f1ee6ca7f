"""Cancelling what is left of lines, and the order with the last of them (S0, S2 cancellations)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from contracts.message import Message
from contracts.messages.notifications import NotifiedLine
from contracts.messages.orders import CancelOrderLine, CancelOrderLines
from contracts.messages.replies import ORDER, number
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.cancel_units import cancel_units, cancellable
from services.workflow.domain.change import pricing
from services.workflow.domain.changing import admitted
from services.workflow.domain.notify import DISABLED, mail, warned
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.revise import closed
from services.workflow.domain.rounding import ZERO, rounded
from services.workflow.domain.run import Progress
from services.workflow.domain.steps import open_quantity


def cancel_line(
    document: OrderDocument | None,
    command: CancelOrderLine,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Cancel what is left of the line.

    :raises Refused: order-line-not-found, order-line-read-only, order-line-not-cancellable, and as
        `admitted` says
    """
    document = admitted(document, command)
    line = _lines(document.order).get(command.line_item_id)
    if line is None:
        raise Refused(problem("order-line-not-found"))
    if line.is_read_only:
        raise Refused(problem("order-line-read-only"))
    units = {line.line_item_id: cancellable(line)}
    return _cancelled(
        document, units, command, cause, now=now, configuration=configuration, shape=ORDER
    )


def cancel_lines(
    document: OrderDocument | None,
    command: CancelOrderLines,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Cancel those of the lines of which something is left, and say how many these are.

    :raises Refused: as `admitted` says
    """
    document = admitted(document, command)
    lines = _lines(document.order)
    units = {
        id_: left
        for id_ in command.line_item_ids
        if id_ in lines and not lines[id_].is_read_only and (left := cancellable(lines[id_]))
    }
    return _cancelled(
        document,
        units,
        command,
        cause,
        now=now,
        configuration=configuration,
        shape=number(len(units)),
    )


def _lines(order: Order) -> Mapping[str, OrderLine]:
    lines = (order.order_form.line_items if order.order_form else None) or ()
    return {line.line_item_id: line for line in lines}


def _cancelled(  # noqa: PLR0913 - what a rule may know is handed to it
    document: OrderDocument,
    units: Mapping[str, Decimal],
    command: CancelOrderLine | CancelOrderLines,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
    shape: str,
) -> Progress:
    """Cancel the units; with the last of the order its cancelled status runs (domain 2.9)."""
    order = cancel_units(document.order, units, now=now)
    mails: Sequence[Message] = ()
    if units and command.send_notifications:
        cent = pricing(order, configuration).cent
        order, mails = _told(document.order, order, units, cause, now=now, cent=cent)
    progress = closed(
        document, order, command, cause, now=now, configuration=configuration, shape=shape
    )
    return replace(progress, messages=[*mails, *progress.messages])


def _told(  # noqa: PLR0913 - what a rule may know is handed to it
    before: Order,
    order: Order,
    units: Mapping[str, Decimal],
    cause: Cause,
    *,
    now: datetime,
    cent: Decimal,
) -> tuple[Order, Sequence[Message]]:
    """Write to the customer what is cancelled, at the price it had."""
    if order.is_notifications_disabled:
        return warned(order, DISABLED, now), ()
    lines = _lines(before)
    told = tuple(_notified(lines[id_], count, cent) for id_, count in units.items())
    letter = mail(order, cause, template="cancelledlines")
    return order, [letter.model_copy(update={"lines": told})]


def _notified(line: OrderLine, count: Decimal, cent: Decimal) -> NotifiedLine:
    return NotifiedLine(
        name=line.display_name or line.code or line.line_item_id,
        quantity=count,
        total=rounded((line.extended_price or ZERO) / open_quantity(line) * count, cent),
    )
