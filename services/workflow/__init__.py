"""Workflow: the life of orders; the only writer of an order.

Owns: `orders`, `order_versions`, `order_log`, `numbers`, `receipts` (which sale has which number),
`order_deletions` (what stays of an order that is gone), `automation_runs` (how far automations have
looked). Of the api's `delta_reads`
it reads whether a change came too late for one, of inventory's `stock` whether an order's items are
back in stock.
Listens to: `orders.commands`.
Calls the order validator that a connector names, and itself to look for the orders of automations.
Speaks on: `orders.events`, `inventory.commands`, `payments.commands`, `notifications.commands`,
`webhooks.commands`, `replies`.
"""
