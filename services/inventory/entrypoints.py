"""The table of this service: what it handles, and which documents it needs at hand."""

from typing import Final

from contracts.messages.inventory import ReduceStock, ReleaseStock, ReserveStock, SetStock
from services.chassis.consumer import Table
from services.chassis.unit_of_work import Batch, Loads, Route
from services.inventory import handlers
from services.inventory.domain import Reservation, StockRecord, held_places, place


def _lines(command: ReserveStock | ReduceStock) -> Loads:
    """Name the order's reservation and the records of the lines."""
    lines = command.lines
    return [
        (Reservation, command.order_id),
        *((StockRecord, place(line.sku, line.warehouse_code)) for line in lines),
    ]


def _held(command: ReserveStock | ReleaseStock | ReduceStock, batch: Batch) -> Loads:
    """Name the records of what the order holds, which only its reservation knows."""
    reservation = batch.find(Reservation, command.order_id)
    return [(StockRecord, id_) for id_ in held_places(reservation)]


def _items(command: SetStock) -> Loads:
    return [(StockRecord, place(item.sku, item.warehouse_code)) for item in command.items]


TABLE: Final[Table] = {
    ReserveStock: Route(ReserveStock, handlers.reserve_stock, loads=_lines, then=_held),
    ReleaseStock: Route(
        ReleaseStock,
        handlers.release_stock,
        loads=lambda command: [(Reservation, command.order_id)],
        then=_held,
    ),
    ReduceStock: Route(ReduceStock, handlers.reduce_stock, loads=_lines, then=_held),
    SetStock: Route(SetStock, handlers.set_stock, loads=_items),
}
