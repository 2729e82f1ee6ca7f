"""What happens to an order on its way: it enters a status, and hears what others did for it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.messages.orders import StepFinished
from contracts.money import exponent
from contracts.note import EntityError
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.payment import Payment
from contracts.settings import Configuration, OrderStatus, OrderType
from contracts.shipment import Shipment
from services.workflow.domain.calculate import Pricing, calculate, settle
from services.workflow.domain.order import (
    appended,
    are_agreed,
    replaced,
    step_key,
    with_form,
    with_lines,
)
from services.workflow.domain.status_log import status_log
from services.workflow.domain.steps import open_quantity
from services.workflow.domain.steps.change import cancel_dated

ZERO: Final = Decimal(0)


def pricing(order: Order, configuration: Configuration) -> Pricing:
    """Return what the calculator must know about the order's market and currency."""
    settings = configuration.order_settings
    market = configuration.market(order.market_id)
    return Pricing(
        default_tax_rate=configuration.default_tax_rate(order.market_id),
        shipping_tax_rates=market.shipping_tax_rates if market is not None else {},
        is_tax_excluded=configuration.is_tax_excluded(order.market_id),
        exponent=exponent(order.billing_currency),
        round_discounts=not settings.is_discount_amount_rounding_disabled,
        round_lines=not settings.is_line_item_amount_rounding_disabled,
        credit_reduces_remaining=settings.is_credit_amount_subtracted_from_remaining_payment,
        legacy_sign=settings.remaining_payment_legacy_sign,
        dearest_first=settings.sort_multibuy_items_descending,
        percentage_of_discounted=settings.is_order_percentage_of_discounted_prices,
        allocate_packages=settings.allocate_package_prices_to_components,
        split_multi_buys=settings.order_line_settings.split_multibuy_promotion_order_lines,
    )


def absorb(order: Order, finished: StepFinished, prices: Pricing) -> Order:
    """Write what another service reports into the order: payments, reservations, costs."""
    form = order.order_form
    if form is None:
        return order
    if finished.reserved:
        lines = [
            line
            if (units := finished.reserved.get(line.line_item_id)) is None
            else line.model_copy(
                update={
                    "reserved_inventory_quantity": units,
                    "reserved_inventory": units >= open_quantity(line),
                }
            )
            for line in form.line_items or ()
        ]
        order = with_lines(order, lines)
    if finished.costs:
        lines = [
            line.model_copy(update={"cost": finished.costs[line.line_item_id]})
            if line.line_item_id in finished.costs
            else line
            for line in (order.order_form.line_items if order.order_form else None) or ()
        ]
        order = calculate(with_lines(order, lines), prices)
    if finished.payments:
        order = settle(with_form(order, payments=_merged(form.payments, finished.payments)), prices)
    return order


def _merged(before: Sequence[Payment] | None, news: Sequence[Payment]) -> list[Payment]:
    """Overlay entries with a known id, which name only what changed; append the others."""
    by_id = {payment.id: payment for payment in news}
    kept = [_overlaid(payment, by_id.pop(payment.id, payment)) for payment in before or ()]
    return [*kept, *by_id.values()]


def _overlaid(payment: Payment, news: Payment) -> Payment:
    named = {name: getattr(news, name) for name in news.model_fields_set}
    return payment if news is payment else payment.model_copy(update=named)


def enter(
    order: Order,
    status: OrderStatus | None,
    name: str,
    now: datetime,
    configuration: Configuration,
) -> Order:
    """Return the order as it enters a status: its shipments follow, dates are set (domain 2.2).

    Its lines are dated by a cancelled status, whether or not that has a step for it.

    Where UseOrderStatusLog says so, each shipment's log has it too (S2).
    """
    form = order.order_form
    changes: dict[str, object] = {"status": name}
    if status is not None and status.is_delivered_status and order.completed is None:
        changes["completed"] = now
    order = replaced(order, **changes)
    if form is None or status is None:
        return order
    shipments = [
        _entered(shipment, status, name, now, configuration) for shipment in form.shipments or ()
    ]
    order = with_form(order, shipments=shipments)
    return cancel_dated(order, None, now) if status.is_canceled_status else order


