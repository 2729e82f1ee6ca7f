"""The status of an order, and the workflow that it runs (S3)."""

from typing import Annotated, Final

from pydantic import Field

from contracts.fields import Flag, OpenObject
from contracts.messages.orders import UpdateOrderStatus
from contracts.model import Model
from contracts.order import Order
from contracts.problems import FieldProblem
from services.api.domain import refusal
from services.api.entrypoints.orders.change import CHANGES, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route


class UpdateStatusPatch(Model):
    """A status for the whole order (S3); the members for one shipment or return are to come."""

    status: Annotated[str, Field(min_length=1)]
    skip_run_workflow: Flag = False
    user_id: str | None = None
    """Who is noted as having changed it."""
    shipment_info: OpenObject | None = None
    return_id: str | None = None


class ActionResult(Model):
    """What became of one workflow step (OmniumOrderActionExecutionResult)."""

    action_type: str
    action_status: str
    error_reason: str | None = None
    cancel_workflow: bool = False
    is_invisible: bool = False
    translate_key: str | None = None


class WorkflowSummary(Model):
    """The same in short, as the order reference has it."""

    is_successful: bool
    executed_steps: list[str]


class WorkflowExecutionResult(Model):
    """An order after its run, and what the run did (domain 3 no. 9)."""

    order: Order
    is_aborted: bool
    order_action_execution_results: list[ActionResult]
    workflow_execution_result: WorkflowSummary


async def update_status(request: Request, parts: Parts) -> Response:
    """Set the order's status and run its workflow; answers when that run has ended."""
    order_id = request.parameters["orderId"]
    parsed, raw = await request.parsed(UpdateStatusPatch, strict=parts.strict)
    patch = parsed.value
    faults = [
        FieldProblem(path=path, message="is not supported yet: only the order's status is")
        for path, value in (("shipmentInfo", patch.shipment_info), ("returnId", patch.return_id))
        if value is not None
    ]
    if faults:
        raise refusal("validation-failed", errors=faults)
    message = UpdateOrderStatus(
        order_id=order_id,
        status=patch.status,
        skip_run_workflow=patch.skip_run_workflow,
        user=request.client.id,
        user_id=patch.user_id,
        origin=_UPDATE_STATUS,
        if_match=if_match(request),
    )

    return await change(message, request, parts, raw, ignored=parsed.ignored)


_UPDATE_STATUS: Final = "POST /api/Orders/{orderId}/UpdateStatus"

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders/{orderId}/UpdateStatus",
        handler=update_status,
        requires="OrderAdmin",
        body=UpdateStatusPatch,
        answer=WorkflowExecutionResult,
        tagged=True,
        problems=(
            *CHANGES,
            "unknown-status",
            "status-not-available",
        ),
    ),
)
