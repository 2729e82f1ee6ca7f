"""Lines of an order: added, cancelled, given properties (S0, order line operations)."""

from collections.abc import Iterable
from typing import Annotated, Final
from uuid import UUID

import structlog
from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from contracts.faults import Path, RuleBroken
from contracts.messages.orders import (
    COMMANDS,
    AddOrderLineProperties,
    AddOrderLines,
    CancelOrderLine,
    CancelOrderLines,
)
from contracts.model import Model
from contracts.order import Order
from contracts.order_form import repeated
from contracts.order_line import MOST_LINES, OrderLine, OrderLines
from contracts.order_patch import LinePropertiesPatch
from contracts.problems import FieldProblem
from services.api.domain import Command, refusal
from services.api.entrypoints.orders.change import CHANGES, SERVICE, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, command_response
from services.api.entrypoints.routing import Route
from services.api.gateways import Build

MOST_ORDERS: Final = 100
"""Orders of which lines can be cancelled in one request (S0, limits)."""
MOST_ENTRIES: Final = 1000

log = structlog.get_logger()


def _apart(lines: list[OrderLine]) -> list[OrderLine]:
    faults: list[tuple[Path, str]] = [
        ((place, "lineItemId"), f"expected an id of its own, but [{twin}] has it too")
        for place, twin in repeated([line.line_item_id for line in lines])
    ]
    if faults:
        raise RuleBroken(faults)
    return lines


NewLines = Annotated[OrderLines, AfterValidator(_apart)]
LinePatches = Annotated[list[LinePropertiesPatch], Field(max_length=MOST_LINES)]


class AddQuery(Model):
    """Where lines are added."""

    shipment_id: str | None = None
    """Absent means the first open shipment."""


class CancelQuery(Model):
    """Who is told that lines are cancelled."""

    send_notifications: bool = False
    """Whether the customer gets an e-mail."""


class LineReferences(Model):
    """Lines of one order; both members together are as good as one (domain 3 no. 19)."""

    order_id: str
    line_item_id: str | None = None
    line_item_ids: Annotated[list[str], Field(max_length=MOST_LINES)] | None = None

    @model_validator(mode="after")
    def _names_a_line(self, info: ValidationInfo) -> "LineReferences":
        if info.context is not None and self.line_item_id is None and self.line_item_ids is None:
            raise RuleBroken([(("lineItemId",), "is required, or else lineItemIds")])
        return self

    @property
    def lines(self) -> list[str]:
        """The ids of all lines that are named."""
        one = [] if self.line_item_id is None else [self.line_item_id]
        return [*one, *(self.line_item_ids or ())]


References = Annotated[list[LineReferences], Field(max_length=MOST_ENTRIES)]


async def add_line(request: Request, parts: Parts) -> Response:
    """Add a line to the order, to the shipment named or the first open one; returns the order."""
    parsed, raw = await request.parsed(OrderLine, strict=parts.strict)
    message = _added(request, [parsed.value], is_list=False)
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def add_many_lines(request: Request, parts: Parts) -> Response:
    """Add lines to the order, to the shipment named or the first open one; returns the order."""
    parsed, raw = await request.parsed(NewLines, strict=parts.strict)
    message = _added(request, parsed.value, is_list=True)
    return await change(message, request, parts, raw, ignored=parsed.ignored)


def _added(request: Request, lines: Iterable[OrderLine], *, is_list: bool) -> AddOrderLines:
    return AddOrderLines(
        order_id=request.parameters["orderId"],
        lines=tuple(lines),
        is_list=is_list,
        shipment_id=query_of(request, AddQuery).shipment_id or None,
        user=request.client.id,
        origin=f"{request.method} {request.path}",
        if_match=if_match(request),
    )


