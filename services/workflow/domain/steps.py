"""The registry of workflow steps: name, aliases, what a step does, what undoes it (domain 5.2).

A step either finishes at once or asks another service and waits for its StepFinished.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.inventory import (
    KeptUnits,
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    ReserveStock,
    StockLine,
)
from contracts.messages.notifications import NotifiedLine, SendNotification
from contracts.messages.orders import StepStatus
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    PaymentOperation,
    VoidPayment,
)
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.payment import Payment
from contracts.settings import Configuration, UnknownConnector, WorkflowStep
from contracts.shipment import Shipment
from services.workflow.domain.calculate import outstanding
from services.workflow.domain.order import (
    Run,
    are_agreed,
    replaced,
    shipments_in_hand,
    with_form,
    with_lines,
)

ZERO: Final = Decimal(0)
COUNTED: Final = frozenset({"Processed", "Paid", "Approved"})
RELEASED: Final = "Released"


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may look at."""

    order: Order
    run: Run
    step: WorkflowStep
    now: datetime
    configuration: Configuration
    after_saving: bool = False

    @property
    def shipments(self) -> Sequence[Shipment]:
        """The shipments that the run is about."""
        return shipments_in_hand(self.order, self.run)

    @property
    def is_whole(self) -> bool:
        """Whether it is about the whole order, or about a shipment that the others wait for."""
        form = self.order.order_form
        return self.run.shipment is None or are_agreed((form.shipments if form else None) or ())


@dataclass(frozen=True, slots=True)
class Finished:
    """The step has ended."""

    order: Order | None = None
    status: StepStatus = StepStatus.SUCCESS
    reason: str | None = None
    next_status: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Another service must answer before the run goes on.

    The run waits for one answer to each message. `payment_ids` are the payments whose money an
    abort has to give back; `leaves_nothing` says that an abort has nothing to take back at all.
    """

    messages: Sequence[Message]
    payment_ids: tuple[str, ...] = ()
    leaves_nothing: bool = False


Act = Callable[[Context], Finished | Asked]
TakeBack = Callable[[Order, Sequence[str], int | None, Configuration], Sequence[Message]]
"""The order, payments, the place of the one shipment that the run is about, the settings."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the registry. `cancels` says whether an error ends the run by itself."""

    name: str
    act: Act
    aliases: tuple[str, ...] = ()
    undo: TakeBack | None = None
    cancels: bool = False
    asks: bool = field(default=False)


# -- stock -----------------------------------------------------------------------------------------


def open_quantity(line: OrderLine) -> Decimal:
    """Return what is ordered and not cancelled (domain 6, n = q - c)."""
    return (line.quantity or ZERO) - (line.canceled_quantity or ZERO)


def shipped_lines(shipments: Iterable[Shipment]) -> Iterator[tuple[Shipment, OrderLine]]:
    """Yield every line of these shipments that has a SKU and is no virtual product."""
    for shipment in shipments:
        for line in shipment.line_items or ():
            if line.code and not line.is_virtual_product:
                yield shipment, line


def _stock_lines(order: Order, shipments: Iterable[Shipment]) -> tuple[StockLine, ...]:
    return tuple(
        StockLine(
            line_item_id=line.line_item_id,
            sku=line.code or "",
            warehouse_code=shipment.warehouse_code or order.store_id,
            quantity=quantity,
            shipment_id=shipment.shipment_id,
        )
        for shipment, line in shipped_lines(shipments)
        if (quantity := open_quantity(line)) > 0
    )


def _reserve(context: Context) -> Finished | Asked:
    lines = _stock_lines(context.order, context.shipments)
    if context.run.shipment is not None:
        # Of a line in pieces the others are named too: what is not would be given back.
        form = context.order.order_form
        concerned = {line.line_item_id for line in lines}
        everywhere = _stock_lines(context.order, (form.shipments if form else None) or ())
        lines = tuple(line for line in everywhere if line.line_item_id in concerned)
    if not lines:
        return Finished()
    return Asked(
        [
            ReserveStock(
                order_id=context.order.id,
                run_id=context.run.id,
                step=context.run.position,
                lines=lines,
                require_all=(context.step.property("RequireAll") or "").casefold() == "true",
            )
        ]
    )


