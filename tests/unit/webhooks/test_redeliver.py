import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.webhooks import RedeliverDelivery, RedeliverEvents, Span
from services.chassis.outcomes import Refused
from services.webhooks.domain.delivery import (
    DeliverWebhook,
    Lanes,
    RecordedAttempt,
    WebhookDelivery,
    promised,
)
from services.webhooks.domain.endpoint import WebhookEndpoint
from services.webhooks.domain.redeliver import Again, Look, Looked, again, asked_for, asked_for_one
from tests.unit.webhooks.test_endpoint import an_endpoint

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COMMAND = UUID("0198c0de-0000-7000-8000-000000000001")
SPAN = Span(since=NOON, until=NOON, states=("failed",))


def a_delivery(sequence: int, *, order_id: str = "o", **members: Any) -> WebhookDelivery:  # noqa: ANN401 - members
    id_ = f"{order_id}-{sequence}"
    found = {
        "id": id_,
        "endpoint_id": "e",
        "event_id": f"event-of-{id_}",
        "event_type": "order.updated",
        "order_id": order_id,
        "sequence": sequence,
        "previous_sequence": sequence - 1,
        "state": "skipped",
        "created": NOON + timedelta(seconds=sequence),
        "missed": 0,
    }
    return WebhookDelivery.model_validate(found | members)


def events(*deliveries: WebhookDelivery) -> dict[str, bytes]:
    return {
        one.event_id: json.dumps(
            {"sequence": one.sequence, "timestamp": "now", "orderId": one.order_id}
        ).encode()
        for one in deliveries
    }


def followed(
    look: Look,
    *deliveries: WebhookDelivery,
    endpoint: WebhookEndpoint | None = None,
    lanes: Lanes | None = None,
    kept: dict[str, bytes] | None = None,
    more: bool = True,
) -> Again:
    looked = Looked(deliveries, events(*deliveries) if kept is None else kept, more=more)
    known = dict.fromkeys(looked.subjects, lanes)
    return again(endpoint or an_endpoint(), look, looked, known, now=NOON)


MISSED = Look(endpoint_id="e")
OF_SPAN = Look(endpoint_id="e", command=COMMAND, span=SPAN)
OF_ONE = Look(endpoint_id="e", command=COMMAND, delivery_id="o-1")


