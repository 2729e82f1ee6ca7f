"""What a step's answer, or its absence, does to the order."""

from datetime import datetime

from contracts.messages.orders import RunTimedOut, StepFinished, StepStatus
from contracts.settings import Configuration
from services.chassis.outcomes import Ignore
from services.workflow.domain.change import absorb, noted, pricing
from services.workflow.domain.order import OrderDocument, Run, is_after_saving, step_key
from services.workflow.domain.run import DEADLINE, Progress, give_up, go_on
from services.workflow.domain.shortage import reported


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

    Steps after saving report whenever they have ended, and so do steps that were given up and have
    moved money or goods all the same: what they did is kept, and a failure or a warning becomes an
    entry of the order's errors (decided 5.5). While another run waits, that is told when it ends.

    :raises RunOver: if nobody waits for this, or an abort has taken it back
    """
    if document is None:
        raise RunOver
    run = document.run
    if run is not None and run.id == finished.run_id and run.position == finished.step:
        return go_on(document, run, finished, now=now, configuration=configuration)
    key = step_key(finished.run_id, finished.step)
    if is_after_saving(finished.run_id) or key in document.given_up:
        return _late(document, finished, now=now, configuration=configuration)
    raise RunOver


def _late(
    document: OrderDocument,
    finished: StepFinished,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    key = step_key(finished.run_id, finished.step)
    if any(error.reference_id == key for error in document.order.errors or ()):
        raise RunOver
    document = reported(document, finished, now)
    order = absorb(document.order, finished, pricing(document.order, configuration))
    failed = finished.status is StepStatus.ERROR
    if failed or finished.status is StepStatus.WARNING:
        order = noted(order, finished, now)
    if order == document.order:
        raise RunOver
    document = document.model_copy(update={"order": order})
    if document.run is not None:
        marred = document.run.is_marred or failed
        run = document.run.model_copy(update={"is_marred": marred})
        return Progress(document.model_copy(update={"run": run}))
    run = Run(
        id=finished.run_id,
        command_id=key,
        status=order.status or "",
        status_before=order.status,
        since=now,
        is_marred=failed,
        user="workflow",
        origin="workflow",
    )
    return Progress(document, ended=run)


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
    reason = f"no answer within {int(DEADLINE.total_seconds())} seconds"
    return give_up(document, document.run, reason, now=now, configuration=configuration)