def _unreserve(
    order: Order, _payments: Sequence[str], shipment: int | None, _: Configuration
) -> Sequence[Message]:
    if shipment is None:
        return [ReleaseStock(order_id=order.id)]
    shipments = (order.order_form.shipments if order.order_form else None) or ()
    return [ReleaseUnits(order_id=order.id, lines=_nothing_kept(shipments[shipment]))]


def _release(context: Context) -> Finished | Asked:
    asked = {"order_id": context.order.id, "run_id": context.run.id, "step": context.run.position}
    if context.run.shipment is None:
        return Asked([ReleaseStock(**asked)])
    (shipment,) = context.shipments
    return Asked([ReleaseUnits(**asked, lines=_nothing_kept(shipment))])


def _nothing_kept(shipment: Shipment) -> tuple[KeptUnits, ...]:
    return tuple(
        KeptUnits(line_item_id=line.line_item_id, shipment_id=shipment.shipment_id, quantity=ZERO)
        for line in shipment.line_items or ()
    )


def _reduce(context: Context) -> Finished | Asked:
    released = (one for one in context.shipments if one.status == RELEASED)
    lines = _stock_lines(context.order, released)
    if not lines:
        return Finished(status=StepStatus.WARNING, reason=f"no shipment has the status {RELEASED}")
    return Asked(
        [
            ReduceStock(
                order_id=context.order.id,
                run_id=context.run.id,
                step=context.run.position,
                lines=lines,
            )
        ]
    )


# -- money -----------------------------------------------------------------------------------------


def _payments(order: Order) -> list[Payment]:
    form = order.order_form
    return list((form.payments if form else None) or ())


def _operation(
    order: Order, payment: Payment, amount: Decimal, configuration: Configuration
) -> PaymentOperation:
    connector = configuration.connector_for(order.market_id, payment.payment_method_name)
    return PaymentOperation(
        payment_id=payment.id or payment.transaction_id,
        transaction_id=payment.transaction_id or None,
        payment_method_name=payment.payment_method_name,
        amount=amount,
        currency=order.billing_currency or "",
        connector_id=connector.connector_id if connector else None,
        shipment_id=payment.shipment_id,
        reference=order.order_number,
    )


def _authorize(context: Context) -> Finished | Asked:
    """Hold the money of payments that wait for it; what a client brought as held is done."""
    order = context.order
    concerned = [
        payment
        for payment in _payments(order)
        if payment.transaction_type in {"Authorization", "AwaitingAuthorization"}
    ]
    if not concerned:
        return Finished()
    pending = [payment for payment in concerned if payment.status == "Pending"]
    operations = tuple(
        _operation(order, payment, payment.amount, context.configuration) for payment in pending
    )
    command = AuthorizePayment(
        order_id=order.id,
        run_id=context.run.id,
        step=context.run.position,
        operations=operations,
    )
    payment_ids = tuple(operation.payment_id for operation in operations)
    return Asked([command], payment_ids, leaves_nothing=not operations)


def held(order: Order) -> list[tuple[Payment, Decimal]]:
    """Return the authorizations that still hold money, in list order, with how much (domain 6.4).

    A Void, Capture or ReleaseRemainingAuthorization belongs to the authorization with its
    transaction id.
    """
    payments = [payment for payment in _payments(order) if payment.status in COUNTED]
    used: dict[str, Decimal] = {}
    for payment in payments:
        if payment.transaction_type in {"Capture", "Void", "ReleaseRemainingAuthorization"}:
            used[payment.transaction_id] = used.get(payment.transaction_id, ZERO) + payment.amount
    found: list[tuple[Payment, Decimal]] = []
    for payment in payments:
        if payment.transaction_type == "Authorization":
            gone = min(used.get(payment.transaction_id, ZERO), payment.amount)
            if gone:
                used[payment.transaction_id] -= gone
            if payment.amount > gone:
                found.append((payment, payment.amount - gone))
    return found


