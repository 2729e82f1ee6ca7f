"""Webhook endpoints, and what became of the events sent to them (design 10, decided 12)."""

from typing import Final

from services.api.entrypoints.webhooks import change, deliveries, endpoints, redeliver

ROUTES: Final = (*endpoints.ROUTES, *change.ROUTES, *deliveries.ROUTES, *redeliver.ROUTES)
