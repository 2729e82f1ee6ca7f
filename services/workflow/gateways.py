"""The order validator, over HTTP (S2, order validation); what tasks look at, in MongoDB."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from pydantic_core import from_json

from contracts.messages.orders import AutomateOrder
from contracts.model import Invalid, parse
from contracts.order import Order
from contracts.problems import Problem, problem
from contracts.settings import (
    DELETE_OLD,
    ORDER_AUTOMATION,
    TRY_RESERVE,
    Configuration,
    Connector,
)
from services.chassis.calls import Attempt
from services.chassis.clock import Clock
from services.chassis.http import Answer, CallFailed, Outbound
from services.chassis.mongo import Database
from services.workflow.domain.automate import (
    BACK_IN_STOCK,
    back_in_stock,
    concerns,
    needs,
    promised_to,
)
from services.workflow.domain.clean_up import erasures, kept_since
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.scheduled import Look, Looked, Position, from_here, page_size
from services.workflow.domain.try_reserve import allotted, wanted
from services.workflow.domain.validate import ValidationCall, unavailable
from services.workflow.queries import available, orders_before, orders_behind, orders_waiting

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
_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
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


class Looks:
    """Looks which orders scheduled tasks concern; what it asks is our own database."""

    def __init__(
        self,
        database: Callable[[], Database],
        *,
        clock: Clock,
        configuration: Callable[[], Configuration],
    ) -> None:
        self._database = database
        self._clock = clock
        self._configuration = configuration
        self._tasks = {
            ORDER_AUTOMATION: self._automations,
            TRY_RESERVE: self._reservations,
            DELETE_OLD: self._old_orders,
        }

    async def look(self, look: Look, _: Attempt) -> Looked:
        """Return what the task's next candidates come to; a task without any comes to nothing.

        A look that is repeated may find others: only what is recorded of it counts.
        """
        return await self._tasks[look.task](look)

    async def _automations(self, look: Look) -> Looked:
        configuration, now = self._configuration(), self._clock.now()
        for automation, position in from_here(look.position, configuration):
            found = await orders_behind(
                self._database(),
                automation,
                position,
                most=page_size(automation, look, configuration),
                now=now,
                configuration=configuration,
            )
            if found:
                concerned = [one for one in found if concerns(automation, one, configuration)]
                promised = look.promised
                if automation.condition == BACK_IN_STOCK:
                    concerned = await self._in_stock(concerned, promised)
                    promised = promised_to([one.order for one in concerned], promised)
                return Looked(
                    [AutomateOrder(order_id=one.id, automation=automation) for one in concerned],
                    seen=len(found),
                    position=Position(
                        automation=automation,
                        at=found[-1].order.created or _LONG_AGO,
                        order_id=found[-1].id,
                    ),
                    promised=promised,
                )
        return Looked()

    async def _reservations(self, look: Look) -> Looked:
        configuration = self._configuration()
        most = page_size(None, look, configuration)
        found = await orders_waiting(self._database(), look.position, most=most)
        records = {one.place for document in found for one in wanted(document, configuration)}
        stock = await available(self._database(), records)
        commands, promised = allotted(found, stock, look.promised, configuration)
        last = found[-1] if found else None
        if last is None or last.shortage is None:
            return Looked()
        position = Position(at=last.shortage.since, order_id=last.id)
        return Looked(commands, seen=len(found), position=position, promised=promised)

    async def _old_orders(self, look: Look) -> Looked:
        configuration = self._configuration()
        since = kept_since(self._clock.now(), configuration)
        if since is None:
            return Looked()
        most = page_size(None, look, configuration)
        found = await orders_before(self._database(), since, look.position, most=most)
        if not found:
            return Looked()
        position = Position(at=found[-1].created, order_id=found[-1].order_id)
        return Looked(erasures(found), seen=len(found), position=position)

    async def _in_stock(
        self, documents: Sequence[OrderDocument], promised: Mapping[str, Decimal]
    ) -> list[OrderDocument]:
        orders = [one.order for one in documents]
        records = {record for order in orders for record in needs(order)}
        stock = await available(self._database(), records)
        there = {order.id for order in back_in_stock(orders, stock, promised)}
        return [one for one in documents if one.id in there]
