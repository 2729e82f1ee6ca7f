from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.notifications import SendNotification
from contracts.messages.orders import StepFinished, StepStatus
from services.notifications import domain
from services.notifications.domain import Delivery, Fate, Notification

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_command(**changes: object) -> SendNotification:
    members: dict[str, object] = {
        "order_id": "1",
        "run_id": "run",
        "step": 3,
        "answer": True,
        "order_number": "ORD-1",
        "status": "New",
        "recipient": "kari@example.com",
    }
    return SendNotification.model_validate(members | changes)


def a_pending(**changes: object) -> Notification:
    record, _, _ = domain.begin(a_command(), id_="m", now=NOON)
    return record.model_copy(update=changes)


def settled(
    delivery: Delivery, *, attempt: int = 1, answer: bool = True, **before: object
) -> tuple[Notification, datetime | None, list[StepFinished]]:
    return domain.settle(
        a_pending(**before), a_command(answer=answer), delivery, attempt=attempt, now=NOON
    )


class TestBegin:
    @pytest.mark.parametrize(
        ("members", "template"),
        [
            ({"status": "Ship", "template": "comment"}, "comment"),
            ({"status": "Ship", "template": "cancelledlines"}, "cancelledlines"),
            ({"status": "Comment"}, "default"),
            ({"status": "Ship", "template": "../secret"}, "ship"),
        ],
    )
    def test_takes_the_text_of_the_occasion_where_there_is_one(
        self, members: dict[str, str], template: str
    ) -> None:
        record, _, _ = domain.begin(a_command(**members), id_="m", now=NOON)

        assert record.template == template

    def test_writes_to_those_who_get_copies_too(self) -> None:
        command = a_command(copies=("a@example.com",), blind_copies=("b@blåbær.example",))

        _, (mail,), _ = domain.begin(command, id_="m", now=NOON)

        assert (mail.copies, mail.blind_copies) == (
            ("a@example.com",),
            ("b@xn--blbr-roah.example",),
        )

    @pytest.mark.parametrize("member", ["copies", "blind_copies", "sender"])
    def test_fails_where_any_address_is_none(self, member: str) -> None:
        value = "a@example.com\r\nBcc: b@example.com"
        command = a_command(**{member: value if member == "sender" else ("a@b.no", value)})

        record, mails, (answer,) = domain.begin(command, id_="m", now=NOON)

        assert (record.state, mails, answer.status) == ("failed", [], StepStatus.ERROR)

    def test_promises_one_mail_and_says_nothing_yet(self) -> None:
        command = a_command(status="Ship")

        record, mails, answers = domain.begin(command, id_="m", now=NOON)

        assert record == Notification(
            id="m",
            order_id="1",
            status="Ship",
            template="ship",
            recipient="kari@example.com",
            state="pending",
            created=NOON,
        )
        assert [(mail.notification_id, mail.recipient) for mail in mails] == [
            ("m", "kari@example.com")
        ]
        assert answers == []

    @pytest.mark.parametrize("nobody", [None, "", "  "])
    def test_warns_when_there_is_nobody_to_write_to(self, nobody: str | None) -> None:
        command = a_command(recipient=nobody)

        record, mails, (answer,) = domain.begin(command, id_="m", now=NOON)

        assert (record.state, mails) == ("skipped", [])
        assert (answer.status, answer.reason) == (
            StepStatus.WARNING,
            "the order has no e-mail address",
        )

    def test_is_silent_about_that_when_no_step_waits(self) -> None:
        command = a_command(recipient=None, answer=False)

        record, mails, answers = domain.begin(command, id_="m", now=NOON)

        assert (record.reason, mails, answers) == ("the order has no e-mail address", [], [])

    @pytest.mark.parametrize("waits", [True, False])
    def test_fails_at_once_on_what_is_no_address(self, *, waits: bool) -> None:
        command = a_command(recipient="kari@", answer=waits)

        record, mails, (answer,) = domain.begin(command, id_="m", now=NOON)

        assert (record.state, mails, answer.status) == ("failed", [], StepStatus.ERROR)

    @pytest.mark.parametrize(("waits", "told"), [(True, 1), (False, 0)])
    def test_skips_with_a_warning_where_there_is_no_mail_server(
        self, *, waits: bool, told: int
    ) -> None:
        command = a_command(answer=waits)

        record, answers = domain.skip(command, id_="m", now=NOON)

        assert (record.state, record.reason) == ("skipped", "no mail server configured")
        assert [(answer.status, answer.reason) for answer in answers] == [
            (StepStatus.WARNING, "no mail server configured")
        ] * told


