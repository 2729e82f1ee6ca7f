from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.messages.webhooks import TEST, DeliveryFailed, EndpointDisabled
from services.chassis.clock import Clock
from services.chassis.http import Outbound
from services.webhooks.domain.attempt import (
    LOOK_AGAIN,
    Judgement,
    NotSent,
    Result,
    judge,
    pause,
    taken,
    wished,
)
from services.webhooks.domain.delivery import DeliverWebhook
from services.webhooks.domain.endpoint import WebhookEndpoint, give_up
from services.webhooks.entrypoints import delivering
from services.webhooks.gateways import Receivers
from services.webhooks.queries.endpoints import Endpoints
from tests.unit.webhooks.test_endpoint import an_endpoint

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = UUID("0198c0de-0000-7000-8000-000000000001")
REQUEST = DeliverWebhook(
    delivery_id="d", endpoint_id="e", event_id="v", event_type="order.created", order_id="o"
)


def a_result(status: int | None = 500, **members: object) -> Result:
    error = None if status else "it did not answer in time"
    return Result(NOW, 12.5, status, error, **members)  # type: ignore[arg-type] # as the test says


def judged(
    result: Result | NotSent,
    *,
    number: int = 1,
    endpoint: WebhookEndpoint | None = None,
    deleted: bool = False,
    request: DeliverWebhook = REQUEST,
) -> Judgement:
    known = None if deleted else endpoint or an_endpoint()
    found = taken(request, result, number=number, now=NOW)
    return found or judge(known, request, result, number=number, key=KEY, now=NOW)


def state(judgement: Judgement) -> str:
    return str(judgement.update["$set"]["state"])


class TestTaken:
    def test_asks_for_the_endpoint_only_if_it_did_not_take_the_event(self) -> None:
        gateway = delivering(Receivers(Outbound(), endpoints=Endpoints(), clock=Clock()))
        outcomes: list[Result | NotSent] = [a_result(204), a_result(500), NotSent(deleted=False)]

        needed = [[*gateway.loads(REQUEST), *gateway.then(REQUEST, one)] for one in outcomes]

        assert needed == [[], *[[(WebhookEndpoint, "e")]] * 2]


