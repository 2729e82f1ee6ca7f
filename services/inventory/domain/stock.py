"""Stock records, and the ledger of all that happens to them (domain 4.7, 6.5)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from contracts.messages.inventory import (
    AvailableToPromise,
    InventoryReleased,
    InventoryReserved,
    InventoryUpdated,
    StockEvent,
)
from contracts.note import PropertyItem
from services.chassis.document import Document

ZERO: Final = Decimal(0)


def place(sku: str, warehouse_code: str) -> str:
    """Return the id of the stock record of a SKU in a warehouse."""
    return f"{sku}@{warehouse_code}"


class StockRecord(Document):
    """How much there is of one SKU in one warehouse, and how much of it orders hold.

    `reserved_inventory` is never below zero. `is_in_stock` follows from the quantities and is kept
    only to be searched by.
    """

    collection: ClassVar[str] = "stock"

    sku: str
    warehouse_code: str
    inventory: Decimal = ZERO
    reserved_inventory: Decimal = ZERO
    is_in_stock: bool = False
    cost: Decimal | None = None
    cost_currency: str | None = None
    location: str | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    reorder_min_quantity: Decimal | None = None
    is_virtual: bool | None = None
    physical_warehouse_code: str | None = None
    properties: list[PropertyItem] | None = None
    atp: list[AvailableToPromise] | None = None
    created: datetime
    modified: datetime

    @property
    def available(self) -> Decimal:
        """What no order holds (domain 6.5); below zero where the ERP counted less than is held."""
        return self.inventory - self.reserved_inventory

    def free(self, wanted: Decimal) -> Decimal:
        """Return how much of `wanted` may still be promised; virtual stock is always enough."""
        return wanted if self.is_virtual else max(ZERO, min(wanted, self.available))

    def announce(self, before: Document | None) -> Sequence[StockEvent]:
        """Tell what changed of this record, with its version as sequence (design 5)."""
        old = before if isinstance(before, StockRecord) else None
        inventory = self.inventory - (old.inventory if old else ZERO)
        reserved = self.reserved_inventory - (old.reserved_inventory if old else ZERO)
        kind: type[StockEvent] = InventoryUpdated
        if old is not None and not inventory and reserved:
            kind = InventoryReserved if reserved > 0 else InventoryReleased
        return (
            kind(
                sku=self.sku,
                warehouse_code=self.warehouse_code,
                sequence=self.revision + 1,
                timestamp=self.modified,
                inventory=self.inventory,
                reserved_inventory=self.reserved_inventory,
                available_inventory=self.available,
                inventory_change=inventory,
                reserved_inventory_change=reserved,
            ),
        )


class TransactionType(StrEnum):
    """What moved a quantity."""

    RESERVED = "Reserved"
    RELEASED = "Released"
    REDUCED = "Reduced"
    RETURNED = "Returned"
    SET = "Set"


REASONS: Final[Mapping[TransactionType, str]] = {
    TransactionType.RESERVED: "set aside for the order",
    TransactionType.RELEASED: "given back by the order",
    TransactionType.REDUCED: "left with the order",
    TransactionType.RETURNED: "came back with the order",
    TransactionType.SET: "counted by a client",
}


class StockTransaction(Document):
    """One movement of one stock record (OmniumInventoryTransaction, the members that apply).

    Its id is that of the message that caused it and a number. The changes of all movements of a
    record add up to its quantities. `variant` is the SKU, `internal_reference` the order's line.
    """

    collection: ClassVar[str] = "stock_transactions"

    variant: str
    warehouse_code: str
    transaction_type: TransactionType
    reason: str
    transaction_date: datetime
    inventory_change: Decimal
    reserved_inventory_change: Decimal
    new_inventory: Decimal
    new_reserved_inventory: Decimal
    is_virtual: bool | None = None
    order_id: str | None = None
    internal_reference: str | None = None
    user_id: str | None = None


class Books:
    """The stock records at hand while one message is applied, and what it writes in the ledger.

    This is the only way to change a quantity, so none changes without an entry.
    """

    def __init__(
        self,
        records: Mapping[str, StockRecord | None],
        *,
        cause: UUID,
        at: datetime,
        order_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        self._records = records
        self._cause = str(cause)
        self._at = at
        self._order_id = order_id
        self._user_id = user_id
        self.changed: dict[str, StockRecord] = {}
        self.entries: list[StockTransaction] = []

    def find(self, place_: str) -> StockRecord | None:
        """Return the record as it stands."""
        return self.changed.get(place_) or self._records.get(place_)

    def opened(self, sku: str, warehouse_code: str) -> StockRecord:
        """Return the record as it stands, or an empty one that is kept only if it is changed."""
        id_ = place(sku, warehouse_code)
        return self.find(id_) or StockRecord(
            id=id_, sku=sku, warehouse_code=warehouse_code, created=self._at, modified=self._at
        )

    def move(
        self,
        record: StockRecord,
        transaction_type: TransactionType,
        *,
        inventory: Decimal = ZERO,
        reserved: Decimal = ZERO,
        line: str | None = None,
    ) -> None:
        """Add to the quantities of a record; the reserved one ends at zero at the lowest."""
        reserved = max(reserved, -record.reserved_inventory)
        if not inventory and not reserved:
            return
        after = self.write(
            record,
            {
                "inventory": record.inventory + inventory,
                "reserved_inventory": record.reserved_inventory + reserved,
            },
        )
        self.entries.append(
            StockTransaction(
                id=f"{self._cause}/{len(self.entries) + 1}",
                variant=after.sku,
                warehouse_code=after.warehouse_code,
                transaction_type=transaction_type,
                reason=REASONS[transaction_type],
                transaction_date=self._at,
                inventory_change=inventory,
                reserved_inventory_change=reserved,
                new_inventory=after.inventory,
                new_reserved_inventory=after.reserved_inventory,
                is_virtual=after.is_virtual,
                order_id=self._order_id,
                internal_reference=line,
                user_id=self._user_id,
            )
        )

    def write(self, record: StockRecord, members: Mapping[str, object]) -> StockRecord:
        """Keep a record with other members; for quantities there is `move`."""
        after = record.model_copy(update={**members, "modified": self._at})
        in_stock = bool(after.is_virtual) or after.inventory > after.reserved_inventory
        if in_stock is not after.is_in_stock:
            after = after.model_copy(update={"is_in_stock": in_stock})
        self.changed[record.id] = after
        return after

    def void(self) -> None:
        """Forget all that was written."""
        self.changed.clear()
        self.entries.clear()
