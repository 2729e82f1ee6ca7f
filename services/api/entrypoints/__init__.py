"""The table of the API: every route of every part."""

from typing import Final

from services.api.entrypoints import health, operations, orders, token
from services.api.entrypoints.access import Access
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.routing import Application, Route

__all__ = ["ROUTES", "Access", "Application", "Parts", "Route"]

ROUTES: Final[tuple[Route, ...]] = (
    *orders.ROUTES,
    *operations.ROUTES,
    *token.ROUTES,
    *health.ROUTES,
)
