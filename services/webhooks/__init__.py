"""Tells webhook endpoints what happened: each event at least once, those of an order in order.

Owns the collections `webhook_endpoints`, `webhook_deliveries` (one document an endpoint and event,
with its attempts) and `webhook_lanes` (how far each endpoint has been told of an order). Reads
`order_versions` of the workflow service, to send an event again. Listens to `orders.events`,
`inventory.events` and `webhooks.commands`. Speaks on `webhooks.events` and `replies`; and to the
endpoints, as Standard Webhooks 1.0.0.
"""
