"""The configuration of a fresh system (decided 1.1, domain 5.5)."""

from decimal import Decimal
from typing import Final

from contracts.settings.configuration import Configuration, ScheduledTask
from contracts.settings.markets import Market, NumberOption, PaymentOption, ShippingOption, Store
from contracts.settings.order_types import OrderStatus, OrderType, WorkflowStep


def _step(name: str) -> WorkflowStep:
    return WorkflowStep(name=name)


def _off(name: str) -> WorkflowStep:
    """List a step that needs what a fresh system lacks: a catalogue, a carrier, an ERP."""
    return WorkflowStep(name=name, active=False)


def _vital(name: str) -> WorkflowStep:
    """List a step whose failure ends the run."""
    return WorkflowStep(name=name, stop_on_error=True)


_NOTIFICATION: Final = _step("Notification")

_NEW_STEPS: Final = (
    _off("EnrichOrderFromProducts"),
    _vital("IncreaseReservedInventory"),
    _vital("AuthorizePayment"),
    _off("GetOrCreateCustomerFromOrder"),
    # A new order must not wait behind the mail server.
    WorkflowStep(name="Notification", run_after_order_is_saved=True),
)

_CANCEL_STEPS: Final = (
    _step("CancelPayments"),
    _step("ReduceReservedInventory"),
    _off("TryReallocateOnCancel"),
    _step("SetCanceledDate"),
    _NOTIFICATION,
    _off("ExportOrder"),
)


def _in_progress(*next_statuses: str) -> OrderStatus:
    return OrderStatus(
        name="InProgress",
        order=2,
        display_name="In progress",
        is_main_filter=True,
        is_in_progress_status=True,
        available_steps=next_statuses,
        workflow_steps=(_off("AllocateToWarehouse"), _off("ExportOrder")),
    )


_CANCELLED: Final = OrderStatus(
    name="OrderCanceled",
    order=10,
    display_name="Cancelled",
    is_main_filter=True,
    is_canceled_status=True,
    workflow_steps=_CANCEL_STEPS,
)

_RETURNED: Final = (
    OrderStatus(
        name="PartiallyReturned",
        order=20,
        display_name="Partially returned",
        available_steps=("Returned",),
    ),
    OrderStatus(name="Returned", order=21, display_name="Returned"),
)

_ONLINE: Final = OrderType(
    name="Online",
    enable_edit=True,
    enable_create_from_cart=True,
    default_order_type=True,
    order_statuses=(
        OrderStatus(
            name="New",
            order=1,
            display_name="New",
            is_main_filter=True,
            available_steps=("InProgress", "OrderCanceled"),
            workflow_steps=_NEW_STEPS,
        ),
        _in_progress("PackedAndReady", "OrderCanceled"),
        OrderStatus(
            name="PackedAndReady",
            order=3,
            display_name="Packed and ready",
            is_main_filter=True,
            is_picked=True,
            available_steps=("Ship", "OrderCanceled"),
            workflow_steps=(
                _off("PrintShippingLabel"),
                _step("CompleteShipment"),
                # Tracking numbers come with the labels.
                _off("ValidateTrackingNumber"),
            ),
        ),
        OrderStatus(
            name="Ship",
            order=4,
            display_name="Shipped",
            is_main_filter=True,
            shipment_status_update="Released",
            available_steps=("Completed", "PartiallyReturned", "Returned"),
            workflow_steps=(
                _vital("CapturePayments"),
                _step("ReduceInventory"),
                _NOTIFICATION,
                _off("ExportOrder"),
            ),
        ),
        OrderStatus(
            name="Completed",
            order=5,
            display_name="Completed",
            is_main_filter=True,
            is_delivered_status=True,
            available_steps=("PartiallyReturned", "Returned"),
            workflow_steps=(_step("SetCompletedDate"), _off("AnalyticsIndexing")),
        ),
        _CANCELLED,
        *_RETURNED,
    ),
)

