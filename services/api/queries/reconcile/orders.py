"""Orders: each against what is held for it, what was paid for it, and its history."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.settings import Configuration
from services.api.queries.reconcile.findings import Findings
from services.api.queries.reconcile.payments import (
    check_aborted,
    check_cancelled,
    check_payments,
    held_by_operations,
)
from services.chassis.mongo import Bson, Collection, Database

LATE: Final = timedelta(seconds=60)
"""How long after its time something may still be on its way."""

_ZERO: Final = Decimal(0)
_AT_ONCE: Final = 500
_FIRST_RUN: Final = 201
_LINE: Final = "order.orderForm.lineItems"
_PAYMENT: Final = "order.orderForm.payments"
_RETURN: Final = "order.returnOrderForms"
_ORDER: Final[Bson] = {
    "version": 1,
    "run.id": 1,
    "run.deadline": 1,
    "run.waitingFor": 1,
    "order.version": 1,
    "order.modified": 1,
    "order.status": 1,
    "order.orderType": 1,
    "order.orderForm.shippingTotal": 1,
    "order.orderForm.handlingTotal": 1,
    f"{_LINE}.lineItemId": 1,
    f"{_LINE}.reservedInventoryQuantity": 1,
    f"{_LINE}.quantity": 1,
    f"{_LINE}.canceledQuantity": 1,
    f"{_LINE}.deliveredQuantity": 1,
    f"{_LINE}.returnQuantity": 1,
    f"{_LINE}.extendedPrice": 1,
    f"{_PAYMENT}.transactionType": 1,
    f"{_PAYMENT}.status": 1,
    f"{_PAYMENT}.amount": 1,
    f"{_PAYMENT}.internalReference": 1,
    f"{_RETURN}.total": 1,
    f"{_RETURN}.creditAmount": 1,
    f"{_RETURN}.creditPayment": 1,
}
_OPERATION: Final[Bson] = {
    "orderId": 1,
    "paymentId": 1,
    "kind": 1,
    "state": 1,
    "amount": 1,
    "transactionId": 1,
    "created": 1,
}


@dataclass(slots=True)
class _Beside:
    """What other collections say of one order; `last` is the version that the order names."""

    held: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    operations: list[Bson] = field(default_factory=list)
    last: Bson | None = None


async def check_orders(
    database: Database, findings: Findings, *, configuration: Configuration, now: datetime
) -> None:
    """Compare each order with what is beside it, five hundred at a time."""
    orders = database["orders"].find({}, _ORDER).sort("_id", 1).batch_size(_AT_ONCE)
    while batch := await orders.to_list(_AT_ONCE):
        beside = await _beside(database, batch)
        for stored in batch:
            _check(stored, beside[stored["_id"]], findings, configuration=configuration, now=now)
        findings.checked("orders", len(batch))
    await _check_orphans(database, findings)


async def _beside(database: Database, batch: Sequence[Bson]) -> Mapping[str, _Beside]:
    beside = {stored["_id"]: _Beside() for stored in batch}
    ids = list(beside)
    reservations = database["reservations"].find({"_id": {"$in": ids}})
    for reservation in await reservations.to_list(None):
        held = beside[reservation["_id"]].held
        for line in reservation.get("lines", ()):
            held[line["lineItemId"]] += line["quantity"]
    operations = database["payment_operations"].find({"orderId": {"$in": ids}}, _OPERATION)
    for operation in await operations.to_list(None):
        beside[operation["orderId"]].operations.append(operation)
    last = [f"{stored['_id']}/{stored['version']:010d}" for stored in batch]
    versions = database["order_versions"].find(
        {"_id": {"$in": last}}, {"orderId": 1, "isAborted": 1, "statusCode": 1}
    )
    for version in await versions.to_list(None):
        beside[version["orderId"]].last = version
    return beside


def _check(
    stored: Bson,
    beside: _Beside,
    findings: Findings,
    *,
    configuration: Configuration,
    now: datetime,
) -> None:
    id_, version, order = stored["_id"], stored["version"], stored["order"]
    run = stored.get("run")
    findings.checked("payments", len(beside.operations))
    for operation in beside.operations:
        _check_operation(operation, findings, now=now)
    if version and beside.last is None and not _may_be_gone(order, configuration, now):
        findings.differs("version-missing", order_id=id_, expected=version)
    if run is not None:
        # What a run does is in several hands until it ends; what is due is checked all the same.
        deadline = run.get("deadline")
        if deadline is not None and deadline < now - LATE:
            waiting = run.get("waitingFor", "?")
            findings.differs(
                "run-overdue", order_id=id_, expected=deadline.isoformat(), found=waiting
            )
        return
    if not version:
        findings.differs("order-without-run", order_id=id_, found=order.get("status"))
    elif order.get("version") != version:
        findings.differs(
            "version-differs", order_id=id_, expected=version, found=order.get("version")
        )
    _check_reservation(id_, order, beside, findings)
    check_payments(id_, order, beside.operations, findings)
    if _is_cancelled(order, configuration):
        _check_closed(id_, beside, findings)
        check_cancelled(id_, order, beside.operations, findings)
    elif _was_refused(beside.last):
        _check_closed(id_, beside, findings)
        check_aborted(id_, order, beside.operations, findings)


def _may_be_gone(order: Bson, configuration: Configuration, now: datetime) -> bool:
    """Whether the order's last change is so long ago that its history may have expired."""
    kept, modified = configuration.order_settings.version_retention_days, order.get("modified")
    return kept is not None and modified is not None and modified < now - timedelta(kept)


