"""Operations: what became of a command whose answer did not come at once (decided 10.2)."""

from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from contracts.model import Model
from contracts.problems import Problem
from services.api.domain import ANY, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, json_response
from services.api.entrypoints.routing import Route
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
    """Return the state of a command that this client sent."""
    try:
        id_ = UUID(request.parameters["id"])
    except ValueError as error:
        raise refusal("not-found") from error
    found = await parts.requests.operation(id_)
    if found is None or found.client != request.client.id:
        raise refusal("not-found")
    result = await parts.results.find(id_, service=found.service, order_id=found.order_id)
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
