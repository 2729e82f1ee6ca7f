"""An order of which the last units are cancelled is cancelled itself, if so configured (S2)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.settings import Configuration, OrderStatus
from services.workflow.domain.change import enter
from services.workflow.domain.run import Progress, start
from services.workflow.domain.steps import open_quantity

ZERO: Final = Decimal(0)


def more_cancelled(old: OrderLine | None, line: OrderLine) -> bool:
    """Say whether more units of the line are cancelled than before."""
    before = (old.canceled_quantity if old is not None else None) or ZERO
    return abs(line.canceled_quantity or ZERO) > abs(before)


def cancelled_with_its_lines(
    before: Order, progress: Progress, *, now: datetime, configuration: Configuration
) -> Progress:
    """Let the order enter its type's cancelled status and run that, if a change calls for it.

    That is CancelOrderIfAllLineItemsCancelled (domain 2.9). The command is answered when the run
    has ended, in the shape that it would have been answered in without.

    :param progress: the change, which has ended
    """
    run, order = progress.ended, progress.document.order
    status = _status(before, order, configuration)
    if status is None or run is None:
        return progress
    run = run.model_copy(update={"status": status.name, "shape": progress.shape})
    order = enter(order, status, status.name, now, configuration)
    entered = progress.document.model_copy(update={"order": order})
    started = start(entered, run, now=now, configuration=configuration)
    return replace(started, messages=[*progress.messages, *started.messages])


def _status(before: Order, after: Order, configuration: Configuration) -> OrderStatus | None:
    """Return the status that the order is to enter; None if it stays in its own."""
    if not configuration.order_settings.cancel_order_if_all_line_items_cancelled:
        return None
    old = {line.line_item_id: line for line in _lines(before)}
    is_cancelled = any(more_cancelled(old.get(line.line_item_id), line) for line in _lines(after))
    if not is_cancelled or any(open_quantity(line) for line in _lines(after)):
        return None
    kind = configuration.order_type(after.order_type)
    present = kind.status(after.status) if kind is not None else None
    if kind is None or (present is not None and present.is_canceled_status):
        return None
    return kind.cancelled()


def _lines(order: Order) -> Sequence[OrderLine]:
    return (order.order_form.line_items if order.order_form else None) or ()
