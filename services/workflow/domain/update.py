"""Updating an order: what was sent is merged into it, or replaces it (S0, update orders)."""

from dataclasses import replace
from datetime import datetime

from contracts.messages.orders import ChangeCommand, PlaceOrder, ReplaceOrder, UpdateOrder
from contracts.messages.replies import UNRUN
from contracts.order import Order
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import enter, pricing
from services.workflow.domain.changing import admitted
from services.workflow.domain.follow_stock import follow_stock
from services.workflow.domain.merge import merged
from services.workflow.domain.order import OrderDocument, Run, order_bytes, replaced
from services.workflow.domain.place import Cause, doubts_about, place, refuse_too_large
from services.workflow.domain.revise import closed, ours, places, revised
from services.workflow.domain.run import Progress, start
from services.workflow.domain.update_status import allowed, named

_BATCH = (310100, "BatchUpdate")


def update(
    document: OrderDocument | None,
    command: UpdateOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Merge what was sent into the order; run a workflow afterwards if the client wants it.

    Of a batch, an order that is not there is added (SW, UpdateMany).

    :raises Refused: validation-failed, unknown-status, status-not-available, and as `admitted` says
    """
    if document is None and command.is_of_batch:
        return _added(command, cause, now=now, configuration=configuration)
    document = admitted(document, command)
    before = document.order
    after = replaced(merged(before, command.order), **ours(before))
    sent = command.order.order_form
    wanted = after.status or ""
    if command.run_workflow:
        after = replaced(after, status=before.status)
    after = revised(
        before,
        after,
        cause,
        now=now,
        configuration=configuration,
        sent=places(sent.line_items if sent else None, "orderForm.lineItems"),
    )
    operation = _BATCH if command.is_of_batch else None
    if command.run_workflow:
        return _run(document, after, wanted, command, cause, now=now, configuration=configuration)
    return closed(
        document,
        after,
        command,
        cause,
        now=now,
        configuration=configuration,
        operation=operation,
        shape=UNRUN,
    )


def replace_order(
    document: OrderDocument | None,
    command: ReplaceOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Let the order be what was sent, save for what only the system writes (domain 3 no. 8).

    Its status, type and number stay where none is sent: an order always has them.

    :raises Refused: validation-failed, status-not-available, and as `admitted` says
    """
    document = admitted(document, command)
    return overwritten(
        document, command.order, command, cause, now=now, configuration=configuration
    )


def overwritten(  # noqa: PLR0913 - what a rule may know is handed to it
    document: OrderDocument,
    sent: Order,
    command: ChangeCommand,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Let the order be what was sent, whoever sent it; the rest is as `replace_order` says.

    :raises Refused: validation-failed, order-line-read-only, status-not-available
    """
    before = document.order
    after = replaced(
        sent,
        **ours(before),
        status=sent.status or before.status,
        order_type=sent.order_type or before.order_type,
        order_number=sent.order_number or before.order_number,
    )
    form = sent.order_form
    after = revised(
        before,
        after,
        cause,
        now=now,
        configuration=configuration,
        sent=places(form.line_items if form else None, "orderForm.lineItems"),
    )
    return closed(
        document, after, command, cause, now=now, configuration=configuration, shape=UNRUN
    )


def _run(  # noqa: PLR0913 - what a rule may know is handed to it
    document: OrderDocument,
    order: Order,
    wanted: str,
    command: UpdateOrder,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Enter the status that was sent, or the present one, and run its workflow.

    :raises Refused: unknown-status, status-not-available, too-large
    """
    before = document.order
    kind = configuration.order_type(order.order_type)
    status = allowed(kind, before.status, wanted) if wanted != before.status else None
    status = status or (kind.status(wanted) if kind is not None else None)
    name = named(status, wanted)
    order = enter(order, status, name, now, configuration)
    order, messages = follow_stock(before, order, str(cause.id), configuration)
    order = recalculate(before, order, pricing(order, configuration))
    refuse_too_large(order, max(cause.size, len(order_bytes(order))))
    run = Run(
        id=str(cause.id),
        command_id=cause.command_id,
        reply_to=cause.reply_to,
        status=name,
        status_before=before.status,
        ignored_fields=command.ignored_fields or None,
        since=now,
        user=command.user,
        origin=command.origin,
    )
    revised_document = document.model_copy(update={"order": order})
    progress = start(revised_document, run, now=now, configuration=configuration)
    return replace(progress, messages=[*messages, *progress.messages])


def _added(
    command: UpdateOrder, cause: Cause, *, now: datetime, configuration: Configuration
) -> Progress:
    """Store what was sent as a new order; its status runs only where the client wants that.

    :raises Refused: validation-failed, when it is not enough for an order; too-large
    """
    sent = command.order
    missing = "is required of an order that is not there yet"
    faults = [
        FieldProblem(path=path, message=missing)
        for path, value in (("marketId", sent.market_id), ("storeId", sent.store_id))
        if value is None
    ]
    order = Order.model_construct(**{name: getattr(sent, name) for name in sent.model_fields_set})
    kind = configuration.order_type(order.order_type)
    if not faults and configuration.order_settings.strict_references:
        doubts = doubts_about(order, kind, configuration)
        faults += [
            FieldProblem(path=path, message=doubts[path])
            for path in ("marketId", "storeId")
            if path in doubts
        ]
    if faults:
        raise Refused(problem("validation-failed", errors=tuple(faults)))
    placing = PlaceOrder(
        order_id=order.id,
        order=order,
        user=command.user,
        origin=command.origin,
        ignored_fields=command.ignored_fields,
        category="BatchAdd",
    )
    return place(
        None,
        placing,
        cause,
        now=now,
        configuration=configuration,
        runs=command.run_workflow,
    )
