"""The composition root: which mail server, if any, and what it is wired to."""

from collections.abc import Sequence

from contracts.messages import notifications, orders
from services.chassis.clock import Clock
from services.chassis.patience import RETRY_DELAYS
from services.chassis.service import Service
from services.notifications import entrypoints, queries
from services.notifications.gateways import Mailer
from services.notifications.settings import Settings


def service(
    settings: Settings,
    *,
    clock: Clock | None = None,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> Service:
    """Return the service; without a mail server it records and sends nothing (decided 9)."""
    ledger = queries.Ledger()
    server = settings.mail_server()
    mailer = Mailer(server, sender=settings.smtp_sender, ledger=ledger)
    return Service(
        name="notifications",
        settings=settings,
        listens_to=[notifications.COMMANDS],
        speaks_on=[orders.COMMANDS],
        table=entrypoints.table(mail_server=server is not None),
        gateways=[entrypoints.gateway(mailer)],
        prepare=ledger.prepare,
        release=mailer.close,
        clock=clock,
        retry_delays=retry_delays,
        gather=0.05,
    )
