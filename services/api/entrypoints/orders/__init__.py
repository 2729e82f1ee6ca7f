"""Orders: create, read, change (S0, S3)."""

from typing import Final

from services.api.entrypoints.orders import create, payments, read, status

ROUTES: Final = (
    *create.ROUTES,
    *read.ROUTES,
    *status.ROUTES,
    *payments.ROUTES,
)
