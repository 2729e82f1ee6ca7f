import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.moment import Moment

moments: TypeAdapter[datetime | None] = TypeAdapter(Moment)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


class TestMoment:
    @given(
        st.datetimes(
            min_value=datetime(2, 1, 2),  # noqa: DTZ001 - hypothesis adds the offset
            max_value=datetime(9999, 12, 30),  # noqa: DTZ001 - hypothesis adds the offset
            timezones=offsets,
        )
    )
    def test_is_the_same_instant_in_utc(self, sent: datetime) -> None:
        read = moments.validate_json(json.dumps(sent.isoformat()))

        assert read is not None
        assert timedelta() <= sent - read < timedelta(milliseconds=1)
        assert read.microsecond % 1000 == 0
        assert read.tzinfo is UTC

    @given(st.datetimes(min_value=datetime(2, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the offset
    def test_survives_the_wire(self, moment: datetime) -> None:
        written = moments.dump_json(moment)

        assert written.endswith(b'Z"')
        assert moments.validate_json(written) == moments.validate_python(moment)

    @pytest.mark.parametrize(
        ("sent", "written"),
        [
            ("2024-01-15T10:30:00Z", "2024-01-15T10:30:00Z"),
            ("2024-01-15T10:30:00.1234567Z", "2024-01-15T10:30:00.123000Z"),
            ("2024-01-15T10:30:00.1234567", "2024-01-15T10:30:00.123000Z"),
            ("2024-01-15T10:30:00", "2024-01-15T10:30:00Z"),
            ("2024-01-15T10:30", "2024-01-15T10:30:00Z"),
            ("2024-01-15", "2024-01-15T00:00:00Z"),
            ("2024-01-15 10:30:00", "2024-01-15T10:30:00Z"),
            ("2024-01-15t10:30:00z", "2024-01-15T10:30:00Z"),
            ("20240115T103000Z", "2024-01-15T10:30:00Z"),
            ("2024-W03-1T10:30:00Z", "2024-01-15T10:30:00Z"),
            ("2024-01-15T10:30:00+0100", "2024-01-15T09:30:00Z"),
            ("2024-01-15T10:30:00+01", "2024-01-15T09:30:00Z"),
            ("2024-01-15T10:30:00-02:30", "2024-01-15T13:00:00Z"),
        ],
    )
    def test_is_read_from_any_iso_form(self, sent: str, written: str) -> None:
        moment = moments.validate_json(json.dumps(sent))

        assert json.loads(moments.dump_json(moment)) == written

    @pytest.mark.parametrize("sent", ['"0001-01-01T00:00:00"', '"0001-01-01T00:00:00Z"', "null"])
    def test_is_none_where_unset(self, sent: str) -> None:
        assert moments.validate_json(sent) is None

    @pytest.mark.parametrize(
        "sent",
        ["5", '"5"', '"tomorrow"', '""', "true", '"2024-13-01"', '"9999-12-31T23:59:59-05:00"'],
    )
    def test_refuses_what_is_no_time(self, sent: str) -> None:
        with pytest.raises(ValidationError, match="ISO 8601"):
            moments.validate_json(sent)
