"""The status of an order, the workflow that it runs (S3), and steps that are run by hand."""

from typing import Annotated, Final

from pydantic import Field

from contracts.fields import Flag
from contracts.messages.orders import CancelRun, RunWorkflowStep, UpdateOrderStatus
from contracts.model import Model
from contracts.order import Order
from contracts.problems import FieldProblem
from contracts.settings import Property
from contracts.settings.setting import Name, TupleOf
from contracts.shipment import ShipmentInfo
from services.api.domain import refusal
from services.api.entrypoints.orders.change import CHANGES, UNASKED, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route

MOST_PROPERTIES: Final = 20
"""As many as a step may be told by hand; none reads more than three."""


class UpdateStatusPatch(Model):
    """A status for the order, or for one of its shipments (S3, update status patch model)."""

    status: Annotated[str, Field(min_length=1)]
    skip_run_workflow: Flag = False
    user_id: str | None = None
    """Who is noted as having changed it."""
    shipment_info: ShipmentInfo | None = None
    """With it one shipment alone enters the status, and the workflow runs for that one."""
    return_id: str | None = None
    """Of a return; it must be absent, since returns have no status of their own here."""


class ManualStep(Model):
    """A step to run by hand (decided 5.7)."""

    name: Name
    """Of a step or one of its aliases, in any case."""
    properties: Annotated[TupleOf[Property], Field(max_length=MOST_PROPERTIES)] = ()
    """What the step is told, before what the settings tell it."""
    user_id: str | None = None
    """Who is noted as having run it."""


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
    """Set the order's status and run its workflow; answers when that run has ended.

    With `shipmentInfo` one shipment enters the status, and the workflow runs for its goods and its
    share of the money alone; without a `shipmentId` that is the first one. When all shipments are
    in one status, the order has it too.

    Into a status that is there already its workflow runs once more, which is how a step that failed
    is repeated; with `skipRunWorkflow` that changes nothing, and there is no event.
    """
    order_id = request.parameters["orderId"]
    parsed, raw = await request.parsed(UpdateStatusPatch, strict=parts.strict)
    patch = parsed.value
    if patch.return_id is not None:
        said = "expected none: only an order or a shipment enters a status, no return does"
        fault = FieldProblem(path="returnId", message=said, got=patch.return_id[:100])
        raise refusal("validation-failed", errors=[fault])
    message = UpdateOrderStatus(
        order_id=order_id,
        status=patch.status,
        shipment_info=patch.shipment_info,
        skip_run_workflow=patch.skip_run_workflow,
        user=request.client.id,
        user_id=patch.user_id,
        origin=_UPDATE_STATUS,
        if_match=if_match(request),
    )

    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def run_workflow_step(request: Request, parts: Parts) -> Response:
    """Run one step of the workflow by hand, in the status that the order has and keeps.

    It is a run like any other, for the whole order: it answers when the step has ended, locks the
    order until then, and where the step fails and stops it what it did is taken back. Steps that
    `availableManualWorkflowSteps` of the settings names may be run, as they are configured there;
    if it names none, every step may. ChangeStatus never is, since UpdateStatus is for that.
    `safeManualSteps` of `Explain` says which do no harm.
    """
    parsed, raw = await request.parsed(ManualStep, strict=parts.strict)
    message = RunWorkflowStep(
        order_id=request.parameters["orderId"],
        name=parsed.value.name,
        properties=parsed.value.properties,
        user=request.client.id,
        user_id=parsed.value.user_id,
        origin="POST /api/Orders/{orderId}/RunWorkflowStep",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def quick_process(request: Request, parts: Parts) -> Response:
    """Set the status that `defaultQuickProcessOrderStatus` names, and run its workflow (S2).

    It does what UpdateStatus does with that status, and answers as that does.
    """
    status = parts.configuration().order_settings.default_quick_process_order_status
    if not status:
        raise refusal("quick-process-not-configured")
    message = UpdateOrderStatus(
        order_id=request.parameters["orderId"],
        status=status,
        user=request.client.id,
        origin="POST /api/Orders/{orderId}/QuickProcess",
        if_match=if_match(request),
    )
    return await change(message, request, parts, b"")


async def cancel_run(request: Request, parts: Parts) -> Response:
    """Abort the run that waits, and return the order, which is free at once.

    The step in hand ends as an Error that says who cancelled it. What the run did is undone, and
    what cannot be is kept, as when a deadline passes; the client that began the run gets the answer
    of an aborted run. What the step reports later changes nothing, unless it has moved money or
    goods that nobody takes back: that is written into the order. So before its status is entered
    again, look with Explain whether a payment is still under way: the same money is not charged
    twice, and a step that asks for it once more fails. A change that waits for the order validator
    is not made, and its client gets 409 `run-cancelled`.
    """
    message = CancelRun(
        order_id=request.parameters["orderId"],
        user=request.client.id,
        origin="POST /api/Orders/{orderId}/CancelRun",
        if_match=if_match(request),
    )
    return await change(message, request, parts, b"")


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
            "shipment-not-found",
            "too-many-entries",
        ),
    ),
    Route(
        method="POST",
        path="/api/Orders/{orderId}/QuickProcess",
        handler=quick_process,
        requires="OrderAdmin",
        answer=WorkflowExecutionResult,
        tagged=True,
        problems=(
            *CHANGES,
            "quick-process-not-configured",
            "unknown-status",
            "status-not-available",
        ),
    ),
    Route(
        method="POST",
        path="/api/Orders/{orderId}/CancelRun",
        handler=cancel_run,
        requires="OrderAdmin",
        answer=Order,
        tagged=True,
        problems=(
            "order-not-found",
            "no-run-in-hand",
            "precondition-failed",
            "idempotency-key-reused",
        ),
    ),
    Route(
        method="POST",
        path="/api/Orders/{orderId}/RunWorkflowStep",
        handler=run_workflow_step,
        requires="OrderAdmin",
        body=ManualStep,
        answer=WorkflowExecutionResult,
        tagged=True,
        problems=(*UNASKED, "step-not-available"),
    ),
)
