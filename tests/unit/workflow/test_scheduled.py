"""Runs of the automations: one after the other, each going on where the last one stopped."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.orders import AutomateOrder, RunAutomations, RunReservations
from contracts.settings import (
    DEFAULT,
    ORDER_AUTOMATION,
    TRY_RESERVE,
    Configuration,
    OrderAutomation,
    OrderAutomationSettings,
    OrderSettings,
)
from services.workflow.domain.scheduled import (
    Look,
    Looked,
    NotNow,
    Position,
    ScheduledRuns,
    begin,
    from_here,
    go_on,
    missing,
    page_size,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
INTERVAL = timedelta(seconds=30)


def an_automation(status: str, condition: str = "AllItemsShipped") -> OrderAutomation:
    """Return an automation of a type that is not configured, so that any status may follow."""
    return OrderAutomation.model_validate(
        {"order_type": "Own", "status": status, "condition": condition, "new_status": "Done"}
    )


A, B, C = (an_automation(one) for one in "ABC")


def configured(*automations: OrderAutomation, every: int = 30, **settings: object) -> Configuration:
    """Return the shipped settings with these automations."""
    members = OrderAutomationSettings(order_automations=automations).model_copy(update=settings)
    order_settings = OrderSettings(
        order_automation_settings=members, automation_interval_seconds=every
    )
    return DEFAULT.model_copy(update={"order_settings": order_settings})


def runs(number: int, *, ended: bool = True, position: Position | None = None) -> ScheduledRuns:
    """Return the last run, which was heard of NOW."""
    return ScheduledRuns(
        id=ORDER_AUTOMATION, number=number, has_ended=ended, at=NOW, position=position
    )


def behind(automation: OrderAutomation, place: int) -> Position:
    """Return the place behind an order."""
    return Position(automation=automation, at=NOW, order_id=f"{place:05}")


class TestBegin:
    def test_the_first_run_begins_at_the_beginning(self) -> None:
        begun, look = begin(
            None,
            RunAutomations(number=1),
            now=NOW,
            configuration=configured(A),
        )

        assert (begun.number, begun.has_ended, begun.at) == (1, False, NOW)
        assert look == Look(run=1)

    def test_the_next_goes_on_where_the_last_has_stopped(self) -> None:
        before = runs(4, position=behind(B, 17))

        _, look = begin(
            before,
            RunAutomations(number=5),
            now=NOW,
            configuration=configured(A, B),
        )

        assert look == Look(run=5, position=behind(B, 17))

    @pytest.mark.parametrize("number", [3, 4, 6])
    def test_one_message_of_a_number_has_an_effect(self, number: int) -> None:
        with pytest.raises(NotNow):
            begin(
                runs(4),
                RunAutomations(number=number),
                now=NOW,
                configuration=configured(A),
            )

    def test_the_chain_ends_where_there_are_no_automations_any_more(self) -> None:
        with pytest.raises(NotNow):
            begin(
                runs(4),
                RunAutomations(number=5),
                now=NOW,
                configuration=DEFAULT,
            )


class TestGoOn:
    def test_looks_behind_those_that_were_seen(self) -> None:
        looked = Looked([AutomateOrder(order_id="1", automation=A)], 100, behind(A, 100))

        follows = go_on(
            runs(4, ended=False),
            Look(run=4, seen=50),
            looked,
            now=NOW,
            configuration=configured(A),
        )

        assert follows is not None
        assert follows.look == Look(run=4, position=behind(A, 100), seen=150)
        assert follows.run is None
        assert not follows.runs.has_ended

    def test_ends_when_nobody_is_left_and_begins_anew_after_the_interval(self) -> None:
        follows = go_on(
            runs(4, ended=False, position=behind(A, 3)),
            Look(run=4, seen=50),
            Looked(),
            now=NOW,
            configuration=configured(A, every=7),
        )

        assert follows is not None
        assert follows.look is None
        assert follows.run == RunAutomations(number=5)
        assert follows.due == NOW + timedelta(seconds=7)
        assert (follows.runs.has_ended, follows.runs.position) == (True, None)

    def test_ends_when_as_many_were_seen_as_may_be_and_remembers_where(self) -> None:
        follows = go_on(
            runs(4, ended=False),
            Look(run=4, seen=900),
            Looked(seen=100, position=behind(A, 100)),
            now=NOW,
            configuration=configured(A),
        )

        assert follows is not None
        assert (follows.look, follows.run) == (
            None,
            RunAutomations(number=5),
        )
        assert follows.runs.position == behind(A, 100)

    def test_remembers_in_a_run_what_it_has_promised_up_to_a_limit(self) -> None:
        few, many = ({str(at): Decimal(1) for at in range(count)} for count in (2, 10_001))

        follow = [
            go_on(
                runs(4, ended=False),
                Look(run=4),
                Looked(seen=1, position=behind(A, 1), promised=promised),
                now=NOW,
                configuration=configured(A),
            )
            for promised in (few, many)
        ]

        goes_on, ends = follow
        assert goes_on is not None
        assert goes_on.look is not None
        assert Look.model_validate_json(goes_on.look.model_dump_json()).promised == few
        assert ends is not None
        assert (ends.look, ends.run) == (None, RunAutomations(number=5))
        assert ends.runs.position == behind(A, 1)

    def test_sends_no_next_run_where_there_are_no_automations_any_more(self) -> None:
        follows = go_on(
            runs(4, ended=False),
            Look(run=4),
            Looked(),
            now=NOW,
            configuration=DEFAULT,
        )

        assert follows is not None
        assert (follows.look, follows.run, follows.runs.has_ended) == (None, None, True)

    @pytest.mark.parametrize(
        ("seen", "position", "number"),
        [(0, None, None), (1, None, 5), (0, Position(at=NOW, order_id="1"), 5)],
    )
    def test_of_reservations_the_chain_rests_while_nobody_is_in_line(
        self, seen: int, position: Position | None, number: int | None
    ) -> None:
        follows = go_on(
            ScheduledRuns(id=TRY_RESERVE, number=4, at=NOW),
            Look(task=TRY_RESERVE, run=4, seen=seen, position=position),
            Looked(),
            now=NOW,
            configuration=DEFAULT,
        )

        assert follows is not None
        assert (follows.look, follows.runs.has_ended) == (None, True)
        assert follows.run == (RunReservations(number=number) if number else None)

    def test_a_run_of_reservations_goes_on_to_the_end_of_the_line(self) -> None:
        last = Position(at=NOW, order_id="5000")

        follows = go_on(
            ScheduledRuns(id=TRY_RESERVE, number=4, at=NOW),
            Look(task=TRY_RESERVE, run=4, seen=4_900),
            Looked(seen=100, position=last),
            now=NOW,
            configuration=DEFAULT,
        )

        assert follows is not None
        assert follows.look == Look(task=TRY_RESERVE, run=4, seen=5_000, position=last)
        assert follows.run is None

    def test_changes_nothing_once_another_run_has_begun(self) -> None:
        looked = Looked([AutomateOrder(order_id="1", automation=A)], 100, behind(A, 100))

        follows = go_on(
            runs(5, ended=False),
            Look(run=4),
            looked,
            now=NOW,
            configuration=configured(A),
        )

        assert follows is None


class TestFromHere:
    def test_goes_through_the_automations_in_their_order(self) -> None:
        found = list(from_here(None, configured(A, B, C)))

        assert found == [(A, None), (B, None), (C, None)]

    def test_goes_on_behind_the_order_that_was_looked_at_last(self) -> None:
        found = list(from_here(behind(B, 7), configured(A, B, C)))

        assert found == [(B, behind(B, 7)), (C, None)]

    def test_begins_anew_where_the_automation_is_gone(self) -> None:
        found = list(from_here(behind(B, 7), configured(C, A)))

        assert found == [(C, None), (A, None)]


class TestPageSize:
    def test_is_the_settings_where_stock_is_looked_up_and_never_beyond_what_a_run_may_see(
        self,
    ) -> None:
        stock = an_automation("A", "BackInStock")
        small = configured(A, stock, back_in_stock_batch_size=20)
        huge = configured(A, stock, back_in_stock_batch_size=10**9)

        sizes = [
            page_size(A, Look(run=1), small),
            page_size(stock, Look(run=1), small),
            page_size(stock, Look(run=1), huge),
            page_size(A, Look(run=1, seen=990), small),
        ]

        assert sizes == [100, 20, 500, 10]


class TestMissing:
    def test_the_first_message_of_all(self) -> None:
        assert missing(ORDER_AUTOMATION, None, interval=INTERVAL, now=NOW) == RunAutomations(
            number=1
        )

    @pytest.mark.parametrize(
        ("ended", "seconds", "expected"),
        [(True, 40, None), (True, 41, 5), (False, 600, None), (False, 601, 5)],
    )
    def test_the_next_one_when_it_is_overdue(
        self, ended: bool, seconds: int, expected: int | None
    ) -> None:
        now = NOW + timedelta(seconds=seconds)

        found = missing(ORDER_AUTOMATION, runs(4, ended=ended), interval=INTERVAL, now=now)

        assert (found and found.number) == expected


@given(
    st.lists(st.sets(st.integers(0, 30), max_size=12), min_size=1, max_size=3),
    st.integers(1, 15),
)
def test_every_candidate_is_looked_at_however_few_a_run_may_see(
    lines: list[set[int]], most: int
) -> None:
    automations = (A, B, C)[: len(lines)]
    configuration = configured(*automations, max_orders_to_process_per_run=most)
    candidates = dict(zip(automations, map(sorted, lines), strict=True))
    state: ScheduledRuns | None = None
    seen: list[tuple[OrderAutomation, int]] = []

    total = sum(map(len, lines))
    for number in range(1, total + 3):
        state, in_run = one_run(state, number, candidates, configuration)
        assert len(in_run) <= most
        seen += in_run

    assert set(seen) == {(one, place) for one in candidates for place in candidates[one]}


def one_run(
    state: ScheduledRuns | None,
    number: int,
    candidates: dict[OrderAutomation, list[int]],
    configuration: Configuration,
) -> tuple[ScheduledRuns, Sequence[tuple[OrderAutomation, int]]]:
    """Play a run in which no order fulfils its condition; return whom it has looked at."""
    state, look = begin(
        state,
        RunAutomations(number=number),
        now=NOW,
        configuration=configuration,
    )
    seen: list[tuple[OrderAutomation, int]] = []
    following: Look | None = look
    while following is not None:
        looked = Looked()
        for automation, position in from_here(following.position, configuration):
            after = int(position.order_id) if position else -1
            rest = [place for place in candidates[automation] if place > after]
            page = rest[: page_size(automation, following, configuration)]
            if page:
                seen += [(automation, place) for place in page]
                looked = Looked((), len(page), behind(automation, page[-1]))
                break
        follows = go_on(state, following, looked, now=NOW, configuration=configuration)
        assert follows is not None
        state, following = follows.runs, follows.look
    assert state.has_ended
    return state, seen
