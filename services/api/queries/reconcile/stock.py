"""Stock: each record against its ledger, and against what orders hold."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

from services.api.queries.reconcile.findings import Findings
from services.chassis.mongo import Bson, Database

_ZERO: Final = Decimal(0)
_AT_ONCE: Final = 1000
_NOBODY: Final[Bson] = {"_id": None}

_LEDGER: Final[list[Bson]] = [
    {
        "$group": {
            "_id": {"$concat": ["$variant", "@", "$warehouseCode"]},
            "inventory": {"$sum": "$inventoryChange"},
            "reserved": {"$sum": "$reservedInventoryChange"},
            # What a client set as reserved is held by no order.
            "counted": {
                "$sum": {
                    "$cond": [
                        {"$eq": ["$transactionType", "Set"]},
                        "$reservedInventoryChange",
                        _ZERO,
                    ]
                }
            },
            "oversold": {
                "$max": {
                    "$cond": [
                        {
                            "$and": [
                                {"$eq": ["$transactionType", "Reserved"]},
                                {"$ne": ["$isVirtual", True]},
                                {"$gt": ["$newReservedInventory", "$newInventory"]},
                            ]
                        },
                        {"$subtract": ["$newReservedInventory", "$newInventory"]},
                        _ZERO,
                    ]
                }
            },
        }
    },
    {"$sort": {"_id": 1}},
]
_HELD: Final[list[Bson]] = [
    {"$unwind": "$lines"},
    {"$match": {"lines.quantity": {"$ne": _ZERO}}},
    {
        "$group": {
            "_id": {"$concat": ["$lines.sku", "@", "$lines.warehouseCode"]},
            "held": {"$sum": "$lines.quantity"},
        }
    },
    {"$sort": {"_id": 1}},
]


async def check_stock(database: Database, findings: Findings) -> None:
    """Compare the three in one pass: all of them in order of `sku@warehouse`, at one instant."""
    async with await database.client.start_session(snapshot=True) as session:
        records = _Sorted(
            database["stock"]
            .find({}, {"inventory": 1, "reservedInventory": 1}, session=session)
            .sort("_id", 1)
            .batch_size(_AT_ONCE)
        )
        ledger = _Sorted(
            database["stock_transactions"].aggregate(_LEDGER, session=session, allowDiskUse=True)
        )
        held = _Sorted(
            database["reservations"].aggregate(_HELD, session=session, allowDiskUse=True)
        )
        places = 0
        while (place := await _first(records, ledger, held)) is not None:
            _compare(
                place,
                await records.take(place),
                await ledger.take(place),
                await held.take(place),
                findings,
            )
            places += 1
            if places % _AT_ONCE == 0:
                findings.checked("stock", _AT_ONCE)
        findings.checked("stock", places % _AT_ONCE)


class _Sorted:
    """Documents in order of id, of which the next can be looked at before it is taken."""

    def __init__(self, documents: AsyncIterator[Bson]) -> None:
        self._documents = documents
        self._next: Bson | None = None

    async def peek(self) -> str | None:
        """Return the id of the next one; None when there is none."""
        if self._next is None:
            self._next = await anext(self._documents, _NOBODY)
        id_: str | None = self._next["_id"]
        return id_

    async def take(self, id_: str) -> Bson | None:
        """Return the document with this id if it is the next one."""
        if await self.peek() != id_:
            return None
        taken, self._next = self._next, None
        return taken


async def _first(*streams: _Sorted) -> str | None:
    ids = [id_ for stream in streams if (id_ := await stream.peek()) is not None]
    return min(ids, default=None)


def _compare(
    place: str, record: Bson | None, ledger: Bson | None, held: Bson | None, findings: Findings
) -> None:
    booked = ledger or {"inventory": _ZERO, "reserved": _ZERO, "counted": _ZERO, "oversold": _ZERO}
    by_orders = held["held"] if held is not None else _ZERO
    if record is None:
        found = f"{booked['reserved']} reserved in the ledger, {by_orders} held by orders"
        findings.differs("stock-without-record", sku=place, found=found)
        return
    inventory, reserved = record.get("inventory", _ZERO), record.get("reservedInventory", _ZERO)
    for kind, expected, found in (
        ("stock-inventory", booked["inventory"], inventory),
        ("stock-reserved", booked["reserved"], reserved),
        ("stock-reservations", by_orders + booked["counted"], reserved),
    ):
        if expected != found:
            findings.differs(kind, sku=place, expected=expected, found=found)
    if booked["oversold"] > _ZERO:
        findings.differs("stock-oversold", sku=place, expected=0, found=booked["oversold"])
