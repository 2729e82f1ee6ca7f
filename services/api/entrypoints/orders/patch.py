"""Patching an order, its lines, and the ids of its lines (S0, patch)."""

from typing import Annotated, Final

from pydantic import Field

from contracts.messages.orders import PatchLineItemIds, PatchOrder, PatchOrderLines
from contracts.model import Model
from contracts.order import Order
from contracts.order_line import MOST_LINES
from contracts.order_patch import LineIdsPatch, OrderLinePatch, OrderPatch
from contracts.problems import FieldProblem
from services.api.domain import refusal
from services.api.entrypoints.orders.change import CHANGES, change, if_match, refuse_moving
from services.api.entrypoints.orders.update import AT_THE_TILL
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route

LinePatches = Annotated[list[OrderLinePatch], Field(max_length=MOST_LINES)]


class PatchResult(Model):
    """What a patch did (OmniumOrderPatchUpdateResult), and the order after it."""

    order: Order
    is_successful: bool
    is_modified: bool
    total_count: int
    updated_count: int
    unchanged_count: int
    not_found_count: int
    error_count: int
    error_message: str | None = None


class LineIdsDetails(Model):
    """Where lines got another id."""

    order_form_line_items_updated: int
    shipment_line_items_updated: int
    return_order_form_line_items_updated: int


class LineIdsResult(Model):
    """What became of the mappings (OmniumPatchLineItemIdsResult)."""

    is_modified: bool
    total_requested: int
    updated_count: int
    not_found_count: int
    error_message: str | None = None
    details: LineIdsDetails


async def patch_order(request: Request, parts: Parts) -> Response:
    """Change what the patch names and leave the rest; a status is stored and runs no workflow.

    Entries of lists are found by their keys: properties by key and key group, external ids by
    provider, payments, shipments, lines and returns by their ids. Entries that the patch does not
    name stay unless it says otherwise. A null says nothing; `forceUpdate` names what is cleared.
    Calculated members are ignored.
    """
    parsed, raw = await request.parsed(OrderPatch, strict=parts.strict, context=AT_THE_TILL)
    patch, order_id = parsed.value, request.parameters["orderId"]
    if patch.id is not None and patch.id != order_id:
        why = "expected the id in the path, or none"
        fault = FieldProblem(path="id", message=why, got=patch.id)
        raise refusal("validation-failed", errors=[fault])
    refuse_moving(request.client, store_id=patch.store_id, market_id=patch.market_id)
    message = PatchOrder(
        order_id=order_id,
        patch=patch,
        user=request.client.id,
        origin="PATCH /api/Orders/{orderId}/PatchOrder",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def patch_lines(request: Request, parts: Parts) -> Response:
    """Change what each patch names of its line; the answer counts lines.

    Cancelled units give their reserved stock back; money is moved by the workflow alone.
    """
    parsed, raw = await request.parsed(LinePatches, strict=parts.strict, context=AT_THE_TILL)
    message = PatchOrderLines(
        order_id=request.parameters["orderId"],
        lines=tuple(parsed.value),
        user=request.client.id,
        origin="PATCH /api/Orders/{orderId}/PatchUpdateOrderLines",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def patch_line_ids(request: Request, parts: Parts) -> Response:
    """Give lines other ids, all at once: in shipments, packages, payments and returns too."""
    parsed, raw = await request.parsed(LineIdsPatch, strict=parts.strict)
    message = PatchLineItemIds(
        order_id=parsed.value.order_id,
        mappings=tuple(parsed.value.line_item_id_mappings),
        user=request.client.id,
        origin="POST /api/Orders/PatchLineItemIds",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


_PATCHES: Final = (
    *CHANGES,
    "amount-too-large",
    "order-line-read-only",
    "too-many-entries",
    "too-large",
)

ROUTES: Final = (
    Route(
        method="PATCH",
        path="/api/Orders/{orderId}/PatchOrder",
        handler=patch_order,
        requires="OrderAdmin",
        body=OrderPatch,
        answer=PatchResult,
        problems=(*_PATCHES, "status-not-available"),
    ),
    Route(
        method="PATCH",
        path="/api/Orders/{orderId}/PatchUpdateOrderLines",
        handler=patch_lines,
        requires="OrderAdmin",
        body=LinePatches,
        answer=PatchResult,
        problems=(*_PATCHES, "order-line-not-found"),
    ),
    Route(
        method="POST",
        path="/api/Orders/PatchLineItemIds",
        handler=patch_line_ids,
        requires="OrderAdmin",
        body=LineIdsPatch,
        answer=LineIdsResult,
        problems=(*CHANGES, "order-line-read-only", "too-large"),
    ),
)
