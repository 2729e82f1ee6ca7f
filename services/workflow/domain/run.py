"""The run: how an order goes through the steps of a status (design 4, domain 5.1).

`start` begins a run and takes it as far as it goes, `go_on` continues it when a step has finished,
`time_out` ends it when nobody answered. Each returns the order's next state and what is to be
sent; when the run has ended, `events.conclude` says what the world is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.message import Message
from contracts.messages.orders import StepFinished, StepStatus
from contracts.note import EntityError
from contracts.order import Order
from contracts.payment import Payment
from contracts.settings import Configuration, OrderStatus, OrderType, WorkflowStep
from services.workflow.domain.calculate import Pricing, calculate, exponent, settle
from services.workflow.domain.order import (
    OrderDocument,
    Run,
    StepResult,
    Undo,
    appended,
    replaced,
    with_form,
    with_lines,
)
from services.workflow.domain.steps import Asked, Context, act, open_quantity, step_named

DEADLINE: Final = timedelta(seconds=180)
DEEPEST: Final = 10
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rule has brought the order, and what it wants sent.

    `ended` is the run that has just ended, None while it waits. `before` is the order as it was
    last announced, for what a single message changed.
    """

    document: OrderDocument
    messages: Sequence[Message] = ()
    ended: Run | None = None
    aborted: bool = False
    errors: tuple[EntityError, ...] = field(default=())


def pricing(order: Order, configuration: Configuration) -> Pricing:
    """Return what the calculator must know about the order's market and currency."""
    settings = configuration.order_settings
    return Pricing(
        default_tax_rate=configuration.default_tax_rate(order.market_id),
        is_tax_excluded=configuration.is_tax_excluded(order.market_id),
        exponent=exponent(order.billing_currency),
        round_discounts=not settings.is_discount_amount_rounding_disabled,
        round_lines=not settings.is_line_item_amount_rounding_disabled,
        credit_reduces_remaining=settings.is_credit_amount_subtracted_from_remaining_payment,
    )


# -- plan ------------------------------------------------------------------------------------------


def plan(
    order: Order, kind: OrderType | None, status: str, configuration: Configuration
) -> tuple[WorkflowStep, ...]:
    """Return the steps that entering the status runs for this order, in order.

    Inactive steps and those out of scope are left out and not reported (domain 2.3); a step with a
    group id stands for the steps of the group.
    """
    entered = kind.status(status) if kind is not None else None
    if kind is None or entered is None or kind.disable_workflow:
        return ()
    steps: list[WorkflowStep] = []
    for step in entered.workflow_steps:
        group = configuration.step_group(step.group_id) if step.group_id else None
        steps += group.steps if group is not None else (step,)
    return tuple(step for step in steps if step.active and _in_scope(step, order))


def _in_scope(step: WorkflowStep, order: Order) -> bool:
    form = order.order_form
    shipments = (form.shipments if form else None) or ()
    return (
        _passes(step.enabled_for_markets, step.disabled_for_markets, [order.market_id])
        and _passes(step.enabled_for_stores, step.disabled_for_stores, [order.store_id])
        and _passes(step.enabled_for_tags, step.disabled_for_tags, order.tags or [])
        and _passes(
            step.enabled_for_warehouses,
            step.disabled_for_warehouses,
            [shipment.warehouse_code or "" for shipment in shipments],
        )
        and _passes(
            step.enabled_for_shipment_options,
            step.disabled_for_shipment_options,
            [shipment.shipping_method_name or "" for shipment in shipments],
        )
    )


def _passes(enabled: Sequence[str], disabled: Sequence[str], values: Sequence[str]) -> bool:
    """Say whether the lists let the values pass; a disabling one wins, an empty one enables all."""
    if not enabled and not disabled:
        return True
    folded = {value.casefold() for value in values}
    if folded & {value.casefold() for value in disabled}:
        return False
    return not enabled or bool(folded & {value.casefold() for value in enabled})


# -- the life of a run -----------------------------------------------------------------------------


