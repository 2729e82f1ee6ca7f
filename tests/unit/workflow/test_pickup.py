"""Until when goods wait for the customer (domain 6.3)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.settings import Store
from services.workflow.domain.pickup import pickup_deadline

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
FRIDAY = datetime(2026, 11, 20, 15, tzinfo=UTC)


def a_store(hours: int | None, *opening: tuple[str, str, str], zone: str | None = None) -> Store:
    return Store.model_validate(
        {
            "storeId": "Oslo",
            "pickupDeadlineHours": hours,
            "openingHours": [{"day": day, "from": at, "to": to} for day, at, to in opening],
            "timeZone": zone,
        }
    )


def test_is_none_where_the_store_has_none() -> None:
    store = a_store(None)

    assert pickup_deadline(store, FRIDAY) is None


def test_counts_every_hour_of_a_store_that_is_always_open() -> None:
    store = a_store(48)

    assert pickup_deadline(store, FRIDAY) == FRIDAY + timedelta(hours=48)


def test_counts_only_while_the_store_is_open_by_its_own_clock() -> None:
    opening = [(day, "09:00", "17:00") for day in DAYS]
    store = a_store(10, *opening, zone="Europe/Oslo")

    # 15:00 UTC is 16:00 in Oslo: one hour on Friday, eight on Monday, one on Tuesday.
    assert pickup_deadline(store, FRIDAY) == datetime(2026, 11, 24, 9, tzinfo=UTC)


def test_begins_when_the_store_opens_and_may_end_at_midnight() -> None:
    store = a_store(2, ("Saturday", "22:00", "24:00"))

    assert pickup_deadline(store, FRIDAY) == datetime(2026, 11, 22, tzinfo=UTC)


def test_counts_the_hour_that_summer_time_takes_away_only_once() -> None:
    store = a_store(4, ("Sunday", "00:00", "24:00"), zone="Europe/Oslo")
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)

    assert pickup_deadline(store, midnight) == midnight + timedelta(hours=4)


def test_counts_hours_once_that_are_listed_twice() -> None:
    store = a_store(3, ("Friday", "15:00", "17:00"), ("Friday", "16:00", "18:00"))

    assert pickup_deadline(store, FRIDAY) == FRIDAY + timedelta(hours=3)


@pytest.mark.parametrize(
    "opening", [[], [("Monday", "09:00", "09:01")]], ids=["always", "a minute a week"]
)
def test_ends_though_the_deadline_is_as_long_as_a_number_may_be(
    opening: list[tuple[str, str, str]],
) -> None:
    store = a_store(2_000_000_000, *opening)

    found = pickup_deadline(store, FRIDAY)

    assert found is None or found <= FRIDAY + timedelta(days=3650)


@given(
    hours=st.integers(1, 200),
    days=st.lists(st.sampled_from(DAYS), min_size=1, unique=True),
    minutes=st.integers(0, 60 * 24 * 14),
)
def test_is_never_before_that_many_hours_and_no_later_for_a_store_open_longer(
    hours: int, days: list[str], minutes: int
) -> None:
    ready = FRIDAY + timedelta(minutes=minutes)
    short = a_store(hours, *((day, "10:00", "16:00") for day in days))
    long = a_store(hours, *((day, "09:00", "18:00") for day in DAYS))

    first, second = pickup_deadline(long, ready), pickup_deadline(short, ready)

    assert first is not None
    assert second is not None
    assert ready + timedelta(hours=hours) <= first <= second