def captured(order: Order) -> list[tuple[Payment, Decimal]]:
    """Return the captures and sales of which money is left to credit, with how much."""
    payments = [payment for payment in _payments(order) if payment.status in COUNTED]
    credited = sum(
        (payment.amount for payment in payments if payment.transaction_type == "Credit"), ZERO
    )
    found: list[tuple[Payment, Decimal]] = []
    for payment in payments:
        if payment.transaction_type in {"Capture", "Sale", "Invoiced"}:
            gone = min(credited, payment.amount)
            credited -= gone
            if payment.amount > gone:
                found.append((payment, payment.amount - gone))
    return found


def _charges(order: Order) -> list[Payment]:
    """Return the payments by which money was taken."""
    return [
        payment
        for payment in _payments(order)
        if payment.status in COUNTED and payment.transaction_type in {"Capture", "Sale", "Invoiced"}
    ]


def _captured_for(order: Order, shipment_id: str | None) -> Decimal:
    return sum(
        (one.amount for one in _charges(order) if one.shipment_id == shipment_id is not None), ZERO
    )


def _capture(context: Context) -> Finished | Asked:
    """Charge what the order costs and is not charged yet, from the holds in list order.

    For one shipment that is its total, and no more than the whole order's rest (decided 7.3).
    """
    order = context.order
    total = (order.order_form.total if order.order_form else None) or ZERO
    already = sum((one.amount for one in _charges(order)), ZERO)
    owed = total - already
    shipment_id = None
    if context.run.shipment is not None:
        (shipment,) = context.shipments
        shipment_id = shipment.shipment_id
        owed = min(owed, (shipment.total or ZERO) - _captured_for(order, shipment_id))
    operations: list[PaymentOperation] = []
    for payment, amount in held(order):
        if owed <= 0:
            break
        part = min(amount, owed)
        owed -= part
        operation = _operation(order, payment, part, context.configuration)
        if shipment_id is not None:
            operation = operation.model_copy(update={"shipment_id": shipment_id})
        operations.append(operation)
    if not operations:
        if owed > 0:
            return Finished(status=StepStatus.WARNING, reason="no authorized money is left")
        return Finished()
    return Asked(
        [
            CapturePayment(
                order_id=order.id,
                run_id=context.run.id,
                step=context.run.position,
                operations=tuple(operations),
            )
        ]
    )


def _cancel_payments(context: Context) -> Finished | Asked:
    """Void what is held and credit what was captured (decided 7.3).

    Only when all shipments are cancelled, for the others are still to be paid (WS).
    """
    order = context.order
    if context.run.shipment is not None and not _is_cancelled(context):
        reason = "the payments stay, since other shipments are not cancelled"
        return Finished(status=StepStatus.WARNING, reason=reason)
    concerned: Sequence[tuple[type[VoidPayment | CreditPayment], list[tuple[Payment, Decimal]]]]
    concerned = [(VoidPayment, held(order)), (CreditPayment, captured(order))]
    commands = [
        kind(
            order_id=order.id,
            run_id=context.run.id,
            step=context.run.position,
            operations=tuple(
                _operation(order, payment, amount, context.configuration)
                for payment, amount in parts
            ),
        )
        for kind, parts in concerned
        if parts
    ]
    return Asked(commands) if commands else Finished()


def _is_cancelled(context: Context) -> bool:
    kind = context.configuration.order_type(context.order.order_type)
    form = context.order.order_form
    found = (
        kind.status(one.order_status) if kind is not None else None
        for one in (form.shipments if form else None) or ()
    )
    return all(status is not None and status.is_canceled_status for status in found)


