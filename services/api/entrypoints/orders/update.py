"""Updating orders: merged with what is sent, or replaced by it (S0, update orders)."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from contracts.messages.orders import COMMANDS, ReplaceOrder, UpdateOrder
from contracts.model import Model
from contracts.order import Order
from contracts.order_patch import OrderUpdate
from services.api.domain import Client, Command, refusal
from services.api.entrypoints.batch import MOST_ENTRIES, Entry, batch_of, ignored_of
from services.api.entrypoints.orders.change import (
    CHANGES,
    SERVICE,
    change,
    if_match,
    refuse_moving,
    refuse_outside,
)
from services.api.entrypoints.orders.status import WorkflowExecutionResult
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import NO_CONTENT, Response, command_response
from services.api.entrypoints.routing import Route
from services.api.gateways import Build

Updates = Annotated[list[OrderUpdate], Field(max_length=MOST_ENTRIES)]

AT_THE_TILL: Final = {"pos": True}
"""Lets negative quantities in; whether the order may have them, its type says later on."""


class UpdateQuery(Model):
    """Whether a workflow runs after an update."""

    run_workflow: bool = False
    """If true, that of the status which is sent, or of the present one."""


async def update(request: Request, parts: Parts) -> Response:
    """Merge what is sent into the order: absent members stay, null clears, lists are replaced.

    With `runWorkflow` the order enters the status that is sent, or its present one again, and the
    answer waits for that run; without it a status is only stored. Calculated members are ignored.
    """
    query = query_of(request, UpdateQuery)
    parsed, raw = await request.parsed(OrderUpdate, strict=parts.strict, context=AT_THE_TILL)
    order = parsed.value
    refuse_moving(request.client, store_id=order.store_id, market_id=order.market_id)
    message = UpdateOrder(
        order_id=order.id,
        order=order,
        run_workflow=query.run_workflow,
        user=request.client.id,
        origin="POST /api/Orders/Update",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def replace(request: Request, parts: Parts) -> Response:
    """Replace the order by what is sent; what only the system writes stays, no workflow runs.

    Members that are absent are gone, save for status, type and number, which an order always has.
    """
    parsed, raw = await request.parsed(Order, strict=parts.strict, context=AT_THE_TILL)
    order = parsed.value
    refuse_outside(request.client, store_id=order.store_id, market_id=order.market_id)
    message = ReplaceOrder(
        order_id=order.id,
        order=order,
        user=request.client.id,
        origin="PUT /api/Orders/Update",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def update_many(request: Request, parts: Parts) -> Response:
    """Merge up to 1,000 orders with what is sent for each, as `POST /api/Orders/Update` does.

    An order that is not there is added. Nothing is stored if one of them is not valid; an order
    that cannot be changed now keeps none of the others back.
    """
    query = query_of(request, UpdateQuery)
    entries, raw = await batch_of(
        request, OrderUpdate, lambda entry: entry, strict=parts.strict, context=AT_THE_TILL
    )
    await _refuse_beyond(request.client, entries, parts)
    builds = [
        _updating(
            UpdateOrder(
                order_id=entry.value.id,
                order=entry.value,
                run_workflow=query.run_workflow,
                is_of_batch=True,
                user=request.client.id,
                origin=f"{request.method} {request.path}",
                ignored_fields=tuple(entry.parsed.ignored),
            )
        )
        for entry in entries
    ]
    outcome = await parts.commands.carry_out_many(builds, request.origin(raw))
    return command_response(
        outcome, ignored=ignored_of((entry.place, entry.parsed.ignored) for entry in entries)
    )


async def _refuse_beyond(client: Client, entries: list[Entry[OrderUpdate]], parts: Parts) -> None:
    """Let nobody touch, move or add an order beyond their scope (decided 13.4).

    :raises Refusal: forbidden
    """
    if client.is_unrestricted:
        return
    places = await parts.orders.places(entry.value.id for entry in entries)
    for entry in entries:
        order, place = entry.value, places.get(entry.value.id)
        if place is None:
            refuse_outside(client, store_id=order.store_id, market_id=order.market_id)
            continue
        if not client.sees(store_id=place.store_id, market_id=place.market_id):
            raise refusal("forbidden", "This client may not change all of these orders.")
        refuse_moving(client, store_id=order.store_id, market_id=order.market_id)


def _updating(message: UpdateOrder) -> Build:
    command = Command(
        SERVICE, message.type, COMMANDS, message.order_id, message.data(), message.order_id
    )

    def build(_: UUID) -> Command:
        return command

    return build


_UPDATES: Final = (
    *CHANGES,
    "amount-too-large",
    "order-line-read-only",
    "status-not-available",
    "too-large",
)

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders/Update",
        handler=update,
        requires="OrderAdmin",
        query=UpdateQuery,
        body=OrderUpdate,
        answer=WorkflowExecutionResult,
        problems=(*_UPDATES, "unknown-status"),
    ),
    Route(
        method="PUT",
        path="/api/Orders/Update",
        handler=replace,
        requires="OrderAdmin",
        body=Order,
        answer=WorkflowExecutionResult,
        problems=_UPDATES,
    ),
    *(
        Route(
            method=method,
            path="/api/Orders/UpdateMany",
            handler=update_many,
            requires="OrderAdmin",
            query=UpdateQuery,
            body=Updates,
            status=NO_CONTENT,
            batch=True,
            problems=("batch-incomplete", "idempotency-key-reused"),
        )
        for method in ("POST", "PUT")
    ),
)
