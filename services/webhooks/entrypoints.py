"""The table of this service: what it handles, and how its calls are made and recorded."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from contracts.messages.inventory import STOCK_EVENTS
from contracts.messages.orders import ORDER_EVENTS
from contracts.messages.webhooks import (
    CatchUp,
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    EndpointCommand,
    ForgetDeliveries,
    RedeliverDelivery,
    RedeliverEvents,
    RotateWebhookSecret,
    SendTestEvent,
)
from services.chassis.batch import Batch, Everything, Key, Loads
from services.chassis.calls import Gateway, Limits
from services.chassis.consumer import Table
from services.chassis.settings import Network
from services.chassis.unit_of_work import Route, UnitOfWork
from services.webhooks import handlers
from services.webhooks.domain.attempt import NotSent, Result, is_taken
from services.webhooks.domain.delivery import DeliverWebhook, Lanes, WebhookDelivery
from services.webhooks.domain.endpoint import Heard, WebhookEndpoint, wants
from services.webhooks.domain.redeliver import Look, Looked
from services.webhooks.gateways import Receivers, Redelivery


def _endpoint(command: EndpointCommand | DeliverWebhook | Look) -> Loads:
    return [(WebhookEndpoint, command.endpoint_id)]


def _delivery(command: RedeliverDelivery) -> Loads:
    return [(WebhookEndpoint, command.endpoint_id), (WebhookDelivery, command.delivery_id)]


def _judging(request: DeliverWebhook, result: Result | NotSent) -> Loads:
    return () if is_taken(result) else _endpoint(request)


def _found(_: Look, looked: Looked) -> Loads:
    return [(Lanes, subject) for subject in looked.subjects]


def _everyone(_: Heard) -> Loads:
    return [Everything(WebhookEndpoint)]


def _lanes(kind: str, events: Sequence[Heard], batch: Batch) -> Iterator[Key]:
    """Stock changes all day, and mostly nobody wants to hear of it."""
    endpoints = batch.all(WebhookEndpoint)
    for event in events:
        if any(wants(endpoint, kind, event) for endpoint in endpoints):
            yield Lanes, event.subject


def table(allowed: tuple[Network, ...]) -> Table:
    """Return who handles what; endpoints must be public or in an allowed network."""
    return {
        **_of_endpoints(
            (CreateWebhookEndpoint, partial(handlers.create_webhook_endpoint, allowed=allowed)),
            (ChangeWebhookEndpoint, partial(handlers.change_webhook_endpoint, allowed=allowed)),
            (DeleteWebhookEndpoint, handlers.delete_webhook_endpoint),
            (RotateWebhookSecret, handlers.rotate_webhook_secret),
            (EnableWebhookEndpoint, handlers.enable_webhook_endpoint),
            (DisableWebhookEndpoint, handlers.disable_webhook_endpoint),
            (RedeliverEvents, handlers.redeliver_events),
            (SendTestEvent, handlers.send_test_event),
        ),
        RedeliverDelivery: Route(RedeliverDelivery, handlers.redeliver_delivery, loads=_delivery),
        CatchUp: Route(CatchUp, handlers.catch_up),
        ForgetDeliveries: Route(ForgetDeliveries, handlers.forget_deliveries),
        **{
            event: Route(Heard, handlers.fan_out, loads=_everyone, then=partial(_lanes, event.type))
            for event in (*ORDER_EVENTS, *STOCK_EVENTS)
        },
    }


# Any: each command has a handler of its own.
def _of_endpoints(
    *routes: tuple[type[EndpointCommand], Callable[[Any, UnitOfWork], None]],
) -> Table:
    return {kind: Route(kind, handler, loads=_endpoint) for kind, handler in routes}


def delivering(receivers: Receivers) -> Gateway[DeliverWebhook, Result | NotSent]:
    """Return the one kind of call: an event to an endpoint, in lanes by endpoint and order."""
    return Gateway(
        kind=handlers.WEBHOOK,
        request=DeliverWebhook,
        call=receivers.deliver,
        record=handlers.record_attempt,
        then=_judging,
        limits=receivers.limits,
    )


def redelivering(redelivery: Redelivery) -> Gateway[Look, Looked]:
    """Return the call that looks for what is to be delivered again, in lanes by endpoint."""
    return Gateway(
        kind=handlers.REDELIVERY,
        request=Look,
        call=redelivery.look,
        record=handlers.record_look,
        loads=_endpoint,
        then=_found,
        limits=lambda _: Limits(concurrency=4),
    )
