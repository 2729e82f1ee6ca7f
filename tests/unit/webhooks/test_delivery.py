import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.message import Envelope, derived
from services.webhooks.domain.delivery import (
    DeliverWebhook,
    Lanes,
    Planned,
    Unwanted,
    WebhookDelivery,
    body,
    interested,
    plan,
    promised,
)
from services.webhooks.domain.endpoint import Heard, WebhookEndpoint
from services.webhooks.domain.redeliver import still_behind
from tests.unit.webhooks.test_endpoint import NOON, an_endpoint, an_event

ID = UUID("0198c0de-0000-7000-8000-000000000001")
DATA = (
    b'{"id":"%s","price":1234567890.12345678901,'
    b'"order":{"id":"o","orderNumber":"7","status":"New","version":2,"x":[1]}}' % (str(ID).encode())
)


def an_envelope(data: bytes = DATA, type_: str = "order.created") -> Envelope:
    return Envelope(
        id=ID,
        type=type_,
        topic="orders.events",
        key="o",
        data=data,
        time=NOON,
        correlation_id="c",
    )


class TestBody:
    def test_carries_a_full_event_byte_for_byte(self) -> None:
        sent = body(an_event(sequence=4), an_envelope(), previous=2, thin=False)

        assert sent.endswith(b'"data":' + DATA + b"}")
        assert {name: json.loads(sent)[name] for name in ("id", "type", "sequence")} == {
            "id": str(ID),
            "type": "order.created",
            "sequence": 4,
        }
        assert json.loads(sent)["previousSequence"] == 2

    def test_reduces_the_order_of_a_thin_event(self) -> None:
        sent = body(an_event(), an_envelope(), previous=0, thin=True)

        kept = {"id": "o", "orderNumber": "7", "status": "New", "version": 2}
        assert json.loads(sent)["data"]["order"] == kept

    @pytest.mark.parametrize("data", [b'{"sku":"s"}', b'{"order":null}'])
    def test_leaves_a_thin_event_without_an_order_alone(self, data: bytes) -> None:
        sent = body(an_event(), an_envelope(data), previous=0, thin=True)

        assert json.loads(sent)["data"] == json.loads(data)

    @given(text=st.text())
    def test_is_json_whatever_the_event_says(self, text: str) -> None:
        sent = body(an_event(timestamp=text), an_envelope(), previous=0, thin=False)

        assert json.loads(sent)["timestamp"] == text


