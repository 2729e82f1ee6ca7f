"""Workflow: the life of orders; the only writer of an order.

Owns: `orders`, `order_versions`, `order_log`, `numbers`, `receipts` (which sale has which number),
`order_deletions` (what stays of an order that is gone), `scheduled_runs` (how far scheduled tasks
have looked). Of the api's `delta_reads` it reads whether a change came too late for one, of
inventory's `stock` whether what an order waits for is there.
Listens to: `orders.commands`.
Calls the order validator that a connector names, and itself to look what scheduled tasks concern.
Speaks on: `orders.events`, `inventory.commands`, `payments.commands`, `notifications.commands`,
`webhooks.commands`, `replies`.
"""