def start(
    document: OrderDocument, run: Run, *, now: datetime, configuration: Configuration
) -> Progress:
    """Begin the run and take it as far as it goes by itself."""
    kind = configuration.order_type(document.order.order_type)
    steps = plan(document.order, kind, run.status, configuration)
    run = run.model_copy(update={"plan": tuple(step.name for step in steps)})
    return _advance(document, run, steps, document.order, now=now, configuration=configuration)


def go_on(
    document: OrderDocument,
    run: Run,
    finished: StepFinished,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Take the answer of the step in hand and go on with the run."""
    kind = configuration.order_type(document.order.order_type)
    steps = _as_planned(run, plan(document.order, kind, run.status, configuration))
    step = steps[run.position]
    stop = _stops(step, finished.status)
    run = _with_result(run, step, finished.status, finished.reason, stop=stop)
    changes: dict[str, object] = {"position": run.position + 1, "waiting_for": None}
    if finished.payments or finished.reserved or finished.costs:
        changes["reports"] = (*run.reports, finished)
    run = run.model_copy(update=changes)
    order = _reported(document, run, configuration)
    if stop:
        known = document.model_copy(update={"order": order})
        return _abort(known, run, now=now, configuration=configuration)
    return _advance(document, run, steps, order, now=now, configuration=configuration)


def _reported(document: OrderDocument, run: Run, configuration: Configuration) -> Order:
    """Return the order with what the steps of the run have reported so far."""
    order = document.order
    for report in run.reports:
        order = absorb(order, report, pricing(order, configuration))
    return order


def time_out(
    document: OrderDocument, run: Run, *, now: datetime, configuration: Configuration
) -> Progress:
    """End a run whose deadline passed: the step that did not answer is an Error."""
    step = WorkflowStep(name=run.waiting_for or "?")
    seconds = int(DEADLINE.total_seconds())
    run = _with_result(
        run, step, StepStatus.ERROR, f"no answer within {seconds} seconds", stop=True
    )
    order = _reported(document, run, configuration)
    known = document.model_copy(update={"order": order})
    return _abort(known, run, now=now, configuration=configuration)


def _as_planned(run: Run, steps: tuple[WorkflowStep, ...]) -> tuple[WorkflowStep, ...]:
    """Return the steps by the names the run was planned with, even if the settings changed."""
    if tuple(step.name for step in steps) == run.plan:
        return steps
    by_name = {step.name: step for step in steps}
    return tuple(by_name.get(name) or WorkflowStep(name=name) for name in run.plan)


def _advance(
    document: OrderDocument,
    run: Run,
    steps: tuple[WorkflowStep, ...],
    order: Order,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Run step after step until one must wait, one stops the run, or none is left.

    `order` is the document's with what the steps have reported. While the run waits, reports are
    kept beside the order; it is written again only when a step of our own has changed it.
    """
    reported = order
    position = run.position
    while position < len(steps):
        step = steps[position]
        if step.run_after_order_is_saved or not _conditions_hold(step, run):
            position += 1
            continue
        run = run.model_copy(update={"position": position})
        outcome = act(Context(order, run, step, now, configuration))
        if isinstance(outcome, Asked):
            changes: dict[str, object] = {
                "waiting_for": step.name,
                "since": now,
                "deadline": run.deadline or now + DEADLINE,
                "undo": _noted(run, step, outcome.payment_ids),
            }
            if order is not reported:
                document = document.model_copy(update={"order": order})
                changes["reports"] = ()
            waiting = document.model_copy(update={"run": run.model_copy(update=changes)})
            return Progress(waiting, outcome.messages)
        if outcome.order is not None:
            order = outcome.order
        stop = _stops(step, outcome.status)
        run = _with_result(run, step, outcome.status, outcome.reason, stop=stop)
        if outcome.next_status is not None:
            run = run.model_copy(update={"next_status": outcome.next_status})
        if stop:
            stopped = document.model_copy(update={"order": order})
            return _abort(stopped, run, now=now, configuration=configuration)
        position += 1
    document = document.model_copy(update={"order": order})
    if run.next_status is not None and run.depth < DEEPEST:
        return _move_on(document, run, run.next_status, now=now, configuration=configuration)
    return _end(document, run, steps, now=now, configuration=configuration)


def _move_on(
    document: OrderDocument,
    run: Run,
    status: str,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Enter the status that a step asked for, within the same run."""
    kind = configuration.order_type(document.order.order_type)
    steps = plan(document.order, kind, status, configuration)
    run = run.model_copy(
        update={
            "status": status,
            "plan": tuple(step.name for step in steps),
            "position": 0,
            "depth": run.depth + 1,
            "next_status": None,
            "reports": (),
        }
    )
    order = enter(document.order, kind.status(status) if kind else None, status, now)
    document = document.model_copy(update={"order": order})
    return _advance(document, run, steps, order, now=now, configuration=configuration)


def _end(
    document: OrderDocument,
    run: Run,
    steps: tuple[WorkflowStep, ...],
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """End the run well: the order has its status, and the steps after saving are sent."""
    order = replaced(document.order, status=run.status)
    messages: list[Message] = []
    for position, step in enumerate(steps):
        if not step.run_after_order_is_saved or not _conditions_hold(step, run):
            continue
        at = run.model_copy(update={"position": position})
        outcome = act(Context(order, at, step, now, configuration, after_saving=True))
        if isinstance(outcome, Asked):
            messages += outcome.messages
        elif outcome.order is not None:
            order = outcome.order
    ended = document.model_copy(update={"order": order, "run": None, "last_run": run.id})
    return Progress(ended, messages, ended=run)


def _abort(
    document: OrderDocument, run: Run, *, now: datetime, configuration: Configuration
) -> Progress:
    """End the run badly: take back what can be taken back, keep the rest (S3: partial update).

    A first run leaves the order in its initial status with nothing held (decided 5.1).
    """
    order = replaced(document.order, status=run.status)
    messages: list[Message] = []
    for undo in reversed(run.undo):
        step = step_named(undo.step)
        if step is not None and step.undo is not None:
            messages += step.undo(order, undo.payment_ids, configuration)
            order = _undone(order, undo, now)
    errors = tuple(
        EntityError(
            key=result.action_type,
            message=result.error_reason or "the step failed",
            severity="Error",
            status="New",
            occurred=now,
            reference_id=run.id,
        )
        for result in run.results
        if result.action_status is StepStatus.ERROR
    )
    order = replaced(order, errors=appended(order.errors, *errors))
    order = settle(order, pricing(order, configuration))
    ended = document.model_copy(update={"order": order, "run": None, "last_run": run.id})
    return Progress(ended, messages, ended=run, aborted=True, errors=errors)


def _undone(order: Order, undo: Undo, now: datetime) -> Order:
    """Write into the order that the reservation or the hold is given back."""
    form = order.order_form
    if form is None:
        return order
    if not undo.payment_ids:
        lines = [
            line.model_copy(update={"reserved_inventory_quantity": ZERO})
            if line.reserved_inventory_quantity
            else line
            for line in form.line_items or ()
        ]
        return with_lines(order, lines)
    payments: list[Payment] = []
    for payment in form.payments or ():
        payments.append(payment)
        if payment.id not in undo.payment_ids:
            continue
        if payment.transaction_type == "Authorization" and payment.status == "Processed":
            payments.append(
                payment.model_copy(
                    update={
                        "id": f"{payment.id}-void",
                        "transaction_type": "Void",
                        "created": now,
                        "reason": "the run was aborted",
                    }
                )
            )
        elif payment.status == "Pending":
            payments[-1] = payment.model_copy(update={"status": "Failed"})
    return with_form(order, payments=payments)


def _noted(run: Run, step: WorkflowStep, payment_ids: tuple[str, ...]) -> tuple[Undo, ...]:
    known = step_named(step.name)
    if known is None or known.undo is None:
        return run.undo
    return (*run.undo, Undo(step=known.name, payment_ids=payment_ids))


def _stops(step: WorkflowStep, status: StepStatus) -> bool:
    """Say whether this outcome ends the run (domain 3 no. 20)."""
    if status is not StepStatus.ERROR:
        return False
    configured = step.stops_on_error()
    if configured is not None:
        return configured
    known = step_named(step.name)
    return known is not None and known.cancels


def _conditions_hold(step: WorkflowStep, run: Run) -> bool:
    """Say whether the earlier results are what the step's conditions ask for (domain 5.1)."""
    said = {result.action_status for result in run.results}
    for condition in step.workflow_step_conditions:
        wanted = StepStatus(condition.type)
        if wanted is StepStatus.SUCCESS:
            if said - {StepStatus.SUCCESS}:
                return False
        elif wanted not in said:
            return False
    return True


def _with_result(
    run: Run, step: WorkflowStep, status: StepStatus, reason: str | None, *, stop: bool
) -> Run:
    result = StepResult(
        action_type=step.name,
        action_status=status,
        error_reason=reason,
        cancel_workflow=stop,
        is_invisible=step.is_invisible,
        translate_key=step.translate_key,
    )
    return run.model_copy(update={"results": (*run.results, result)})


# -- what the outcome of a step means for the order -----------------------------------------------


def absorb(order: Order, finished: StepFinished, prices: Pricing) -> Order:
    """Write what another service reports into the order: payments, reservations, costs."""
    form = order.order_form
    if form is None:
        return order
    if finished.reserved:
        lines = [
            line
            if (units := finished.reserved.get(line.line_item_id)) is None
            else line.model_copy(
                update={
                    "reserved_inventory_quantity": units,
                    "reserved_inventory": units >= open_quantity(line),
                }
            )
            for line in form.line_items or ()
        ]
        order = with_lines(order, lines)
    if finished.costs:
        lines = [
            line.model_copy(update={"cost": finished.costs[line.line_item_id]})
            if line.line_item_id in finished.costs
            else line
            for line in (order.order_form.line_items if order.order_form else None) or ()
        ]
        order = calculate(with_lines(order, lines), prices)
    if finished.payments:
        order = settle(with_form(order, payments=_merged(form.payments, finished.payments)), prices)
    return order


def _merged(before: Sequence[Payment] | None, news: Sequence[Payment]) -> list[Payment]:
    """Overlay entries with a known id, which name only what changed; append the others."""
    by_id = {payment.id: payment for payment in news}
    kept = [_overlaid(payment, by_id.pop(payment.id, payment)) for payment in before or ()]
    return [*kept, *by_id.values()]


def _overlaid(payment: Payment, news: Payment) -> Payment:
    named = {name: getattr(news, name) for name in news.model_fields_set}
    return payment if news is payment else payment.model_copy(update=named)


def enter(order: Order, status: OrderStatus | None, name: str, now: datetime) -> Order:
    """Return the order as it enters a status: its shipments follow, dates are set (domain 2.2)."""
    form = order.order_form
    changes: dict[str, object] = {"status": name}
    if status is not None and status.is_delivered_status and order.completed is None:
        changes["completed"] = now
    order = replaced(order, **changes)
    if form is None or status is None:
        return order
    shipments = [
        shipment.model_copy(
            update={
                "prev_status": shipment.order_status,
                "order_status": name,
                **(
                    {"status": status.shipment_status_update}
                    if status.shipment_status_update
                    else {}
                ),
            }
        )
        for shipment in form.shipments or ()
    ]
    return with_form(order, shipments=shipments)


def delivered(order: Order) -> Order:
    """Return the order with the rest of every line delivered (decided 5.2, UpdateStatus only)."""
    form = order.order_form
    lines = [
        line.model_copy(update={"delivered_quantity": open_quantity(line)})
        if open_quantity(line) > (line.delivered_quantity or ZERO)
        else line
        for line in (form.line_items if form else None) or ()
    ]
    return with_lines(order, lines)
