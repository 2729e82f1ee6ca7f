from datetime import UTC, datetime
from uuid import RFC_4122

from services.chassis.ids import new_id


class TestNewId:
    def test_is_a_uuid_of_version_7(self) -> None:
        id_ = new_id()

        assert (id_.version, id_.variant) == (7, RFC_4122)

    def test_begins_with_the_milliseconds_of_its_time(self) -> None:
        before = int(datetime.now(UTC).timestamp() * 1000)

        milliseconds = int.from_bytes(new_id().bytes[:6])

        assert before <= milliseconds <= int(datetime.now(UTC).timestamp() * 1000) + 1

    def test_is_never_given_twice(self) -> None:
        ids = {new_id() for _ in range(10_000)}

        assert len(ids) == 10_000
