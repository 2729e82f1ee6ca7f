"""The run: how an order goes through the steps of a status (design 4, domain 5.1).

`start` begins a run and takes it as far as it goes, `go_on` continues it when a step has finished,
`give_up` ends it before that. Each returns the order's next state and what is to be sent; when the
run has ended, `events.conclude` says what the world is told.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from contracts.message import Message
from contracts.messages.orders import OrderEvent, StepFinished, StepStatus
from contracts.note import EntityError
from contracts.order import Order
from contracts.settings import Configuration, WorkflowStep
from services.workflow.domain.calculate import settle
from services.workflow.domain.change import absorb, enter, enter_shipment, noted, pricing
from services.workflow.domain.follow_stock import follow_stock
from services.workflow.domain.order import (
    QUEUED,
    OrderDocument,
    Reported,
    Run,
    StepResult,
    after_saving,
    appended,
    replaced,
    step_key,
)
from services.workflow.domain.plan import Planned, plan, with_workflow
from services.workflow.domain.shortage import released, reported
from services.workflow.domain.steps import Asked, Context, act, step_named
from services.workflow.domain.undo import to_undo, undone

DEADLINE: Final = timedelta(seconds=180)
DEEPEST: Final = 10
"""How often steps may move an order on within one run; more is taken for a cycle (domain 5.1)."""

_SEVERITIES: Final = tuple(StepStatus)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a rule has brought the order, and what it wants sent.

    `ended` is the run that has just ended, None while it waits. A change without a run has ended
    at once; the rest is its own (see `changing.changed`).
    """

    document: OrderDocument
    messages: Sequence[Message] = ()
    ended: Run | None = None
    aborted: bool = False
    kinds: tuple[type[OrderEvent], ...] = ()
    operation: tuple[int, str] | None = None
    shape: str | None = None
    is_unchanged: bool = False


def start(
    document: OrderDocument, run: Run, *, now: datetime, configuration: Configuration
) -> Progress:
    """Begin the run and take it as far as it goes by itself."""
    kind = configuration.order_type(document.order.order_type)
    by_hand = run.by_hand
    steps = plan(kind, run.status, configuration) if by_hand is None else (Planned(by_hand),)
    has_steps = by_hand is not None or with_workflow(kind, run.status) is not None
    told = () if has_steps else None
    run = run.model_copy(update={"plan": tuple(one.step.name for one in steps), "told": told})
    return _advance(document, run, steps, document.order, now=now, configuration=configuration)


