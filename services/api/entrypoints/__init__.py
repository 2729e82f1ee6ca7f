"""The table of the API: every route of every part."""

from typing import Final

from services.api.entrypoints import (
    dead_letters,
    documentation,
    explain,
    health,
    inventory,
    operations,
    orders,
    reconcile,
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
    *explain.ROUTES,
    *inventory.ROUTES,
    *webhooks.ROUTES,
    *operations.ROUTES,
    *settings.ROUTES,
    *dead_letters.ROUTES,
    *reconcile.ROUTES,
    *token.ROUTES,
    *health.ROUTES,
)
"""The routes that /documentation describes: all but its own."""

ROUTES: Final = (*DESCRIBED, *documentation.routes(DESCRIBED))