class TestJudge:
    @pytest.mark.parametrize("status", [200, 201, 204, 299])
    def test_takes_every_2xx_for_delivered(self, status: int) -> None:
        judgement = judged(a_result(status))

        assert state(judgement) == "delivered"
        assert judgement.update["$set"]["completed"] == NOW
        assert (judgement.again_at, judgement.is_failure) == (None, False)

    @given(status=st.one_of(st.none(), st.integers(100, 199), st.integers(300, 599)))
    def test_tries_everything_but_2xx_and_410_again(self, status: int | None) -> None:
        judgement = judged(a_result(status))

        assert (state(judgement) == "retrying") is (status != 410)
        assert judgement.again_at is not None
        if status != 410:
            assert judgement.update["$set"]["nextAttempt"] == judgement.again_at

    def test_writes_the_attempt_and_when_the_next_one_is(self) -> None:
        result = Result(NOW, 12.5, 500, "reset", b"no", {"connect": 1.0}, "60")

        judgement = judged(result, number=2)

        assert judgement.update == {
            "$set": {"state": "retrying", "nextAttempt": NOW + timedelta(seconds=60)},
            "$push": {
                "attempts": {
                    "$each": [
                        {
                            "number": 2,
                            "startedAt": NOW,
                            "durationMs": 12.5,
                            "phases": {"connect": 1.0},
                            "statusCode": 500,
                            "error": "reset",
                            "responseExcerpt": "no",
                        }
                    ],
                    "$slice": -50,
                }
            },
        }

    def test_writes_of_what_is_over_when_that_was_and_that_nothing_follows(self) -> None:
        last = an_endpoint(retry_schedule=[])

        taken, given_up = judged(a_result(204)), judged(a_result(), endpoint=last)
        deleted, refused = judged(NotSent(deleted=True)), judged(a_result(), deleted=True)

        for one in (taken, given_up, deleted, refused):
            assert one.update["$set"]["completed"] == NOW
            assert one.update["$unset"] == {"nextAttempt": ""}
            assert one.again_at is None
        assert "$push" not in deleted.update
        assert "responseExcerpt" not in taken.update["$push"]["attempts"]["$each"][0]

    def test_tries_again_by_the_schedule(self) -> None:
        endpoint = an_endpoint(retry_schedule=[10, 1000])

        pauses = [judged(a_result(), number=n, endpoint=endpoint).again_at for n in (1, 2)]

        fifth = [timedelta(seconds=2), timedelta(seconds=200)]
        for found, wanted, most in zip(pauses, (10, 1000), fifth, strict=True):
            assert found is not None
            assert abs(found - NOW - timedelta(seconds=wanted)) <= most

    def test_disables_an_endpoint_that_is_gone_once(self) -> None:
        open_, (closed, _) = an_endpoint(), give_up(an_endpoint(), reason="410", now=NOW)

        first = judged(a_result(410), endpoint=open_)
        second = judged(a_result(410), endpoint=closed)

        assert [type(message) for message in first.news] == [EndpointDisabled]
        assert first.endpoints[0].disabled_reason is not None
        assert (state(first), state(second)) == ("held", "held")
        assert first.again_at == second.again_at == NOW + timedelta(hours=1)
        assert (second.news, second.endpoints) == ((), ())

    def test_gives_up_after_the_last_attempt_and_says_so_once(self) -> None:
        endpoint = an_endpoint(retry_schedule=[1, 1])

        before, last = (judged(a_result(), number=n, endpoint=endpoint) for n in (2, 3))

        assert (state(before), state(last)) == ("retrying", "failed")
        assert before.news == ()
        assert last.again_at is None
        (news,) = last.news
        assert isinstance(news, DeliveryFailed)
        assert (news.attempts, news.event_id, news.order_id) == (3, "v", "o")
        assert news.reason == "the endpoint answered 500"

    def test_says_of_the_last_attempt_why_no_answer_came(self) -> None:
        (news,) = judged(a_result(None), endpoint=an_endpoint(retry_schedule=[])).news

        assert isinstance(news, DeliveryFailed)
        assert news.reason == "it did not answer in time"

    def test_goes_on_at_the_longest_pause_where_the_lane_is_to_be_held(self) -> None:
        endpoint = an_endpoint(retry_schedule=[60, 5], on_exhausted="hold")

        last, later = (judged(a_result(), number=n, endpoint=endpoint) for n in (3, 4))

        assert (state(last), state(later)) == ("held", "held")
        assert last.again_at == later.again_at == NOW + timedelta(seconds=60)
        assert (len(last.news), len(later.news)) == (1, 0)
        assert last.update["$set"]["nextAttempt"] == last.again_at

    @pytest.mark.parametrize(("wish", "seconds"), [("90", 90), (None, 3600)])
    def test_holds_the_lane_for_as_long_as_is_asked_for_or_an_hour_without_a_schedule(
        self, wish: str | None, seconds: int
    ) -> None:
        endpoint = an_endpoint(retry_schedule=[], on_exhausted="hold")

        judgement = judged(a_result(retry_after=wish), endpoint=endpoint)

        assert judgement.again_at == NOW + timedelta(seconds=seconds)

    def test_skips_what_an_endpoint_that_was_deleted_has_not_taken(self) -> None:
        assert state(judged(NotSent(deleted=True), deleted=True)) == "skipped"
        assert state(judged(a_result(500), deleted=True)) == "skipped"
        assert state(judged(a_result(200), deleted=True)) == "delivered"
        assert judged(a_result(500), deleted=True).is_failure

    @given(status=st.one_of(st.none(), st.integers(100, 199), st.integers(300, 599)))
    def test_makes_a_test_once_and_changes_nothing_by_it(self, status: int | None) -> None:
        test = REQUEST.model_copy(update={"event_type": TEST})
        endpoint = an_endpoint(on_exhausted="hold")

        judgement = judged(a_result(status, retry_after="9"), endpoint=endpoint, request=test)

        assert state(judgement) == "failed"
        assert (judgement.again_at, judgement.quiet_until) == (None, None)
        assert not judgement.is_failure
        assert (judgement.endpoints, judgement.news) == ((), ())

    def test_does_not_hold_back_what_was_enabled_meanwhile(self) -> None:
        closed = an_endpoint(is_enabled=False)

        assert judged(NotSent(deleted=False)).again_at == NOW
        assert judged(NotSent(deleted=False), endpoint=closed).again_at == NOW + LOOK_AGAIN
        assert judged(NotSent(deleted=False), deleted=True).again_at == NOW + LOOK_AGAIN

    def test_counts_the_attempts_on_where_it_is_delivered_again(self) -> None:
        again = REQUEST.model_copy(update={"earlier": 9})

        first = judge(an_endpoint(), again, a_result(), number=1, key=KEY, now=NOW)

        assert first.update["$push"]["attempts"]["$each"][0]["number"] == 10
        assert state(first) == "retrying"

    def test_holds_what_was_not_sent_without_counting_it(self) -> None:
        judgement = judged(NotSent(deleted=False), number=7)

        assert (state(judgement), judgement.is_postponed) == ("held", True)
        assert "$push" not in judgement.update

    @pytest.mark.parametrize(
        ("status", "quiet"), [(429, True), (503, True), (500, False), (301, False)]
    )
    def test_leaves_the_whole_endpoint_alone_when_it_is_busy(
        self, status: int, *, quiet: bool
    ) -> None:
        judgement = judged(a_result(status, retry_after="100"))

        assert judgement.again_at == NOW + timedelta(seconds=100)
        assert judgement.quiet_until == (judgement.again_at if quiet else None)

    def test_does_not_hold_too_many_requests_against_an_endpoint(self) -> None:
        assert not judged(a_result(429)).is_failure
        assert judged(a_result(503)).is_failure

    @given(excerpt=st.binary(max_size=3000))
    @example(excerpt=b"x" * 1025)
    def test_keeps_an_excerpt_of_at_most_a_kilobyte(self, excerpt: bytes) -> None:
        judgement = judged(a_result(500, excerpt=excerpt))

        (attempt,) = judgement.update["$push"]["attempts"]["$each"]
        assert attempt.get("responseExcerpt", "") == excerpt[:1024].decode("utf-8", "ignore")
        assert judgement.update["$push"]["attempts"]["$slice"] == -50


