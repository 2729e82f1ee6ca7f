from datetime import UTC, datetime, timedelta

from contracts.fields import LONGEST_LIST
from contracts.order import Order
from contracts.settings import DEFAULT, Configuration
from contracts.shipment import StatusLogItem
from services.workflow.domain.change import enter
from services.workflow.domain.status_log import status_log
from tests.unit.workflow.priced import an_order, shipments_of


def at(hour: int, minute: int) -> datetime:
    return datetime(2024, 1, 15, hour, minute, tzinfo=UTC)


def logged(*entered: tuple[str, datetime]) -> list[StatusLogItem]:
    log: list[StatusLogItem] = []
    for status, now in entered:
        log = status_log(log, status, now)
    return log


def test_f5_each_status_has_the_time_since_the_one_before() -> None:
    """Domain 6.10, S2: order status log."""
    log = logged(("New", at(10, 30)), ("Processing", at(10, 45)), ("Shipped", at(14, 20)))

    assert [entry.model_dump(mode="json") for entry in log] == [
        {
            "status": "New",
            "timestamp": "2024-01-15T10:30:00Z",
            "durationSincePreviousMs": None,
        },
        {
            "status": "Processing",
            "timestamp": "2024-01-15T10:45:00Z",
            "durationSincePreviousMs": 900_000,
        },
        {
            "status": "Shipped",
            "timestamp": "2024-01-15T14:20:00Z",
            "durationSincePreviousMs": 12_900_000,
        },
    ]


def test_a_status_is_logged_only_the_first_time() -> None:
    log = logged(
        ("New", at(10, 0)), ("Packed", at(11, 0)), ("new", at(12, 0)), ("Shipped", at(13, 0))
    )

    assert [entry.status for entry in log] == ["New", "Packed", "Shipped"]
    assert log[-1].duration_since_previous_ms == timedelta(hours=2) // timedelta(milliseconds=1)


def test_time_is_counted_in_whole_milliseconds() -> None:
    start = datetime(2024, 1, 15, 10, 30, 0, 999, tzinfo=UTC)

    log = logged(("New", start), ("Packed", start + timedelta(microseconds=1001)))

    assert log[-1].duration_since_previous_ms == 2


def test_after_an_entry_without_a_time_nothing_is_known() -> None:
    log = status_log([StatusLogItem(status="New")], "Packed", at(10, 0))

    assert log[-1].duration_since_previous_ms is None


def test_a_log_grows_no_longer_than_a_list_may_be() -> None:
    log = logged(*[(f"Status {number}", at(10, 0)) for number in range(LONGEST_LIST + 1)])

    assert len(log) == LONGEST_LIST


def entered(configuration: Configuration, *names: str) -> Order:
    kind = configuration.order_type("Online")
    assert kind is not None
    order = an_order({}, shipments=[{"shipmentId": "1"}, {"shipmentId": "2"}])
    for hour, name in enumerate(names):
        order = enter(order, kind.status(name), name, at(hour, 0), configuration)
    return order


def test_every_shipment_of_an_order_is_logged_where_the_setting_says_so() -> None:
    settings = DEFAULT.order_settings.model_copy(update={"use_order_status_log": True})
    configuration = DEFAULT.model_copy(update={"order_settings": settings})

    order = entered(configuration, "New", "InProgress", "New")

    for shipment in shipments_of(order):
        log = shipment.order_status_log or []
        assert [entry.status for entry in log] == ["New", "InProgress"]
        assert [entry.duration_since_previous_ms for entry in log] == [None, 3_600_000]


def test_nothing_is_logged_by_default() -> None:
    order = entered(DEFAULT, "New", "InProgress")

    assert [shipment.order_status_log for shipment in shipments_of(order)] == [None, None]
