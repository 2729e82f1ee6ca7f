"""Deleting an order (S0, delete order)."""

from typing import Final

from contracts.messages.orders import DeleteOrder, EraseOrder
from contracts.model import Model
from services.api.entrypoints.orders.change import CHANGES, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route


class DeleteQuery(Model):
    """Whether the order can be restored."""

    delete_permanently: bool = False
    """If true, the order is removed with its versions and its event log, and its id is free."""


async def delete_order(request: Request, parts: Parts) -> Response:
    """Delete the order: its status becomes Deleted, and another status restores it.

    With `deletePermanently` it is gone for good. What it holds of the stock is free either way.
    """
    query = query_of(request, DeleteQuery)
    kind = EraseOrder if query.delete_permanently else DeleteOrder
    message = kind(
        order_id=request.parameters["id"],
        user=request.client.id,
        origin="DELETE /api/Orders/{id}",
        if_match=if_match(request),
    )
    return await change(message, request, parts, b"")


ROUTES: Final = (
    Route(
        method="DELETE",
        path="/api/Orders/{id}",
        handler=delete_order,
        requires="OrderAdmin",
        query=DeleteQuery,
        problems=tuple(slug for slug in CHANGES if slug != "order-read-only"),
    ),
)