_CLICK_AND_COLLECT: Final = OrderType(
    name="ClickAndCollect",
    enable_edit=True,
    enable_create_from_cart=True,
    order_statuses=(
        OrderStatus(
            name="New",
            order=1,
            display_name="New",
            is_main_filter=True,
            available_steps=("InProgress", "OrderCanceled"),
            workflow_steps=(*_NEW_STEPS, _step("AddClickAndCollectTags")),
        ),
        _in_progress("ReadyForPickup", "OrderCanceled"),
        OrderStatus(
            name="ReadyForPickup",
            order=3,
            display_name="Ready for pickup",
            is_main_filter=True,
            is_picked=True,
            available_steps=("PickedUp", "NotCollected", "OrderCanceled"),
            workflow_steps=(_step("SetReadyForPickupDate"), _NOTIFICATION),
        ),
        OrderStatus(
            name="PickedUp",
            order=4,
            display_name="Picked up",
            is_main_filter=True,
            is_delivered_status=True,
            shipment_status_update="Released",
            available_steps=("Completed", "PartiallyReturned", "Returned"),
            workflow_steps=(
                _vital("CapturePayments"),
                _step("ReduceInventory"),
                _step("SetCompletedDate"),
            ),
        ),
        OrderStatus(
            name="Completed",
            order=5,
            display_name="Completed",
            is_main_filter=True,
            is_delivered_status=True,
            available_steps=("PartiallyReturned", "Returned"),
        ),
        _CANCELLED,
        OrderStatus(
            name="NotCollected",
            order=11,
            display_name="Not collected",
            is_main_filter=True,
            is_canceled_status=True,
            workflow_steps=_CANCEL_STEPS,
        ),
        *_RETURNED,
    ),
)

_POS: Final = OrderType(
    name="Pos",
    order_statuses=(
        OrderStatus(
            name="Completed",
            order=1,
            display_name="Completed",
            translate_key="PickedUp",
            is_main_filter=True,
            is_delivered_status=True,
        ),
    ),
)

_PAYMENT_OPTIONS: Final = (
    PaymentOption(payment_method_name="Manual", display_name="Manual", credit_priority=3),
    PaymentOption(payment_method_name="Invoice", display_name="Invoice", credit_priority=2),
    PaymentOption(payment_method_name="Card", display_name="Card", credit_priority=1),
)

_SHIPPING_OPTIONS: Final = (
    ShippingOption(shipping_method_name="Home", display_name="Home delivery"),
    ShippingOption(shipping_method_name="PickUp", display_name="Pick-up point"),
    ShippingOption(shipping_method_name="Store", display_name="Collect in store"),
)


def _market(market_id: str, name: str, currency: str, country: str, language: str) -> Market:
    return Market(
        market_id=market_id,
        name=name,
        currency=currency,
        country_codes=(country,),
        default_tax_rate=Decimal("25.5") if country == "FI" else Decimal(25),
        default_customer_type="B2C",
        language=language,
        payment_options=_PAYMENT_OPTIONS,
        shipping_options=_SHIPPING_OPTIONS,
    )


DEFAULT: Final = Configuration(
    order_types=(_ONLINE, _CLICK_AND_COLLECT, _POS),
    markets=(
        _market("NOR", "Norway", "NOK", "NO", "nb"),
        _market("SWE", "Sweden", "SEK", "SE", "sv"),
        _market("DNK", "Denmark", "DKK", "DK", "da"),
        _market("FIN", "Finland", "EUR", "FI", "fi"),
    ),
    stores=(
        Store(store_id="WebShop", name="Web shop"),
        Store(store_id="Oslo", name="Oslo", time_zone="Europe/Oslo"),
        Store(store_id="Bergen", name="Bergen", time_zone="Europe/Oslo"),
        Store(store_id="WH1", name="Warehouse 1", is_warehouse=True, is_main_warehouse=True),
        Store(store_id="WH2", name="Warehouse 2", is_warehouse=True),
    ),
    number_options=(
        NumberOption(number_type="Order", prefix="ORD-", start_sequence=10_000),
        NumberOption(number_type="Return", prefix="R-"),
        NumberOption(number_type="Rma", prefix="RMA-"),
        NumberOption(number_type="Invoice"),
    ),
    scheduled_tasks=(
        ScheduledTask(name="TryReserveOrderLines"),
        ScheduledTask(name="OrderAutomation"),
        ScheduledTask(name="DeleteOldOrders"),
    ),
)
"""What a fresh system has: four markets, five places, three order types that work as they are."""
