"""Replacing the payments of an order (S0, replace payments)."""

from datetime import datetime

from contracts.messages.orders import PutPayments
from contracts.settings import Configuration
from services.workflow.domain.calculate import settle
from services.workflow.domain.change import pricing
from services.workflow.domain.changing import admitted, changed
from services.workflow.domain.order import OrderDocument, with_form
from services.workflow.domain.place import Cause, identified
from services.workflow.domain.run import Progress


def put_payments(
    document: OrderDocument | None,
    command: PutPayments,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Let these be all payments; each without an id gets one.

    :raises Refused: as `admitted` says
    """
    document = admitted(document, command)
    payments = identified(command.payments, cause, created=now)
    order = settle(
        with_form(document.order, payments=payments), pricing(document.order, configuration)
    )
    return changed(
        document, order, command, cause, now=now, configuration=configuration, is_priced=False
    )
