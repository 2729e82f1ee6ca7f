import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.domain import Refusal
from services.api.entrypoints.guests import MOST_ADDRESSES, Guests, address_of


def admitted(guests: Guests, address: str, *, now: float) -> bool:
    try:
        guests.admit(address, now=now)
    except Refusal:
        return False
    return True


class TestGuests:
    def test_may_ask_so_often_a_minute_from_one_address(self) -> None:
        guests = Guests(each=3, together=0)

        at_once = [admitted(guests, "192.0.2.1", now=100) for _ in range(4)]
        other = admitted(guests, "192.0.2.2", now=100)
        later = [admitted(guests, "192.0.2.1", now=120.0) for _ in range(2)]

        assert at_once == [True, True, True, False]
        assert other
        assert later == [True, False]

    def test_may_ask_so_often_from_all_addresses_together(self) -> None:
        guests = Guests(each=0, together=2)

        asked = [admitted(guests, f"192.0.2.{number}", now=0) for number in range(3)]

        assert asked == [True, True, False]

    def test_are_told_when_to_come_again(self) -> None:
        guests = Guests(each=2, together=0)
        for _ in range(2):
            guests.admit("192.0.2.1", now=0)

        with pytest.raises(Refusal) as refused:
            guests.admit("192.0.2.1", now=1)

        assert (refused.value.problem.status, refused.value.problem.retry_after) == (429, 29)

    def test_that_are_refused_take_nothing_from_the_others(self) -> None:
        guests = Guests(each=1, together=3)
        for _ in range(10):
            admitted(guests, "192.0.2.1", now=0)

        assert [admitted(guests, f"192.0.2.{number}", now=0) for number in (2, 3)] == [True, True]

    def test_are_unlimited_where_the_limits_are_off(self) -> None:
        guests = Guests(each=0, together=0)

        assert all(admitted(guests, "192.0.2.1", now=0) for _ in range(1000))

    def test_are_forgotten_when_there_are_too_many(self) -> None:
        guests = Guests(each=1, together=0)
        guests.admit("first", now=0)

        for number in range(MOST_ADDRESSES):
            guests.admit(str(number), now=0)

        assert admitted(guests, "first", now=0)
        assert not admitted(guests, str(MOST_ADDRESSES - 1), now=0)

    @given(st.lists(st.floats(0, 30), max_size=200), st.integers(1, 20))
    def test_never_get_more_than_one_bucket_and_what_was_filled(
        self, pauses: list[float], each: int
    ) -> None:
        guests, now, count = Guests(each=each, together=0), 0.0, 0

        for pause in pauses:
            now += pause
            count += admitted(guests, "192.0.2.1", now=now)

        assert count <= each + now * each / 60 + 1e-6


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("::ffff:192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8::1:2:3:4", 5), "2001:db8::/64"),
        (("socket", 0), "socket"),
        (None, ""),
    ],
)
def test_an_address_is_what_one_side_has_whole(peer: tuple[str, int] | None, address: str) -> None:
    assert address_of({"client": peer}) == address
