"""Where an order is and why (design 4, 10): everything that the services keep about it, in one."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from contracts.model import Model
from contracts.money import Amount
from contracts.note import EntityError
from contracts.settings import Configuration
from services.chassis import inbox
from services.chassis.mongo import Bson, Database

MOST: Final = 100
"""Operations, notifications and dead letters that are listed at most, the newest first."""

_OTHERS: Final = {
    "inventory": (
        "IncreaseReservedInventory",
        "ReduceReservedInventory",
        "ReduceInventory",
        "ReduceInventoryAndReservedInventory",
    ),
    "payments": ("AuthorizePayment", "CapturePayments", "CapturePayment", "CancelPayments"),
    "notifications": (
        "Notification",
        "SendConfirmation",
        "ResendConfirmation",
        "NotifyCustomer",
    ),
}
_SERVICE_OF: Final = {
    step.casefold(): service for service, steps in _OTHERS.items() for step in steps
}


class StepOutcome(Model):
    """What became of one step of a run."""

    action_type: str
    action_status: str
    error_reason: str | None = None
    cancel_workflow: bool = False


class WaitingFor(Model):
    """Who acts next."""

    service: str
    step: str


class RunState(Model):
    """The run in hand. `stepNumber` begins with 1; `of` is how many steps the status has."""

    id: str
    status: str
    step: str | None = None
    step_number: int
    of: int
    waiting_for: WaitingFor | None = None
    since: datetime
    deadline: datetime | None = None
    command: str
    """The id of the command that began it, as `Operations/{commandId}` knows it."""


class NextTimer(Model):
    """What happens by itself, and when."""

    at: datetime
    type: str


class LastFailure(Model):
    """The last thing that went wrong; `step` where a step of the workflow did."""

    at: datetime | None = None
    step: str | None = None
    reason: str


class DeadLetterSummary(Model):
    """A message of this order that could not be handled and waits to be redriven."""

    id: str
    service: str
    type: str | None = None
    reason: str
    attempts: int
    at: datetime


class HeldLine(Model):
    """What one line of the order holds of the stock; `isReduced` when its goods have left."""

    line_item_id: str
    sku: str
    warehouse_code: str
    quantity: Amount
    shipment_id: str | None = None
    is_reduced: bool = False


class ShortLines(Model):
    """Lines that wait for stock; TryReserveOrderLines reserves it as it comes in (decided 6.1)."""

    since: datetime
    lines: list[str]
    """Their ids."""


class PaymentState(Model):
    """One operation with the order's money, and how far it is."""

    id: str
    payment_id: str
    kind: str
    state: str
    amount: Amount
    currency: str
    method: str
    connector: str | None = None
    reason: str | None = None
    created: datetime
    completed: datetime | None = None
    attempts: int = 0


class NotificationState(Model):
    """One e-mail to the customer, and what became of it."""

    id: str
    status: str
    state: str
    created: datetime
    sent: datetime | None = None
    attempts: int = 0
    reason: str | None = None


class Explanation(Model):
    """Where the order is, who acts next, what failed last, and what an operator may do safely."""

    order_id: str
    order_number: str | None = None
    status: str | None = None
    version: int
    run: RunState | None = None
    results: list[StepOutcome]
    """Of the run in hand, else of the last one."""
    next_timer: NextTimer | None = None
    last_failure: LastFailure | None = None
    errors: list[EntityError]
    dead_letters: list[DeadLetterSummary]
    reservations: list[HeldLine]
    shortage: ShortLines | None = None
    payments: list[PaymentState]
    notifications: list[NotificationState]
    deliveries: dict[str, int]
    """How many webhook deliveries are in which state."""
    safe_manual_steps: list[str]
    """Steps that RunWorkflowStep may run without harm; none while a run waits or if read-only."""
    story: list[str] = Field(default_factory=list)
    """The same in sentences."""


async def facts(
    database: Database, order_id: str, *, configuration: Configuration
) -> Explanation | None:
    """Return what is known of an order, without its story; None if there is no such order."""
    stored = await database["orders"].find_one(
        {"_id": order_id},
        {"version": 1, "run": 1, "shortage": 1, "order.orderNumber": 1, "order.status": 1}
        | {"order.orderType": 1, "order.errors": 1, "order.isReadOnly": 1},
    )
    if stored is None:
        return None
    order, run = stored["order"], stored.get("run")
    ended = None if run is not None else await _last_run(database, order_id)
    results = [StepOutcome.model_validate(one) for one in (run or ended or {}).get("results", ())]
    errors = [EntityError.model_validate(one) for one in order.get("errors", ())]
    reservation = await database["reservations"].find_one({"_id": order_id}) or {}
    held = [HeldLine.model_validate(line) for line in reservation.get("lines", ())]
    short = stored.get("shortage")
    return Explanation(
        order_id=order_id,
        order_number=order.get("orderNumber"),
        status=order.get("status"),
        version=stored["version"],
        run=_run(run) if run is not None else None,
        results=results,
        next_timer=await _timer(database, run),
        last_failure=_last_failure(
            results, (run or {}).get("since", (ended or {}).get("at")), errors
        ),
        errors=errors,
        dead_letters=[
            DeadLetterSummary.model_validate(one)
            for one in await _newest(database, "dead_letters", order_id, "at", {"data": 0})
        ],
        reservations=held,
        shortage=ShortLines.model_validate(short) if short is not None else None,
        payments=[
            PaymentState.model_validate(one)
            for one in await _newest(database, "payment_operations", order_id, "created")
        ],
        notifications=[
            NotificationState.model_validate(one)
            for one in await _newest(database, "notifications", order_id, "created")
        ],
        deliveries=await _deliveries(database, order_id),
        safe_manual_steps=[] if run is not None else _safe_steps(order, held, configuration),
    )


