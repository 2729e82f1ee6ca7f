"""What a step's answer, or its absence, does to the order."""

from datetime import datetime

from contracts.messages.orders import RunTimedOut, StepFinished, StepStatus
from contracts.note import EntityError
from contracts.order import Order
from contracts.settings import Configuration
from services.chassis.outcomes import Ignore
from services.workflow.domain.order import OrderDocument, Run, appended, replaced
from services.workflow.domain.run import Progress, absorb, go_on, pricing, time_out


class RunOver(Ignore):
    """The run this answers has ended, or has moved on; the answer is late or a repeat."""


def finish_step(
    document: OrderDocument | None,
    finished: StepFinished,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Go on with the run that waited for this step.

    After a run, steps that ran after saving may still report: a failure becomes an entry of the
    order's errors (decided 5.5), and what they did to the order is kept.

    :raises RunOver: if nobody waits for this
    """
    if document is None:
        raise RunOver
    run = document.run
    if run is not None and run.id == finished.run_id and run.position == finished.step:
        return go_on(document, run, finished, now=now, configuration=configuration)
    if run is None and document.last_run == finished.run_id:
        return _after_saving(document, finished, now=now, configuration=configuration)
    raise RunOver


def _after_saving(
    document: OrderDocument,
    finished: StepFinished,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    failed = finished.status is StepStatus.ERROR
    key = f"{finished.run_id}/{finished.step}"
    if any(error.reference_id == key for error in document.order.errors or ()):
        raise RunOver
    order: Order = absorb(document.order, finished, pricing(document.order, configuration))
    if order is document.order and not failed:
        raise RunOver
    errors: tuple[EntityError, ...] = ()
    if failed:
        errors = (
            EntityError(
                key="workflow",
                message=finished.reason or "a step after saving failed",
                severity="Error",
                status="New",
                occurred=now,
                reference_id=key,
            ),
        )
        order = replaced(order, errors=appended(order.errors, *errors))
    run = Run(
        id=finished.run_id,
        command_id=key,
        status=order.status or "",
        status_before=order.status,
        since=now,
        user="workflow",
        origin="workflow",
    )
    return Progress(document.model_copy(update={"order": order}), ended=run, errors=errors)


def run_timed_out(
    document: OrderDocument | None,
    timeout: RunTimedOut,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """End a run whose deadline passed.

    :raises RunOver: if it has ended
    """
    if document is None or document.run is None or document.run.id != timeout.run_id:
        raise RunOver
    return time_out(document, document.run, now=now, configuration=configuration)
