import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.messages.webhooks import (
    CreateWebhookEndpoint,
    EndpointDisabled,
    EndpointPatch,
    EndpointSettings,
)
from contracts.model import Invalid, Model, parse
from services.chassis.outcomes import Ignore, Refused
from services.webhooks.domain.endpoint import (
    Heard,
    WebhookEndpoint,
    answer,
    create,
    give_up,
    wants,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE_KEY = "whsk_bmV3IGtleSBvZiB0aGlydHktdHdvIGJ5dGVzISEhISE="


WORDS = st.text(min_size=1, max_size=3) | st.sampled_from(
    [
        *("Oslo", "OSLO", "Straße", "STRASSE", "New", "Deleted", "DELETED"),
        *(" ", "~", "a", "b", "a\x1fb", "long" * 60, "long" * 61),
    ]
)
# Orders leave out what is blank.
VALUES = st.none() | WORDS.filter(str.strip)


def a_command(**settings: object) -> CreateWebhookEndpoint:
    return CreateWebhookEndpoint(
        endpoint_id="e",
        settings=EndpointSettings.model_validate({"url": "https://example.com/hooks", **settings}),
        secret=SECRET,
        user="a client",
    )


def an_endpoint(**settings: object) -> WebhookEndpoint:
    return create(None, a_command(**settings), forbidden=None, now=NOON)


def an_event(**members: object) -> Heard:
    given_members = {
        "sequence": 1,
        "timestamp": "2026-03-01T12:00:00Z",
        "order_id": "o",
        "sub_class_name": "Online",
        "status": "New",
        "store_id": "Oslo",
        "market": "NOR",
    }
    return Heard.model_validate(given_members | members)


def is_named(value: str | None, words: list[str]) -> bool:
    """The plain meaning of a filter."""
    return not words or (
        value is not None and value.casefold() in {word.casefold() for word in words}
    )


class TestWants:
    @pytest.mark.parametrize(
        ("patterns", "wanted"),
        [
            (["*"], True),
            (["order.*"], True),
            (["order.created"], True),
            (["inventory.*", "order.created"], True),
            (["order.updated"], False),
            (["inventory.*"], False),
        ],
    )
    def test_takes_the_types_that_are_named_or_begin_so(
        self, patterns: list[str], *, wanted: bool
    ) -> None:
        endpoint = an_endpoint(event_types=patterns)

        assert wants(endpoint, "order.created", an_event()) is wanted

    @pytest.mark.parametrize(
        ("name", "member"),
        [
            ("order_types", "sub_class_name"),
            ("statuses", "status"),
            ("stores", "store_id"),
            ("markets", "market"),
        ],
    )
    @given(word=st.text("abcABCøØß", min_size=1), other=st.text("xyz", min_size=1))
    def test_compares_each_filter_without_case(
        self, name: str, member: str, word: str, other: str
    ) -> None:
        endpoint = an_endpoint(filters={name: [other, word]})

        assert wants(endpoint, "order.created", an_event(**{member: word.upper().lower()})) is (
            word.upper().lower().casefold() in {word.casefold(), other.casefold()}
        )
        assert wants(endpoint, "order.created", an_event(**{member: word}))
        assert not wants(endpoint, "order.created", an_event(**{member: "something else"}))
        assert not wants(endpoint, "order.created", an_event(**{member: None}))

    @given(
        stores=st.lists(WORDS, max_size=20),
        statuses=st.lists(WORDS, max_size=20),
        markets=st.lists(WORDS, max_size=3),
        order_types=st.lists(WORDS, max_size=3),
        event=st.builds(
            an_event, store_id=VALUES, status=VALUES, market=VALUES, sub_class_name=VALUES
        ),
    )
    def test_takes_what_every_filter_that_has_words_names(
        self,
        stores: list[str],
        statuses: list[str],
        markets: list[str],
        order_types: list[str],
        event: Heard,
    ) -> None:
        filters = {
            "stores": stores,
            "statuses": statuses,
            "markets": markets,
            "order_types": order_types,
        }

        wanted = wants(an_endpoint(filters=filters), "order.created", event)

        assert wanted is (
            is_named(event.store_id, stores)
            and is_named(event.status, statuses)
            and is_named(event.market, markets)
            and is_named(event.sub_class_name, order_types)
        )

    def test_takes_the_events_of_deleted_orders_like_any_other(self) -> None:
        event = an_event(status="Deleted")

        assert wants(an_endpoint(filters={"stores": ["oslo"]}), "order.deleted", event)
        assert wants(an_endpoint(filters={"statuses": ["deleted"]}), "order.deleted", event)
        assert wants(an_endpoint(filters={"statuses": ["New", "deleted"]}), "order.deleted", event)
        assert not wants(an_endpoint(filters={"statuses": ["New"]}), "order.deleted", event)
        assert not wants(an_endpoint(filters={"stores": ["Bergen"]}), "order.deleted", event)

    def test_takes_no_order_for_blank_words_alone(self) -> None:
        endpoint = an_endpoint(filters={"stores": ["Oslo"], "markets": [" ", ""]})

        assert not wants(endpoint, "order.created", an_event())

    def test_takes_filters_of_more_words_than_may_be_asked_for_now(self) -> None:
        endpoint = an_endpoint(filters={"stores": [f"S{at}" for at in range(300)]})

        assert wants(endpoint, "order.created", an_event(store_id="s299"))
        assert not wants(endpoint, "order.created", an_event(store_id="s300"))

    def test_lets_stock_pass_the_filters_that_are_about_orders(self) -> None:
        endpoint = an_endpoint(filters={"stores": ["Oslo"]})
        event = Heard(sequence=1, timestamp="now", sku="s", warehouse_code="w")

        assert wants(endpoint, "inventory.updated", event)


class TestCreate:
    def test_refuses_an_address_that_can_never_be_called(self) -> None:
        with pytest.raises(Refused) as raised:
            create(None, a_command(), forbidden="127.0.0.1 is neither", now=NOON)

        assert raised.value.problem.slug == "address-not-allowed"

    def test_names_the_address_that_it_refuses(self) -> None:
        with pytest.raises(Refused) as raised:
            create(None, a_command(), forbidden="127.0.0.1 is neither", now=NOON)

        (fault,) = raised.value.problem.errors or ()
        assert (fault.path, fault.message) == ("url", "127.0.0.1 is neither")

    @pytest.mark.parametrize(
        ("signature", "secret"),
        [("v1", "whsec_short"), ("v1", PRIVATE_KEY), ("v1a", SECRET), ("v1a", "whsk_short")],
    )
    def test_refuses_a_secret_of_which_no_such_signature_can_be_made(
        self, signature: str, secret: str
    ) -> None:
        command = a_command(signature=signature).model_copy(update={"secret": secret})

        with pytest.raises(Refused) as raised:
            create(None, command, forbidden=None, now=NOON)

        assert raised.value.problem.slug == "validation-failed"
        assert [fault.path for fault in raised.value.problem.errors or ()] == ["secret"]

    def test_shows_the_public_key_and_never_the_private_one(self) -> None:
        command = a_command(signature="v1a").model_copy(update={"secret": PRIVATE_KEY})

        endpoint = create(None, command, forbidden=None, now=NOON)
        shown = json.loads(answer(endpoint, secret=PRIVATE_KEY))

        assert endpoint.public_key is not None
        assert shown["publicKey"] == endpoint.public_key
        assert "secret" not in shown

    def test_shows_an_endpoint_in_the_words_of_the_api(self) -> None:
        disabled, _ = give_up(an_endpoint(), reason="it is gone", now=NOON)

        shown = json.loads(answer(disabled))

        told = {name: shown[name] for name in ("id", "created", "modified", "disabledReason")}
        noon = "2026-03-01T12:00:00Z"
        assert told == {
            "id": "e",
            "created": noon,
            "modified": noon,
            "disabledReason": "it is gone",
        }
        assert {"eventTypes", "retrySchedule", "isEnabled"} <= shown.keys()
        assert None not in shown.values()

    def test_ignores_an_endpoint_that_is_there(self) -> None:
        with pytest.raises(Ignore):
            create(an_endpoint(), a_command(), forbidden=None, now=NOON)

    def test_keeps_the_secret_out_of_what_is_printed(self) -> None:
        assert SECRET not in repr(a_command())
        assert SECRET not in repr(an_endpoint())
        assert SECRET.encode() not in answer(an_endpoint())
        assert SECRET.encode() in answer(an_endpoint(), secret=SECRET)


class TestGivingUp:
    def test_tells_why(self) -> None:
        later = NOON.replace(hour=13)

        disabled, news = give_up(an_endpoint(), reason="it is gone", now=later)

        assert (disabled.disabled_reason, disabled.modified) == ("it is gone", later)
        assert news == [EndpointDisabled(endpoint_id="e", reason="it is gone")]


class TestSettings:
    @pytest.mark.parametrize(
        "settings",
        [
            {"event_types": ["order.eaten"]},
            {"event_types": []},
            {"headers": {"Webhook-Id": "x"}},
            {"headers": {"HOST": "x"}},
            {"headers": {"content-type": "text/plain"}},
            {"headers": {"X-A": "line\r\nX-B: feed"}},
            {"headers": {"X A": "x"}},
            {"retry_schedule": [0]},
            {"max_in_flight": 0},
            {"timeout_seconds": 31},
        ],
    )
    def test_refuse_what_could_not_be_kept(self, settings: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            a_command(**settings)

    @pytest.mark.parametrize("model", [EndpointSettings, EndpointPatch])
    def test_refuse_one_header_in_two_spellings(self, model: type[Model]) -> None:
        body = {"url": "https://shop.example", "headers": {"X-Token": "1", "x-token": "2"}}

        with pytest.raises(Invalid) as raised:
            parse(model, body)

        assert [one.path for one in raised.value.errors] == ["headers"]

    def test_can_be_read_as_they_were_stored_with_one_header_in_two_spellings(self) -> None:
        headers = {"X-Token": "1", "x-token": "2"}

        read = EndpointSettings.model_validate({"url": "https://shop.example", "headers": headers})

        assert read.headers == headers
