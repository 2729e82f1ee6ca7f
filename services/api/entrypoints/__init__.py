"""The table of the API: every route of every part."""

from typing import Final

from services.api.entrypoints import (
    clients,
    dead_letters,
    documentation,
    documents,
    explain,
    health,
    inventory,
    operations,
    orders,
    reading,
    reconcile,
    search,
    settings,
    token,
    webhooks,
)
from services.api.entrypoints.access import Access
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.routing import Application, Route

__all__ = ["DESCRIBED", "ROUTES", "Access", "Application", "Parts", "Route"]

DESCRIBED: Final[tuple[Route, ...]] = (
    *orders.ROUTES,
    *reading.ROUTES,
    *search.ROUTES,
    *documents.ROUTES,
    *explain.ROUTES,
    *inventory.ROUTES,
    *webhooks.ROUTES,
    *operations.ROUTES,
    *settings.ROUTES,
    *clients.ROUTES,
    *dead_letters.ROUTES,
    *reconcile.ROUTES,
    *token.ROUTES,
    *health.ROUTES,
)
"""The routes that /documentation describes: all but its own."""

ROUTES: Final = (*DESCRIBED, *documentation.routes(DESCRIBED))
