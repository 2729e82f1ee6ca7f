import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.webhooks import Span
from services.webhooks.domain.delivery import Lanes, WebhookDelivery
from services.webhooks.domain.endpoint import WebhookEndpoint
from services.webhooks.domain.redeliver import Again, Look, Looked, again
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

    def test_lets_an_order_go_on_when_nothing_of_it_is_missed_any_more(self) -> None:
        lanes = Lanes(id="order:o", sent={"e": 2, "f": 2}, behind={"e": 0, "f": 3})

        half = followed(MISSED, a_delivery(1), lanes=lanes)
        whole = followed(MISSED, a_delivery(1), a_delivery(2), lanes=lanes)

        assert half.lanes == []
        assert [one.behind for one in whole.lanes] == [{"f": 3}]

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
        assert [(told.command, told.status) for told in end.settled] == [(COMMAND, 200)]

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