def _give_back(
    order: Order, payment_ids: Sequence[str], _shipment: int | None, configuration: Configuration
) -> Sequence[Message]:
    """Void the authorizations that this run asked for, whatever became of them."""
    operations = tuple(
        _undoing(order, payment, configuration)
        for payment in _payments(order)
        if (payment.id or payment.transaction_id) in payment_ids
        and payment.transaction_type in {"Authorization", "AwaitingAuthorization"}
        and payment.status != "Failed"
    )
    return [VoidPayment(order_id=order.id, operations=operations)] if operations else []


def _undoing(order: Order, payment: Payment, configuration: Configuration) -> PaymentOperation:
    try:
        return _operation(order, payment, payment.amount, configuration)
    except UnknownConnector as error:
        # It was taken out of the settings meanwhile. The hold is still there: payments fails to
        # reach the connector and says so, where a method without one would count as given back.
        without = configuration.model_copy(update={"markets": ()})
        operation = _operation(order, payment, payment.amount, without)
        return operation.model_copy(update={"connector_id": str(error)})


# -- the rest --------------------------------------------------------------------------------------


def _notify(context: Context) -> Finished | Asked:
    order = context.order
    if order.is_notifications_disabled:
        return Finished(status=StepStatus.WARNING, reason="notifications are disabled")
    form = order.order_form
    lines, total = (form.line_items, form.total) if form else (None, None)
    if context.run.shipment is not None:
        (shipment,) = context.shipments
        lines, total = shipment.line_items, shipment.total
    return Asked(
        [
            SendNotification(
                order_id=order.id,
                run_id=context.run.id,
                step=context.run.position,
                answer=not context.after_saving,
                order_number=order.order_number or order.id,
                order_type=order.order_type,
                status=context.run.status,
                market_id=order.market_id,
                store_id=order.store_id,
                recipient=order.customer_email,
                recipient_name=order.customer_name,
                currency=order.billing_currency,
                total=total,
                lines=tuple(
                    NotifiedLine(
                        name=line.display_name or line.code or line.line_item_id,
                        quantity=line.quantity or ZERO,
                        total=line.extended_price or ZERO,
                    )
                    for line in lines or ()
                ),
            )
        ]
    )


def _set_completed_date(context: Context) -> Finished:
    order = context.order
    if not context.is_whole:
        return _complete_shipment(context)
    return Finished(order if order.completed else replaced(order, completed=context.now))


def _set_ready_for_pickup_date(context: Context) -> Finished:
    order = context.order
    return Finished(replaced(order, ready_for_pickup=context.now) if context.is_whole else order)


def _set_canceled_date(context: Context) -> Finished:
    """Date the lines; of one shipment those of which no other one holds a piece."""
    form, alone = context.order.order_form, context.run.shipment
    concerned = {line.line_item_id for one in context.shipments for line in one.line_items or ()}
    for place, one in enumerate((form.shipments if form else None) or ()):
        if alone not in {None, place}:
            concerned -= {line.line_item_id for line in one.line_items or ()}
    lines = [
        line.model_copy(update={"canceled_date": context.now})
        if not line.canceled_date and (alone is None or line.line_item_id in concerned)
        else line
        for line in (form.line_items if form else None) or ()
    ]
    return Finished(with_lines(context.order, lines))


def _changed_shipments(context: Context, **changes: object) -> Order:
    form = context.order.order_form
    shipments = [
        shipment.model_copy(update=changes) if context.run.shipment in {None, place} else shipment
        for place, shipment in enumerate((form.shipments if form else None) or ())
    ]
    return with_form(context.order, shipments=shipments)


def _allocate_to_warehouse(context: Context) -> Finished:
    warehouse = context.step.property("WarehouseCode")
    if not warehouse:
        return Finished(status=StepStatus.WARNING, reason="the step has no property WarehouseCode")
    return Finished(_changed_shipments(context, warehouse_code=warehouse, is_allocated=True))


