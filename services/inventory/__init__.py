"""Keeps the stock, and never promises the same unit to two orders.

Owns the collections `stock` (one document per SKU and warehouse, its id `sku@warehouse`),
`reservations` (one document per order: what each line holds and whether its goods have left) and
`stock_transactions` (the ledger: every movement of a quantity, never changed).

Listens to `inventory.commands`. Speaks on `orders.commands` (StepFinished), `inventory.events`
(what changed of a stock record; its sequence is the record's revision) and `replies`.
"""
