"""What a client says of the stock (S1, UpdateMany; domain 6.5)."""

from typing import Final

from contracts.messages.inventory import SetStock, StockItem, StockUpdateResult
from services.inventory.domain.stock import Books, TransactionType

_DESCRIBED: Final = tuple(
    StockItem.model_fields.keys() - {"sku", "warehouse_code", "inventory", "reserved_inventory"}
)


def set_stock(command: SetStock, books: Books) -> StockUpdateResult:
    """Bring every record to what its item says, in the order of the list."""
    updated = sum(
        _set(item, books, overwrite_reserved=command.overwrite_reserved) for item in command.items
    )
    return StockUpdateResult(
        is_modified=updated > 0,
        total_count=len(command.items),
        updated_count=updated,
        unchanged_count=len(command.items) - updated,
    )


def _set(item: StockItem, books: Books, *, overwrite_reserved: bool) -> bool:
    """Say whether the item changed its record."""
    record = books.opened(item.sku, item.warehouse_code)
    described = {name: getattr(item, name) for name in _DESCRIBED}
    is_new = books.find(record.id) is None
    differs = any(getattr(record, name) != value for name, value in described.items())
    inventory, reserved = record.inventory, record.reserved_inventory
    if item.inventory is not None:
        inventory = item.inventory
    if overwrite_reserved and item.reserved_inventory is not None:
        reserved = item.reserved_inventory
    if is_new or differs:
        record = books.write(record, described)
    moved = inventory != record.inventory or reserved != record.reserved_inventory
    books.move(
        record,
        TransactionType.SET,
        inventory=inventory - record.inventory,
        reserved=reserved - record.reserved_inventory,
    )
    return is_new or differs or moved
