"""Entering another status on request (S3, update order status)."""

from datetime import datetime

from contracts.messages.orders import UpdateOrderStatus
from contracts.problems import problem
from contracts.settings import Configuration, OrderStatus, OrderType
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import delivered, enter, pricing
from services.workflow.domain.changing import admitted
from services.workflow.domain.order import DELETED, OrderDocument, Run
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress, start


def update_status(
    document: OrderDocument | None,
    command: UpdateOrderStatus,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Set the status and run its workflow, unless the command says to skip it.

    :raises Refused: as `admitted` says; unknown-status, status-not-available
    """
    document = admitted(document, command)
    order = document.order
    kind = configuration.order_type(order.order_type)
    status = allowed(kind, order.status, command.status)
    name = status.name if status is not None else command.status
    if name.casefold() == DELETED.casefold():
        name = DELETED
    before = order.status
    order = enter(order, status, name, now, configuration)
    if status is not None and status.is_delivered_status:
        order = delivered(order)
        order = recalculate(document.order, order, pricing(order, configuration))
    run = Run(
        id=str(cause.id),
        command_id=cause.command_id,
        reply_to=cause.reply_to,
        status=name,
        status_before=before,
        since=now,
        user=command.user_id or command.user,
        origin=command.origin,
    )
    entered = document.model_copy(update={"order": order})
    if command.skip_run_workflow:
        return Progress(entered, ended=run)
    return start(entered, run, now=now, configuration=configuration)


def allowed(kind: OrderType | None, present: str | None, wanted: str) -> OrderStatus | None:
    """Return the status to enter; None where the type is not configured, so anything goes.

    :raises Refused: unknown-status, status-not-available (decided 5.2)
    """
    if kind is None:
        return None
    status = kind.status(wanted)
    if status is None and wanted.casefold() != DELETED.casefold():
        names = ", ".join(one.name for one in kind.order_statuses)
        raise Refused(
            problem("unknown-status", f"{kind.name} has the statuses {names}; send one of those.")
        )
    refuse_unavailable(kind, present, wanted)
    return status


def refuse_unavailable(kind: OrderType, present: str | None, wanted: str) -> None:
    """Let no status follow that the present one does not list, where it enforces its list.

    :raises Refused: status-not-available (decided 5.2)
    """
    now_in = kind.status(present)
    if now_in is not None and now_in.enforce_available_steps_policy:
        available = {name.casefold() for name in now_in.available_steps}
        if wanted.casefold() not in available:
            names = ", ".join(now_in.available_steps) or "none"
            raise Refused(
                problem("status-not-available", f"From {now_in.name} these may follow: {names}.")
            )
