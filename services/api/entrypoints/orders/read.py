"""Reading one order (S0, retrieve)."""

from typing import Final

from contracts.order import Order
from services.api.domain import refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Header, Response, etag, not_modified
from services.api.entrypoints.routing import Route
from services.api.queries.orders import FoundOrder


async def get_order(request: Request, parts: Parts) -> Response:
    """Return one order, with its version as ETag."""
    return answer(await parts.orders.get(request.parameters["id"], request.client), request)


def answer(found: FoundOrder | None, request: Request, *headers: Header) -> Response:
    """Return the order, or say that it is the one that the client has already.

    :raises Refusal: order-not-found
    """
    if found is None:
        raise refusal("order-not-found")
    tag = etag(found.version)
    named = request.headers.get(b"if-none-match", b"").split(b",")
    known = {one.strip().removeprefix(b"W/") for one in named}
    if not known.isdisjoint({tag[1], b"*"}):
        return not_modified(tag, *headers)
    return Response(OK, found.body, (tag, *headers))


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/Orders/{id}",
        handler=get_order,
        requires="OrderRead",
        answer=Order,
        tagged=True,
        problems=("order-not-found",),
    ),
)
