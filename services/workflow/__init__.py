"""Workflow: the life of orders; the only writer of an order.

Owns: `orders`, `order_versions`.
Listens to: `orders.commands`.
Speaks on: `orders.events`, `inventory.commands`, `payments.commands`, `notifications.commands`,
`replies`.
"""
