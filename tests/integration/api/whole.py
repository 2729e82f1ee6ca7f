"""The api with everybody behind it, for whatever is sent to be carried out to its end."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from services.api.app import service as api
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from services.inventory.app import service as inventory
from services.inventory.settings import Settings as InventorySettings
from services.notifications.app import service as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.payments.app import service as payments
from services.payments.settings import Settings as PaymentsSettings
from services.webhooks.app import service as webhooks
from services.webhooks.settings import Settings as WebhooksSettings
from services.workflow.app import service as workflow
from services.workflow.settings import Settings as WorkflowSettings
from tests.harness import database, running
from tests.integration.api.calling import Caller
from tests.integration.api.conftest import api_settings

STORED = (
    "orders",
    "order_versions",
    "settings",
    "api_clients",
    "stock",
    "stock_transactions",
    "reservations",
    "webhook_endpoints",
    "payment_operations",
    "notifications",
)
"""The collections of what clients have stored."""


@dataclass
class Whole:
    """The system, its owner's client, and what is stored."""

    call: Caller
    db: Database

    async def stored(self) -> list[object]:
        """Return something that is equal as long as nothing is stored."""
        versions = await self.db["settings"].find_one({"_id": "configuration"}, {"version": 1})
        counts = [await self.db[name].estimated_document_count() for name in STORED]
        return [versions, *counts]

    async def dead_letters(self) -> list[Any]:
        """Return the messages that nobody could handle."""
        said = await self.call("GET", "/api/DeadLetters")
        return list(said.json["items"])


@asynccontextmanager
async def the_whole(settings: ChassisSettings) -> AsyncIterator[Whole]:
    """Start everything, and stop it in the opposite order."""
    local = {"allowed_networks": (ip_network("127.0.0.0/8"),)}

    def its(kind: Callable[..., Any]) -> Any:  # noqa: ANN401 - the settings of any service
        return kind(**{**settings.model_dump(), **local})

    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        db = await enter(database(settings))
        for service in (
            inventory(its(InventorySettings)),
            payments(its(PaymentsSettings)),
            notifications(its(NotificationsSettings)),
            webhooks(its(WebhooksSettings)),
            workflow(its(WorkflowSettings)),
        ):
            await enter(running(service))
        # The limits of decided 13.2 are lifted: these tests are about what is sent, not how much.
        lifted = dict.fromkeys(
            ("rate_bucket", "concurrent_client", "concurrent_tenant", "concurrent_batch"), 0
        )
        front = await enter(running(api(api_settings(settings, open_scrolls=0, **lifted))))
        call = await Caller.signed_in(front.url)
        stack.push_async_callback(call.close)
        yield Whole(call, db)
