"""Orders: create, read, change (S0, S3)."""

from typing import Final

from services.api.entrypoints.orders import (
    comments,
    create,
    create_many,
    delete,
    lines,
    patch,
    payments,
    read,
    status,
    update,
)

ROUTES: Final = (
    *create.ROUTES,
    *create_many.ROUTES,
    *read.ROUTES,
    *status.ROUTES,
    *payments.ROUTES,
    *lines.ROUTES,
    *update.ROUTES,
    *patch.ROUTES,
    *comments.ROUTES,
    *delete.ROUTES,
)
