"""Webhook endpoints and deliveries as clients read them; secrets are never read."""

from services.chassis.mongo import Database


class Webhooks:
    """The collections `webhook_endpoints`, `webhook_deliveries` and `webhook_attempts`."""

    def __init__(self, database: Database) -> None:
        self._endpoints = database["webhook_endpoints"]