class TestPause:
    @given(seconds=st.integers(1, 86_400), key=st.uuids(), number=st.integers(1, 1000))
    def test_is_a_fifth_longer_or_shorter_at_most_and_the_same_for_a_repeat(
        self, seconds: int, key: UUID, number: int
    ) -> None:
        found = pause(seconds, key=key, number=number)

        assert 0.8 * seconds - 0.001 <= found.total_seconds() <= 1.2 * seconds + 0.001
        assert found == pause(seconds, key=key, number=number)

    def test_spreads_the_calls(self) -> None:
        pauses = {pause(100, key=UUID(int=number), number=1) for number in range(100)}

        assert len(pauses) > 90
        assert min(pauses) < timedelta(seconds=85)
        assert max(pauses) > timedelta(seconds=115)


class TestWished:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("120", 120),
            (" 7 ", 7),
            ("0", 1),
            ("999999999", 86_400),
            (format_datetime(NOW + timedelta(minutes=5), usegmt=True), 300),
            (format_datetime(NOW - timedelta(minutes=5), usegmt=True), 1),
            (format_datetime(NOW + timedelta(days=5), usegmt=True), 86_400),
            ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
            ("Sun, 01 Mar 2026 13:00:30 +0100", 30),
        ],
    )
    def test_is_between_a_second_and_a_day(self, text: str, seconds: int) -> None:
        found = wished(a_result(503, retry_after=text), now=NOW)

        assert found == timedelta(seconds=seconds)

    @pytest.mark.parametrize("text", [None, "", "soon", "-5", "1.5", "9" * 50])
    def test_is_none_where_nothing_sensible_is_said(self, text: str | None) -> None:
        assert wished(a_result(503, retry_after=text), now=NOW) is None

    @given(text=st.text())
    def test_never_breaks_on_what_a_receiver_sends(self, text: str) -> None:
        wished(a_result(503, retry_after=text), now=NOW)
