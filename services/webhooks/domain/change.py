"""How an endpoint that is there changes: its settings, its secret, whether it is sent anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import JsonValue, ValidationError

from contracts.faults import spell
from contracts.message import Message
from contracts.messages.webhooks import (
    SECRET_PREFIXES,
    ChangeWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    EndpointDisabled,
    EndpointSettings,
    OwnEndpointCommand,
    RotateWebhookSecret,
)
from contracts.problems import FieldProblem, problem
from services.chassis.outcomes import Refused
from services.webhooks.domain.endpoint import RetiredSecret, WebhookEndpoint, not_allowed
from services.webhooks.domain.signature import public_key

BY_HAND: Final = "it was disabled by hand"
MOST_RETIRED: Final = 9
"""Secrets that sign besides the newest: with every signature the header grows."""


@dataclass(frozen=True, slots=True)
class Changed:
    """An endpoint after a change, and what the world hears of it.

    `opened` has it where it is sent again what waits, `behind` where also what it has missed.
    """

    endpoint: WebhookEndpoint
    news: tuple[Message, ...] = ()
    opened: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()


def own(known: WebhookEndpoint | None, command: OwnEndpointCommand) -> WebhookEndpoint:
    """Return the endpoint, if there is one that its user may manage.

    :raises Refused: not-found; forbidden, if it hears of what the user may not see (decided 13.4)
    """
    if known is None:
        raise Refused(problem("not-found"))
    _refuse_overhearing(known.settings, command)
    return known


def change(
    known: WebhookEndpoint | None,
    command: ChangeWebhookEndpoint,
    *,
    forbidden: str | None,
    now: datetime,
) -> Changed:
    """Return the endpoint with other settings; `isEnabled` does what Enable and Disable do.

    :param forbidden: why its new URL can never be called, None if it may be (decided 9)
    :raises Refused: as `own`; or if settings would come of it that no endpoint can have, or that
        hear of what the user may not see
    """
    endpoint = own(known, command)
    if forbidden is not None:
        raise not_allowed(forbidden)
    headers = _without(endpoint.settings.headers, command.changes.get("headers"))
    known_settings = endpoint.settings.model_copy(update={"headers": headers})
    stored = known_settings.model_dump(mode="json", by_alias=True, exclude_none=True)
    try:
        settings = EndpointSettings.model_validate(_merged(stored, command.changes))
    except ValidationError as error:
        raise Refused(problem("validation-failed", errors=_faults(error))) from None
    _refuse_overhearing(settings, command)
    changed = endpoint.model_copy(update={"settings": settings, "modified": now})
    if "isEnabled" not in command.changes:
        return Changed(changed)
    return (
        _opened(changed, backfill=True)
        if settings.is_enabled
        else _closed(changed, before=endpoint)
    )


def rotate(
    known: WebhookEndpoint | None, command: RotateWebhookSecret, *, rotation: str, now: datetime
) -> tuple[WebhookEndpoint, str]:
    """Return the endpoint with a new secret, and that secret.

    The one before signs too until the overlap has passed, so that a receiver may change over at
    leisure (Standard Webhooks 1.0.0, key rotation); so do those before it, for what is left of
    theirs, but no longer than that one: without an overlap none of them does.

    :param rotation: what this rotation is known by
    :raises Refused: as `own`
    """
    endpoint = own(known, command)
    signature = command.signature or endpoint.settings.signature
    secret = SECRET_PREFIXES[signature] + command.key_material
    until = now + timedelta(seconds=command.overlap_seconds)
    outgoing = [RetiredSecret(secret=one, until=until) for one in endpoint.secrets]
    before = [
        RetiredSecret(secret=one.secret, until=min(one.until, until)) for one in endpoint.retired
    ]
    still_good = [one for one in (*outgoing, *before) if one.until > now]
    rotated = endpoint.model_copy(
        update={
            "settings": endpoint.settings.model_copy(update={"signature": signature}),
            "secrets": (secret,),
            "retired": tuple(still_good[:MOST_RETIRED]),
            "rotation": rotation,
            "public_key": public_key(secret),
            "modified": now,
        }
    )
    return rotated, secret


def enable(
    known: WebhookEndpoint | None, command: EnableWebhookEndpoint, *, now: datetime
) -> Changed:
    """Return the endpoint as one that is sent events; what was held is due now.

    What it has missed follows, unless that is given up (decided 12.5).

    :raises Refused: as `own`
    """
    endpoint = own(known, command)
    settings = endpoint.settings.model_copy(update={"is_enabled": True})
    changed = endpoint.model_copy(update={"settings": settings, "modified": now})
    return _opened(changed, backfill=command.backfill)


def disable(
    known: WebhookEndpoint | None, command: DisableWebhookEndpoint, *, now: datetime
) -> Changed:
    """Return the endpoint as one that its owner wants to be left alone.

    :raises Refused: as `own`
    """
    endpoint = own(known, command)
    settings = endpoint.settings.model_copy(update={"is_enabled": False})
    changed = endpoint.model_copy(update={"settings": settings, "modified": now})
    return _closed(changed, before=endpoint)


def _opened(endpoint: WebhookEndpoint, *, backfill: bool) -> Changed:
    id_, generation = endpoint.id, endpoint.generation
    if backfill:
        opened = endpoint.model_copy(update={"disabled_reason": None})
        return Changed(opened, opened=(id_,), behind=(id_,))
    update = {"disabled_reason": None, "generation": generation + 1}
    return Changed(endpoint.model_copy(update=update), opened=(id_,))


def _closed(endpoint: WebhookEndpoint, *, before: WebhookEndpoint) -> Changed:
    news = EndpointDisabled(endpoint_id=endpoint.id, reason=BY_HAND)
    return Changed(endpoint, news=(news,) if before.is_open else ())


def _refuse_overhearing(settings: EndpointSettings, command: OwnEndpointCommand) -> None:
    faults = settings.filters.beyond(stores=command.stores, markets=command.markets)
    if faults:
        detail = "This client may hear of its own orders alone."
        raise Refused(problem("forbidden", detail, errors=tuple(faults)))


def _without(headers: Mapping[str, str], changes: JsonValue) -> dict[str, str]:
    """Return the headers but those that the changes name, in whatever case (RFC 9110, 5.1)."""
    named = {name.lower() for name in changes} if isinstance(changes, dict) else set()
    return {name: text for name, text in headers.items() if name.lower() not in named}


def _faults(error: ValidationError) -> tuple[FieldProblem, ...]:
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return tuple(FieldProblem(path=spell(one["loc"]), message=one["msg"]) for one in found)


def _merged(
    target: Mapping[str, JsonValue], patch: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """Return the object after a merge patch (RFC 7396, section 2)."""
    merged = dict(target)
    for name, value in patch.items():
        before = merged.get(name)
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            merged[name] = _merged(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = value
    return merged
