"""Which lines of an order wait for stock, by what reserves and releases (decided 6.1)."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from contracts.messages.orders import StepFinished, StepStatus
from services.workflow.domain.order import OrderDocument, Run, Shortage, shipments_in_hand
from services.workflow.domain.steps import open_quantity


def reported(document: OrderDocument, finished: StepFinished, now: datetime) -> OrderDocument:
    """Note which lines wait now: those that a reservation has left short, until they hold all."""
    if not finished.reserved:
        return document
    form = document.order.order_form
    before = document.shortage
    waiting = dict.fromkeys(before.lines if before is not None else ())
    for line in (form.line_items if form is not None else None) or ():
        units = finished.reserved.get(line.line_item_id)
        if units is None:
            continue
        if units >= open_quantity(line):
            waiting.pop(line.line_item_id, None)
        elif finished.status is StepStatus.WARNING:
            waiting[line.line_item_id] = None
    return _with(document, waiting, since=now)


def released(document: OrderDocument, run: Run) -> OrderDocument:
    """Note that a step has given back what the shipments in hand held: they wait no more."""
    if document.shortage is None:
        return document
    given_back = {
        line.line_item_id
        for shipment in shipments_in_hand(document.order, run)
        for line in shipment.line_items or ()
    }
    lines = [one for one in document.shortage.lines if one not in given_back]
    return _with(document, lines, since=document.shortage.since)


def renamed(document: OrderDocument, news: Mapping[str, str]) -> OrderDocument:
    """Note that lines have other ids now."""
    if document.shortage is None:
        return document
    lines = [news.get(one, one) for one in document.shortage.lines]
    return _with(document, lines, since=document.shortage.since)


def _with(document: OrderDocument, lines: Iterable[str], *, since: datetime) -> OrderDocument:
    before, ids = document.shortage, tuple(lines)
    if ids == (before.lines if before is not None else ()):
        return document
    after = Shortage(since=before.since if before is not None else since, lines=ids)
    return document.model_copy(update={"shortage": after if ids else None})
