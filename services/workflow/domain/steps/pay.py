"""Steps that hold money, take it, and give it back (domain 5.2, 6.4)."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.orders import StepStatus
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    PaymentOperation,
    VoidPayment,
)
from contracts.order import Order
from contracts.payment import Payment
from contracts.settings import Configuration, UnknownConnector
from services.workflow.domain.order import Run
from services.workflow.domain.steps.step import ZERO, Asked, Context, Finished

COUNTED: Final = frozenset({"Processed", "Paid", "Approved"})


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
        bound=payment.amount,
        follows=payment.internal_reference,
    )


def authorize(context: Context) -> Finished | Asked:
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


def capture(context: Context) -> Finished | Asked:
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


def cancel_payments(context: Context) -> Finished | Asked:
    """Void what is held and credit what was captured (decided 7.3).

    Only when the order or all its shipments are cancelled, for the rest is still to be paid (WS).
    """
    order = context.order
    if not _is_cancelled(context):
        reason = "the payments stay, since the order and all its shipments are not cancelled"
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
    if kind is None:
        return False
    if context.run.shipment is None and kind.is_cancelled(context.run.status):
        return True
    shipments = (context.order.order_form.shipments if context.order.order_form else None) or ()
    return bool(shipments) and all(kind.is_cancelled(one.order_status) for one in shipments)


def give_back(
    order: Order, payment_ids: Sequence[str], run: Run | None, configuration: Configuration
) -> Sequence[Message]:
    """Void the authorizations that this run asked for, whatever became of them."""
    operations = tuple(
        _undoing(order, payment, configuration)
        for payment in _payments(order)
        if (payment.id or payment.transaction_id) in payment_ids
        and payment.transaction_type in {"Authorization", "AwaitingAuthorization"}
        and payment.status != "Failed"
    )
    aborted = None if run is None else run.id
    command = VoidPayment(order_id=order.id, operations=operations, aborted_run=aborted)
    return [command] if operations else []


def _undoing(order: Order, payment: Payment, configuration: Configuration) -> PaymentOperation:
    try:
        return _operation(order, payment, payment.amount, configuration)
    except UnknownConnector as error:
        # It was taken out of the settings meanwhile. The hold is still there: payments fails to
        # reach the connector and says so, where a method without one would count as given back.
        without = configuration.model_copy(update={"markets": ()})
        operation = _operation(order, payment, payment.amount, without)
        return operation.model_copy(update={"connector_id": str(error)})
