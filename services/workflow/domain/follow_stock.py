"""What an order holds in stock follows its lines when a client changes them (decided 6.3)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.inventory import KeptUnits, ReleaseUnits, ReserveStock, StockLine
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.settings import Configuration
from services.workflow.domain.order import after_saving, with_lines
from services.workflow.domain.steps import open_quantity, shipped_lines
from services.workflow.domain.undo import deleted

ZERO: Final = Decimal(0)

Parts = Mapping[str, Sequence[StockLine]]
"""By line: what of it leaves with each shipment, and from where."""


def follow_stock(
    before: Order, after: Order, run_id: str, configuration: Configuration
) -> tuple[Order, Sequence[Message]]:
    """Give back what is not needed any more, and let what moved be held where it is now.

    Only lines that hold something are touched: a change reserves nothing that was not reserved.
    What a moved line holds in the end is told by the inventory, as by a step after saving. An order
    that is deleted holds nothing any more, nor does a shipment in a cancelled status, by whatever
    way it got there (domain 2.2, decided 6.2).

    :param run_id: of the change, or of the run that makes it
    :returns: the order with what its lines hold, and what is to be sent
    """
    after, released = deleted(before, after)
    if released:
        return after, released
    holding = [line for line in _lines(before) if line.reserved_inventory_quantity]
    if not holding or before.order_form is after.order_form:
        return after, ()
    old, new = _parts(before, configuration), _parts(after, configuration)
    kept: list[KeptUnits] = []
    moved: list[StockLine] = []
    held: dict[str, Decimal] = {}
    for line in holding:
        id_ = line.line_item_id
        places = {(one.shipment_id, one.sku, one.warehouse_code) for one in old.get(id_, ())}
        parts = new.get(id_, ())
        if any((one.shipment_id, one.sku, one.warehouse_code) not in places for one in parts):
            moved += parts
            continue
        units = {one.shipment_id: one.quantity for one in parts}
        wanted = sum(units.values(), ZERO)
        is_less = wanted < sum((one.quantity for one in old.get(id_, ())), ZERO)
        if not is_less and units.keys() == {one.shipment_id for one in old.get(id_, ())}:
            continue
        held[id_] = min(line.reserved_inventory_quantity or ZERO, wanted)
        kept += [
            KeptUnits(
                line_item_id=id_,
                shipment_id=one.shipment_id,
                quantity=units.get(one.shipment_id, ZERO),
            )
            for one in old.get(id_, ())
        ]
    messages: list[Message] = []
    step = {"order_id": after.id, "run_id": after_saving(run_id)}
    if kept:
        messages.append(ReleaseUnits(**step, step=0, lines=tuple(kept)))
    if moved:
        messages.append(ReserveStock(**step, step=1, lines=tuple(moved)))
    return _holding(after, held), tuple(messages)


def _lines(order: Order) -> Sequence[OrderLine]:
    return (order.order_form.line_items if order.order_form else None) or ()


def _parts(order: Order, configuration: Configuration) -> Parts:
    parts: defaultdict[str, list[StockLine]] = defaultdict(list)
    kind = configuration.order_type(order.order_type)
    shipments = (order.order_form.shipments if order.order_form else None) or ()
    needed = (one for one in shipments if kind is None or not kind.is_cancelled(one.order_status))
    for shipment, line in shipped_lines(needed):
        parts[line.line_item_id].append(
            StockLine(
                line_item_id=line.line_item_id,
                sku=line.code or "",
                warehouse_code=shipment.warehouse_code or order.store_id,
                quantity=max(open_quantity(line), ZERO),
                shipment_id=shipment.shipment_id,
            )
        )
    return parts


def _holding(order: Order, held: Mapping[str, Decimal]) -> Order:
    """Return the order whose lines hold so much."""
    if not held:
        return order
    lines = [
        line.model_copy(
            update={
                "reserved_inventory_quantity": held[line.line_item_id],
                "reserved_inventory": held[line.line_item_id] >= open_quantity(line),
            }
        )
        if line.line_item_id in held
        else line
        for line in _lines(order)
    ]
    return with_lines(order, lines)
