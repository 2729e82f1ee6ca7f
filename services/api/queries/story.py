"""An order's explanation in sentences, so that an operator sees why the order is where it is."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from services.api.queries.explain import Explanation, PaymentState, RunState

_DOING = {
    "authorize": "Holding",
    "capture": "Charging",
    "void": "Giving up the hold of",
    "credit": "Giving back",
}


def told(known: Explanation) -> Explanation:
    """Return the explanation with its story."""
    return known.model_copy(update={"story": list(_story(known))})


def _story(known: Explanation) -> Iterator[str]:
    name = known.order_id
    if known.order_number and known.order_number != name:
        name += f" (number {known.order_number})"
    yield (
        f"Order {name} has the status {known.status} at version {known.version}."
        if known.version
        else f"Order {name} is new: its first run has not ended, so it is {known.status}."
    )
    yield _of_run(known.run) if known.run else "No run is in hand, so nobody is being waited for."
    if known.next_timer is not None:
        yield f"At {_at(known.next_timer.at)} {known.next_timer.type} is sent by itself."
    when = "In this run" if known.run else "In the last run"
    for result in known.results:
        reason = f": {result.error_reason}" if result.error_reason else ""
        ended = ", and the run was aborted" if result.cancel_workflow else ""
        yield f"{when} {result.action_type} ended with {result.action_status}{reason}{ended}."
    yield from _of_failures(known)
    yield from _of_stock(known)
    for operation in known.payments:
        yield _of_payment(operation)
    for mail in known.notifications:
        reason = f" ({mail.reason})" if mail.reason else ""
        yield f"The e-mail about the status {mail.status} is {mail.state}{reason}."
    if known.deliveries:
        counted = ", ".join(f"{number} {state}" for state, number in known.deliveries.items())
        yield f"Webhook deliveries: {counted}."
    if known.safe_manual_steps:
        yield f"Safe to run by hand: {', '.join(known.safe_manual_steps)}."
    elif known.run is None:
        yield "No step is safe to run by hand."
    else:
        yield (
            "No step is safe to run by hand while the run waits; POST "
            f"/api/Orders/{known.order_id}/CancelRun ends it."
        )


def _of_run(run: RunState) -> str:
    where = f"A run of the status {run.status} is at step {run.step_number} of {run.of}"
    if run.waiting_for is None:
        return f"{where}, {run.step}, since {_at(run.since)}."
    until = f"; it is aborted at {_at(run.deadline)}" if run.deadline else ""
    return (
        f"{where}: {run.waiting_for.step} has been waiting for the {run.waiting_for.service} "
        f"service since {_at(run.since)}{until}."
    )


def _of_failures(known: Explanation) -> Iterator[str]:
    if known.last_failure is not None:
        what, when = known.last_failure, ""
        if what.at is not None:
            when = f" at {_at(what.at)}"
        yield f"The last failure{when}: {f'{what.step}: ' if what.step else ''}{what.reason}."
    open_errors = [one for one in known.errors if one.status in {None, "New", "Active"}]
    if open_errors:
        yield f"The order lists {_counted(len(open_errors), 'error')} that nobody has closed."
    for letter in known.dead_letters:
        yield (
            f"The {letter.service} service could not handle {letter.type} after "
            f"{_counted(letter.attempts, 'attempt')} ({letter.reason}); POST "
            f"/api/DeadLetters/{letter.id}/Redrive puts it back."
        )


def _of_stock(known: Explanation) -> Iterator[str]:
    held = [line for line in known.reservations if line.quantity]
    for line in held:
        yield (
            f"Line {line.line_item_id} holds {_plain(line.quantity)} of {line.sku} at "
            f"{line.warehouse_code}."
        )
    left = [line for line in known.reservations if line.is_reduced]
    for line in left:
        yield f"The goods of line {line.line_item_id} have left {line.warehouse_code}."
    if not held and not left:
        yield "The order holds no stock."
    if known.shortage is not None:
        lines = ", ".join(known.shortage.lines)
        yield f"Waiting for stock since {_at(known.shortage.since)}: line {lines}."


def _of_payment(operation: PaymentState) -> str:
    what = (
        f"{_DOING.get(operation.kind, operation.kind)} {_plain(operation.amount)} "
        f"{operation.currency} ({operation.method}): {operation.state}"
    )
    who = f" at {operation.connector}" if operation.connector else ""
    tried = f" after {_counted(operation.attempts, 'attempt')}" if operation.attempts else ""
    return f"{what}{who}{tried}{f', {operation.reason}' if operation.reason else ''}."


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"
