"""Rules of the inventory service: what is in stock, and what orders hold of it."""

from services.inventory.domain.reservation import (
    Holding,
    Reservation,
    held_places,
    reduce,
    release,
    release_units,
    rename_lines,
    reserve,
    top_up,
)
from services.inventory.domain.stock import (
    Books,
    StockRecord,
    StockTransaction,
    TransactionType,
    place,
)
from services.inventory.domain.update import set_stock

__all__ = [
    "Books",
    "Holding",
    "Reservation",
    "StockRecord",
    "StockTransaction",
    "TransactionType",
    "held_places",
    "place",
    "reduce",
    "release",
    "release_units",
    "rename_lines",
    "reserve",
    "set_stock",
    "top_up",
]
