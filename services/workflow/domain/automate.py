"""Automations: orders that move on by themselves (S2, order automation; conditions: domain 6.7)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.messages.orders import AutomateOrder, UpdateOrderStatus
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.order_search import OrderFilter
from contracts.settings import ORDER_AUTOMATION, Configuration, OrderAutomation
from services.chassis.outcomes import Ignore, Refused
from services.workflow.domain.find import GONE
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.payment_totals import known_totals
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from services.workflow.domain.steps import open_quantity, shipped_lines, undelivered
from services.workflow.domain.update_status import allowed, update_status

BACK_IN_STOCK: Final = "BackInStock"
_ZERO: Final = Decimal(0)
_NO_FORM: Final = OrderForm()
_SHIPPED: Final = "shipped"


class LeftAlone(Ignore):
    """The order is not any more what the automation is for, or a run holds it just now."""


def automate(
    document: OrderDocument | None,
    command: AutomateOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Let the order enter the automation's new status, as if somebody had asked for it.

    Whether there is stock was looked up a moment ago and is not asked again: what must not be sold
    twice is seen to by the steps that reserve.

    :raises LeftAlone: if there is nothing to do, or not now: the next look finds the order again
    :raises Refused: as `update_status` says
    """
    automation = command.automation
    if document is None or not concerns(automation, document, configuration):
        raise LeftAlone
    update = UpdateOrderStatus(
        order_id=document.id,
        status=automation.new_status,
        skip_run_workflow=not automation.run_workflow,
        user="workflow",
        origin=ORDER_AUTOMATION,
    )
    return update_status(document, update, cause, now=now, configuration=configuration)


def concerns(
    automation: OrderAutomation, document: OrderDocument, configuration: Configuration
) -> bool:
    """Say whether the automation moves this order on, as far as the order alone can tell."""
    order = document.order
    return (
        document.run is None
        and not order.is_read_only
        and _same(order.order_type, automation.order_type)
        and _same(order.status, automation.status)
        and _HOLDS[automation.condition](order, configuration)
    )


# -- which automations act, and how often ----------------------------------------------------------


def acting(configuration: Configuration) -> tuple[OrderAutomation, ...]:
    """Return the automations that can do something, each once.

    One whose new status is the present one, is unknown, or may not follow (decided 5.2) cannot.
    """
    settings = configuration.order_settings.order_automation_settings
    return tuple(
        one for one in dict.fromkeys(settings.order_automations) if _can_act(one, configuration)
    )


def pace(configuration: Configuration) -> timedelta | None:
    """Return how long after a run the next one begins; None while there is nothing to do."""
    if not acting(configuration):
        return None
    usual = configuration.order_settings.automation_interval_seconds
    return configuration.pace(ORDER_AUTOMATION, usual=usual)


def candidates(automation: OrderAutomation) -> OrderFilter:
    """Return the search for the orders that the automation may concern: these, and others."""
    # What is NotPaid is never authorized, whichever formula of domain 6.4 the order was calculated
    # with. Which of the others are Paid depends on that; the condition does not.
    paid = ["Paid", "OverPaid", "PartiallyPaid"]
    return OrderFilter(
        order_types=[automation.order_type],
        selected_statuses=[automation.status],
        payment_statuses=paid if automation.condition == "PaymentAuthorized" else None,
    )


def _can_act(automation: OrderAutomation, configuration: Configuration) -> bool:
    kind = configuration.order_type(automation.order_type)
    try:
        allowed(kind, automation.status, automation.new_status)
    except Refused:
        return False
    return not _same(automation.status, automation.new_status)


def _same(name: str | None, other: str) -> bool:
    return (name or "").casefold() == other.casefold()


# -- the conditions (domain 6.7) -------------------------------------------------------------------


