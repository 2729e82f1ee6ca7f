"""Importing orders: stored as they come, no workflow runs (S0, import many orders)."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from contracts.message import derived
from contracts.messages.orders import ImportOrders
from contracts.order import Order
from contracts.problems import problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import pricing
from services.workflow.domain.default_properties import with_default_properties
from services.workflow.domain.order import OrderDocument, Run, order_bytes
from services.workflow.domain.place import Cause, filled, refuse_too_large
from services.workflow.domain.run import Progress

IMPORTED: Final = "Imported"


def import_order(  # noqa: PLR0913 - what a rule may know is handed to it
    existing: OrderDocument | None,
    order: Order,
    place: int,
    command: ImportOrders,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> tuple[Progress, Run]:
    """Store a new order in the status it comes with, and its amounts as they were sent.

    They are calculated only where isOrderCalculatorRunOnImport says so (decided 2.5).

    :param place: where it stands in the request
    :raises Refused: duplicate-order-id, if the order exists, which stays as it is; too-large
    """
    if existing is not None:
        raise Refused(problem("duplicate-order-id"))
    settings = configuration.order_settings
    own = replace(cause, id=derived(cause.id, f"order/{place}"))
    kind = configuration.order_type(order.order_type)
    order = with_default_properties(order, settings)
    order = filled(order, kind, own, now=now, configuration=configuration)
    if settings.is_order_calculator_run_on_import:
        order = recalculate(None, order, pricing(order, configuration))
    grown = len(order_bytes(order)) if settings.is_order_calculator_run_on_import else 0
    refuse_too_large(order, max(cause.size, grown))
    run = Run(
        id=str(own.id),
        command_id=cause.command_id,
        status=order.status or "",
        is_first=True,
        ignored_fields=command.ignored_fields.get(place),
        category=IMPORTED,
        since=now,
        user=command.user,
        origin=command.origin,
    )
    document = OrderDocument(id=order.id, order=order)
    return Progress(document, ended=run), run
