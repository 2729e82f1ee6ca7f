"""Orders that are older than they are kept are deleted for good (S2, DeleteOrdersThreshold)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from contracts.messages.orders import EraseOrder
from contracts.settings import DELETE_OLD, Configuration

_EVERY: Final = 60 * 60
"""Seconds from run to run, unless the scheduled task says otherwise."""


@dataclass(frozen=True, slots=True)
class Old:
    """An order that is too old, as it was when it was looked at."""

    order_id: str
    version: int
    created: datetime


def pace(configuration: Configuration) -> timedelta | None:
    """Return how long after a run the next one begins; None while all orders are kept."""
    if configuration.order_settings.orders_kept_days() is None:
        return None
    return configuration.pace(DELETE_OLD, usual=_EVERY)


def kept_since(now: datetime, configuration: Configuration) -> datetime | None:
    """Return when the oldest orders were created that are kept; None: none is too old."""
    days = configuration.order_settings.orders_kept_days()
    try:
        return None if days is None else now - timedelta(days=days)
    except OverflowError:
        return None


def erasures(found: Iterable[Old]) -> Sequence[EraseOrder]:
    """Return the commands by which these orders go, unless they have changed meanwhile."""
    return [
        EraseOrder(
            order_id=one.order_id, if_match=(one.version,), user="workflow", origin=DELETE_OLD
        )
        for one in found
    ]
