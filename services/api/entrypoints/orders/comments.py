"""Comments on an order (S0, comments)."""

from typing import Final

from contracts.messages.orders import AddComment
from contracts.note import CommentRequest
from services.api.entrypoints.orders.change import CHANGES, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route


async def add_comment(request: Request, parts: Parts) -> Response:
    """Write a comment on the order, and send it by e-mail where that is asked for.

    A public one stands among the order's publicOrderNotes, an internal one among its orderNotes. A
    mail or SMS that cannot be sent is a warning among the order's errors.
    """
    parsed, raw = await request.parsed(CommentRequest, strict=parts.strict)
    message = AddComment(
        order_id=parsed.value.order_id,
        request=parsed.value,
        user=request.client.id,
        origin="POST /api/Orders/AddComment",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Orders/AddComment",
        handler=add_comment,
        requires="OrderAdmin",
        body=CommentRequest,
        problems=(
            *(slug for slug in CHANGES if slug != "order-read-only"),
            "unknown-comment-template",
            "too-many-entries",
        ),
    ),
)
