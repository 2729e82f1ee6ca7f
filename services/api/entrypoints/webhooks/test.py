"""Webhook endpoints tested: an event that says only that (design 10)."""

from typing import Final
from uuid import UUID

from contracts.messages.webhooks import SendTestEvent
from contracts.model import Model
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import (
    ACCEPTED,
    Response,
    command_response,
    location,
    model_response,
)
from services.api.entrypoints.routing import Route
from services.api.entrypoints.webhooks.change import ONE, own
from services.api.entrypoints.webhooks.endpoints import command
from services.api.gateways import Answered


class Testing(Model):
    """Which delivery tells how the test went."""

    delivery_id: UUID


async def test_endpoint(request: Request, parts: Parts) -> Response:
    """Send an endpoint a signed event that says only that it is a test.

    It is of the type `webhook.test`, of no order and of `sequence` 0, and comes whatever the
    endpoint's event types and filters are, at once, also while the endpoint is disabled or has
    just failed. There is one attempt, and it never counts against the endpoint; the delivery has
    the `webhook-id` of the event, and shows what the endpoint answered.
    """
    message = SendTestEvent(**own(request))
    outcome = await parts.commands.carry_out(lambda _: command(message), request.origin(b""))
    response = command_response(outcome)
    if isinstance(outcome, Answered) and response.status == ACCEPTED:
        # A repeat's answer has no body; the command's id says it all.
        response.body = model_response(Testing(delivery_id=outcome.command)).body
        place = location("Webhooks", "Deliveries", str(outcome.command))
        response.headers = [*response.headers, place]
    return response


ROUTES: Final = (
    Route(
        method="POST",
        path=f"{ONE}/Test",
        handler=test_endpoint,
        requires="SettingsAdmin",
        answer=Testing,
        status=ACCEPTED,
        problems=("not-found", "idempotency-key-reused"),
    ),
)
