"""Books as the services keep them: an order with its stock, money, history and webhook."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from contracts.history import version_key
from contracts.message import derived
from contracts.messages.webhooks import EndpointSettings
from contracts.order import Order
from contracts.payment import Payment
from services.chassis.document import Document
from services.chassis.mongo import Database
from services.inventory.domain.reservation import Holding, Reservation
from services.inventory.domain.stock import StockRecord, StockTransaction, TransactionType
from services.payments.domain.operation import Operation
from services.webhooks.domain.delivery import WebhookDelivery
from services.webhooks.domain.endpoint import WebhookEndpoint
from services.workflow.domain.order import OrderDocument, Run, VersionDocument
from services.workflow.domain.versions import packed
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order

ZERO, TWO, TEN, PRICE = Decimal(0), Decimal(2), Decimal(10), Decimal(998)
SKU, WAREHOUSE = "SKU-001", "MainWarehouse"
ENDPOINT = "ep_1"
_HEAD = b'{"id":"e%d","sequence":%d,"order":'


async def keep(database: Database, *documents: Document) -> None:
    """Insert documents as the chassis does."""
    for document in documents:
        stored = {**document.to_bson(), "revision": 1}
        await database[document.collection].insert_one(stored)


def an_operation(order_id: str, at: datetime, **changes: Any) -> Operation:  # noqa: ANN401 - members
    """An authorization of 998 that has succeeded."""
    cause = uuid5(derived_from(order_id), "authorize")
    members = {
        "id": str(derived(cause, "operation/0")),
        "order_id": order_id,
        "payment_id": "p1",
        "kind": "authorize",
        "amount": PRICE,
        "currency": "NOK",
        "method": "Card",
        "state": "succeeded",
        "transaction_id": f"t-{order_id}",
        "created": at,
        "completed": at,
        "command": cause,
        "run_id": "r",
        "step": 1,
    }
    return Operation.model_validate(members | changes)


def derived_from(text: str) -> UUID:
    """Return an id that the text always has."""
    return uuid5(NAMESPACE_OID, text)


def shown(operation: Operation, **changes: object) -> Payment:
    """Return the entry by which an order shows an authorization."""
    members = {
        "id": operation.payment_id,
        "amount": operation.amount,
        "transaction_type": "Authorization",
        "status": "Processed",
        "transaction_id": operation.transaction_id,
        "internal_reference": operation.id,
    }
    return a_payment(**(members | changes))


def an_order_of(
    order_id: str, *, payments: Sequence[Payment], reserved: Decimal = TWO, **changes: object
) -> Order:
    """An order of 2 x SKU-001, with these payments."""
    line = a_line(reserved_inventory_quantity=reserved)
    form = a_form(
        line_items=[line], shipments=[a_shipment(line_items=[line])], payments=list(payments)
    )
    return an_order(
        **({"id": order_id, "order_form": form, "version": 2, "order_number": order_id} | changes)
    )


def versions(order: Order, *, at: datetime, last: int = 2, **changes: Any) -> list[VersionDocument]:  # noqa: ANN401 - members
    """The history of an order from 1 to `last`."""
    body = order.model_dump_json(by_alias=True, exclude_none=True).encode()
    return [
        VersionDocument.model_validate(
            {
                "id": version_key(order.id, number),
                "order_id": order.id,
                "version": number,
                "version_id": f"{number}-x",
                "at": at,
                "type": "order.created" if number == 1 else "order.status_changed",
                "command_id": f"c{number}",
                "status_code": 201 if number == 1 else 200,
                "user": "owner",
                "event": packed(_HEAD % (number, number) + body + b"}"),
                "order_at": len(_HEAD % (number, number)),
            }
            | changes
        )
        for number in range(1, last + 1)
    ]


def stock(at: datetime, *, inventory: Decimal = TEN, reserved: Decimal = TWO) -> StockRecord:
    """The record of SKU-001."""
    return StockRecord(
        id=f"{SKU}@{WAREHOUSE}",
        sku=SKU,
        warehouse_code=WAREHOUSE,
        inventory=inventory,
        reserved_inventory=reserved,
        created=at,
        modified=at,
    )


def movement(
    id_: str,
    at: datetime,
    kind: TransactionType,
    *,
    inventory: Decimal = ZERO,
    reserved: Decimal = ZERO,
    after: tuple[Decimal, Decimal] = (TEN, ZERO),
) -> StockTransaction:
    """One entry of the ledger."""
    return StockTransaction(
        id=id_,
        variant=SKU,
        warehouse_code=WAREHOUSE,
        transaction_type=kind,
        reason="test",
        transaction_date=at,
        inventory_change=inventory,
        reserved_inventory_change=reserved,
        new_inventory=after[0],
        new_reserved_inventory=after[1],
    )


def a_reservation(order_id: str, quantity: Decimal = TWO) -> Reservation:
    """What an order holds."""
    line = Holding(
        line_item_id="1",
        sku=SKU,
        warehouse_code=WAREHOUSE,
        quantity=quantity,
        shipment_id="1",
        is_reduced=not quantity,
    )
    return Reservation(id=order_id, lines=(line,))


def an_endpoint(at: datetime, **changes: object) -> WebhookEndpoint:
    """An endpoint that hears of everything."""
    members = {"url": "https://shop.example/hook"}
    return WebhookEndpoint(
        id=ENDPOINT,
        settings=EndpointSettings.model_validate(members | changes),
        secrets=("whsec_x",),
        created=at,
        created_by="owner",
        modified=at,
    )


def a_delivery(order_id: str, sequence: int, at: datetime, **changes: object) -> WebhookDelivery:
    """A version that has been delivered."""
    members = {
        "id": f"d-{order_id}-{sequence}",
        "endpoint_id": ENDPOINT,
        "event_id": f"e{sequence}",
        "event_type": "order.created",
        "order_id": order_id,
        "sequence": sequence,
        "previous_sequence": sequence - 1,
        "state": "delivered",
        "created": at,
    }
    return WebhookDelivery.model_validate(members | changes)


async def healthy(database: Database, order_id: str, at: datetime) -> Operation:
    """Put one order in place with everything that belongs to it; all of it agrees."""
    operation = an_operation(order_id, at)
    order = an_order_of(order_id, payments=[shown(operation)])
    await keep(
        database,
        OrderDocument(id=order_id, order=order, version=2),
        *versions(order, at=at),
        operation,
        a_reservation(order_id),
        a_delivery(order_id, 1, at),
        a_delivery(order_id, 2, at),
    )
    return operation


def a_run(at: datetime, **changes: Any) -> Run:  # noqa: ANN401 - members
    """A run that waits for the payments service."""
    members = {
        "id": "run-1",
        "command_id": "0198c0de-0000-7000-8000-000000000001",
        "status": "Ship",
        "status_before": "InProgress",
        "plan": ("IncreaseReservedInventory", "CapturePayments", "Notification"),
        "position": 1,
        "waiting_for": "CapturePayments",
        "since": at,
        "deadline": at,
        "user": "owner",
        "origin": "test",
    }
    return Run.model_validate(members | changes)
