"""Entering another status on request (S3, update order status)."""

from dataclasses import replace
from datetime import datetime

from contracts.messages.orders import UpdateOrderStatus
from contracts.messages.replies import UNRUN
from contracts.order import Order
from contracts.problems import FieldProblem, problem
from contracts.settings import Configuration, OrderStatus, OrderType
from contracts.shipment import Shipment, ShipmentInfo
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import (
    delivered,
    delivered_with,
    enter,
    enter_shipment,
    pricing,
)
from services.workflow.domain.changing import WITHOUT_WORKFLOW, admitted
from services.workflow.domain.follow_stock import follow_stock
from services.workflow.domain.merge import Stays, patched
from services.workflow.domain.order import (
    DELETED,
    OrderDocument,
    Run,
    order_bytes,
    with_form,
)
from services.workflow.domain.place import Cause, refuse_too_large
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

    With shipmentInfo one shipment alone enters it, and the workflow runs for that one. Into the
    status that is there already the workflow runs once more (S3); without one nothing has changed,
    so there is neither a version nor an event (decided 5.6).

    :raises Refused: as `admitted` says; unknown-status, status-not-available, shipment-not-found,
        too-many-entries, too-large
    """
    document = admitted(document, command)
    before = document.order
    place = _place(before, command.shipment_info)
    if command.shipment_info is None or place is None:
        order, name = _entered(before, command.status, now=now, configuration=configuration)
    else:
        order, name = _shipment_entered(
            before, place, command.shipment_info, command, now=now, configuration=configuration
        )
        refuse_too_large(order, max(cause.size, len(order_bytes(order))))
    order, messages = follow_stock(before, order, str(cause.id), configuration)
    run = Run(
        id=str(cause.id),
        command_id=cause.command_id,
        reply_to=cause.reply_to,
        status=name,
        status_before=before.status,
        shipment=place,
        ignored_fields=command.ignored_fields or None,
        since=now,
        user=command.user_id or command.user,
        origin=command.origin,
    )
    entered = document.model_copy(update={"order": order})
    if command.skip_run_workflow:
        is_unchanged = order_bytes(order) == order_bytes(before)
        return Progress(
            entered,
            messages,
            ended=run,
            operation=WITHOUT_WORKFLOW,
            shape=UNRUN if is_unchanged else None,
            is_unchanged=is_unchanged,
        )
    progress = start(entered, run, now=now, configuration=configuration)
    return replace(progress, messages=[*messages, *progress.messages])


def _entered(
    before: Order, wanted: str, *, now: datetime, configuration: Configuration
) -> tuple[Order, str]:
    """Return the order in its new status, and what that is called."""
    status = allowed(configuration.order_type(before.order_type), before.status, wanted)
    name = named(status, wanted)
    order = enter(before, status, name, now, configuration)
    if status is not None and status.is_delivered_status:
        order = delivered(order)
        order = recalculate(before, order, pricing(order, configuration))
    return order, name


# -- one shipment ----------------------------------------------------------------------------------


def _place(order: Order, info: ShipmentInfo | None) -> int | None:
    """Return the place of the shipment that is meant, the first if it is not named (S3).

    :raises Refused: shipment-not-found; a new one would have no lines, which this cannot move
    """
    if info is None:
        return None
    for place, shipment in enumerate(_shipments(order)):
        if info.shipment_id is None or shipment.shipment_id == info.shipment_id:
            return place
    names = ", ".join(one.shipment_id or "?" for one in _shipments(order)) or "none"
    raise Refused(problem("shipment-not-found", f"The order has these shipments: {names}."))


def _shipment_entered(  # noqa: PLR0913 - what a rule may know is handed to it
    before: Order,
    place: int,
    info: ShipmentInfo,
    command: UpdateOrderStatus,
    *,
    now: datetime,
    configuration: Configuration,
) -> tuple[Order, str]:
    """Return the order with what is said of the shipment, and that in its new status.

    Its status is `orderStatus`, or else the one of the request (domain 3 no. 38).
    """
    shipments = list(_shipments(before))
    kind = configuration.order_type(before.order_type)
    wanted = info.order_status or command.status
    path = "shipmentInfo.orderStatus" if info.order_status else "status"
    status = allowed(kind, shipments[place].order_status, wanted, path=path)
    name = named(status, wanted)
    if DELETED in {name, named(_known(kind, command.status), command.status)}:
        detail = "Only a whole order is deleted: DELETE it, or leave shipmentInfo out."
        raise Refused(problem("status-not-available", detail))
    shipments[place] = _told(shipments[place], info)
    order = with_form(before, shipments=shipments)
    order = enter_shipment(order, place, status, name, now, configuration)
    if status is not None and status.is_delivered_status:
        order = delivered_with(order, place)
        order = recalculate(before, order, pricing(order, configuration))
    return order, name


def _told(shipment: Shipment, info: ShipmentInfo) -> Shipment:
    """Return the shipment with what a client says of it (S3, update shipment info model)."""
    told = patched(shipment, info.model_copy(update={"order_status": None}), Stays())
    return told if info.packages is None else told.model_copy(update={"packages": info.packages})


# -- statuses --------------------------------------------------------------------------------------


def named(status: OrderStatus | None, wanted: str) -> str:
    """Return what the status is called that a client wants."""
    name = status.name if status is not None else wanted
    return DELETED if name.casefold() == DELETED.casefold() else name


def allowed(
    kind: OrderType | None, present: str | None, wanted: str, *, path: str = "status"
) -> OrderStatus | None:
    """Return the status to enter; None where the type is not configured, so anything goes.

    :param path: the member of the request that wants it
    :raises Refused: unknown-status, status-not-available (decided 5.2)
    """
    if kind is None:
        return None
    status = _known(kind, wanted, path=path)
    refuse_unavailable(kind, present, wanted, path=path)
    return status


def _known(kind: OrderType | None, wanted: str, *, path: str = "status") -> OrderStatus | None:
    """Return the status of this name; Deleted needs no configuration.

    :raises Refused: unknown-status
    """
    status = kind.status(wanted) if kind is not None else None
    if kind is not None and status is None and wanted.casefold() != DELETED.casefold():
        names = ", ".join(one.name for one in kind.order_statuses)
        detail = f"{kind.name} has the statuses {names}; send one of those."
        fault = FieldProblem(path=path, message=f"expected one of {names}", got=wanted[:64])
        raise Refused(problem("unknown-status", detail, errors=(fault,)))
    return status


def refuse_unavailable(
    kind: OrderType, present: str | None, wanted: str, *, path: str = "status"
) -> None:
    """Let no status follow that the present one does not list, where it enforces its list.

    :raises Refused: status-not-available (decided 5.2)
    """
    now_in = kind.status(present)
    if now_in is not None and now_in.enforce_available_steps_policy:
        available = {name.casefold() for name in now_in.available_steps}
        if wanted.casefold() not in available:
            names = ", ".join(now_in.available_steps) or "none"
            detail = f"From {now_in.name} these may follow: {names}."
            fault = FieldProblem(path=path, message=f"expected one of {names}", got=wanted[:64])
            raise Refused(problem("status-not-available", detail, errors=(fault,)))


def _shipments(order: Order) -> list[Shipment]:
    return (order.order_form.shipments if order.order_form else None) or []
