"""What the world is told when a run has ended: events, versions, and the answer (design 5, 11).

One command may make several events; each has a consecutive sequence, and the order's version is
the last of them (decided 11.1).
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic_core import to_json

from contracts.messages.orders import (
    Change,
    OrderCancelled,
    OrderCommentAdded,
    OrderCompleted,
    OrderCreated,
    OrderDeleted,
    OrderEvent,
    OrderLineCancelled,
    OrderPaymentUpdated,
    OrderShipmentUpdated,
    OrderStatusChanged,
    OrderUpdated,
    OrderWorkflowFailed,
    StepStatus,
)
from contracts.order import Order
from contracts.order_form import OrderForm
from contracts.order_line import OrderLine
from contracts.order_patch import read_only
from contracts.settings import Configuration
from contracts.shipment import Shipment
from services.workflow.domain.order import (
    DELETED,
    OrderDocument,
    Run,
    StepResult,
    order_bytes,
    replaced,
)
from services.workflow.domain.run import Progress

# operationId and category of each event, Omnium's where it has one (domain 5.6), ours from 900000.
OPERATIONS: Final[dict[type[OrderEvent], tuple[int, str]]] = {
    OrderCreated: (110106, "Created"),
    OrderUpdated: (310100, "Updated"),
    OrderStatusChanged: (310101, "Workflow"),
    OrderCancelled: (900001, "Canceled"),
    OrderCompleted: (900002, "Updated"),
    OrderDeleted: (110109, "Deleted"),
    OrderPaymentUpdated: (900003, "Updated"),
    OrderWorkflowFailed: (900004, "Error"),
    OrderLineCancelled: (310106, "Canceled"),
    OrderCommentAdded: (900005, "Comment"),
    OrderShipmentUpdated: (900006, "Updated"),
}

_SENTENCES: Final[dict[type[OrderEvent], str]] = {
    OrderCreated: "The order was created",
    OrderUpdated: "The order was updated",
    OrderStatusChanged: "The status was changed",
    OrderCancelled: "The order was cancelled",
    OrderCompleted: "The order was completed",
    OrderDeleted: "The order was deleted",
    OrderPaymentUpdated: "The payments were updated",
    OrderWorkflowFailed: "The workflow failed",
    OrderLineCancelled: "Units of a line were cancelled",
    OrderCommentAdded: "A comment was added",
    OrderShipmentUpdated: "A shipment was updated",
}

# Members of a shipment that follow the order to its status.
_ENTERED: Final = ("status", "order_status")

# Members that change with every version say nothing about what happened.
_UNTOLD: Final = frozenset({"modified", "modifiedBy", "version", "versionId"})


@dataclass(frozen=True, slots=True)
class Told:
    """One event and the order after it as JSON."""

    event: OrderEvent
    order: bytes
    version_id: str


def conclude(  # noqa: PLR0913 - what a rule may know is handed to it
    progress: Progress,
    run: Run,
    *,
    before: Order | None,
    now: datetime,
    configuration: Configuration,
    seed: str,
) -> tuple[OrderDocument, list[Told]]:
    """Return the order with its new version, and one event after another.

    `seed` is something unique to this change, from which the opaque version ids are made.
    """
    kinds = progress.kinds or _kinds(progress, run, before, configuration)
    document = progress.document
    version = document.version + len(kinds)
    version_id = f"{version}-{seed[:12]}"
    order = replaced(
        document.order,
        version=version,
        version_id=version_id,
        modified=now,
        modified_by=run.user,
    )
    document = document.model_copy(update={"order": order, "version": version})
    body = order_bytes(order)
    changes = () if before is None else tuple(differences(before, order))
    told = [
        Told(
            _event(
                kind,
                order,
                run,
                changes,
                document.version - len(kinds) + 1 + place,
                now,
                (progress.operation if not place else None) or _operation(kind, run),
            ),
            body,
            version_id,
        )
        for place, kind in enumerate(kinds)
    ]
    return document, told


def _operation(kind: type[OrderEvent], run: Run) -> tuple[int, str]:
    number, category = OPERATIONS[kind]
    return number, (run.category or category) if kind is OrderCreated else category


def _kinds(
    progress: Progress, run: Run, before: Order | None, configuration: Configuration
) -> list[type[OrderEvent]]:
    order = progress.document.order
    kinds: list[type[OrderEvent]] = []
    if run.is_first:
        kinds.append(OrderCreated)
    elif before is not None:
        by = run if progress.shape is None else None
        kinds += _changes(before, order, configuration, by)
    if progress.aborted or run.is_marred:
        kinds.append(OrderWorkflowFailed)
    return kinds or [OrderUpdated]


def _changes(
    before: Order, order: Order, configuration: Configuration, run: Run | None
) -> Iterator[type[OrderEvent]]:
    """Yield what a change of an order tells: each kind of which something changed (design 11).

    What the steps of a status do to shipments is part of the order's coming to it. Of what a client
    changes, all that is neither a status, a payment nor a shipment makes the order updated.

    :param run: which made the change; None where a client did
    """
    kind = configuration.order_type(order.order_type)
    status = kind.status(order.status) if kind is not None else None
    is_entered = before.status != order.status
    is_cancelled = _cancels(before, order)
    if is_entered:
        yield OrderStatusChanged
        if status is not None and status.is_canceled_status:
            yield OrderCancelled
        if status is not None and status.is_delivered_status:
            yield OrderCompleted
        if order.status == DELETED:
            yield OrderDeleted
    if is_cancelled:
        yield OrderLineCancelled
    pays = _payments(before) != _payments(order)
    follows = _ENTERED if is_entered else ()
    both = _ids(before) & _ids(order)
    ships = _shipments(before, follows, both) != _shipments(order, follows, both)
    if is_entered and run is not None and run.shipment is None:
        ships = False
    is_told = is_entered or is_cancelled
    if (pays or ships) and run is None and not is_told and _rest(before) != _rest(order):
        yield OrderUpdated
    if pays:
        yield OrderPaymentUpdated
    if ships:
        yield OrderShipmentUpdated


def _payments(order: Order) -> Sequence[object]:
    return (order.order_form.payments if order.order_form else None) or ()


def _ids(order: Order) -> set[str]:
    return {line.line_item_id for line in _lines(order)}


def _shipments(order: Order, follows: Sequence[str], both: Container[str]) -> Sequence[object]:
    """Return what makes the shipments: their own members, which lines they hold, what of a piece.

    What is calculated follows from the lines and tells nothing; nor does a line that changes, comes
    or goes.

    :param follows: the members that follow from something else that is told
    :param both: the ids of the lines that the order had before and has now
    """
    whole = {line.line_item_id: line.quantity for line in _lines(order)}
    ours = dict.fromkeys((*read_only(Shipment), "line_items", *follows))
    return [
        (
            shipment.model_copy(update=ours),
            [
                (id_ := line.line_item_id, whole.get(id_) != line.quantity and line.quantity)
                for line in shipment.line_items or ()
                if line.line_item_id in both
            ],
        )
        for shipment in (order.order_form.shipments if order.order_form else None) or ()
    ]


def _rest(order: Order) -> Order:
    """Return the order without payments, shipments, and what only the system writes."""
    form = order.order_form or OrderForm()
    ours = dict.fromkeys(read_only(OrderLine))
    lines = [line.model_copy(update=ours) for line in _lines(order)]
    changes = {"line_items": lines, "shipments": None, "payments": None}
    form = form.model_copy(update=dict.fromkeys(read_only(OrderForm)) | changes)
    return order.model_copy(update=dict.fromkeys(read_only(Order)) | {"order_form": form})


def _cancels(before: Order, after: Order) -> bool:
    """Tell whether more units of a line are cancelled than before."""
    old = {line.line_item_id: line.canceled_quantity or Decimal(0) for line in _lines(before)}
    return any(
        line.canceled_quantity and abs(line.canceled_quantity) > abs(old[line.line_item_id])
        for line in _lines(after)
        if line.line_item_id in old
    )


def _lines(order: Order) -> Sequence[OrderLine]:
    return (order.order_form.line_items if order.order_form else None) or ()


def _event(  # noqa: PLR0913, PLR0917 - an event has this many facts
    kind: type[OrderEvent],
    order: Order,
    run: Run,
    changes: tuple[Change, ...],
    sequence: int,
    now: datetime,
    operation: tuple[int, str],
) -> OrderEvent:
    shipments = (order.order_form.shipments if order.order_form else None) or ()
    return kind(
        order_id=order.id,
        sequence=sequence,
        operation_id=operation[0],
        category=operation[1],
        timestamp=now,
        message=_SENTENCES[kind],
        sub_class_name=order.order_type,
        object_id=order.id,
        object_number=order.order_number,
        market=order.market_id,
        store_id=order.store_id,
        user=run.user,
        user_id=run.user,
        status=order.status,
        previous_status=run.status_before,
        is_error=kind is OrderWorkflowFailed,
        origin=run.origin,
        tags=tuple(order.tags or ()),
        external_ids=tuple(order.external_ids or ()),
        properties=tuple(order.properties or ()),
        changes=changes,
        warehouses=tuple(
            dict.fromkeys(one.warehouse_code for one in shipments if one.warehouse_code)
        ),
    )


# -- what changed ----------------------------------------------------------------------------------


def differences(before: Order, after: Order) -> Iterator[Change]:
    """Yield each member that changed, by its path, with what it was and is."""
    yield from _compare("", _plain(before), _plain(after))


def _plain(order: Order) -> dict[str, Any]:  # Any: JSON
    # Two lines share everything they did not change, so comparing plain values is enough.
    return order.model_dump(mode="json", by_alias=True, exclude_none=True)


def _compare(path: str, old: Any, new: Any) -> Iterator[Change]:  # noqa: ANN401 - JSON values
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            if path or name not in _UNTOLD:
                inner = f"{path}.{name}" if path else name
                yield from _compare(inner, old.get(name), new.get(name))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _compare(f"{path}[{place}]", left, right)
    else:
        yield Change(path=path, from_=old, to=new)


# -- answers ---------------------------------------------------------------------------------------


def run_result(order: bytes, results: Sequence[StepResult], *, aborted: bool) -> bytes:
    """Return a workflow execution result around the order (S3; union of domain 3 no. 9)."""
    successful = not aborted and not any(one.action_status is StepStatus.ERROR for one in results)
    rest = to_json(
        {
            "isAborted": aborted,
            "orderActionExecutionResults": [
                one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in results
            ],
            "workflowExecutionResult": {
                "isSuccessful": successful,
                "executedSteps": [one.action_type for one in results],
            },
        }
    )
    return b'{"order":' + order + b"," + rest[1:]
