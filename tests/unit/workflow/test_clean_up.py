"""Which orders are too old, and how they go (S2, DeleteOrdersThreshold)."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages.orders import EraseOrder
from contracts.settings import DEFAULT, Configuration, OrderSettings, ScheduledTask
from services.workflow.domain.clean_up import Old, erasures, kept_since, pace

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def keeping(threshold: int | None, *tasks: ScheduledTask) -> Configuration:
    """Return the shipped settings with this threshold, and these tasks if any are named."""
    settings = OrderSettings(delete_orders_threshold=threshold)
    changes: dict[str, object] = {"order_settings": settings}
    if tasks:
        changes["scheduled_tasks"] = tasks
    return DEFAULT.model_copy(update=changes)


@pytest.mark.parametrize(
    ("threshold", "days"), [(2, 730), (3, 1095), (730, 730), (1095, 1095), (None, None)]
)
def test_orders_are_kept_for_so_many_years_or_days(threshold: int | None, days: int | None) -> None:
    since = kept_since(NOW, keeping(threshold))

    assert since == (None if days is None else NOW - timedelta(days=days))


def test_so_many_days_that_there_is_no_such_date_keep_all() -> None:
    assert kept_since(NOW, keeping(10**7)) is None


def test_the_task_runs_every_hour_or_at_its_own_pace_where_there_is_a_threshold() -> None:
    own, off = (
        ScheduledTask(name="deleteoldorders", interval_seconds=7),
        ScheduledTask(name="DeleteOldOrders", active=False),
    )

    paces = [pace(one) for one in (keeping(2), keeping(2, own), keeping(2, off), keeping(None))]

    assert paces == [timedelta(hours=1), timedelta(seconds=7), None, None]


def test_an_order_goes_only_as_it_was_looked_at() -> None:
    (command,) = erasures([Old("O-1", 7, NOW)])

    assert command == EraseOrder(
        order_id="O-1", if_match=(7,), user="workflow", origin="DeleteOldOrders"
    )
