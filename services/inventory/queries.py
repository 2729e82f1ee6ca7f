"""The indexes behind the reads of stock that are more than get-by-id."""

from services.chassis.mongo import Database
from services.inventory.domain import StockRecord, StockTransaction


async def prepare(database: Database) -> None:
    """Create what searches of stock need: by SKU, by warehouse and what is there, by last change.

    The ledger is read by record and time.
    """
    stock = database[StockRecord.collection]
    await stock.create_index([("sku", 1), ("warehouseCode", 1)])
    await stock.create_index([("warehouseCode", 1), ("isInStock", 1)])
    await stock.create_index("modified")
    transactions = database[StockTransaction.collection]
    await transactions.create_index([("variant", 1), ("warehouseCode", 1), ("transactionDate", 1)])