async def add_properties(request: Request, parts: Parts) -> Response:
    """Add properties to lines, or give those with the same key new values; returns the order."""
    parsed, raw = await request.parsed(LinePatches, strict=parts.strict)
    message = AddOrderLineProperties(
        order_id=request.parameters["orderId"],
        patches=tuple(parsed.value),
        user=request.client.id,
        origin="PUT /api/Orders/{orderId}/AddOrderLineProperties",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def cancel_line(request: Request, parts: Parts) -> Response:
    """Cancel all units of the line that are not delivered; returns the order.

    What is reserved for them is free again; money is moved by the workflow alone. Where the
    setting cancelOrderIfAllLineItemsCancelled says so, the order is cancelled with its last line.
    """
    message = CancelOrderLine(
        order_id=request.parameters["orderId"],
        line_item_id=request.parameters["lineItemId"],
        send_notifications=query_of(request, CancelQuery).send_notifications,
        user=request.client.id,
        origin="POST /api/Orders/{orderId}/OrderLines/{lineItemId}/Cancel",
        if_match=if_match(request),
    )
    return await change(message, request, parts, b"")


async def cancel_lines(request: Request, parts: Parts) -> Response:
    """Cancel lines of up to 100 orders; returns how many were cancelled.

    Lines that cannot be cancelled, and orders that are not there or cannot be changed now, are left
    out.
    """
    query = query_of(request, CancelQuery)
    parsed, raw = await request.parsed(References, strict=parts.strict)
    lines: dict[str, dict[str, None]] = {}
    for one in parsed.value:
        lines.setdefault(one.order_id, {}).update(dict.fromkeys(one.lines))
    if len(lines) > MOST_ORDERS:
        fault = FieldProblem(
            path="$", message=f"expected lines of at most {MOST_ORDERS} orders", got=str(len(lines))
        )
        raise refusal("validation-failed", errors=[fault])
    visible = await parts.orders.visible(lines, request.client)
    if len(visible) < len(lines):
        log.info("orders.not_found", orders=sorted(lines.keys() - visible))
    named = [
        (
            place,
            CancelOrderLines(
                order_id=order_id,
                line_item_ids=tuple(ids),
                send_notifications=query.send_notifications,
                user=request.client.id,
                origin="POST /api/Orders/OrderLines/Cancel",
            ),
        )
        for place, (order_id, ids) in enumerate(lines.items())
        if order_id in visible
    ]
    outcome = await parts.commands.carry_out_many(
        [_cancelling(message) for _, message in named],
        request.origin(raw),
        # As the request names them: when it comes again, some may be there no more.
        places=[(place,) for place, _ in named],
        summary="sum",
    )
    return command_response(outcome, ignored=parsed.ignored)


def _cancelling(message: CancelOrderLines) -> Build:
    command = Command(
        SERVICE, message.type, COMMANDS, message.order_id, message.data(), message.order_id
    )

    def build(_: UUID) -> Command:
        return command

    return build


_ADDING: Final = (
    *CHANGES,
    "amount-too-large",
    "shipment-not-found",
    "duplicate-line-item-id",
    "too-many-entries",
)

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders/{orderId}/OrderLines",
        handler=add_line,
        requires="OrderAdmin",
        query=AddQuery,
        body=OrderLine,
        answer=Order,
        problems=_ADDING,
    ),
    Route(
        method="POST",
        path="/api/Orders/{orderId}/AddManyOrderLines",
        handler=add_many_lines,
        requires="OrderAdmin",
        query=AddQuery,
        body=NewLines,
        answer=Order,
        problems=_ADDING,
    ),
    Route(
        method="PUT",
        path="/api/Orders/{orderId}/AddOrderLineProperties",
        handler=add_properties,
        requires="OrderAdmin",
        body=LinePatches,
        answer=Order,
        problems=(*CHANGES, "order-line-not-found", "order-line-read-only", "too-many-entries"),
    ),
    Route(
        method="POST",
        path="/api/Orders/{orderId}/OrderLines/{lineItemId}/Cancel",
        handler=cancel_line,
        requires="OrderAdmin",
        query=CancelQuery,
        answer=Order,
        problems=(
            *CHANGES,
            "order-line-not-found",
            "order-line-read-only",
            "order-line-not-cancellable",
        ),
    ),
    Route(
        method="POST",
        path="/api/Orders/OrderLines/Cancel",
        handler=cancel_lines,
        requires="OrderAdmin",
        query=CancelQuery,
        body=References,
        answer=int,
        problems=("idempotency-key-reused",),
    ),
)
