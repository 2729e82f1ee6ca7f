"""What every write to an order has in common: who may, on which version, and the answer."""

import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from contracts.messages.orders import COMMANDS, ChangeCommand, OrderMessage
from contracts.order_id import LONGEST_ID
from contracts.problems import FieldProblem
from services.api.domain import Client, Command, refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, command_response

SERVICE: Final = "workflow"
UNASKED: Final = (
    "order-not-found",
    "order-queued",
    "order-read-only",
    "order-locked",
    "precondition-failed",
    "idempotency-key-reused",
)
"""What may go wrong with a change of an order that no validator sees, for the description."""
CHANGES: Final = (
    *UNASKED,
    "order-not-valid",
    "version-conflict",
    "run-cancelled",
    "validator-unavailable",
)
"""What may go wrong with any other change of an order."""

_TAGS: Final = re.compile(r'\s*(?:W/)?"(\d{1,18})"\s*(?:,|$)')


async def change(
    message: OrderMessage,
    request: Request,
    parts: Parts,
    raw: bytes,
    *,
    ignored: Sequence[str] = (),
) -> Response:
    """Send a command to an order that is there and in the client's scope; return its answer.

    :param raw: the body as it came, which tells one request from another (decided 10.1)
    :raises Refusal: order-not-found
    """
    order_id, client = message.order_id, request.client
    if len(order_id) > LONGEST_ID or not (
        client.is_unrestricted or await parts.orders.is_visible(order_id, client)
    ):
        raise refusal("order-not-found")
    if ignored and isinstance(message, ChangeCommand):
        message = message.model_copy(update={"ignored_fields": tuple(ignored)})
    command = Command(SERVICE, message.type, COMMANDS, order_id, message.data(), order_id)

    def build(_: UUID) -> Command:
        return command

    outcome = await parts.commands.carry_out(build, request.origin(raw))
    return command_response(outcome, ignored=ignored)


def refuse_outside(client: Client, *, store_id: str | None, market_id: str | None) -> None:
    """Let nobody create an order outside their scope, or move one there (decided 13.4).

    :raises Refusal: forbidden
    """
    if not client.sees(store_id=store_id, market_id=market_id):
        raise refusal("forbidden", "This client may not have orders of this store and market.")


def refuse_moving(client: Client, *, store_id: str | None, market_id: str | None) -> None:
    """Let nobody move an order that they see outside their scope; None moves nothing.

    :raises Refusal: forbidden (decided 13.4)
    """
    # A scope is a store's and a market's; what is not sent is in it already.
    if not (
        (store_id is None or client.stores is None or store_id.casefold() in client.stores)
        and (market_id is None or client.markets is None or market_id.casefold() in client.markets)
    ):
        raise refusal("forbidden", "This client may not move an order to that store and market.")


def if_match(request: Request) -> tuple[int, ...] | None:
    """Return the versions that the client wants to change; None: whichever there is.

    :raises Refusal: validation-failed, for a header that holds no entity tags of ours
    """
    sent = request.header("if-match")
    if sent is None or sent.strip() == "*":
        return None
    versions: list[int] = []
    position = 0
    while position < len(sent):
        tag = _TAGS.match(sent, position)
        if tag is None:
            message = 'expected the ETag of an order, such as "3", or *'
            raise refusal(
                "validation-failed",
                errors=[FieldProblem(path="If-Match", message=message, got=sent[:100])],
            )
        versions.append(int(tag[1]))
        position = tag.end()
    return tuple(versions)