class TestAgain:
    @given(sequences=st.permutations(range(1, 8)))
    def test_promises_what_was_missed_in_order_and_in_the_lane_of_its_order(
        self, sequences: list[int]
    ) -> None:
        found = [a_delivery(sequence) for sequence in sequences]

        follows = followed(MISSED, *found)

        assert [one.delivery.sequence for one in follows.calls] == list(range(1, 8))
        assert {one.lane for one in follows.calls} == {"e/order:o"}

    def test_puts_a_deliberate_repeat_beside_the_lane(self) -> None:
        taken = a_delivery(1, state="delivered", missed=None)
        failed = a_delivery(2, state="failed", missed=None)

        follows = followed(OF_SPAN, taken, failed)

        assert [one.lane for one in follows.calls] == ["o-1/again", "e/order:o"]

    def test_sends_what_it_is_now_to_be_told_and_counts_the_attempts_on(self) -> None:
        made = [
            RecordedAttempt(number=n, started_at=NOON, duration_ms=1, phases={}) for n in (4, 9)
        ]
        one = a_delivery(3, state="failed", missed=None, attempts=made)
        data = b'{"sequence":3,"timestamp":"now","orderId":"o","order":{"id":"o","x":1}}'

        full, thin = (
            followed(OF_ONE, one, endpoint=an_endpoint(payload=payload), kept={one.event_id: data})
            for payload in ("full", "thin")
        )

        assert [call.request for call in full.calls] == [
            DeliverWebhook(
                delivery_id="o-3",
                endpoint_id="e",
                event_id=one.event_id,
                event_type="order.updated",
                order_id="o",
                earlier=9,
            )
        ]
        bodies = [
            json.loads(body) for follows in (full, thin) for _, body in promised(follows.calls)
        ]
        assert [body["data"]["order"] for body in bodies] == [{"id": "o", "x": 1}, {"id": "o"}]
        assert [body["previousSequence"] for body in bodies] == [2, 2]
        assert followed(MISSED, a_delivery(1)).calls[0].request.earlier == 0

    def test_writes_that_a_delivery_waits_again_or_never_will(self) -> None:
        one, lost = a_delivery(1), a_delivery(2)

        follows = followed(MISSED, one, lost, kept=events(one))

        assert list(follows.updates) == [
            (
                "o-1",
                {
                    "$set": {"state": "retrying", "nextAttempt": NOON},
                    "$unset": {"missed": "", "completed": ""},
                },
            ),
            ("o-2", {"$unset": {"missed": ""}}),
        ]

    def test_lets_an_order_go_on_when_nothing_of_it_is_missed_any_more(self) -> None:
        lanes = Lanes(id="order:o", sent={"e": 2, "f": 2}, behind={"e": 0, "f": 3})

        half = followed(MISSED, a_delivery(1), lanes=lanes)
        whole = followed(MISSED, a_delivery(1), a_delivery(2), lanes=lanes)

        assert half.lanes == []
        assert [one.behind for one in whole.lanes] == [{"f": 3}]

    def test_lets_no_order_go_on_for_a_repeat_of_what_was_not_missed(self) -> None:
        lanes = Lanes(id="order:o", sent={"e": 2}, behind={"e": 0})

        follows = followed(OF_SPAN, a_delivery(2, state="failed", missed=None), lanes=lanes)

        assert len(follows.calls) == 1
        assert follows.lanes == []

    def test_of_a_span_sends_what_was_missed_too(self) -> None:
        follows = followed(OF_SPAN, a_delivery(1), a_delivery(2, missed=None))

        assert [one.delivery.sequence for one in follows.calls] == [1, 2]

    def test_leaves_out_what_was_given_up_since_it_was_found(self) -> None:
        endpoint = an_endpoint().model_copy(update={"generation": 1})

        follows = followed(MISSED, a_delivery(1), endpoint=endpoint)

        assert (follows.calls, follows.updates) == ([], [])

    def test_goes_on_behind_the_last_one_until_there_is_none(self) -> None:
        first = followed(OF_SPAN, a_delivery(1, missed=None), a_delivery(2, missed=None))
        end = followed(OF_SPAN, more=False)

        assert [one.position for one in first.looks] == [(NOON + timedelta(seconds=2), "o-2")]
        assert first.settled == ()
        assert end.looks == []
        assert followed(OF_SPAN, more=True).looks == []
        assert [(told.command, told.status) for told in end.settled] == [(COMMAND, 200)]

    def test_looks_for_what_was_missed_from_the_beginning_each_time_and_tells_nobody(self) -> None:
        """What was found is missed no more, so the next look does not find it."""
        goes_on = followed(MISSED, a_delivery(1))
        end = followed(MISSED, a_delivery(1), more=False)

        assert goes_on.looks == [MISSED]
        assert end.settled == []

    def test_tells_when_the_one_that_is_wanted_is_promised(self) -> None:
        follows = followed(OF_ONE, a_delivery(1, state="failed", missed=None), more=False)

        assert [(told.status, told.problem) for told in follows.settled] == [(200, None)]

    def test_tells_when_the_event_of_the_one_that_is_wanted_is_gone(self) -> None:
        one = a_delivery(1, state="failed", missed=None)

        follows = followed(OF_ONE, one, kept={}, more=False)

        assert follows.calls == []
        assert [(told.status, told.problem) for told in follows.settled] == [
            (404, "event-not-kept")
        ]
        assert "$set" not in follows.updates[0][1]

    @pytest.mark.parametrize("endpoint", [None, an_endpoint(is_enabled=False)])
    def test_ends_where_nothing_may_be_sent(self, endpoint: WebhookEndpoint | None) -> None:
        one = a_delivery(1)

        follows = again(endpoint, OF_SPAN, Looked([one], events(one), more=True), {}, now=NOON)

        assert follows.calls == ()
        assert follows.looks == ()
        assert [told.problem for told in follows.settled] == ["endpoint-disabled"]


class TestAskedFor:
    def test_looks_for_a_span_from_its_beginning(self) -> None:
        command = RedeliverEvents(endpoint_id="e", user="a client", span=SPAN, count=1)

        assert asked_for(an_endpoint(), command, id_=COMMAND) == OF_SPAN

    @pytest.mark.parametrize("state", ["delivered", "failed", "skipped"])
    def test_looks_for_one_delivery_that_is_over(self, state: str) -> None:
        command = RedeliverDelivery(endpoint_id="e", user="a client", delivery_id="o-1")

        look = asked_for_one(an_endpoint(), a_delivery(1, state=state), command, id_=COMMAND)

        assert look == OF_ONE
        assert look.lane == "redelivery/e"

    @pytest.mark.parametrize(
        ("endpoint", "delivery", "slug"),
        [
            (None, a_delivery(1), "not-found"),
            (an_endpoint(is_enabled=False), a_delivery(1), "endpoint-disabled"),
            (an_endpoint(), None, "not-found"),
            (an_endpoint(), a_delivery(1, endpoint_id="f"), "not-found"),
            (an_endpoint(), a_delivery(1, state="pending"), "delivery-under-way"),
            (an_endpoint(), a_delivery(1, state="retrying"), "delivery-under-way"),
            (an_endpoint(), a_delivery(1, state="held"), "delivery-under-way"),
        ],
    )
    def test_refuses_what_cannot_be_made_again_now(
        self, endpoint: WebhookEndpoint | None, delivery: WebhookDelivery | None, slug: str
    ) -> None:
        command = RedeliverDelivery(endpoint_id="e", user="a client", delivery_id="o-1")

        with pytest.raises(Refused) as raised:
            asked_for_one(endpoint, delivery, command, id_=COMMAND)

        assert raised.value.problem.slug == slug

    def test_refuses_a_span_of_an_endpoint_that_is_sent_nothing(self) -> None:
        command = RedeliverEvents(endpoint_id="e", user="a client", span=SPAN, count=1)

        with pytest.raises(Refused) as raised:
            asked_for(an_endpoint(is_enabled=False), command, id_=COMMAND)

        assert raised.value.problem.slug == "endpoint-disabled"
