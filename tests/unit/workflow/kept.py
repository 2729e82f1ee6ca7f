"""Orders as they are kept, for rules that change them."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from contracts.messages.orders import (
    PatchLineItemIds,
    PatchOrder,
    PatchOrderLines,
    ReplaceOrder,
    UpdateOrder,
)
from contracts.model import parse
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.order_patch import LineIdsPatch, OrderLinePatch, OrderPatch, OrderUpdate
from contracts.settings import DEFAULT, Configuration
from contracts.shipment import Shipment
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import pricing
from services.workflow.domain.order import OrderDocument, order_bytes, with_lines
from services.workflow.domain.patch_lines import patch_lines
from services.workflow.domain.patch_order import patch_order
from services.workflow.domain.place import Cause, filled
from services.workflow.domain.rename_lines import rename_lines
from services.workflow.domain.run import Progress
from services.workflow.domain.update import replace_order, update

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 22, 9, tzinfo=UTC)
CAUSE = Cause(UUID(int=7), str(UUID(int=7)), 3, size=2_000)

Json = Any  # Any: JSON, for tests to look into
_WHO = {"user": "shop", "origin": "a test"}


def kept(order: Order, configuration: Configuration = DEFAULT) -> OrderDocument:
    """Return the order as it is stored once its first run has ended, version 3."""
    kind = configuration.order_type(order.order_type)
    order = filled(order, kind, CAUSE, now=NOW, configuration=configuration)
    order = recalculate(None, order, pricing(order, configuration))
    order = order.model_copy(update={"version": 3, "version_id": "3-a", "modified_by": "shop"})
    return OrderDocument(id=order.id, order=order, version=3)


def holding(document: OrderDocument) -> OrderDocument:
    """Return the document with all its units reserved."""
    lines = [
        line.model_copy(
            update={"reserved_inventory_quantity": line.quantity, "reserved_inventory": True}
        )
        for line in lines_of(document.order)
    ]
    return document.model_copy(update={"order": with_lines(document.order, lines)})


def seen(order: Order) -> Json:
    """Return what a client reads."""
    return json.loads(order_bytes(order))


def updated(
    document: OrderDocument | None,
    body: Json,
    configuration: Configuration = DEFAULT,
    **how: bool,
) -> Progress:
    sent = parse(OrderUpdate, {"id": "ORD-2024-000001", **body}).value
    command = UpdateOrder(order_id=sent.id, order=sent, **how, **_WHO)
    # As it travels: what was not sent must not come in by the way.
    command = UpdateOrder.model_validate_json(command.data())
    return update(document, command, CAUSE, now=LATER, configuration=configuration)


def overwritten(
    document: OrderDocument | None, body: Json, configuration: Configuration = DEFAULT
) -> Progress:
    sent = parse(Order, body, context={"pos": True}).value
    command = ReplaceOrder(order_id=sent.id, order=sent, **_WHO)
    command = ReplaceOrder.model_validate_json(command.data())
    return replace_order(document, command, CAUSE, now=LATER, configuration=configuration)


def patched_with(
    document: OrderDocument | None, body: Json, configuration: Configuration = DEFAULT
) -> Progress:
    sent = parse(OrderPatch, body).value
    command = PatchOrder(order_id="ORD-2024-000001", patch=sent, **_WHO)
    command = PatchOrder.model_validate_json(command.data())
    return patch_order(document, command, CAUSE, now=LATER, configuration=configuration)


def lines_patched(
    document: OrderDocument | None, body: Json, configuration: Configuration = DEFAULT
) -> Progress:
    sent = parse(list[OrderLinePatch], body).value
    command = PatchOrderLines(order_id="ORD-2024-000001", lines=tuple(sent), **_WHO)
    command = PatchOrderLines.model_validate_json(command.data())
    return patch_lines(document, command, CAUSE, now=LATER, configuration=configuration)


def lines_renamed(document: OrderDocument | None, **names: str) -> Progress:
    """Rename lines: `lines_renamed(document, a="b")` gives line a the id b."""
    mappings = [{"oldLineItemId": old, "newLineItemId": new} for old, new in names.items()]
    body = {"orderId": "ORD-2024-000001", "lineItemIdMappings": mappings}
    sent = parse(LineIdsPatch, body).value
    command = PatchLineItemIds(
        order_id=sent.order_id, mappings=tuple(sent.line_item_id_mappings), **_WHO
    )
    return rename_lines(document, command, CAUSE, now=LATER, configuration=DEFAULT)


def form_of(order: Order) -> OrderForm:
    assert order.order_form is not None
    return order.order_form


def lines_of(order: Order) -> list[OrderLine]:
    return form_of(order).line_items or []


def shipments_of(order: Order) -> list[Shipment]:
    return form_of(order).shipments or []


def pieces_of(order: Order) -> list[dict[str, float]]:
    """Return how many units of which line each shipment holds."""
    return [
        {line.line_item_id: float(line.quantity or 0) for line in shipment.line_items or ()}
        for shipment in shipments_of(order)
    ]