def _complete_shipment(context: Context) -> Finished:
    return Finished(_changed_shipments(context, completed=context.now))


def _validate_tracking_number(context: Context) -> Finished:
    missing = [
        shipment.shipment_id or "?"
        for shipment in context.shipments
        if not shipment.shipment_tracking_number
    ]
    if missing:
        return Finished(
            status=StepStatus.ERROR, reason=f"no tracking number on shipment {', '.join(missing)}"
        )
    return Finished()


def _verify_completely_paid(context: Context) -> Finished:
    settings = context.configuration.order_settings
    if outstanding(context.order, legacy_sign=settings.remaining_payment_legacy_sign) > 0:
        return Finished(status=StepStatus.ERROR, reason="the order is not paid completely")
    return Finished()


def _change_status(context: Context) -> Finished:
    target = context.step.property("ToStatus")
    if not target:
        return Finished(status=StepStatus.ERROR, reason="the step has no property ToStatus")
    kind = context.configuration.order_type(context.order.order_type)
    status = kind.status(target) if kind is not None else None
    if status is None:
        return Finished(status=StepStatus.ERROR, reason=f"there is no status {target}")
    only_from = context.step.property("FromStatus")
    came_from = context.run.status_before
    if context.run.shipment is not None:
        (shipment,) = context.shipments
        came_from = shipment.prev_status
    if only_from and only_from.casefold() != (came_from or "").casefold():
        return Finished()
    return Finished(next_status=status.name)


def _add_click_and_collect_tags(context: Context) -> Finished:
    tags = list(context.order.tags or ())
    return Finished(
        context.order
        if "ClickAndCollect" in tags
        else replaced(context.order, tags=[*tags, "ClickAndCollect"])
    )


REGISTRY: Final[tuple[Step, ...]] = (
    Step("IncreaseReservedInventory", _reserve, undo=_unreserve, asks=True),
    Step("ReduceReservedInventory", _release, asks=True),
    Step(
        "ReduceInventory",
        _reduce,
        aliases=("ReduceInventoryAndReservedInventory",),
        asks=True,
    ),
    Step("AuthorizePayment", _authorize, undo=_give_back, cancels=True, asks=True),
    Step("CapturePayments", _capture, aliases=("CapturePayment",), cancels=True, asks=True),
    Step("CancelPayments", _cancel_payments, asks=True),
    Step(
        "Notification",
        _notify,
        aliases=("SendConfirmation", "ResendConfirmation", "NotifyCustomer"),
        asks=True,
    ),
    Step("SetCompletedDate", _set_completed_date),
    Step("SetReadyForPickupDate", _set_ready_for_pickup_date),
    Step("SetCanceledDate", _set_canceled_date),
    Step("AllocateToWarehouse", _allocate_to_warehouse),
    Step("CompleteShipment", _complete_shipment, aliases=("BookShipment",)),
    Step("ValidateTrackingNumber", _validate_tracking_number, cancels=True),
    Step("VerifyCompletelyPaid", _verify_completely_paid, cancels=True),
    Step("ChangeStatus", _change_status),
    Step("AddClickAndCollectTags", _add_click_and_collect_tags),
)

_BY_NAME: Final = {
    name.casefold(): step for step in REGISTRY for name in (step.name, *step.aliases)
}


def step_named(name: str) -> Step | None:
    """Return the step of this name or alias, whatever its case; None for an unknown one."""
    return _BY_NAME.get(name.casefold())


def act(context: Context) -> Finished | Asked:
    """Carry the step out, or ask for it; an unknown step is a Warning (domain 5.3)."""
    step = step_named(context.step.name)
    if step is None:
        return Finished(status=StepStatus.WARNING, reason="unknown step")
    try:
        return step.act(context)
    except UnknownConnector as error:
        return Finished(status=StepStatus.ERROR, reason=f"the connector {error} is not configured")