def back_in_stock(
    orders: Iterable[Order], stock: Mapping[str, Decimal], promised: Mapping[str, Decimal]
) -> Iterator[Order]:
    """Yield the orders for whose open lines there is stock, in their order.

    What one of them needs is not there for those behind it. What an order holds already is not
    needed again (domain 6.5); an order without an open line is not waiting for stock.

    :param stock: what is available, by the name of the stock record
    :param promised: what of it orders before these are to have
    """
    left = {place: units - promised.get(place, _ZERO) for place, units in stock.items()}
    for order in orders:
        lines = (order.order_form or _NO_FORM).line_items or ()
        needed = needs(order)
        if any(undelivered(line) > _ZERO for line in lines) and all(
            left.get(place, _ZERO) >= quantity for place, quantity in needed.items()
        ):
            for place, quantity in needed.items():
                left[place] -= quantity
            yield order


def promised_to(orders: Iterable[Order], before: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return what is promised once these orders are to have what they need, too."""
    promised = dict(before)
    for order in orders:
        for place, units in needs(order).items():
            promised[place] = promised.get(place, _ZERO) + units
    return promised


def needs(order: Order) -> dict[str, Decimal]:
    """Return how much an order needs that it does not hold, by the name of the stock record."""
    form = order.order_form or _NO_FORM
    held = {
        line.line_item_id: line.reserved_inventory_quantity or _ZERO
        for line in form.line_items or ()
    }
    needed: dict[str, Decimal] = {}
    waiting = (
        shipment
        for shipment in form.shipments or ()
        if (shipment.status or "").casefold() not in GONE
    )
    for shipment, line in shipped_lines(waiting):
        units = max(undelivered(line), _ZERO)
        covered = min(units, held.get(line.line_item_id, _ZERO))
        held[line.line_item_id] = held.get(line.line_item_id, _ZERO) - covered
        if units > covered:
            place = f"{line.code}@{shipment.warehouse_code or order.store_id}"
            needed[place] = needed.get(place, _ZERO) + units - covered
    return needed


def _all_shipped(order: Order, _: Configuration) -> bool:
    form = order.order_form or _NO_FORM
    return _every(undelivered(line) <= _ZERO for line in form.line_items or ()) or _every(
        _same(shipment.status, _SHIPPED) for shipment in form.shipments or ()
    )


def _all_picked(order: Order, configuration: Configuration) -> bool:
    form = order.order_form or _NO_FORM
    kind = configuration.order_type(order.order_type)
    picked = {one.name.casefold() for one in (kind.order_statuses if kind else ()) if one.is_picked}
    return _every(_is_picked(line) for line in form.line_items or ()) or _every(
        (shipment.order_status or "").casefold() in picked for shipment in form.shipments or ()
    )


def _is_picked(line: OrderLine) -> bool:
    ready, delivered = line.ready_for_pickup_quantity or _ZERO, line.delivered_quantity or _ZERO
    return max(ready, delivered) >= open_quantity(line)


def _is_captured(order: Order, _: Configuration) -> bool:
    _authorized, captured, _credited = known_totals(order.order_form or _NO_FORM)
    return captured >= (order.net_total or _ZERO) > _ZERO


def _is_authorized(order: Order, _: Configuration) -> bool:
    form = order.order_form or _NO_FORM
    # Without a total, as it may be imported, nobody knows what there is to pay.
    authorized, _captured, _credited = known_totals(form)
    return form.total is not None and authorized >= form.total


def _every(answers: Iterable[bool]) -> bool:
    """Say whether all are true; of nothing at all nothing is."""
    found = list(answers)
    return bool(found) and all(found)


_HOLDS: Final[Mapping[str, Callable[[Order, Configuration], bool]]] = {
    BACK_IN_STOCK: lambda *_: True,  # the order does not know what there is in stock
    "AllItemsShipped": _all_shipped,
    "AllItemsPicked": _all_picked,
    "PaymentCaptured": _is_captured,
    "PaymentAuthorized": _is_authorized,
}
"""Each condition, as far as the order alone can tell."""
