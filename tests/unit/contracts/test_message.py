from uuid import RFC_4122, UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from contracts.message import derived

positions = st.integers(0, 2**31) | st.text(max_size=50)


class TestDerived:
    @given(st.uuids(), positions)
    def test_is_the_same_at_every_handling(self, cause: UUID, position: int | str) -> None:
        first = derived(cause, position)

        assert derived(UUID(str(cause)), position) == first
        assert derived(cause, str(position)) == first

    @given(st.uuids(), st.lists(positions, unique_by=str, min_size=2))
    def test_differs_from_position_to_position(self, cause: UUID, several: list[int | str]) -> None:
        ids = {derived(cause, position) for position in several}

        assert len(ids) == len(several)
        assert cause not in ids

    @given(st.lists(st.uuids(), unique=True, min_size=2), positions)
    def test_differs_from_cause_to_cause(self, causes: list[UUID], position: int | str) -> None:
        alike = [UUID(bytes=bytes(6) + cause.bytes[6:]) for cause in causes]

        assert len({derived(cause, position) for cause in alike}) == len(set(alike))

    @given(st.uuids(), st.lists(positions, min_size=1, max_size=5))
    def test_begins_as_what_began_the_story(self, command: UUID, steps: list[int | str]) -> None:
        last = command
        for position in steps:
            last = derived(last, position)

        assert last.bytes[:6] == command.bytes[:6]

    def test_is_a_uuid_of_version_8(self) -> None:
        id_ = derived(uuid4(), 1)

        assert (id_.version, id_.variant) == (8, RFC_4122)
