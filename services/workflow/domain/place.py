"""Placing an order: what is filled in when it is empty, and the run of its first status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Final
from uuid import UUID

from contracts.message import derived
from contracts.messages.orders import PlaceOrder
from contracts.note import Asset, EntityError, ExternalId
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.payment import Payment
from contracts.problems import problem
from contracts.settings import Configuration, OrderType
from contracts.shipment import Shipment
from services.chassis.outcomes import Refused
from services.workflow.domain.amounts import refuse_too_much
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import enter, pricing
from services.workflow.domain.default_properties import with_default_properties
from services.workflow.domain.order import (
    QUEUED,
    OrderDocument,
    Run,
    appended,
    order_bytes,
    replaced,
    with_form,
)
from services.workflow.domain.run import Progress, start
from services.workflow.domain.versions import secret_key_hash

AWAITING_INVENTORY: Final = "AwaitingInventory"
FIRST_STATUS: Final = "New"
ROOM: Final = 10 * 1024 * 1024 - 128 * 1024
"""Bytes that an order may have in an event: a record's, without its head and what changed."""
GROWTH: Final = 300
"""Bytes by which a line may grow on its way: what is reserved, delivered, cancelled, and when."""


@dataclass(frozen=True, slots=True)
class Cause:
    """The command that a run answers; `size` is how many bytes it came as."""

    id: UUID
    command_id: str
    reply_to: int | None
    size: int


def place(  # noqa: PLR0913 - what a rule may know is handed to it
    existing: OrderDocument | None,
    command: PlaceOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
    runs: bool = True,
) -> Progress:
    """Store a new order and take its first run as far as it goes.

    Until that run has ended the order's status is Queued (domain 3 no. 6).

    :param runs: whether there is such a run; if not, the order only has the status
    :raises Refused: duplicate-order-id, if the order exists; too-large
    """
    if existing is not None:
        raise Refused(problem("duplicate-order-id"))
    kind = configuration.order_type(command.order.order_type)
    order = with_default_properties(_as_new(command.order), configuration.order_settings)
    order = filled(order, kind, cause, now=now, configuration=configuration)
    prices = pricing(order, configuration)
    order = recalculate(None, order, prices)
    # One line may have become many.
    grown = len(order_bytes(order)) if prices.split_multi_buys else 0
    refuse_too_large(order, max(cause.size, grown))
    status = order.status or FIRST_STATUS
    known = kind.status(status) if kind is not None else None
    status = known.name if known is not None else status
    order = enter(order, known, status, now, configuration)
    run = Run(
        id=str(cause.id),
        command_id=cause.command_id,
        reply_to=cause.reply_to,
        status=status,
        is_first=True,
        ignored_fields=command.ignored_fields or None,
        category=command.category,
        since=now,
        user=command.user,
        origin=command.origin,
    )
    # Whoever knows the key may follow the order from now on, not only when its run has ended.
    hashed = secret_key_hash(order)
    document = OrderDocument(id=order.id, order=order, secret_key_hash=hashed)
    if not runs:
        return Progress(document, ended=run)
    progress = start(document, run, now=now, configuration=configuration)
    if progress.ended is None:
        queued = progress.document.order.model_copy(update={"status": QUEUED})
        waiting = progress.document.model_copy(update={"order": queued})
        return Progress(waiting, progress.messages)
    return progress


def _as_new(order: Order) -> Order:
    """Return the order without what only its life here brings about, whatever is sent (S0).

    Amounts are calculated anyway. An import has had its life elsewhere (decided 2.5).
    """
    form = order.order_form
    shipments = (form.shipments if form else None) or ()
    if any(one.order_status_log for one in shipments):
        without = {"order_status_log": None}
        order = with_form(order, shipments=[one.model_copy(update=without) for one in shipments])
    return replaced(
        order,
        completed=None,
        ready_for_pickup=None,
        customer_pickup_deadline=None,
        is_new_customer=None,
    )


def refuse_too_large(order: Order, size: int) -> None:
    """Let no order in that no event could carry: each shipment repeats its lines there.

    Nor one whose amounts could not be read again.

    :param size: of the command that brought it, or its change
    :raises Refused: too-large (decided 2.2), amount-too-large (decided 2.6)
    """
    refuse_too_much(order)
    form = order.order_form
    shipments = (form.shipments if form else None) or ()
    if 2 * size * (1 + len(shipments)) < ROOM:
        return
    lines = {
        line.line_item_id: len(line.model_dump_json(exclude_none=True))
        for line in (form.line_items if form else None) or ()
    }
    copies = [
        lines[line.line_item_id] for shipment in shipments for line in shipment.line_items or ()
    ]
    without = {"order_form": {"shipments": {"__all__": {"line_items"}}}}
    whole = len(order.model_dump_json(exclude_none=True, exclude=without)) + sum(copies)
    if whole + GROWTH * (len(lines) + len(copies)) > ROOM:
        raise Refused(
            problem("too-large", "Its events would not fit into a record of Kafka: send less.")
        )


