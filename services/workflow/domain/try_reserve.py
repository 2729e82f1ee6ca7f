"""Orders that wait for stock: what a reservation did not find is tried again (decided 6.1).

First in, first out: the look gives what there is to those who have waited longest, and each order
then takes no more than its share.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from contracts.message import Message
from contracts.messages.inventory import TopUpLine, TopUpReservation
from contracts.messages.orders import Allotment, TryReserveOrderLines
from contracts.settings import TRY_RESERVE, Configuration
from services.chassis.outcomes import Ignore
from services.workflow.domain.find import GONE
from services.workflow.domain.order import DELETED, OrderDocument, after_saving
from services.workflow.domain.steps import shipped_lines, undelivered

_EVERY: Final = 60
"""Seconds from run to run, unless the scheduled task says otherwise."""
_ZERO: Final = Decimal(0)


class LeftAlone(Ignore):
    """A run holds the order just now, or it has got what it waited for meanwhile."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line of a shipment that waits: it is to hold `quantity`, and lacks `missing` of it."""

    line_item_id: str
    shipment_id: str | None
    sku: str
    warehouse_code: str
    quantity: Decimal
    missing: Decimal

    @property
    def place(self) -> str:
        """The name of the stock record that it waits for."""
        return f"{self.sku}@{self.warehouse_code}"


def pace(configuration: Configuration) -> timedelta | None:
    """Return how long after a run the next one begins; None while the task is off."""
    return configuration.pace(TRY_RESERVE, usual=_EVERY)


# -- who waits -------------------------------------------------------------------------------------


def wanted(document: OrderDocument, configuration: Configuration) -> Iterator[Wanted]:
    """Yield what the order still waits for.

    That is nothing where it is cancelled, deleted or delivered, nor for shipments that have left.
    """
    order, shortage = document.order, document.shortage
    kind = configuration.order_type(order.order_type)
    status = kind.status(order.status) if kind is not None else None
    is_over = status is not None and (status.is_canceled_status or status.is_delivered_status)
    if shortage is None or is_over or order.status == DELETED:
        return
    form = order.order_form
    missing = {
        line.line_item_id: undelivered(line) - (line.reserved_inventory_quantity or _ZERO)
        for line in (form.line_items if form is not None else None) or ()
        if line.line_item_id in shortage.lines
    }
    waiting = (
        shipment
        for shipment in (form.shipments if form is not None else None) or ()
        if (shipment.status or "").casefold() not in GONE
        and not (kind is not None and kind.is_cancelled(shipment.order_status))
    )
    for shipment, line in shipped_lines(waiting):
        units = min(undelivered(line), missing.get(line.line_item_id, _ZERO))
        if units > _ZERO:
            yield Wanted(
                line_item_id=line.line_item_id,
                shipment_id=shipment.shipment_id,
                sku=line.code or "",
                warehouse_code=shipment.warehouse_code or order.store_id,
                quantity=undelivered(line),
                missing=units,
            )


# -- who gets it -----------------------------------------------------------------------------------


def allotted(
    documents: Iterable[OrderDocument],
    stock: Mapping[str, Decimal],
    promised: Mapping[str, Decimal],
    configuration: Configuration,
) -> tuple[Sequence[TryReserveOrderLines], Mapping[str, Decimal]]:
    """Share out what is in stock, in the order of the documents; each may get a part.

    A command without lines goes to whoever waits for nothing any more.

    :param stock: what is available, by the name of the stock record
    :param promised: what of it those before these are to have
    :returns: the commands, and what is promised then
    """
    given = dict(promised)
    commands: list[TryReserveOrderLines] = []
    for document in documents:
        lines: list[Allotment] = []
        wants = list(wanted(document, configuration))
        for one in wants:
            before = given.get(one.place, _ZERO)
            units = min(one.missing, stock.get(one.place, _ZERO) - before)
            if units > _ZERO:
                given[one.place] = before + units
                lines.append(
                    Allotment(
                        line_item_id=one.line_item_id, shipment_id=one.shipment_id, quantity=units
                    )
                )
        if lines or not wants:
            commands.append(TryReserveOrderLines(order_id=document.id, lines=tuple(lines)))
    return commands, given


def try_reserve(
    document: OrderDocument | None,
    command: TryReserveOrderLines,
    asked_by: UUID,
    *,
    configuration: Configuration,
) -> tuple[OrderDocument, Sequence[Message]]:
    """Ask for what the order was allotted, as far as it still waits for it.

    An order that waits for nothing any more is out of the line.

    :param asked_by: the id of the command
    :raises LeftAlone: if there is nothing to do, or not now: the next look finds the order again
    """
    if document is None or document.run is not None or document.shortage is None:
        raise LeftAlone
    wants = list(wanted(document, configuration))
    if not wants:
        return document.model_copy(update={"shortage": None}), ()
    allotments = {(one.shipment_id, one.line_item_id): one.quantity for one in command.lines}
    lines = tuple(
        TopUpLine(
            line_item_id=one.line_item_id,
            sku=one.sku,
            warehouse_code=one.warehouse_code,
            quantity=one.quantity,
            shipment_id=one.shipment_id,
            most=min(one.missing, allotments[one.shipment_id, one.line_item_id]),
        )
        for one in wants
        if (one.shipment_id, one.line_item_id) in allotments
    )
    if not lines:
        raise LeftAlone
    # No run waits for the answer: it is told like that of a step after saving (decided 5.5).
    run_id = after_saving(str(asked_by))
    return document, [TopUpReservation(order_id=document.id, run_id=run_id, step=0, lines=lines)]
