"""Points in time: any ISO 8601 form in, UTC out."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_EXPECTED = "expected a date and time in ISO 8601, such as 2026-11-20T20:00:00Z"


def _read(value: object) -> datetime | None:
    # Not pydantic's own reader: that takes plain numbers for seconds and refuses week dates,
    # compact forms and offsets without minutes.
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.upper())
        except ValueError:
            raise ValueError(_EXPECTED) from None
    if not isinstance(value, datetime):
        raise ValueError(_EXPECTED)  # noqa: TRY004 - pydantic collects ValueErrors only
    if value.year == 1:
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    elif value.tzinfo is not UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError(_EXPECTED) from None
    if not value.microsecond:
        return value
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


Moment = Annotated[
    datetime | None,
    BeforeValidator(_read),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
"""A point in time in UTC, to the millisecond; None where the sender left it unset.

A time without an offset is UTC; digits beyond the millisecond, which MongoDB could not keep, are
cut off; a time in the year 1 (`0001-01-01T00:00:00`, which .NET writes for an unset date) is None.
"""
