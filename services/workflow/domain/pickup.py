"""Until when goods wait for the customer (domain 6.3)."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.settings import Store, StoreHours

_LONGEST: Final = timedelta(days=3650)
"""A store that is open so little that the deadline were later has none."""
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def pickup_deadline(store: Store, ready: datetime) -> datetime | None:
    """Return the end of the store's pickup deadline, counted while it is open.

    None where it has no deadline. A store without opening hours is always open.
    """
    if store.pickup_deadline_hours is None:
        return None
    left = timedelta(hours=min(store.pickup_deadline_hours, _LONGEST // timedelta(hours=1)))
    if not store.opening_hours:
        return ready + left
    zone = _zone(store.time_zone)
    first, reached = ready.astimezone(zone).date(), ready
    for number in range(_LONGEST.days):
        day = first + timedelta(days=number)
        today = [hours for hours in store.opening_hours if hours.day == _DAYS[day.weekday()]]
        for hours in sorted(today, key=lambda hours: hours.from_):
            opens, closes = _open(hours, day, zone)
            opens = max(opens, reached)
            if closes - opens >= left:
                return opens + left
            if closes > opens:
                left -= closes - opens
                reached = closes
    return None


def _open(hours: StoreHours, day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    return _moment(hours.from_, day, zone), _moment(hours.to, day, zone)


def _moment(text: str, day: date, zone: tzinfo) -> datetime:
    if text == "24:00":
        text, day = "00:00", day + timedelta(days=1)
    return datetime.combine(day, time.fromisoformat(text), zone).astimezone(UTC)


def _zone(name: str | None) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