class TestPlan:
    def test_makes_a_delivery_of_what_has_happened(self) -> None:
        event = an_event(sequence=3, timestamp="2026-03-01T14:00:00+02:00")
        endpoint = an_endpoint(payload="thin")

        (one,), _ = plan(event, an_envelope(), endpoints=[endpoint], lanes=None, now=NOON)

        id_ = str(derived(ID, "e"))
        assert one.delivery == WebhookDelivery(
            id=id_,
            endpoint_id="e",
            event_id=str(ID),
            event_type="order.created",
            order_id="o",
            store_id="oslo",
            market_id="nor",
            sequence=3,
            previous_sequence=0,
            created=NOON,
            occurred=NOON,
        )
        assert one.request == DeliverWebhook(
            delivery_id=id_,
            endpoint_id="e",
            event_id=str(ID),
            event_type="order.created",
            order_id="o",
        )
        assert (one.lane, one.target, one.delivery.subject) == ("e/order:o", "e", "order:o")
        assert [sent for _, sent in promised([one])] == [
            body(event, an_envelope(), previous=0, thin=True)
        ]

    @pytest.mark.parametrize(
        ("data", "type_", "subject"),
        [
            (b'{"sequence":1,"timestamp":"t","orderId":"o"}', "order.deleted", "order:o"),
            (
                b'{"sequence":1,"timestamp":"t","sku":"s","warehouseCode":"w"}',
                "inventory.updated",
                "stock:s@w",
            ),
        ],
    )
    def test_keeps_the_event_that_no_order_may_have_when_it_is_sent_again(
        self, data: bytes, type_: str, subject: str
    ) -> None:
        event, envelope = Heard.model_validate_json(data), an_envelope(data, type_)

        (one,), _ = plan(event, envelope, endpoints=[an_endpoint()], lanes=None, now=NOON)

        assert one.delivery.event == data
        assert one.delivery.subject == subject
        assert one.delivery.occurred is None

    def test_notes_whose_order_it_is_in_lower_case(self) -> None:
        event = an_event(store_id="Oslo", market="NOR")

        planned, _ = plan(event, an_envelope(), endpoints=[an_endpoint()], lanes=None, now=NOON)

        delivery = planned[0].delivery
        assert (delivery.store_id, delivery.market_id) == ("oslo", "nor")

    def test_chains_the_sequences_of_each_endpoint(self) -> None:
        everything = an_endpoint().model_copy(update={"id": "all"})
        shipped = an_endpoint(filters={"statuses": ["Ship"]}).model_copy(update={"id": "some"})
        endpoints, lanes, chains = [everything, shipped], None, []

        for sequence, status in enumerate(("New", "Ship", "New", "Ship"), 1):
            event = an_event(sequence=sequence, status=status)
            takers = interested(event, an_envelope(), endpoints)
            planned, lanes = plan(event, an_envelope(), endpoints=takers, lanes=lanes, now=NOON)
            chains += [
                (one.delivery.endpoint_id, one.delivery.sequence, one.delivery.previous_sequence)
                for one in planned
            ]

        assert [chain for chain in chains if chain[0] == "all"] == [
            ("all", 1, 0),
            ("all", 2, 1),
            ("all", 3, 2),
            ("all", 4, 3),
        ]
        assert [chain for chain in chains if chain[0] == "some"] == [("some", 2, 0), ("some", 4, 2)]
        assert lanes == Lanes(id="order:o", sent={"all": 4, "some": 4})

    @pytest.mark.parametrize("sent", [1, 7])
    def test_begins_anew_with_another_order_of_the_same_id(self, sent: int) -> None:
        told = Lanes(id="order:o", sent={"e": sent})
        endpoint = an_endpoint().model_copy(update={"id": "e"})

        (first,), lanes = plan(
            an_event(sequence=1), an_envelope(), endpoints=[endpoint], lanes=told, now=NOON
        )

        assert first.delivery.previous_sequence == 0
        assert lanes.sent == {"e": 1}

    def test_of_what_an_endpoint_misses_has_nothing_to_send(self) -> None:
        closed = an_endpoint(is_enabled=False)

        (one,), lanes = plan(an_event(), an_envelope(), endpoints=[closed], lanes=None, now=NOON)

        assert (one.delivery.state, one.delivery.missed, one.body) == ("skipped", 0, None)
        assert list(promised([one])) == []
        assert lanes.behind == {"e": 0}
        assert list(still_behind([one], [closed])) == []

    def test_of_what_one_endpoint_misses_the_others_are_not_behind(self) -> None:
        closed = an_endpoint(is_enabled=False)
        opened = an_endpoint().model_copy(update={"id": "f"})
        before = Lanes(id="order:o", sent={}, behind={"g": 1})

        _, lanes = plan(
            an_event(), an_envelope(), endpoints=[closed, opened], lanes=before, now=NOON
        )

        assert lanes.behind == {"e": 0, "g": 1}

    def test_sends_an_open_endpoint_nothing_of_an_order_before_what_it_has_missed(self) -> None:
        opened = an_endpoint()
        behind = Lanes(id="order:o", sent={"e": 1}, behind={"e": 0})
        given_up = opened.model_copy(update={"generation": 1})

        def planned(endpoint: WebhookEndpoint) -> Planned:
            event = an_event(sequence=2)
            (one,), _ = plan(event, an_envelope(), endpoints=[endpoint], lanes=behind, now=NOON)
            return one

        assert planned(opened).delivery.missed == 0
        assert planned(given_up).delivery.missed is None
        assert planned(given_up).delivery.previous_sequence == 1
        assert [look.endpoint_id for look in still_behind([planned(opened)], [opened])] == ["e"]
        assert list(still_behind([planned(given_up)], [given_up])) == []

    def test_is_not_made_where_nobody_listens(self) -> None:
        endpoints = [an_endpoint(event_types=["order.created"])]

        with pytest.raises(Unwanted):
            interested(an_event(), an_envelope(type_="order.updated"), endpoints)

    def test_puts_an_order_in_one_lane_and_the_unordered_each_in_its_own(self) -> None:
        ordered, free = an_endpoint(), an_endpoint(ordering="none")
        stock = Heard(sequence=1, timestamp="t", sku="o", warehouse_code="w")

        def lanes_of(event: Heard) -> list[str]:
            planned, _ = plan(event, an_envelope(), endpoints=[ordered, free], lanes=None, now=NOON)
            assert planned[1].lane == planned[1].delivery.id
            return [one.lane for one in planned]

        assert lanes_of(an_event(sequence=1))[0] == lanes_of(an_event(sequence=2))[0]
        assert lanes_of(an_event())[0] != lanes_of(stock)[0]

    def test_makes_the_same_deliveries_for_the_same_event(self) -> None:
        at = datetime(2027, 1, 1, tzinfo=UTC)

        first, _ = plan(an_event(), an_envelope(), endpoints=[an_endpoint()], lanes=None, now=NOON)
        again, _ = plan(an_event(), an_envelope(), endpoints=[an_endpoint()], lanes=None, now=at)

        assert [one.request for one in first] == [one.request for one in again]
