from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.problems import Problem
from services.api.domain import Refusal
from services.api.entrypoints import ROUTES
from services.api.entrypoints.limits import Figures, Kind, Limits, Slot
from services.api.entrypoints.routing import Route


def limits(**figures: float) -> Limits:
    none = dict.fromkeys(("bucket", "client", "tenant", "batch", "reads"), 0)
    given = {**none, "refill": 1, "refill_seconds": 10, **figures}
    return Limits(Figures(**given))  # type: ignore[arg-type] # plain numbers, as settings have them


def under_way(found: Limits, client: str, kind: Kind = Kind.ORDINARY) -> Slot:
    slot = found.slot(kind, client, now=0)
    slot.take()
    return slot


def refusal_of(work: Callable[[], object]) -> Problem:
    with pytest.raises(Refusal) as refused:
        work()
    return refused.value.problem


class TestBucket:
    def test_is_emptied_by_requests_and_filled_by_time(self) -> None:
        found = limits(bucket=2, refill=1, refill_seconds=10)
        for _ in range(2):
            found.slot(Kind.ORDINARY, "a", now=100)

        empty = refusal_of(lambda: found.slot(Kind.ORDINARY, "a", now=103.5))
        found.slot(Kind.ORDINARY, "a", now=110)
        again = refusal_of(lambda: found.slot(Kind.ORDINARY, "a", now=110))

        assert (empty.slug, empty.retry_after) == ("too-many-requests", 7)
        assert again.retry_after == 10

    def test_of_one_client_is_not_that_of_another(self) -> None:
        found = limits(bucket=1)
        found.slot(Kind.ORDINARY, "a", now=0)

        other = found.slot(Kind.ORDINARY, "b", now=0)

        assert other is not None

    def test_that_is_off_never_empties(self) -> None:
        found = limits(bucket=0)

        slots = [found.slot(Kind.READ, "a", now=0) for _ in range(50_000)]

        assert len(slots) == 50_000

    @given(
        st.integers(1, 5),
        st.integers(1, 3),
        st.lists(st.floats(0, 30, allow_nan=False), max_size=60),
    )
    def test_lets_no_more_through_than_it_held_and_got(
        self, bucket: int, refill: int, pauses: list[float]
    ) -> None:
        found = limits(bucket=bucket, refill=refill, refill_seconds=10)
        now, times = 0.0, []

        for pause in pauses:
            now += pause
            with suppress(Refusal):
                found.slot(Kind.ORDINARY, "a", now=now)
                times.append(now)

        for first in range(len(times)):
            for last in range(first, len(times)):
                refills = int((times[last] - times[first]) / 10) + 1
                assert last - first + 1 <= bucket + refills * refill

    @given(st.integers(1, 5), st.integers(1, 5))
    def test_promises_no_wait_that_is_too_short(self, bucket: int, refill: int) -> None:
        found = limits(bucket=bucket, refill=refill, refill_seconds=2.5)
        for _ in range(bucket):
            found.slot(Kind.ORDINARY, "a", now=0.4)

        told = refusal_of(lambda: found.slot(Kind.ORDINARY, "a", now=1))

        assert told.retry_after is not None
        assert found.slot(Kind.ORDINARY, "a", now=1 + told.retry_after)


class TestRequestsUnderWay:
    def test_of_a_client_are_limited_until_one_leaves(self) -> None:
        found = limits(client=2)
        first, _ = under_way(found, "a"), under_way(found, "a")

        refused = refusal_of(lambda: under_way(found, "a"))
        other = under_way(found, "b")
        first.leave()
        again = under_way(found, "a")

        assert (refused.slug, refused.retry_after) == ("too-many-requests", 1)
        assert "2 requests of a client" in refused.detail
        assert other
        assert again

    def test_of_all_clients_are_limited(self) -> None:
        found = limits(tenant=2)
        under_way(found, "a")
        under_way(found, "b")

        refused = refusal_of(lambda: under_way(found, "c"))

        assert "2 requests" in refused.detail

    def test_that_are_batches_have_a_limit_of_their_own_besides(self) -> None:
        found = limits(client=3, batch=1)
        under_way(found, "a", Kind.BATCH)

        refused = refusal_of(lambda: under_way(found, "a", Kind.BATCH))
        under_way(found, "a")
        under_way(found, "a")
        full = refusal_of(lambda: under_way(found, "a"))

        assert "1 batches of a client" in refused.detail
        assert "3 requests of a client" in full.detail
        assert under_way(found, "b", Kind.BATCH)

    def test_that_read_goods_count_apart(self) -> None:
        found = limits(client=1, tenant=1, reads=2)
        under_way(found, "a", Kind.READ)
        under_way(found, "b", Kind.READ)

        refused = refusal_of(lambda: under_way(found, "c", Kind.READ))

        assert "2 reads" in refused.detail
        assert under_way(found, "a")

    def test_that_were_refused_leave_nothing_behind(self) -> None:
        found = limits(tenant=1)
        kept = under_way(found, "a")
        slot = found.slot(Kind.BATCH, "b", now=0)
        refusal_of(slot.take)

        slot.leave()
        kept.leave()
        kept.leave()

        assert under_way(found, "b", Kind.BATCH)
        refusal_of(lambda: under_way(found, "a"))

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(list(Kind)))))
    def test_that_all_left_leave_all_the_room(self, wanted: list[tuple[str, Kind]]) -> None:
        found = limits(client=3, tenant=4, batch=2, reads=2)
        slots = [found.slot(kind, client, now=0) for client, kind in wanted]
        for slot in slots:
            with suppress(Refusal):
                slot.take()

        for slot in slots:
            slot.leave()

        for client, kind in (("a", Kind.BATCH), ("a", Kind.BATCH), ("a", Kind.ORDINARY)):
            under_way(found, client, kind)
        refusal_of(lambda: under_way(found, "a"))


BATCHES = ("/AddMany", "/ImportMany", "/UpdateMany", "/PatchMany")


class TestKind:
    @pytest.mark.parametrize(
        "route",
        [route for route in ROUTES if route.path.endswith(BATCHES)],
        ids=lambda route: f"{route.method} {route.path}",
    )
    def test_of_a_bulk_write_is_that_of_batches(self, route: Route) -> None:
        assert route.kind is Kind.BATCH

    @pytest.mark.parametrize(
        "route",
        [route for route in ROUTES if route.requires in {"ProductRead", "InventoryRead"}],
        ids=lambda route: f"{route.method} {route.path}",
    )
    def test_of_a_read_of_goods_is_its_own(self, route: Route) -> None:
        assert route.kind is Kind.READ

    def test_of_most_is_the_ordinary_one(self) -> None:
        others = [route for route in ROUTES if route.requires in {"OrderRead", "SettingsAdmin"}]

        assert {route.kind for route in others if not route.batch} == {Kind.ORDINARY}
