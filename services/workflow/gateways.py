"""The order validator, over HTTP (S2, order validation)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from pydantic_core import from_json

from contracts.model import Invalid, parse
from contracts.order import Order
from contracts.problems import Problem, problem
from contracts.settings import Configuration, Connector
from services.chassis.calls import Attempt
from services.chassis.clock import Clock
from services.chassis.http import Answer, CallFailed, Outbound
from services.workflow.domain.validate import ValidationCall, unavailable

CONCURRENCY: Final = 32
LONGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes; with what the order was before, it has to fit into one message."""
LONGEST_WAIT: Final = 100.0
"""Seconds, however long the connector's time-out is: less than a call of the chassis may last."""
_WAITS: Final = timedelta(seconds=150)
"""How long a change waits for its turn: longer than another process takes to notice a death."""
_DONE: Final = range(200, 300)
_REFUSED: Final = range(400, 500)
_ABOUT_US: Final = frozenset({401, 403, 404, 405, 407, 408, 429})
"""Answers that are about the asking and say nothing of the order."""
_LONGEST_REASON: Final = 500
_REASONS: Final = ("detail", "reason", "message", "title")


class Validator:
    """Asks the order validator about orders, each once; the call's id is the idempotency key."""

    def __init__(
        self, outbound: Outbound, *, clock: Clock, configuration: Callable[[], Configuration]
    ) -> None:
        self._outbound = outbound
        self._clock = clock
        self._configuration = configuration

    async def validate(self, call: ValidationCall, attempt: Attempt) -> Order | Problem:
        """Return the order that the validator answers with, or why there is none."""
        connector = self._configuration().connector(call.connector)
        if connector is None or not connector.host:
            return unavailable(f"the connector {call.connector} has no host")
        if self._clock.now() - attempt.promised > _WAITS:
            return unavailable("too many orders wait for it")
        try:
            answer = await self._outbound.request(
                "POST",
                connector.host,
                data=attempt.payload,
                headers=_headers(connector, attempt),
                timeout_seconds=min(float(connector.time_out), LONGEST_WAIT),
                max_answer=LONGEST_ANSWER,
            )
        except CallFailed as failure:
            return unavailable(str(failure))
        return _read(answer)


def _headers(connector: Connector, attempt: Attempt) -> dict[str, str]:
    headers = {
        "Accept": "application/json",
        **connector.headers,
        "Content-Type": "application/json",
        "Idempotency-Key": str(attempt.key),
    }
    if connector.secret:
        headers["Authorization"] = f"Bearer {connector.secret}"
    if attempt.traceparent:
        headers["traceparent"] = attempt.traceparent
    return headers


def _read(answer: Answer) -> Order | Problem:
    if answer.status in _REFUSED and answer.status not in _ABOUT_US:
        reason = _reason(answer.body) or f"it answered {answer.status}"
        return problem("order-not-valid", f"The order validator refuses the change: {reason}")
    if answer.status not in _DONE:
        return unavailable(f"it answered {answer.status}")
    try:
        return parse(Order, answer.body, context={"pos": True}).value
    except Invalid as invalid:
        faults = "; ".join(f"{one.path} {one.message}" for one in invalid.errors[:3])
        return unavailable(f"its answer is no order: {faults[:_LONGEST_REASON]}")


def _reason(body: bytes) -> str | None:
    """Return what the answer says for itself: a problem's detail (RFC 9457), or the like."""
    try:
        said = from_json(body)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    reasons = (said.get(name) for name in _REASONS)
    found = next((one for one in reasons if isinstance(one, str) and one), None)
    return found and found[:_LONGEST_REASON]
