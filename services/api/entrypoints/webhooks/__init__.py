"""Webhook endpoints, and what became of the events sent to them (design 10, decided 12)."""

from typing import Final

from services.api.entrypoints.webhooks import change, deliveries, endpoints, redeliver, test

ROUTES: Final = (
    *endpoints.ROUTES,
    *change.ROUTES,
    *test.ROUTES,
    *deliveries.ROUTES,
    *redeliver.ROUTES,
)
