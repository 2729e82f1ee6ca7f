import json
from datetime import UTC, datetime

import pytest

from contracts.messages.webhooks import SendTestEvent
from services.chassis.outcomes import Refused
from services.webhooks.domain.delivery import Planned
from services.webhooks.domain.endpoint import WebhookEndpoint
from services.webhooks.domain.test import planned_test
from tests.unit.webhooks.test_endpoint import an_endpoint

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def planned(endpoint: WebhookEndpoint | None, *, stores: tuple[str, ...] | None = None) -> Planned:
    command = SendTestEvent(endpoint_id="e", user="a client", stores=stores)
    return planned_test(endpoint, command, id_="t", now=NOON)


class TestATest:
    def test_is_an_event_that_nobody_takes_for_an_orders(self) -> None:
        body = planned(an_endpoint()).body

        assert json.loads(body or b"") == {
            "id": "t",
            "type": "webhook.test",
            "timestamp": "2026-03-01T12:00:00Z",
            "sequence": 0,
            "previousSequence": 0,
            "data": {
                "endpointId": "e",
                "sequence": 0,
                "timestamp": "2026-03-01T12:00:00Z",
                "message": "Somebody tests this endpoint. Nothing has happened.",
            },
        }

    @pytest.mark.parametrize(
        "settings",
        [
            {"event_types": ["inventory.updated"]},
            {"filters": {"stores": ["Oslo"]}},
            {"payload": "thin"},
            {"is_enabled": False},
        ],
    )
    def test_comes_whatever_the_endpoint_wants_to_hear_of(
        self, settings: dict[str, object]
    ) -> None:
        assert planned(an_endpoint(**settings)).body == planned(an_endpoint()).body

    def test_stands_beside_everything_else_that_the_endpoint_is_sent(self) -> None:
        found = planned(an_endpoint())

        assert (found.lane, found.target) == ("t", "e/test")
        assert found.delivery.occurred is None
        assert found.delivery.previous_sequence == 0
        assert json.loads(found.delivery.event or b"") == json.loads(found.body or b"")["data"]

    def test_is_for_those_who_may_manage_the_endpoint(self) -> None:
        with pytest.raises(Refused) as nobody:
            planned(None)
        with pytest.raises(Refused) as stranger:
            planned(an_endpoint(), stores=("oslo",))

        assert nobody.value.problem.slug == "not-found"
        assert stranger.value.problem.slug == "forbidden"
