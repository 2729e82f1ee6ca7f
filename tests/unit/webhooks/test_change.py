from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.webhooks import (
    ChangeWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    EndpointDisabled,
    EndpointSettings,
    RotateWebhookSecret,
)
from services.chassis.outcomes import Refused
from services.webhooks.domain.change import change, disable, enable, own, rotate
from services.webhooks.domain.endpoint import WebhookEndpoint, answer, give_up
from tests.unit.webhooks.test_endpoint import SECRET, an_endpoint

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
KEYS = [
    "bmV3IGtleSBvZiB0aGlydHktdHdvIGJ5dGVzISEhISE=",
    "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
]
BY: dict[str, Any] = {"endpoint_id": "e", "user": "a client"}


def changed(endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:  # noqa: ANN401 - JSON
    command = ChangeWebhookEndpoint(**BY, changes=changes)
    return change(endpoint, command, forbidden=None, now=LATER).endpoint


def rotated(
    endpoint: WebhookEndpoint,
    *,
    key: str = KEYS[0],
    overlap: int = 3600,
    signature: Any = None,  # noqa: ANN401 - a word
    now: datetime = LATER,
) -> WebhookEndpoint:
    command = RotateWebhookSecret(
        **BY, key_material=key, signature=signature, overlap_seconds=overlap
    )
    return rotate(endpoint, command, rotation="r", now=now)[0]


def slug(raised: pytest.ExceptionInfo[Refused]) -> str:
    return raised.value.problem.slug


class TestOwn:
    def test_refuses_what_is_not_there(self) -> None:
        with pytest.raises(Refused) as raised:
            own(None, DisableWebhookEndpoint(**BY))

        assert slug(raised) == "not-found"

    @pytest.mark.parametrize(
        ("stores", "markets", "filters", "allowed"),
        [
            (None, None, {}, True),
            (("oslo",), None, {"stores": ["OSLO"]}, True),
            (("oslo",), None, {"stores": ["Oslo", "Bergen"]}, False),
            (("oslo",), None, {}, False),
            (None, ("nor",), {"stores": ["Oslo"]}, False),
            ((), (), {"stores": ["Oslo"], "markets": ["NOR"]}, False),
        ],
    )
    def test_lets_nobody_manage_what_hears_of_more_than_its_client_may_see(
        self,
        stores: tuple[str, ...] | None,
        markets: tuple[str, ...] | None,
        filters: dict[str, list[str]],
        *,
        allowed: bool,
    ) -> None:
        command = DisableWebhookEndpoint(**BY, stores=stores, markets=markets)
        endpoint = an_endpoint(filters=filters)

        if allowed:
            assert own(endpoint, command) is endpoint
        else:
            with pytest.raises(Refused) as raised:
                own(endpoint, command)
            assert slug(raised) == "forbidden"


class TestChange:
    def test_leaves_alone_what_is_absent_merges_objects_and_replaces_lists(self) -> None:
        endpoint = an_endpoint(
            description="ours",
            event_types=["order.*", "inventory.*"],
            filters={"stores": ["Oslo"], "markets": ["NOR"]},
            headers={"A": "1", "B": "2"},
        )

        after = changed(
            endpoint,
            eventTypes=["order.created"],
            filters={"stores": ["Bergen", "Moss"]},
            headers={"B": None, "C": "3"},
        )

        settings = after.settings
        assert settings.description == "ours"
        assert settings.event_types == ("order.created",)
        assert settings.filters.stores == ("Bergen", "Moss")
        assert settings.filters.markets == ("NOR",)
        assert settings.headers == {"A": "1", "C": "3"}
        assert (after.created, after.modified) == (NOON, LATER)
        assert after.secrets == endpoint.secrets

    def test_knows_a_header_in_whatever_case(self) -> None:
        endpoint = an_endpoint(headers={"X-Token": "old", "X-Gone": "1", "X-Stays": "2"})

        after = changed(endpoint, headers={"x-token": "new", "X-GONE": None})

        assert after.settings.headers == {"x-token": "new", "X-Stays": "2"}

    def test_takes_null_for_the_default(self) -> None:
        endpoint = an_endpoint(rate_limit=5, max_in_flight=3, filters={"stores": ["Oslo"]})

        after = changed(endpoint, rateLimit=None, maxInFlight=None, filters=None)

        assert after.settings == EndpointSettings(url=endpoint.settings.url)

    @given(
        settings=st.fixed_dictionaries(
            {},
            optional={
                "description": st.text(max_size=5),
                "max_in_flight": st.integers(1, 256),
                "rate_limit": st.floats(0.5, 10),
                "retry_schedule": st.lists(st.integers(1, 99), max_size=4),
                "headers": st.dictionaries(st.sampled_from(["A", "B"]), st.just("x")),
                "payload": st.sampled_from(["full", "thin"]),
            },
        )
    )
    def test_to_what_it_is_already_changes_nothing(self, settings: dict[str, Any]) -> None:
        endpoint = an_endpoint(**settings)
        whole = endpoint.settings.model_dump(mode="json", by_alias=True)

        after = changed(endpoint, **whole)

        assert after.settings == endpoint.settings

    def test_refuses_an_address_that_can_never_be_called(self) -> None:
        command = ChangeWebhookEndpoint(**BY, changes={"url": "http://10.0.0.1"})

        with pytest.raises(Refused) as raised:
            change(an_endpoint(), command, forbidden="10.0.0.1 is neither", now=LATER)

        assert slug(raised) == "address-not-allowed"

    def test_refuses_settings_that_only_together_are_too_many(self) -> None:
        endpoint = an_endpoint(headers={f"A{at}": "x" for at in range(20)})

        with pytest.raises(Refused) as raised:
            changed(endpoint, headers={"B": "x"})

        assert slug(raised) == "validation-failed"
        assert raised.value.problem.errors is not None
        assert [one.path for one in raised.value.problem.errors] == ["headers"]

    def test_lets_nobody_widen_what_its_client_hears_of(self) -> None:
        endpoint = an_endpoint(filters={"stores": ["Oslo"]})
        command = ChangeWebhookEndpoint(**BY, stores=("oslo",), changes={"filters": None})

        with pytest.raises(Refused) as raised:
            change(endpoint, command, forbidden=None, now=LATER)

        assert slug(raised) == "forbidden"

    def test_of_is_enabled_does_what_enable_and_disable_do(self) -> None:
        gone, _ = give_up(an_endpoint(), reason="410", now=NOON)
        on = ChangeWebhookEndpoint(**BY, changes={"isEnabled": True})
        off = ChangeWebhookEndpoint(**BY, changes={"isEnabled": False})

        opened = change(gone, on, forbidden=None, now=LATER)
        closed = change(an_endpoint(), off, forbidden=None, now=LATER)

        assert opened.endpoint.is_open
        assert opened.behind == ("e",)
        assert not closed.endpoint.is_open
        assert [type(one) for one in closed.news] == [EndpointDisabled]

    def test_of_something_else_does_not_enable_what_is_disabled(self) -> None:
        gone, _ = give_up(an_endpoint(), reason="410", now=NOON)

        after = changed(gone, description="new")

        assert not after.is_open


class TestRotate:
    def test_lets_the_old_secret_sign_behind_the_new_one_for_its_time(self) -> None:
        after = rotated(an_endpoint(), overlap=3600)

        new = "whsec_" + KEYS[0]
        assert after.signing(LATER) == [new, SECRET]
        assert after.signing(LATER + timedelta(seconds=3599)) == [new, SECRET]
        assert after.signing(LATER + timedelta(seconds=3600)) == [new]

    def test_ends_the_old_secret_at_once_where_that_is_wanted(self) -> None:
        after = rotated(an_endpoint(), overlap=0)

        assert after.signing(LATER) == ["whsec_" + KEYS[0]]
        assert after.retired == ()

    def test_leaves_the_secrets_before_what_is_left_of_their_time(self) -> None:
        once = rotated(an_endpoint(), overlap=600)

        twice = rotated(once, key=KEYS[1], overlap=3600, now=LATER + timedelta(seconds=300))

        assert len(twice.signing(LATER + timedelta(seconds=599))) == 3
        assert len(twice.signing(LATER + timedelta(seconds=600))) == 2

    @pytest.mark.parametrize("overlap", [0, 60])
    def test_lets_no_secret_before_sign_for_longer_than_it_says(self, overlap: int) -> None:
        once = rotated(an_endpoint(), overlap=3600)

        twice = rotated(once, key=KEYS[1], overlap=overlap)

        end = LATER + timedelta(seconds=overlap)
        assert twice.signing(end) == ["whsec_" + KEYS[1]]
        assert len(twice.retired) == (2 if overlap else 0)

    def test_keeps_the_header_short_however_often_it_is_done(self) -> None:
        endpoint = an_endpoint()

        for _ in range(30):
            endpoint = rotated(endpoint)

        assert len(endpoint.signing(LATER)) == 10

    def test_is_known_by_its_name_and_its_time(self) -> None:
        after = rotated(an_endpoint())

        assert (after.rotation, after.modified) == ("r", LATER)

    def test_changes_the_kind_of_signature_where_that_is_wanted(self) -> None:
        after = rotated(an_endpoint(), signature="v1a")

        assert after.settings.signature == "v1a"
        assert [one.partition("_")[0] for one in after.signing(LATER)] == ["whsk", "whsec"]
        assert after.public_key is not None
        assert rotated(after).public_key != rotated(after, key=KEYS[1]).public_key

    def test_keeps_the_secrets_out_of_what_is_printed_and_shown(self) -> None:
        after = rotated(an_endpoint())

        assert SECRET not in repr(after)
        assert KEYS[0] not in repr(after)
        assert SECRET.encode() not in answer(after)


class TestEnable:
    def test_clears_why_it_was_disabled_and_wakes_what_waits(self) -> None:
        gone, _ = give_up(an_endpoint(is_enabled=False), reason="410", now=NOON)

        after = enable(gone, EnableWebhookEndpoint(**BY), now=LATER)

        assert after.endpoint.is_open
        assert after.endpoint.disabled_reason is None
        assert (after.opened, after.behind) == (("e",), ("e",))
        assert after.endpoint.generation == gone.generation
        assert after.endpoint.modified == LATER

    def test_gives_up_what_was_missed_where_that_is_wanted(self) -> None:
        command = EnableWebhookEndpoint(**BY, backfill=False)
        gone, _ = give_up(an_endpoint(is_enabled=False), reason="410", now=NOON)

        after = enable(gone, command, now=LATER)

        assert after.endpoint.is_open
        assert (after.opened, after.behind) == (("e",), ())
        assert after.endpoint.generation == 1


class TestDisable:
    def test_tells_the_world_once(self) -> None:
        first = disable(an_endpoint(), DisableWebhookEndpoint(**BY), now=LATER)

        second = disable(first.endpoint, DisableWebhookEndpoint(**BY), now=LATER)

        assert not first.endpoint.is_open
        assert first.endpoint.modified == LATER
        assert [type(one) for one in first.news] == [EndpointDisabled]
        assert second.news == ()
