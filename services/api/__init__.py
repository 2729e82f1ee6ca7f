"""Api: the HTTP surface. It validates, publishes commands, and waits for their answers.

Owns: `settings` (with versions), `api_clients`, `idempotency_keys`, `effects`, `operations`,
`delta_reads`, `open_scrolls`; of orders, stock and webhooks it only reads.
Listens to: HTTP, `replies`.
Speaks on: `orders.commands`, `inventory.commands`, `webhooks.commands`.
"""