def _check_operation(operation: Bson, findings: Findings, *, now: datetime) -> None:
    state, order_id = operation["state"], operation["orderId"]
    if state == "unknown":
        findings.differs("operation-unknown", order_id=order_id, found=operation["_id"])
    elif state == "pending" and operation["created"] < now - 5 * LATE:
        findings.differs("operation-pending", order_id=order_id, found=operation["_id"])


def _check_reservation(id_: str, order: Bson, beside: _Beside, findings: Findings) -> None:
    lines = {
        line["lineItemId"]: line.get("reservedInventoryQuantity", _ZERO)
        for line in order.get("orderForm", {}).get("lineItems", ())
    }
    for line in {**lines, **beside.held}:
        shown, held = lines.get(line, _ZERO), beside.held.get(line, _ZERO)
        if shown != held:
            findings.differs(
                "reservation-differs", order_id=id_, sku=line, expected=shown, found=held
            )


def _is_cancelled(order: Bson, configuration: Configuration) -> bool:
    kind = configuration.order_type(order.get("orderType"))
    status = kind.status(order.get("status")) if kind is not None else None
    return status is not None and status.is_canceled_status


def _was_refused(last: Bson | None) -> bool:
    """Whether the order's first run was aborted (decided 5.1)."""
    return last is not None and bool(last.get("isAborted")) and last["statusCode"] == _FIRST_RUN


def _check_closed(id_: str, beside: _Beside, findings: Findings) -> None:
    held = sum(beside.held.values(), _ZERO)
    if held:
        findings.differs("closed-order-holds-stock", order_id=id_, expected=0, found=held)
    money = held_by_operations(beside.operations)
    if money > _ZERO and all(one["state"] != "pending" for one in beside.operations):
        findings.differs("closed-order-holds-money", order_id=id_, expected=0, found=money)


# -- what belongs to no order ----------------------------------------------------------------------


async def _check_orphans(database: Database, findings: Findings) -> None:
    orders = database["orders"]
    held = database["reservations"].find({"lines.quantity": {"$ne": _ZERO}}, {"lines": 1})
    while batch := await held.to_list(_AT_ONCE):
        known = await _known(orders, [one["_id"] for one in batch])
        for one in batch:
            quantity = sum((line["quantity"] for line in one["lines"]), _ZERO)
            if one["_id"] not in known and quantity:
                findings.differs(
                    "reservation-without-order", order_id=one["_id"], expected=0, found=quantity
                )
    # The ids alone come from the index.
    operations = database["payment_operations"].aggregate(
        [{"$sort": {"orderId": 1}}, {"$group": {"_id": "$orderId"}}], allowDiskUse=True
    )
    while batch := await operations.to_list(_AT_ONCE):
        ids = [one["_id"] for one in batch]
        lost = set(ids) - await _known(orders, ids)
        if lost:
            await _check_lost_money(database, sorted(lost), findings)


async def _known(orders: Collection, ids: Sequence[str]) -> set[str]:
    found = await orders.find({"_id": {"$in": list(ids)}}, {"_id": 1}).to_list(None)
    return {one["_id"] for one in found}


async def _check_lost_money(database: Database, lost: Sequence[str], findings: Findings) -> None:
    by_order: dict[str, list[Bson]] = defaultdict(list)
    cursor = database["payment_operations"].find({"orderId": {"$in": list(lost)}}, _OPERATION)
    for operation in await cursor.to_list(None):
        by_order[operation["orderId"]].append(operation)
    for order_id, operations in by_order.items():
        findings.checked("payments", len(operations))
        money = held_by_operations(operations)
        if money:
            findings.differs("operation-without-order", order_id=order_id, expected=0, found=money)