def go_on(
    document: OrderDocument,
    run: Run,
    finished: StepFinished,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Take an answer to the step in hand; go on with the run when it was the last one."""
    if finished.payments or finished.reserved or finished.costs or run.due > 1:
        run = run.model_copy(update={"reports": (*run.reports, finished)})
    answers = [finished]
    if run.due > 1:
        answers = [one for one in run.reports if one.step == run.position]
        if len(answers) < run.due:
            return Progress(document.model_copy(update={"run": run}))
    steps = _planned(document, run, configuration)
    planned = steps[run.position - run.begins]
    document = reported(document, finished, now)
    step = step_named(planned.step.name)
    if step is not None and step.releases:
        document = released(document, run)
    status = max((one.status for one in answers), key=_SEVERITIES.index)
    reason = "; ".join(one.reason for one in answers if one.reason) or None
    stop = planned.stops(status)
    run = _with_result(run, planned.step, status, reason, stop=stop)
    run = _telling(run, planned.step, _ended(status, now - run.since), configuration)
    changes: dict[str, object] = {"position": run.position + 1, "waiting_for": None, "due": 1}
    if status is StepStatus.ERROR and run.undo and run.undo[-1].is_void_on_error(run.position):
        changes["undo"] = run.undo[:-1]
    run = run.model_copy(update=changes)
    order = _reported(document, run, configuration)
    if stop:
        known = document.model_copy(update={"order": order})
        return _abort(known, run, now=now, configuration=configuration)
    return _advance(document, run, steps, order, now=now, configuration=configuration)


def _reported(document: OrderDocument, run: Run, configuration: Configuration) -> Order:
    """Return the order with what the steps of the run have reported so far."""
    known, order = document.reported, document.order
    reports = run.reports
    if known is not None and known.follows(order, configuration, reports):
        order, reports = known.order, reports[len(known.reports) :]
    if not reports:
        return order
    prices = pricing(order, configuration)
    for report in reports:
        order = absorb(order, report, prices)
    return order


def give_up(
    document: OrderDocument,
    run: Run,
    reason: str,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """End a run that waits: the step that has not answered is an Error for this reason."""
    step = WorkflowStep(name=run.waiting_for or "?")
    run = _with_result(run, step, StepStatus.ERROR, reason, stop=True)
    order = _reported(document, run, configuration)
    known = document.model_copy(update={"order": order})
    run = _telling(run, step, _ended(StepStatus.ERROR, now - run.since), configuration)
    taken_back = run.undo and run.undo[-1].position == run.position
    if not taken_back:
        # Whoever answers late may still have moved money or goods, and the order must say so.
        given_up = (*document.given_up, step_key(run.id, run.position))
        known = known.model_copy(update={"given_up": given_up})
    return _abort(known, run, now=now, configuration=configuration)


def _planned(
    document: OrderDocument, run: Run, configuration: Configuration
) -> tuple[Planned, ...]:
    """Return the steps of the status in hand as the run planned them.

    The settings may have changed since: a step that is gone, or not active any more, is left out; a
    step that is new is for the next run. A run by hand has brought its step along.
    """
    if run.by_hand is not None:
        return (Planned(run.by_hand),)
    kind = configuration.order_type(document.order.order_type)
    steps = plan(kind, run.status, configuration)
    names = run.plan[run.begins :]
    if tuple(one.step.name for one in steps) == names:
        return steps
    left = list(steps)
    found: list[Planned] = []
    for name in names:
        at = next((place for place, one in enumerate(left) if one.step.name == name), None)
        gone = Planned(WorkflowStep(name=name, active=False))
        found.append(left.pop(at) if at is not None else gone)
    return tuple(found)


def _advance(  # noqa: PLR0913 - where the run stands
    document: OrderDocument,
    run: Run,
    steps: tuple[Planned, ...],
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
    for planned in steps[position - run.begins :]:
        step = planned.step
        if (passed_over := _passed_over(planned, order, run)) is not None:
            run = _telling(run, step, passed_over, configuration)
            position += 1
            continue
        run = run.model_copy(update={"position": position})
        outcome = act(Context(order, run, step, now, configuration))
        if isinstance(outcome, Asked):
            changes: dict[str, object] = {
                "waiting_for": step.name,
                "since": now,
                "deadline": run.deadline or now + DEADLINE,
                "due": len(outcome.messages),
                "undo": to_undo(run, step, outcome),
            }
            if order is not reported:
                document = document.model_copy(update={"order": order})
                changes["reports"] = ()
            elif run.reports:
                document = document.knowing(
                    Reported(document.order, configuration, run.reports, order)
                )
            waiting = document.model_copy(update={"run": run.model_copy(update=changes)})
            return Progress(waiting, outcome.messages)
        if outcome.order is not None:
            order = outcome.order
        stop = planned.stops(outcome.status)
        run = _with_result(run, step, outcome.status, outcome.reason, stop=stop)
        run = _telling(run, step, _ended(outcome.status, timedelta(0)), configuration)
        if outcome.next_status is not None:
            run = run.model_copy(update={"next_status": outcome.next_status})
        if stop:
            stopped = document.model_copy(update={"order": order})
            return _abort(stopped, run, now=now, configuration=configuration)
        position += 1
    document = document.model_copy(update={"order": order})
    if run.next_status is not None:
        return _move_on(document, run, steps, run.next_status, now=now, configuration=configuration)
    return _end(document, run, steps, now=now, configuration=configuration)


def _move_on(  # noqa: PLR0913 - where the run stands, and where it goes
    document: OrderDocument,
    run: Run,
    steps: tuple[Planned, ...],
    status: str,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Enter the status that a step asked for, within the same run.

    A run that has done so as often as it may is aborted: its steps lead the order in a circle.
    """
    if run.depth == DEEPEST:
        reason = f"{status} is not entered: steps have moved the order on {DEEPEST} times already"
        step = WorkflowStep(name="ChangeStatus")
        run = _with_result(run, step, StepStatus.ERROR, reason, stop=True)
        return _abort(document, run, now=now, configuration=configuration)
    left, run, messages = _save(document.order, run, steps, now, configuration)
    kind = configuration.order_type(left.order_type)
    entered = kind.status(status) if kind else None
    steps = plan(kind, status, configuration)
    run = run.model_copy(
        update={
            "status": status,
            "initial": run.initial or run.status,
            "plan": (*run.plan, *(one.step.name for one in steps)),
            "begins": len(run.plan),
            "position": len(run.plan),
            "depth": run.depth + 1,
            "next_status": None,
            "reports": (),
        }
    )
    if run.shipment is None:
        order = enter(left, entered, status, now, configuration)
    else:
        order = enter_shipment(left, run.shipment, entered, status, now, configuration)
    order, released = follow_stock(left, order, run.id, configuration)
    messages += released
    if run.is_first:
        order = replaced(order, status=QUEUED)
    document = document.model_copy(update={"order": order})
    progress = _advance(document, run, steps, order, now=now, configuration=configuration)
    return replace(progress, messages=[*messages, *progress.messages]) if messages else progress


def _end(
    document: OrderDocument,
    run: Run,
    steps: tuple[Planned, ...],
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """End the run well: the order has its status, and the steps after saving are sent."""
    order = _with_errors(_arrived(document.order, run), run, now)
    order, run, messages = _save(order, run, steps, now, configuration)
    ended = document.model_copy(update={"order": order, "run": None})
    return Progress(ended, messages, ended=run)


def _arrived(order: Order, run: Run) -> Order:
    """Return the order in the status of the run.

    One about a shipment has settled that before, and one by hand leaves the status alone.
    """
    if run.shipment is not None or run.by_hand is not None:
        return order
    return replaced(order, status=run.status)


def _save(
    order: Order,
    run: Run,
    steps: tuple[Planned, ...],
    now: datetime,
    configuration: Configuration,
) -> tuple[Order, Run, list[Message]]:
    """Run the steps of a status that run after saving, now that the others are done.

    What they ask for is answered to `finish_step` under an id of its own, whatever the order does
    meanwhile; a failure is noted among the order's errors (decided 5.5).
    """
    messages: list[Message] = []
    for position, planned in enumerate(steps, run.begins):
        if not planned.after_saving or planned.why_not(order, run) is not None:
            continue
        later = run.model_copy(update={"id": after_saving(run.id), "position": position})
        outcome = act(Context(order, later, planned.step, now, configuration, after_saving=True))
        if isinstance(outcome, Asked):
            messages += outcome.messages
            continue
        order = outcome.order or order
        if outcome.status is StepStatus.ERROR:
            fault = StepFinished(
                order_id=order.id,
                run_id=later.id,
                step=position,
                status=outcome.status,
                reason=outcome.reason,
            )
            order = noted(order, fault, now)
            run = run.model_copy(update={"is_marred": True})
    return order, run, messages


def _abort(
    document: OrderDocument, run: Run, *, now: datetime, configuration: Configuration
) -> Progress:
    """End the run badly: take back what can be taken back, keep the rest (S3: partial update).

    A first run leaves the order in its initial status with nothing held (decided 5.1).
    """
    order = _arrived(document.order, run)
    if run.is_first and run.initial is not None:
        kind = configuration.order_type(order.order_type)
        initial = kind.status(run.initial) if kind else None
        order = enter(order, initial, run.initial, now, configuration)
    messages: list[Message] = []
    for undo in reversed(run.undo):
        step = step_named(undo.step)
        if step is not None and step.undo is not None:
            messages += step.undo(order, undo.payment_ids, run, configuration)
            order = undone(order, undo, run.shipment, now)
            if not undo.payment_ids:
                document = released(document, run)
    order = _with_errors(order, run, now)
    order = settle(order, pricing(order, configuration))
    ended = document.model_copy(update={"order": order, "run": None})
    return Progress(ended, messages, ended=run, aborted=True)


def _passed_over(planned: Planned, order: Order, run: Run) -> str | None:
    """Return what is told of a step that is not to run now; None of one that is."""
    if planned.after_saving:
        return "left until the order is saved"
    why_not = planned.why_not(order, run)
    return f"left out, since {why_not}" if why_not is not None else None


def _telling(run: Run, step: WorkflowStep, what: str, configuration: Configuration) -> Run:
    """Let the log tell of a step, if it is to tell of each (LOG, UseVerboseLogging)."""
    if not configuration.order_settings.use_verbose_logging:
        return run
    return run.model_copy(update={"told": (*(run.told or ()), f"{step.name}: {what}")})


def _ended(status: StepStatus, after: timedelta) -> str:
    return f"{status} after {after // timedelta(milliseconds=1)} ms"


def _with_errors(order: Order, run: Run, now: datetime) -> Order:
    """Note each step that failed among the order's errors, stopped it the run or not (LOG)."""
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
    return replaced(order, errors=appended(order.errors, *errors)) if errors else order


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
