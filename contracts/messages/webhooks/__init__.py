"""Messages owned by the webhooks service, and the shape of an endpoint."""

from contracts.messages.webhooks.commands import (
    COMMANDS,
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    EndpointCommand,
    ForgetDeliveries,
    OwnEndpointCommand,
    RotateWebhookSecret,
)
from contracts.messages.webhooks.endpoint import (
    EVENT_TYPES,
    RETRY_SCHEDULE,
    EndpointAnswer,
    EndpointFilters,
    EndpointPatch,
    EndpointSettings,
)
from contracts.messages.webhooks.events import (
    EVENTS,
    DeliveryFailed,
    EndpointDisabled,
    WebhookEvent,
)

__all__ = [
    "COMMANDS",
    "EVENTS",
    "EVENT_TYPES",
    "RETRY_SCHEDULE",
    "ChangeWebhookEndpoint",
    "CreateWebhookEndpoint",
    "DeleteWebhookEndpoint",
    "DeliveryFailed",
    "DisableWebhookEndpoint",
    "EnableWebhookEndpoint",
    "EndpointAnswer",
    "EndpointCommand",
    "EndpointDisabled",
    "EndpointFilters",
    "EndpointPatch",
    "EndpointSettings",
    "ForgetDeliveries",
    "OwnEndpointCommand",
    "RotateWebhookSecret",
    "WebhookEvent",
]
