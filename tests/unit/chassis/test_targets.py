from datetime import UTC, datetime, timedelta

import pytest

from services.chassis.targets import FAILURES_TO_OPEN, PROBE_LONGEST, Limits, Target

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def a_target(limits: Limits | None = None) -> Target[str]:
    return Target("ring", limits or Limits())


def failing(target: Target[str], lanes: int, times: int = FAILURES_TO_OPEN) -> list[bool]:
    return [target.failed(f"lane {n % lanes}", began=0.0, now=1.0) for n in range(times)]


class TestCircuit:
    def test_opens_at_the_tenth_failure_in_a_row_over_three_lanes(self) -> None:
        target = a_target()

        opened = failing(target, lanes=3)

        assert opened == [False] * 9 + [True]
        assert target.pause(1.0, NOON) == 2.0

    @pytest.mark.parametrize(("lanes", "times"), [(2, 50), (3, 9)])
    def test_stays_closed_below_that(self, lanes: int, times: int) -> None:
        target = a_target()

        assert not any(failing(target, lanes=lanes, times=times))
        assert target.pause(1.0, NOON) == 0.0

    def test_counts_only_failures_in_a_row(self) -> None:
        target = a_target()
        failing(target, lanes=3, times=9)

        closed = target.succeeded()

        assert not closed
        assert not any(failing(target, lanes=3, times=9))

    def test_lets_one_probe_through_and_waits_for_its_verdict(self) -> None:
        target = a_target()
        failing(target, lanes=3)
        at_first = target.has_room()

        target.begin()
        under_way = target.has_room()
        target.end()
        unjudged = target.has_room()

        assert (at_first, under_way, unjudged) == (True, False, False)

    def test_doubles_the_pause_after_each_probe_that_fails_but_no_other_call(self) -> None:
        target = a_target()
        failing(target, lanes=3)
        target.failed("old", began=0.5, now=2.5)
        unchanged = target.probe_pause
        pauses = []

        for _ in range(4):
            now = (target.open_until or 0) + 0.1
            target.failed("probe", began=now, now=now)
            pauses.append(target.probe_pause)

        assert unchanged == 2.0
        assert pauses == [4.0, 8.0, PROBE_LONGEST, PROBE_LONGEST]

    def test_closes_with_the_first_success(self) -> None:
        target = a_target()
        failing(target, lanes=3)

        assert target.succeeded()
        assert target.pause(1.0, NOON) == 0.0
        assert not any(failing(target, lanes=3, times=9))


class TestLimits:
    def test_hold_the_calls_at_once(self) -> None:
        target = a_target(Limits(concurrency=2))

        target.begin()
        one = target.has_room()
        target.begin()

        assert (one, target.has_room()) == (True, False)

    def test_hold_the_calls_a_second_with_a_burst_of_one_second(self) -> None:
        target = a_target(Limits(concurrency=100, rate=10))
        started = 0

        for now in (100.0, 100.05, 100.1, 101.0):
            while target.pause(now, NOON) <= 0:
                target.begin()
                started += 1

        assert started == 10 + 0 + 1 + 9

    def test_stand_back_while_the_target_wants_quiet(self) -> None:
        target = a_target()
        target.quiet_until = NOON + timedelta(hours=1)

        asked = target.pause(0.0, NOON), target.pause(0.0, NOON + timedelta(hours=1))

        assert asked[0] > 0
        assert asked[1] <= 0
