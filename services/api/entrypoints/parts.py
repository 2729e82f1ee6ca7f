"""What every route may use; `app.py` puts it together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.settings import Configuration
from services.api.entrypoints.access import Access
from services.api.entrypoints.guests import Guests
from services.api.entrypoints.typesetting import Typesetter
from services.api.gateways import Commands, Connectors
from services.api.queries.clients import Clients
from services.api.queries.exports import Exports
from services.api.queries.orders import Orders
from services.api.queries.requests import Requests
from services.api.queries.results import Results
from services.api.queries.search import Searches
from services.api.queries.settings import SettingsStore
from services.api.queries.stock import Stock
from services.api.queries.webhooks import Webhooks
from services.chassis.clock import Clock
from services.chassis.dead_letters import DeadLetters
from services.chassis.health import Check
from services.chassis.mongo import Database
from services.chassis.settings import Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The limits, the clock, the way to publish commands, and everything that can be read."""

    max_body: int
    max_batch_body: int
    webhook_networks: tuple[Network, ...]
    """What endpoints may be in besides public networks."""
    open_scrolls: int
    """Scrolls that a client may have open; 0 is no limit (decided 13.2)."""
    clock: Clock
    configuration: Callable[[], Configuration]
    checks: Mapping[str, Check]
    access: Access
    guests: Guests
    commands: Commands
    clients: Clients
    connectors: Connectors
    orders: Orders
    searches: Searches
    exports: Exports
    typesetter: Typesetter
    requests: Requests
    results: Results
    stock: Stock
    webhooks: Webhooks
    settings_store: SettingsStore
    dead_letters: DeadLetters
    database: Database

    @property
    def strict(self) -> bool:
        """Whether members that no model knows are refused (decided 2.8)."""
        return self.configuration().order_settings.reject_unknown_fields
