"""An order's story: where it is and why, and its events one after the other (design 10)."""

from typing import Annotated, Final

from pydantic import Field

from contracts.fields import ListOf, OpenObject, Whole
from contracts.model import Model
from services.api.domain import refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Response
from services.api.entrypoints.routing import Route
from services.api.queries.events import LogEntry, events, log
from services.api.queries.explain import Explanation, facts
from services.api.queries.story import told

MOST_EVENTS: Final = 500


async def explain_order(request: Request, parts: Parts) -> Response:
    """Tell where the order is and why: what it waits for, what failed, what may be done safely.

    `run` is the workflow run in hand: which step of how many, which service must answer, since
    when, and when it is given up; it is null while nobody is waited for. `results` are those of
    this run or of the last one. `nextTimer` is what happens by itself. `lastFailure`, `errors` and
    `deadLetters` say what went wrong; `reservations`, `payments`, `notifications` and `deliveries`
    what the other services keep about the order. `safeManualSteps` may be run with
    `RunWorkflowStep` without harm. `story` says all of it in sentences.
    """
    order_id = request.parameters["id"]
    await _let_see(order_id, request, parts)
    known = await facts(parts.database, order_id, configuration=parts.configuration())
    if known is None:
        raise refusal("order-not-found")
    return Response(OK, told(known).model_dump_json().encode())


class EventsAfter(Model):
    """Which events of an order."""

    after: Annotated[Whole, Field(ge=0, le=9_999_999_999)] = 0
    """Only events with a higher sequence; 0 begins at the first."""
    take: Annotated[Whole, Field(ge=1, le=MOST_EVENTS)] = 100
    """How many at most."""
    log: bool = False
    """Whether the answer has what else is told of the order, too."""
    log_after: Annotated[str, Field(max_length=128)] = ""
    """`nextLogAfter` of the page before."""


class OrderEvents(Model):
    """Events as they left on Kafka, each with the whole order after it.

    Read on with `after=nextAfter`, and in the log with `logAfter=nextLogAfter` besides; they stay
    the same where there is nothing newer.
    """

    items: ListOf[OpenObject]
    next_after: int
    log: list[LogEntry] | None = None
    """With `log=true`: what else is told of the order by then, by time."""
    next_log_after: str | None = None


async def order_events(request: Request, parts: Parts) -> Response:
    """Return the order's events by ascending sequence.

    A page ends early, before `take`, when it passes 16 MiB. With `log=true` the answer has the log,
    too, whose entries have no sequence: the workflow runs that these events tell (started and
    completed both at the time at which the run had ended), members that nobody knew, exports to
    connectors, and batches that came upon the order; of the latter at most `take` at a time.
    """
    order_id = request.parameters["id"]
    wanted = query_of(request, EventsAfter)
    await _let_see(order_id, request, parts)
    found = await events(parts.database, order_id, after=wanted.after, take=wanted.take)
    if not wanted.log:
        return Response(OK, found.body())
    besides = await log(parts.database, order_id, found, after=wanted.log_after, take=wanted.take)
    return Response(OK, found.body(besides))


async def _let_see(order_id: str, request: Request, parts: Parts) -> None:
    if not await parts.orders.is_visible(order_id, request.client):
        raise refusal("order-not-found")


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/Orders/{id}/Explain",
        handler=explain_order,
        requires="OrderRead",
        answer=Explanation,
        problems=("order-not-found",),
    ),
    Route(
        method="GET",
        path="/api/Orders/{id}/Events",
        handler=order_events,
        requires="OrderRead",
        query=EventsAfter,
        answer=OrderEvents,
        problems=("validation-failed", "order-not-found"),
    ),
)
