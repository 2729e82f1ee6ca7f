"""Creating orders one by one (S0, create)."""

from typing import Final
from uuid import UUID

from contracts.messages.orders import COMMANDS, PlaceNumberedOrder, PlaceOrder, PlacePosOrder
from contracts.model import Parsed
from contracts.order import NewOrder, Order, PosOrder
from services.api.domain import Client, Command, refusal
from services.api.entrypoints.orders import number
from services.api.entrypoints.orders.change import SERVICE, refuse_outside
from services.api.entrypoints.orders.validate import misfits, refuse_unfit
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, command_response
from services.api.entrypoints.routing import Route


async def place_order(request: Request, parts: Parts) -> Response:
    """Create an order and run the workflow of its first status; answers when that run has ended."""
    parsed, raw = await request.parsed(Order, strict=parts.strict)
    _refuse_outside(request.client, parsed.value)
    refuse_unfit(parsed.value, parts.configuration())
    command = placing(parsed, raw, user=request.client.id, origin=_PLACE)
    outcome = await parts.commands.carry_out(lambda _: command, request.origin(raw))
    return command_response(outcome, created_at="Orders", ignored=parsed.ignored)


async def place_numbered_order(request: Request, parts: Parts) -> Response:
    """Create an order, with the next number of its number service where it brings none.

    The number is the order's id too, where it has none. Numbers have no gaps: one whose order was
    refused is given to the next. For the rest it is as `POST /api/Orders`.
    """
    parsed, raw = await request.parsed(NewOrder, strict=parts.strict)
    order, client, configuration = parsed.value, request.client, parts.configuration()
    _refuse_outside(client, order)
    option = number.number_option(order, configuration)
    faults = [*misfits(order, configuration), *number.unfit_number(order, option)]
    if faults:
        raise refusal("validation-failed", errors=faults)
    partition_of = await parts.commands.partitioner(COMMANDS)

    def build(id_: UUID) -> Command:
        known = order.order_number or number.following(option, order.market_id, command=id_)
        if isinstance(known, str):
            of_its_own = Parsed(_numbered(order, known), parsed.ignored)
            return placing(of_its_own, b"", user=client.id, origin=_PLACE_NUMBERED)
        message = PlaceNumberedOrder(
            command_id=str(id_),
            order=order,
            numbering=known,
            user=client.id,
            origin=_PLACE_NUMBERED,
            ignored_fields=tuple(parsed.ignored),
        )
        return Command(
            SERVICE,
            message.type,
            COMMANDS,
            message.key,
            message.data(),
            partition=partition_of(known.sequence),
        )

    outcome = await parts.commands.carry_out(build, request.origin(raw))
    return command_response(outcome, created_at="Orders", ignored=parsed.ignored)


async def place_pos_order(request: Request, parts: Parts) -> Response:
    """Create an order of the till: its type is Pos, its status Completed, and that workflow runs.

    The order number is its id where it has none, and no other order may have it. Market and store
    must be configured; quantities may be negative, for goods that were brought back.
    """
    parsed, raw = await request.parsed(PosOrder, strict=parts.strict, context={"pos": True})
    sale = parsed.value
    _refuse_outside(request.client, sale)
    refuse_unfit(sale, parts.configuration(), pos=True)
    order = _numbered(sale, sale.order_number).model_copy(
        update={"order_type": "Pos", "status": "Completed"}
    )
    if await parts.orders.is_number_taken(sale.order_number, by_another_than=order.id):
        raise refusal("duplicate-order-id", "Another order has this number; use one of its own.")
    message = PlacePosOrder(
        order_id=order.id,
        order=order,
        user=request.client.id,
        origin=_PLACE_POS,
        ignored_fields=tuple(parsed.ignored),
    )
    command = Command(SERVICE, message.type, COMMANDS, message.key, message.data(), order.id)
    outcome = await parts.commands.carry_out(lambda _: command, request.origin(raw))
    return command_response(outcome, created_at="Orders", ignored=parsed.ignored)


def placing(
    parsed: Parsed[Order], raw: bytes, *, user: str, origin: str, category: str | None = None
) -> Command:
    """Return the command that places the order; `raw` is handed on where it is exact."""
    order = parsed.value
    if parsed.exact:
        data = PlaceOrder.around(
            raw, order_id=order.id, user=user, origin=origin, category=category
        )
    else:
        data = PlaceOrder(
            order_id=order.id,
            order=order,
            user=user,
            origin=origin,
            ignored_fields=tuple(parsed.ignored),
            category=category,
        ).data()
    return Command(SERVICE, PlaceOrder.type, COMMANDS, order.id, data, order.id)


def _numbered(new: NewOrder, order_number: str) -> Order:
    """Return the order with this number, which is its id too where it has none."""
    members = {name: getattr(new, name) for name in new.model_fields_set}
    names = {"id": new.id or order_number, "order_number": order_number}
    return Order.model_validate(members | names)


def _refuse_outside(client: Client, order: NewOrder) -> None:
    refuse_outside(client, store_id=order.store_id, market_id=order.market_id)


_PLACE: Final = "POST /api/Orders"
_PLACE_NUMBERED: Final = "PUT /api/Orders"
_PLACE_POS: Final = "PUT /api/Orders/PosOrders"
_PROBLEMS: Final = ("amount-too-large", "duplicate-order-id", "idempotency-key-reused")

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders",
        handler=place_order,
        requires="OrderAdmin",
        body=Order,
        answer=Order,
        status=201,
        tagged=True,
        problems=_PROBLEMS,
    ),
    Route(
        method="PUT",
        path="/api/Orders",
        handler=place_numbered_order,
        requires="OrderAdmin",
        body=NewOrder,
        answer=Order,
        status=201,
        tagged=True,
        problems=(*_PROBLEMS, "number-not-valid"),
    ),
    Route(
        method="PUT",
        path="/api/Orders/PosOrders",
        handler=place_pos_order,
        requires="PosWriter",
        body=PosOrder,
        answer=Order,
        status=201,
        tagged=True,
        problems=_PROBLEMS,
    ),
)