def filled(
    order: Order,
    kind: OrderType | None,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Order:
    """Return the order with what a client may leave out (domain 6.3, 3 nos 47 and 48).

    What nobody may be sure of (an unknown market, store, type or status) is accepted and noted as a
    Warning among the order's errors (decided 1.5).
    """
    initial = kind.initial() if kind is not None else None
    created = order.created or now
    changes: dict[str, object] = {
        "order_type": order.order_type or (kind.name if kind is not None else None),
        "status": order.status or (initial.name if initial is not None else FIRST_STATUS),
        **filled_in(order, configuration),
        "assets": identified_assets(order.assets, cause),
        "created": created,
        "modified": now,
        "order_form": _form(order.order_form or OrderForm(), order, cause, created),
    }
    provider = kind.default_external_id_provider if kind is not None else None
    if provider and not any(one.provider_name == provider for one in order.external_ids or ()):
        changes["external_ids"] = appended(
            order.external_ids, ExternalId(id=order.id, provider_name=provider)
        )
    doubts = doubts_about(order, kind, configuration)
    if doubts:
        changes["errors"] = appended(
            order.errors,
            *(
                EntityError(
                    key=key, message=message, severity="Warning", status="New", occurred=now
                )
                for key, message in doubts.items()
            ),
        )
    return order.model_copy(update=changes)


def filled_in(order: Order, configuration: Configuration) -> dict[str, object]:
    """Return the members that are filled in where they are empty (domain 6.3)."""
    market = configuration.market(order.market_id)
    return {
        "order_number": order.order_number or order.id,
        "customer_number": order.customer_number or order.customer_id,
        "customer_type": order.customer_type
        or (market.default_customer_type if market is not None else None),
        "billing_currency": order.billing_currency
        or (market.currency if market is not None else None)
        or configuration.order_settings.default_currency_code,
    }


def doubts_about(
    order: Order, kind: OrderType | None, configuration: Configuration
) -> Mapping[str, str]:
    """Return what nobody may be sure of, by the member that names it (decided 1.5)."""
    doubts: dict[str, str] = {}
    if configuration.market(order.market_id) is None:
        doubts["marketId"] = f"no market {order.market_id!r} is configured"
    if configuration.store(order.store_id) is None:
        doubts["storeId"] = f"no store {order.store_id!r} is configured"
    if kind is None:
        doubts["orderType"] = f"no order type {order.order_type!r} is configured; no workflow runs"
    elif order.status and kind.status(order.status) is None:
        doubts["status"] = f"{kind.name} has no status {order.status!r}; no workflow runs"
    return doubts


def _form(form: OrderForm, order: Order, cause: Cause, created: datetime) -> OrderForm:
    lines = _lines(form)
    by_id = {line.line_item_id: line for line in lines}
    shipments = [
        shipment.model_copy(
            update={
                "status": shipment.status or AWAITING_INVENTORY,
                "order_status": shipment.order_status or FIRST_STATUS,
                "line_items": [
                    _reference(by_id[line.line_item_id], line) for line in shipment.line_items or ()
                ],
            }
        )
        for shipment in addressable(form.shipments or default_shipment(order, lines))
    ]
    return form.model_copy(
        update={
            "line_items": lines,
            "shipments": shipments,
            "payments": identified(form.payments or (), cause, created=created),
        }
    )


def identified(payments: Sequence[Payment], cause: Cause, *, created: datetime) -> list[Payment]:
    """Return the payments with an id and a date each."""
    return [
        payment
        if payment.id and payment.created
        else payment.model_copy(
            update={
                "id": payment.id or str(derived(cause.id, f"payment/{position}")),
                "created": payment.created or created,
            }
        )
        for position, payment in enumerate(payments)
    ]


def identified_assets(assets: Sequence[Asset] | None, cause: Cause) -> Sequence[Asset] | None:
    """Return the assets with an id each (OmniumAsset)."""
    return assets and [
        one
        if one.asset_id
        else one.model_copy(update={"asset_id": str(derived(cause.id, f"asset/{position}"))})
        for position, one in enumerate(assets)
    ]


def _lines(form: OrderForm) -> Sequence[OrderLine]:
    """Return the form's lines, with those lifted that stand only on a shipment."""
    lines = [counted(line) for line in form.line_items or ()]
    known = {line.line_item_id for line in lines}
    for shipment in form.shipments or ():
        for line in shipment.line_items or ():
            if line.line_item_id not in known:
                known.add(line.line_item_id)
                lines.append(counted(line))
    return lines


def counted(line: OrderLine) -> OrderLine:
    """Return the line with its quantity, from the selected unit where only that was sent.

    What is reserved is calculated; a client's word for it counts for nothing.
    """
    if line.reserved_inventory_quantity is not None or line.reserved_inventory is not None:
        line = line.model_copy(
            update={"reserved_inventory_quantity": None, "reserved_inventory": None}
        )
    units, factor = line.selected_unit_quantity, line.selected_unit_conversion_factor
    if line.quantity is None and units is not None and factor is not None:
        return line.model_copy(update={"quantity": units * factor})
    if line.quantity is None:
        return line.model_copy(update={"quantity": Decimal(0)})
    return line


def _reference(line: OrderLine, reference: OrderLine) -> OrderLine:
    """Return the form's line as this shipment has it: with the shipment's quantity."""
    if reference.quantity is None or reference.quantity == line.quantity:
        return line
    return line.model_copy(update={"quantity": reference.quantity})


def addressable(shipments: Sequence[Shipment]) -> Sequence[Shipment]:
    """Return the shipments with an id each: the next free number where none was sent.

    Without one a shipment could not be named, nor told from another (domain 4.1).
    """
    if all(shipment.shipment_id for shipment in shipments):
        return shipments
    taken = {shipment.shipment_id for shipment in shipments}
    free = (number for number in map(str, count(1)) if number not in taken)
    return [
        one if one.shipment_id else one.model_copy(update={"shipment_id": next(free)})
        for one in shipments
    ]


def default_shipment(order: Order, lines: Sequence[OrderLine]) -> list[Shipment]:
    """Return the one shipment of an order that names none (domain 3 no. 48)."""
    if not lines:
        return []
    return [
        Shipment(
            shipment_id="1",
            warehouse_code=order.store_id,
            line_items=list(lines),
            address=order.billing_address,
        )
    ]
