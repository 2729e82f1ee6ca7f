"""Workflow: the life of orders; the only writer of an order.

Owns: `orders`, `order_versions`, `order_log`, `numbers`, and `order_deletions` (what stays of an
order that is gone). Of the api's `delta_reads` it reads whether a change came too late for one.
Listens to: `orders.commands`.
Calls the order validator that a connector names.
Speaks on: `orders.events`, `inventory.commands`, `payments.commands`, `notifications.commands`,
`webhooks.commands`, `replies`.
"""