def _run(run: Bson) -> RunState:
    plan, position = run.get("plan", ()), run.get("position", 0)
    # Where a step has moved the order on, the steps of the status before stand first.
    begins = run.get("begins", 0)
    waiting = run.get("waitingFor")
    return RunState(
        id=run["id"],
        status=run["status"],
        step=plan[position] if position < len(plan) else waiting,
        step_number=min(position + 1, len(plan)) - begins,
        of=len(plan) - begins,
        waiting_for=WaitingFor(service=service_of(waiting), step=waiting) if waiting else None,
        since=run["since"],
        deadline=run.get("deadline"),
        command=run["commandId"],
    )


def service_of(step: str) -> str:
    """Return the service that carries a step out."""
    return _SERVICE_OF.get(step.casefold(), "workflow")


async def _last_run(database: Database, order_id: str) -> Bson | None:
    """Return the newest version that a run with steps made."""
    found: Bson | None = await database["order_versions"].find_one(
        {"_id": {"$gt": f"{order_id}/", "$lt": f"{order_id}0"}, "results.0": {"$exists": True}},
        {"results": 1, "at": 1},
        sort=[("_id", -1)],
    )
    return found


async def _timer(database: Database, run: Bson | None) -> NextTimer | None:
    if run is None or "timer" not in run:
        return None
    found = await database["timers"].find_one({"_id": run["timer"]})
    if found is None:
        return None
    return NextTimer(at=found["at"], type=inbox.from_bytes(found["m"]).type)


async def _newest(
    database: Database,
    collection: str,
    order_id: str,
    by: str,
    projection: Mapping[str, Any] | None = None,  # Any: MongoDB's own language
) -> list[Bson]:
    cursor = database[collection].find({"orderId": order_id}, projection).sort(by, -1).limit(MOST)
    return [{**found, "id": found["_id"]} for found in await cursor.to_list(None)]


async def _deliveries(database: Database, order_id: str) -> dict[str, int]:
    counted = database["webhook_deliveries"].aggregate(
        [
            {"$match": {"orderId": order_id}},
            {"$group": {"_id": "$state", "number": {"$sum": 1}}},
            {"$sort": {"_id": 1}},
        ]
    )
    return {one["_id"]: one["number"] for one in await counted.to_list(None)}


def _is_cancelled(order: Bson, configuration: Configuration) -> bool:
    kind = configuration.order_type(order.get("orderType"))
    status = kind.status(order.get("status")) if kind is not None else None
    return status is not None and status.is_canceled_status


def _safe_steps(order: Bson, held: Iterable[HeldLine], configuration: Configuration) -> list[str]:
    """Return the steps that do no harm, of those that may be run by hand."""
    if order.get("isReadOnly"):
        return []
    settings = configuration.order_settings
    # Where the settings name none, each step is listed once, and not by its aliases.
    mails = _OTHERS["notifications"] if settings.available_manual_workflow_steps else ()
    steps = [*(mails or ("Notification",)), "ReduceReservedInventory"]
    if not _is_cancelled(order, configuration) and not any(line.quantity for line in held):
        steps.append("IncreaseReservedInventory")
    return [step.name for step in settings.manual_steps(steps)]


def _last_failure(
    results: Iterable[StepOutcome], at: datetime | None, errors: Iterable[EntityError]
) -> LastFailure | None:
    """Return what failed last: a step of the run, or what the order's errors say happened later."""
    found: LastFailure | None = None
    for result in results:
        if result.action_status == "Error":
            reason = result.error_reason or "the step failed"
            found = LastFailure(at=at, step=result.action_type, reason=reason)
    for error in errors:
        later = error.occurred and (found is None or found.at is None or error.occurred > found.at)
        if error.severity == "Error" and later:
            found = LastFailure(
                at=error.occurred,
                step=error.key if error.key and error.key != "workflow" else None,
                reason=error.message or "an error without a message",
            )
    return found
