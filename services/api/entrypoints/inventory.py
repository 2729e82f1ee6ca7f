"""Stock: absolute quantities in, searches out (S1; domain 1.8)."""

from typing import Annotated, Final
from uuid import UUID

from pydantic import Field

from contracts.messages.inventory import COMMANDS, SetStock, StockItem, StockUpdateResult
from contracts.model import Model
from services.api.domain import Command, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    Response,
    command_response,
    ignored_fields,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.queries.stock import InventoryResult, InventorySearchRequest

SERVICE: Final = "inventory"
MOST_ITEMS: Final = 1000

StockItems = Annotated[list[StockItem], Field(max_length=MOST_ITEMS)]


class UpdateManyQuery(Model):
    """How stock is updated."""

    is_reserved_inventory_overwritten: bool = False
    """If true, reserved quantities are taken over too."""


async def update_many(request: Request, parts: Parts) -> Response:
    """Store up to 1000 stock records: new ones are added, unchanged ones are skipped.

    The reserved quantity is kept unless `isReservedInventoryOverwritten` is true.
    """
    query = query_of(request, UpdateManyQuery)
    parsed, raw = await request.parsed(StockItems, strict=parts.strict)

    def build(id_: UUID) -> Command:
        message = SetStock(
            command_id=str(id_),
            items=tuple(parsed.value),
            overwrite_reserved=query.is_reserved_inventory_overwritten,
            user=request.client.id,
        )
        return Command(SERVICE, message.type, COMMANDS, message.key, message.data())

    outcome = await parts.commands.carry_out(build, request.origin(raw))
    return command_response(outcome, ignored=parsed.ignored)


async def search(request: Request, parts: Parts) -> Response:
    """Return the stock records that fit; with more than a thousand, a `scrollId` for the rest."""
    parsed, _ = await request.parsed(InventorySearchRequest, strict=parts.strict)
    found = await parts.stock.search(parsed.value, parts.configuration())
    return model_response(found, headers=ignored_fields(parsed.ignored))


async def scroll(request: Request, parts: Parts) -> Response:
    """Return the next thousand stock records of a search."""
    found = await parts.stock.scroll(request.parameters["id"], parts.configuration())
    if found is None:
        raise refusal("not-found", "This is no scrollId; begin again with a search.")
    return model_response(found)


ROUTES: Final = (
    *(
        Route(
            method=method,
            path="/api/Inventory/UpdateMany",
            handler=update_many,
            requires="InventoryAdmin",
            query=UpdateManyQuery,
            body=StockItems,
            answer=StockUpdateResult,
            batch=True,
            problems=("idempotency-key-reused",),
        )
        for method in ("PUT", "POST")
    ),
    Route(
        method="POST",
        path="/api/Inventory/Search",
        handler=search,
        requires="InventoryRead",
        body=InventorySearchRequest,
        answer=InventoryResult,
    ),
    Route(
        method="GET",
        path="/api/Inventory/Scroll/{id}",
        handler=scroll,
        requires="InventoryRead",
        answer=InventoryResult,
        problems=("not-found",),
    ),
)
