"""A look at what is due begins where the last one ended, and now and then at the very first."""

from datetime import UTC, datetime, timedelta

from services.chassis.timers import LATE, THOROUGH, Recent

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_the_first_look_is_at_everything() -> None:
    recent = Recent()

    asked = recent.due(NOW)

    assert asked == {"$lte": NOW}


def test_the_next_look_begins_a_little_before_the_one_that_left_nothing() -> None:
    recent = Recent()
    recent.due(NOW)
    recent.nothing_left(NOW)

    asked = recent.due(NOW + timedelta(seconds=1))

    assert asked == {"$gte": NOW - LATE, "$lte": NOW + timedelta(seconds=1)}


def test_as_long_as_something_is_left_every_look_is_at_everything() -> None:
    recent = Recent()
    recent.due(NOW)

    asked = recent.due(NOW + timedelta(seconds=1))

    assert asked == {"$lte": NOW + timedelta(seconds=1)}


def test_once_a_minute_one_looks_at_everything() -> None:
    recent = Recent()
    recent.due(NOW)
    recent.nothing_left(NOW + THOROUGH - timedelta(seconds=1))

    asked = recent.due(NOW + THOROUGH)

    assert asked == {"$lte": NOW + THOROUGH}
