"""The composition root: what calls the providers, and what it is wired to."""

from collections.abc import Sequence

from contracts.messages import orders, payments
from services.chassis.clock import Clock
from services.chassis.http import Outbound
from services.chassis.mongo import Database
from services.chassis.patience import RETRY_DELAYS
from services.chassis.service import Service
from services.payments import entrypoints
from services.payments.gateways import Providers
from services.payments.queries import Ledger
from services.payments.settings import Settings


def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> Service:
    """Return the service."""
    outbound, ledger = Outbound(settings.allowed_networks), Ledger()
    providers = Providers(outbound, ledger=ledger, configuration=lambda: built.watched.current)

    async def prepare(database: Database) -> None:
        await ledger.prepare(database)
        await outbound.start()

    built = Service(
        name="payments",
        settings=settings,
        listens_to=[payments.COMMANDS],
        speaks_on=[orders.COMMANDS],
        table=entrypoints.TABLE,
        gateways=[entrypoints.gateway(providers)],
        prepare=prepare,
        release=outbound.close,
        clock=clock,
        retry_delays=retry_delays,
    )
    return built
