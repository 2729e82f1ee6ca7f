"""Creating orders (S0, create)."""

from typing import Final

from contracts.messages.orders import COMMANDS, PlaceOrder
from contracts.order import Order
from services.api.domain import Command
from services.api.entrypoints.orders.change import SERVICE, refuse_outside
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, command_response
from services.api.entrypoints.routing import Route


async def place_order(request: Request, parts: Parts) -> Response:
    """Create an order and run the workflow of its first status; answers when that run has ended."""
    parsed, raw = await request.parsed(Order, strict=parts.strict)
    order = parsed.value
    client = request.client
    refuse_outside(client, store_id=order.store_id, market_id=order.market_id)
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


_PLACE: Final = "POST /api/Orders"

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
)