def enter_shipment(  # noqa: PLR0913, PLR0917 - what a rule may know is handed to it
    order: Order,
    place: int,
    status: OrderStatus | None,
    name: str,
    now: datetime,
    configuration: Configuration,
) -> Order:
    """Return the order of which one shipment enters a status; the others stay where they are.

    When all of them are there, the order follows, to the status' mainOrderStatus if it has one (S3,
    update shipment status; domain 2.2, 3 no. 38). Where its type has deriveOrderStatusFromShipments
    it follows the furthest that is not cancelled (domain 2.1, decided 5.3).
    """
    shipments = list((order.order_form.shipments if order.order_form else None) or ())
    shipments[place] = _entered(shipments[place], status, name, now, configuration)
    order = with_form(order, shipments=shipments)
    if status is not None and status.is_canceled_status:
        order = cancel_dated(order, place, now)
    kind = configuration.order_type(order.order_type)
    furthest = None
    if kind is not None and kind.derive_order_status_from_shipments:
        furthest = _furthest(shipments, kind)
    if furthest is not None:
        status, name = furthest, furthest.name
    elif not are_agreed(shipments):
        return order
    main = (status.main_order_status if status is not None else None) or name
    known = kind.status(main) if kind is not None else None
    changes: dict[str, object] = {"status": known.name if known is not None else main}
    if known is not None and known.is_delivered_status and order.completed is None:
        changes["completed"] = now
    return replaced(order, **changes)


def _furthest(shipments: Sequence[Shipment], kind: OrderType) -> OrderStatus | None:
    """Return the status with the highest Order that a shipment has, of those not cancelled."""
    known = [status for one in shipments if (status := kind.status(one.order_status)) is not None]
    there = (status for status in known if not status.is_canceled_status)
    return max(there, key=lambda status: status.order, default=None)


def _entered(
    shipment: Shipment,
    status: OrderStatus | None,
    name: str,
    now: datetime,
    configuration: Configuration,
) -> Shipment:
    is_there = shipment.order_status == name
    changes: dict[str, object] = {
        "prev_status": shipment.prev_status if is_there else shipment.order_status,
        "order_status": name,
    }
    if status is not None and status.shipment_status_update:
        changes["status"] = status.shipment_status_update
    if configuration.order_settings.use_order_status_log:
        changes["order_status_log"] = status_log(shipment.order_status_log, name, now)
    return shipment.model_copy(update=changes)


def delivered(order: Order) -> Order:
    """Return the order with the rest of every line delivered (decided 5.2, UpdateStatus only)."""
    form = order.order_form
    lines = [
        line.model_copy(update={"delivered_quantity": open_quantity(line)}) if _rest(line) else line
        for line in (form.line_items if form else None) or ()
    ]
    return with_lines(order, lines)


def delivered_with(order: Order, place: int) -> Order:
    """Return the order with the rest of what one of its shipments holds delivered."""
    form = order.order_form
    shipments = list((form.shipments if form else None) or ())
    rest = {line.line_item_id: _rest(line) for line in shipments[place].line_items or ()}
    lines = [
        line.model_copy(
            update={"delivered_quantity": (line.delivered_quantity or ZERO) + rest[line_id]}
        )
        if rest.get(line_id := line.line_item_id)
        else line
        for line in (form.line_items if form else None) or ()
    ]
    order = with_lines(order, lines)
    shipments = list((order.order_form.shipments if order.order_form else None) or ())
    pieces = [
        line.model_copy(update={"delivered_quantity": open_quantity(line)}) if _rest(line) else line
        for line in shipments[place].line_items or ()
    ]
    shipments[place] = shipments[place].model_copy(update={"line_items": pieces})
    return with_form(order, shipments=shipments)


def _rest(line: OrderLine) -> Decimal:
    """Return how many units are still to be delivered."""
    return max(open_quantity(line) - (line.delivered_quantity or ZERO), ZERO)


def noted(order: Order, finished: StepFinished, now: datetime) -> Order:
    """Return the order with what became of a step that nobody waited for among its errors."""
    fault = EntityError(
        key="workflow",
        message=finished.reason or "a step after saving failed",
        severity=finished.status.value,
        status="New",
        occurred=now,
        reference_id=step_key(finished.run_id, finished.step),
    )
    return replaced(order, errors=appended(order.errors, fault))
