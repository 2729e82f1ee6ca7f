"""Operations: what became of a command whose answer did not come at once (decided 10.2)."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from contracts.model import Model
from contracts.problems import Problem
from services.api.domain import ANY, Result, command_ids, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, json_response
from services.api.entrypoints.routing import Route
from services.api.queries import requests
from services.api.queries.results import answer_of


class Operation(Model):
    """A command and its state; `answer` is the body it would have been answered with."""

    id: UUID
    state: Literal["pending", "succeeded", "failed"]
    status_code: int | None = None
    answer: Any = None  # Any: whatever JSON the command's own route answers
    problem: Problem | None = None
    created: datetime
    completed: datetime | None = None


async def get_operation(request: Request, parts: Parts) -> Response:
    """Return the state of what this client asked for; a batch is pending while any of it is."""
    try:
        id_ = UUID(request.parameters["id"])
    except ValueError as error:
        raise refusal("not-found") from error
    found = await parts.requests.operation(id_)
    if found is None or found.client != request.client.id:
        raise refusal("not-found")
    result = await _result(found, parts)
    state: Literal["pending", "succeeded", "failed"] = "pending"
    if result is not None:
        state = "failed" if result.problem is not None else "succeeded"
    operation = Operation(
        id=id_,
        state=state,
        status_code=None if result is None else result.status,
        answer=None if result is None else answer_of(result),
        problem=None if result is None else result.problem,
        created=found.created,
        completed=None if result is None else result.completed,
    )
    body = operation.model_dump(mode="json", exclude_none=True)
    return json_response(body)


async def _result(promised: requests.Operation, parts: Parts) -> Result | None:
    """Return what became of it; None while something of it is still open."""
    batch = promised.batch
    if batch is None:
        return await parts.results.find(
            promised.id, service=promised.service, order_id=promised.order_id
        )
    ids = command_ids(promised.id, batch.places)
    results = await parts.results.find_many(ids, service=promised.service)
    if len(results) < len(ids):
        return None
    return batch.result([results[id_] for id_ in ids])


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/Operations/{id}",
        handler=get_operation,
        requires=ANY,
        answer=Operation,
        problems=("not-found",),
    ),
)
