"""Orders: create, read, change the status (S0, S3)."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from contracts.fields import Flag, OpenObject
from contracts.messages.orders import COMMANDS, PlaceOrder, UpdateOrderStatus
from contracts.model import Model
from contracts.order import Order
from contracts.order_id import LONGEST_ID
from contracts.problems import FieldProblem
from services.api.domain import Command, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    NOT_MODIFIED,
    OK,
    Response,
    command_response,
    etag,
)
from services.api.entrypoints.routing import Route

SERVICE: Final = "workflow"


async def place_order(request: Request, parts: Parts) -> Response:
    """Create an order and run the workflow of its first status; answers when that run has ended."""
    parsed, raw = await request.parsed(Order, strict=parts.strict)
    order = parsed.value
    client = request.client
    if not client.sees(store_id=order.store_id, market_id=order.market_id):
        raise refusal("forbidden", "This client may not create orders of this store and market.")
    if parsed.exact:
        data = PlaceOrder.around(raw, order_id=order.id, user=client.id, origin=_PLACE)
    else:
        data = PlaceOrder(
            order_id=order.id,
            order=order,
            user=client.id,
            origin=_PLACE,
            ignored_fields=tuple(parsed.ignored),
        ).data()
    command = Command(SERVICE, PlaceOrder.type, COMMANDS, order.id, data, order.id)
    outcome = await parts.commands.carry_out(lambda _: command, request.origin(raw))
    return command_response(outcome, created_at="Orders", ignored=parsed.ignored)


async def get_order(request: Request, parts: Parts) -> Response:
    """Return one order, with its version as ETag."""
    id_ = request.parameters["id"]
    found = await parts.orders.get(id_, request.client)
    if found is None:
        raise refusal("order-not-found")
    tag = etag(found.version)
    known = request.headers.get(b"if-none-match", b"")
    if tag[1] in (one.strip().removeprefix(b"W/") for one in known.split(b",")):
        return Response(NOT_MODIFIED, headers=(tag,))
    return Response(OK, found.body, (tag,))


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
    client = request.client
    if len(order_id) > LONGEST_ID or not (
        client.is_unrestricted or await parts.orders.is_visible(order_id, client)
    ):
        raise refusal("order-not-found")
    message = UpdateOrderStatus(
        order_id=order_id,
        status=patch.status,
        skip_run_workflow=patch.skip_run_workflow,
        user=client.id,
        user_id=patch.user_id,
        origin=_UPDATE_STATUS,
    )

    def build(_: UUID) -> Command:
        return Command(SERVICE, message.type, COMMANDS, order_id, message.data(), order_id)

    outcome = await parts.commands.carry_out(build, request.origin(raw))
    return command_response(outcome, ignored=parsed.ignored)


_PLACE: Final = "POST /api/Orders"
_UPDATE_STATUS: Final = "POST /api/Orders/{orderId}/UpdateStatus"

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders",
        handler=place_order,
        requires="OrderAdmin",
        body=Order,
        answer=Order,
        status=201,
        problems=(
            "duplicate-order-id",
            "idempotency-key-reused",
        ),
    ),
    Route(
        method="GET",
        path="/api/Orders/{id}",
        handler=get_order,
        requires="OrderRead",
        answer=Order,
        problems=("order-not-found",),
    ),
    Route(
        method="POST",
        path="/api/Orders/{orderId}/UpdateStatus",
        handler=update_status,
        requires="OrderAdmin",
        body=UpdateStatusPatch,
        answer=WorkflowExecutionResult,
        problems=(
            "order-not-found",
            "unknown-status",
            "status-not-available",
            "order-queued",
            "order-read-only",
            "order-locked",
            "idempotency-key-reused",
        ),
    ),
)