class TestSettle:
    def test_tells_of_a_success_when_a_step_waits(self) -> None:
        taken = Delivery(fate=Fate.ACCEPTED, handed_over=True)

        record, again_at, (answer,) = settled(taken, unresolved=1)

        assert (record.state, record.sent, record.unresolved) == ("sent", NOON, 0)
        assert (record.attempts, record.reason) == (1, None)
        assert (again_at, answer.status, answer.step) == (None, StepStatus.SUCCESS, 3)

    def test_keeps_a_success_to_itself_when_no_step_waits(self) -> None:
        taken = Delivery(fate=Fate.ACCEPTED, handed_over=True)

        record, _, answers = settled(taken, answer=False, unresolved=1)

        assert (record.state, answers) == ("sent", [])

    @pytest.mark.parametrize("waits", [True, False])
    def test_tells_of_a_refusal_whether_a_step_waits_or_not(self, *, waits: bool) -> None:
        refused = Delivery(fate=Fate.REFUSED, reason="the mail server said 550 no such user")

        record, again_at, (answer,) = settled(refused, answer=waits)

        assert (record.state, again_at) == ("failed", None)
        assert (answer.status, answer.reason) == (StepStatus.ERROR, refused.reason)

    @pytest.mark.parametrize("fate", [Fate.BUSY, Fate.UNREACHABLE])
    def test_comes_back_after_5_30_120_and_600_seconds_and_then_gives_up(self, fate: Fate) -> None:
        trouble = Delivery(fate=fate, reason="not now")

        ends = [settled(trouble, attempt=attempt) for attempt in range(1, 6)]

        assert [again_at and again_at - NOON for _, again_at, _ in ends] == [
            *(timedelta(seconds=pause) for pause in (5, 30, 120, 600)),
            None,
        ]
        assert [record.state for record, _, _ in ends] == [*["pending"] * 4, "failed"]
        assert [record.attempts for record, _, _ in ends] == [1, 2, 3, 4, 5]
        assert {record.reason for record, _, _ in ends} == {"not now"}
        assert [len(answers) for _, _, answers in ends] == [0, 0, 0, 0, 1]

    def test_repeats_once_a_mail_that_was_perhaps_taken(self) -> None:
        unknown = Delivery(fate=Fate.UNKNOWN, reason="it broke off", handed_over=True)

        first, again_at, _ = settled(unknown, unresolved=1)
        second, never_at, (answer,) = settled(unknown, attempt=2, unresolved=2)

        assert (first.state, again_at) == ("pending", NOON + timedelta(seconds=5))
        assert (second.state, never_at) == ("failed", None)
        assert answer.reason == "it broke off; it may have been delivered nevertheless"

    def test_remembers_an_unknown_end_through_later_refusals(self) -> None:
        refused = Delivery(fate=Fate.REFUSED, reason="the mail server said 550 no")

        record, _, (answer,) = settled(refused, attempt=2, unresolved=1)

        assert record.unresolved == 1
        assert answer.reason is not None
        assert answer.reason.endswith("may have been delivered nevertheless")

    def test_says_that_it_was_not_delivered_where_nothing_better_is_known(self) -> None:
        record, _, (answer,) = settled(Delivery(fate=Fate.REFUSED))

        assert record.reason == answer.reason == "the mail was not delivered"

    @pytest.mark.parametrize(
        ("fate", "is_trouble"),
        [
            (Fate.ACCEPTED, False),
            (Fate.REFUSED, False),
            (Fate.BUSY, False),
            (Fate.UNREACHABLE, True),
            (Fate.UNKNOWN, True),
        ],
    )
    def test_holds_against_the_server_that_nobody_knows_how_it_ended(
        self, fate: Fate, *, is_trouble: bool
    ) -> None:
        assert Delivery(fate=fate).is_trouble is is_trouble

    def test_skips_what_was_promised_before_the_mail_server_went(self) -> None:
        nowhere = Delivery(fate=Fate.NOWHERE)

        record, again_at, (answer,) = settled(nowhere)

        assert (record.state, again_at) == ("skipped", None)
        assert (answer.status, answer.reason) == (StepStatus.WARNING, "no mail server configured")

    @given(
        fate=st.sampled_from(Fate),
        attempt=st.integers(1, 5),
        unresolved=st.integers(1, 3),
        waits=st.booleans(),
    )
    def test_answers_a_waiting_step_exactly_when_it_is_over(
        self, *, fate: Fate, attempt: int, unresolved: int, waits: bool
    ) -> None:
        delivery = Delivery(fate=fate, handed_over=True)

        record, again_at, answers = settled(
            delivery, attempt=attempt, answer=waits, unresolved=unresolved
        )

        assert (record.state == "pending") == (again_at is not None)
        assert len(answers) == (again_at is None and (waits or record.state == "failed"))


class TestDeliverable:
    @pytest.mark.parametrize(
        ("given_address", "found"),
        [
            (" kari.nordmann+shop@example.com ", "kari.nordmann+shop@example.com"),
            ("ole@blåbær.no", "ole@xn--blbr-roah.no"),
            ("ops@localhost", "ops@localhost"),
            (f"a@{'b.' * 125}no", f"a@{'b.' * 125}no"),
            (f"aa@{'b.' * 125}no", None),
        ],
    )
    def test_takes_what_smtp_takes(self, given_address: str, found: str | None) -> None:
        address = domain.deliverable(given_address)

        assert address == found

    @pytest.mark.parametrize(
        "given_address",
        [
            "kari",
            "@example.com",
            "a@b@c",
            "a b@c.no",
            "a@b..no",
            "åse@example.com",
            "a@" + "b" * 300,
            "a@b.no\r\nRCPT TO:<x@y.no>",
            "<a@b.no>",
            "a@b.no,c@d.no",
            'a"@b.no',
            "a@-b.no",
        ],
    )
    def test_takes_nothing_else(self, given_address: str) -> None:
        address = domain.deliverable(given_address)

        assert address is None

    @given(st.text())
    def test_never_returns_more_than_one_plain_word(self, text: str) -> None:
        address = domain.deliverable(text) or "a@b"

        assert address.isascii()
        assert address.isprintable()
        assert not set(address) & set(' <>,;:"()[]\\')


class TestTemplateFor:
    @pytest.mark.parametrize(
        ("status", "template"),
        [
            ("New", "new"),
            ("Ship", "ship"),
            ("Completed", "completed"),
            ("OrderCanceled", "ordercanceled"),
            ("READYFORPICKUP", "readyforpickup"),
            ("pickedUp", "pickedup"),
            ("NotCollected", "notcollected"),
            ("CancelledLines", "default"),
            ("../../etc", "default"),
        ],
    )
    def test_knows_statuses_in_any_case_and_has_a_text_for_the_others(
        self, status: str, template: str
    ) -> None:
        found = domain.template_for(status)

        assert found == template
