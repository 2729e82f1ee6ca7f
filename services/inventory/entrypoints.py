"""The table of this service: what it handles, and which documents it needs at hand."""

from collections.abc import Iterable, Sequence
from typing import Final

from contracts.messages.inventory import (
    ForgetReservation,
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    RenameReservedLines,
    ReserveStock,
    SetStock,
    TopUpReservation,
)
from contracts.messages.orders import OrderMessage
from services.chassis.batch import Batch, Key, Loads
from services.chassis.consumer import Table
from services.chassis.unit_of_work import Route
from services.inventory import handlers
from services.inventory.domain import Reservation, StockRecord, held_places, place


def _lines(command: ReserveStock | TopUpReservation | ReduceStock) -> Loads:
    """Name the order's reservation and the records of the lines."""
    lines = command.lines
    return [
        (Reservation, command.order_id),
        *((StockRecord, place(line.sku, line.warehouse_code)) for line in lines),
    ]


def _reservation(command: OrderMessage) -> Loads:
    return [(Reservation, command.order_id)]


def _held(commands: Sequence[OrderMessage], batch: Batch) -> Iterable[Key]:
    """Name the records of what the orders hold, which only their reservations know."""
    for command in commands:
        reservation = batch.find(Reservation, command.order_id)
        for id_ in held_places(reservation):
            yield StockRecord, id_


def _items(command: SetStock) -> Loads:
    return [(StockRecord, place(item.sku, item.warehouse_code)) for item in command.items]


TABLE: Final[Table] = {
    ReserveStock: Route(ReserveStock, handlers.reserve_stock, loads=_lines, then=_held),
    TopUpReservation: Route(
        TopUpReservation, handlers.top_up_reservation, loads=_lines, then=_held
    ),
    ReleaseStock: Route(ReleaseStock, handlers.release_stock, loads=_reservation, then=_held),
    ReleaseUnits: Route(ReleaseUnits, handlers.release_units, loads=_reservation, then=_held),
    ForgetReservation: Route(
        ForgetReservation, handlers.forget_reservation, loads=_reservation, then=_held
    ),
    RenameReservedLines: Route(
        RenameReservedLines, handlers.rename_reserved_lines, loads=_reservation
    ),
    ReduceStock: Route(ReduceStock, handlers.reduce_stock, loads=_lines, then=_held),
    SetStock: Route(SetStock, handlers.set_stock, loads=_items),
}
