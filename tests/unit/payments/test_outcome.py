from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.orders import StepFinished, StepStatus
from contracts.messages.payments import (
    AuthorizePayment,
    CapturePayment,
    CreditPayment,
    PaymentCommand,
    PaymentOperation,
    VoidPayment,
)
from services.payments.domain.operation import (
    Kind,
    Operation,
    begin,
    calls,
    followed,
    forgotten,
    give_back_id,
    led,
    undoing,
)
from services.payments.domain.outcome import (
    Declined,
    Failed,
    Outcome,
    Succeeded,
    Unknown,
    answer,
    answer_at_once,
    entry,
    settle,
)

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
CAUSE = UUID(int=1)
LATER = UUID(int=2)
OUTCOMES: list[Outcome] = [
    Succeeded(Decimal(100), "T", "T"),
    Declined("no"),
    Failed("no"),
    Unknown("?"),
]
COMMANDS: dict[Kind, type[PaymentCommand]] = {
    "authorize": AuthorizePayment,
    "capture": CapturePayment,
    "void": VoidPayment,
    "credit": CreditPayment,
}


def asked(**changes: object) -> PaymentOperation:
    members = {
        "payment_id": "P1",
        "payment_method_name": "Card",
        "amount": Decimal(100),
        "currency": "NOK",
    }
    return PaymentOperation.model_validate(members | changes)


def begun(
    kind: Kind, *operations: PaymentOperation, run_id: str | None = "R"
) -> tuple[Operation, ...]:
    step = None if run_id is None else 2
    command = COMMANDS[kind](order_id="O", run_id=run_id, step=step, operations=operations)
    return begin(kind, command, cause=CAUSE, now=NOW)


class TestLed:
    @pytest.mark.parametrize("before", ["bank", None])
    @pytest.mark.parametrize("now", ["psp", None])
    def test_what_is_done_with_money_is_for_whoever_has_it(
        self, before: str | None, now: str | None
    ) -> None:
        (held,) = begun("authorize", asked(connector_id=before))
        new = asked(connector_id=now)
        command = CapturePayment(
            order_id="O", operations=(asked(connector_id=now, follows=held.id), new)
        )

        after = led(command, {held.id: held})

        assert [one.connector_id for one in after.operations] == [before, now]
        assert followed(command) == [held.id]

    def test_what_is_unknown_or_another_orders_leads_nobody(self) -> None:
        (held,) = begun("authorize", asked(connector_id="bank"))
        operations = (asked(connector_id="psp", follows=held.id),)
        other = CapturePayment(order_id="X", operations=operations)
        own = other.model_copy(update={"order_id": "O"})

        assert led(other, {held.id: held}) == other
        assert led(own, {}) == own

    def test_that_it_belongs_to_an_order_is_known_once_that_was_forgotten(self) -> None:
        (held,) = begun("authorize", asked(connector_id="bank"))
        forgotten_ = held.model_copy(update={"order_id": forgotten("O", CAUSE)})
        command = VoidPayment(order_id="O", operations=(asked(follows=held.id),))

        (operation,) = led(command, {held.id: forgotten_}).operations

        assert operation.connector_id == "bank"


class TestBegin:
    def test_records_at_once_what_has_no_connector(self) -> None:
        operations = begun("authorize", asked())

        assert [one.state for one in operations] == ["succeeded"]
        assert calls(operations) == []

    def test_promises_a_call_for_what_has_one(self) -> None:
        first, second = begun("capture", asked(connector_id="psp"), asked(payment_id="P2"))

        (call,) = calls([first, second])
        assert (call.operation_id, call.lane, call.connector) == (first.id, "O/P1", "psp")
        assert call.siblings == (first.id, second.id)

    def test_makes_the_same_ids_for_the_same_message(self) -> None:
        assert begun("void", asked(), asked()) == begun("void", asked(), asked())
        assert len({one.id for one in begun("void", asked(), asked())}) == 2

    def test_keeps_all_that_was_asked_and_who_waits_for_it(self) -> None:
        _, operation = begun(
            "credit",
            asked(),
            asked(
                payment_id="P2",
                connector_id="psp",
                transaction_id="T",
                shipment_id="S",
                reference="Ref",
                line_item_ids=("1", "2"),
            ),
        )

        assert operation == Operation(
            id=operation.siblings[1],
            order_id="O",
            payment_id="P2",
            kind="credit",
            amount=Decimal(100),
            currency="NOK",
            method="Card",
            connector="psp",
            state="pending",
            transaction_id="T",
            created=NOW,
            shipment_id="S",
            reference="Ref",
            line_item_ids=("1", "2"),
            command=CAUSE,
            position=1,
            count=2,
            run_id="R",
            step=2,
        )

    def test_promises_no_call_twice(self) -> None:
        (operation,) = begun("capture", asked(connector_id="psp"))

        assert calls([operation.model_copy(update={"state": "succeeded"})]) == []

    def test_answers_an_operation_that_no_run_waits_for_by_itself(self) -> None:
        operations = begun("void", asked(connector_id="psp"), asked(), run_id=None)

        (call,) = calls(operations)

        assert (call.siblings, call.given_back) == ((operations[0].id,), ())

    def test_tells_a_call_which_recorded_holds_of_its_run_may_be_given_back(self) -> None:
        """That of a call itself is never among them: only recorded ones have such an id."""
        operations = begun("authorize", asked(connector_id="psp"), asked(payment_id="P2"))

        (call,) = calls(operations)

        assert call.given_back == (give_back_id("R", "P2"),)

    def test_gives_what_an_aborted_run_has_recorded_back_under_the_id_of_the_run(self) -> None:
        command = VoidPayment(
            order_id="O",
            aborted_run="R",
            operations=(asked(), asked(payment_id="P2", connector_id="psp")),
        )

        recorded, told = begin("void", command, cause=CAUSE, now=NOW)

        assert recorded.id == give_back_id("R", "P1")
        assert told.id == told.siblings[1]

    def test_names_the_order_to_providers_also_after_it_was_forgotten(self) -> None:
        (operation,) = begun("void", asked())
        name = forgotten("O", LATER)

        renamed = operation.model_copy(update={"order_id": name})

        assert name != forgotten("O", CAUSE) != "O"
        assert (operation.asked_for, renamed.asked_for) == ("O", "O")


class TestUndoing:
    @pytest.mark.parametrize(
        ("kind", "undo", "run", "connector"),
        [
            ("authorize", "void", "R", None),
            ("authorize", "void", None, None),
            ("authorize", "void", "R", "psp"),
            ("capture", "credit", "R", None),
            ("capture", "credit", "R", "psp"),
        ],
    )
    def test_takes_the_whole_operation_back(
        self, kind: Kind, undo: Kind, run: str | None, connector: str | None
    ) -> None:
        members = {"connector_id": connector, "shipment_id": "S", "reference": "Ref"}
        (pending,) = begun(kind, asked(transaction_id="T", **members), run_id=run)
        moved = pending.model_copy(update={"state": "succeeded", "amount": Decimal(60)})

        undone = undoing(moved, cause=LATER, now=NOW)

        assert undone is not None
        assert undone == Operation(
            id=undone.id,
            order_id="O",
            payment_id="P1",
            kind=undo,
            amount=Decimal(60),
            currency="NOK",
            method="Card",
            connector=connector,
            state="pending" if connector else "succeeded",
            transaction_id="T",
            undoes=moved.id,
            created=NOW,
            completed=None if connector else NOW,
            shipment_id="S",
            reference="Ref",
            command=LATER,
        )
        shared = kind == "authorize" and run is not None and connector is None
        assert (undone.id == give_back_id("R", "P1")) is shared


class TestAnswerAtOnce:
    def test_authorizes_the_entry_that_waited(self) -> None:
        operations = begun("authorize", asked(transaction_id="T1"))

        (finished,) = answer(operations)

        assert (finished.order_id, finished.run_id, finished.step) == ("O", "R", 2)
        assert finished.status is StepStatus.SUCCESS
        (payment,) = finished.payments
        assert payment.model_dump(exclude_unset=True, by_alias=False) == {
            "id": "P1",
            "transaction_id": "T1",
            "transaction_type": "Authorization",
            "status": "Processed",
            "amount": Decimal(100),
            "payment_method_name": "Card",
            "paid_date": NOW,
            "internal_reference": operations[0].id,
        }

    def test_leaves_the_external_ids_of_an_entry_that_is_authorized_alone(self) -> None:
        (operation,) = begun("authorize", asked(connector_id="psp"))

        told = operation.model_copy(update={"state": "succeeded", "provider_transaction_id": "T"})

        assert "external_ids" not in entry(told).model_fields_set

    @pytest.mark.parametrize(
        ("kind", "word"), [("capture", "Capture"), ("void", "Void"), ("credit", "Credit")]
    )
    def test_adds_an_entry_of_its_own_for_anything_else(self, kind: Kind, word: str) -> None:
        operations = begun(kind, asked(transaction_id="T1", shipment_id="S", line_item_ids=("7",)))

        ((payment,),) = (finished.payments for finished in answer(operations))

        assert payment.id == operations[0].id != "P1"
        assert (payment.transaction_type, payment.status) == (word, "Processed")
        assert (payment.amount, payment.transaction_id) == (Decimal(100), "T1")
        assert payment.created == payment.paid_date == NOW
        assert payment.shipment_id == "S"
        assert [line.line_item_id for line in payment.order_line_references or ()] == ["7"]

    def test_answers_nobody_when_no_run_waits(self) -> None:
        assert answer(begun("void", asked(), run_id=None)) == ()

    @pytest.mark.parametrize("missing", ["run_id", "step"])
    def test_answers_nobody_when_half_the_address_is_missing(self, missing: str) -> None:
        (operation,) = begun("void", asked())

        assert answer([operation.model_copy(update={missing: None})]) == ()

    def test_answers_a_command_without_operations(self) -> None:
        command = CapturePayment(order_id="O", run_id="R", step=1, operations=())

        (finished,) = answer_at_once(command, ())

        assert (finished.order_id, finished.run_id, finished.step) == ("O", "R", 1)
        assert (finished.status, finished.payments) == (StepStatus.SUCCESS, ())

    def test_answers_a_command_whose_operations_are_only_recorded(self) -> None:
        command = CapturePayment(order_id="O", run_id="R", step=2, operations=(asked(),))
        operations = begin("capture", command, cause=CAUSE, now=NOW)

        assert answer_at_once(command, operations) == answer(operations) != ()

    def test_gives_each_reason_once_and_those_of_faults_alone(self) -> None:
        (operation,) = begun("capture", asked())
        noted, wrong = (
            operation.model_copy(update={"state": state, "reason": reason})
            for state, reason in (("succeeded", "less"), ("declined", "no"))
        )

        (good,) = answer([noted, noted, operation.model_copy(update={"reason": "late"})])
        (bad,) = answer([noted, wrong, wrong])

        assert (good.status, good.reason) == (StepStatus.WARNING, "less; late")
        assert (bad.status, bad.reason) == (StepStatus.ERROR, "no")
        assert answer([operation])[0].reason is None

    def test_makes_no_entry_of_a_void_for_which_nothing_was_held(self) -> None:
        (operation,) = begun("void", asked())

        (finished,) = answer([operation.model_copy(update={"amount": Decimal(0)})])

        assert finished.payments == ()

    def test_makes_an_entry_that_says_why_and_what_the_provider_calls_it(self) -> None:
        (operation,) = begun("capture", asked(connector_id="psp"))
        told = {"state": "succeeded", "reason": "less", "provider_transaction_id": "C"}

        named, unnamed = (
            entry(operation.model_copy(update=told | changes))
            for changes in ({}, {"provider_transaction_id": None})
        )

        assert named.reason == unnamed.reason == "less"
        assert [one.id for one in named.external_ids or ()] == ["C"]
        assert unnamed.external_ids is None

    def test_waits_for_the_operations_that_are_pending(self) -> None:
        assert answer(begun("capture", asked(), asked(connector_id="psp"))) == ()


class TestSettle:
    def test_answers_with_what_the_provider_did(self) -> None:
        (pending,) = begun("capture", asked(connector_id="psp"))

        settled = settle(
            [pending], pending.id, Succeeded(Decimal(60), "T", "C", "less"), cause=LATER, now=NOW
        )

        told = {
            "state": "succeeded",
            "amount": Decimal(60),
            "transaction_id": "T",
            "provider_transaction_id": "C",
            "reason": "less",
            "attempts": 1,
            "completed": NOW,
        }
        assert settled.changed == (pending.model_copy(update=told),)
        (finished,) = settled.answers
        assert (finished.status, finished.reason) == (StepStatus.WARNING, "less")
        (payment,) = finished.payments
        assert (payment.amount, payment.transaction_id) == (Decimal(60), "T")
        assert [(one.provider_name, one.id) for one in payment.external_ids or ()] == [("psp", "C")]

    @pytest.mark.parametrize(
        ("outcome", "state"), [(Declined("no"), "declined"), (Failed("no"), "failed")]
    )
    def test_makes_the_step_an_error_when_the_provider_says_no(
        self, outcome: Outcome, state: str
    ) -> None:
        (pending,) = begun("authorize", asked(connector_id="psp"))

        settled = settle([pending], pending.id, outcome, cause=LATER, now=NOW)

        told = {"state": state, "reason": "no", "attempts": 1, "completed": NOW}
        assert settled.changed == (pending.model_copy(update=told),)
        assert [(one.status, one.reason) for one in settled.answers] == [(StepStatus.ERROR, "no")]
        assert (settled.again_at, settled.undo) == (None, ())

    def test_tries_again_after_1_5_and_15_seconds_then_only_asks_for_a_day(self) -> None:
        (operation,) = begun("authorize", asked(connector_id="psp"))
        pauses: list[timedelta] = []
        answers: list[StepFinished] = []
        now = NOW
        while True:
            settled = settle([operation], operation.id, Unknown("?"), cause=LATER, now=now)
            (operation,) = settled.changed
            assert operation.reason == "?"
            assert bool(settled.answers) == (len(pauses) == 3)
            assert settled.given_up == (settled.again_at is None)
            answers += settled.answers
            if settled.again_at is None:
                break
            pauses.append(settled.again_at - now)
            now = settled.again_at

        assert [pause.total_seconds() for pause in pauses[:9]] == [
            1, 5, 15, 30, 60, 120, 240, 300, 300,
        ]  # fmt: skip
        assert [one.status for one in answers] == [StepStatus.ERROR]
        assert settled.given_up
        assert (operation.state, operation.completed) == ("unknown", now)
        assert timedelta(hours=24) <= now - NOW < timedelta(hours=24, minutes=6)

    @pytest.mark.parametrize(("kind", "undo"), [("authorize", "void"), ("capture", "credit")])
    def test_undoes_what_turns_out_too_late_to_have_moved_money(
        self, kind: Kind, undo: str
    ) -> None:
        (operation,) = begun(kind, asked(connector_id="psp"))
        operation = operation.model_copy(update={"state": "unknown", "attempts": 4})

        settled = settle(
            [operation], operation.id, Succeeded(Decimal(100), "T", "T"), cause=LATER, now=NOW
        )

        assert settled.answers == ()
        (taking_back,) = settled.undo
        assert (taking_back.kind, taking_back.amount) == (undo, Decimal(100))
        assert (taking_back.transaction_id, taking_back.undoes) == ("T", operation.id)
        assert [call.lane for call in calls(settled.undo)] == ["O/P1"]

    @pytest.mark.parametrize("kind", ["void", "credit"])
    def test_leaves_what_gives_money_back_as_it_is(self, kind: Kind) -> None:
        (operation,) = begun(kind, asked(connector_id="psp"))
        operation = operation.model_copy(update={"state": "succeeded"})

        assert undoing(operation, cause=LATER, now=NOW) is None

    def test_does_nothing_when_another_process_was_first(self) -> None:
        (operation,) = begun("authorize", asked(connector_id="psp"))
        operation = operation.model_copy(update={"state": "succeeded"})

        settled = settle([operation], operation.id, Declined("no"), cause=LATER, now=NOW)

        assert (settled.changed, settled.answers, settled.undo) == ((), (), ())

    def test_writes_the_first_operation_too_so_that_two_processes_notice_each_other(self) -> None:
        first, second = begun("capture", asked(connector_id="psp"), asked(connector_id="psp"))

        settled = settle([first, second], second.id, Declined("no"), cause=LATER, now=NOW)

        assert [one.id for one in settled.changed] == [second.id, first.id]
        assert settled.changed[1] is not first

    def test_writes_nothing_but_the_attempt_while_the_outcome_is_open(self) -> None:
        first, second = begun("capture", asked(connector_id="psp"), asked(connector_id="psp"))

        settled = settle([first, second], second.id, Unknown("?"), cause=LATER, now=NOW)

        assert [one.id for one in settled.changed] == [second.id]

    def test_takes_back_nothing_that_becomes_known_while_the_step_still_waits(self) -> None:
        first, second = begun("authorize", asked(connector_id="psp"), asked(connector_id="psp"))
        lost = first.model_copy(update={"state": "unknown", "attempts": 4, "reason": "?"})
        moved = Succeeded(Decimal(100), "T", "T")

        early = settle([lost, second], lost.id, moved, cause=LATER, now=NOW)
        late = settle([*early.changed, second], second.id, moved, cause=LATER, now=NOW)

        assert (early.undo, early.answers) == ((), ())
        (answer_,) = late.answers
        assert (answer_.status, len(answer_.payments)) == (StepStatus.SUCCESS, 2)
        assert late.undo == ()

    def test_keeps_the_transaction_that_it_knows_when_the_provider_names_none(self) -> None:
        (pending,) = begun("capture", asked(connector_id="psp", transaction_id="T"))

        settled = settle([pending], pending.id, Succeeded(Decimal(1)), cause=LATER, now=NOW)

        assert [one.transaction_id for one in settled.changed] == ["T"]

    @given(
        st.data(),
        st.lists(st.sampled_from(["psp", None]), min_size=1, max_size=4),
        st.sampled_from(["authorize", "capture"]),
    )
    def test_answers_once_and_leaves_no_money_taken_without_an_order(
        self, data: st.DataObject, connectors: list[str | None], kind: Kind
    ) -> None:
        """Whatever the providers say, and in whatever order."""
        operations = {
            one.id: one
            for one in begun(
                kind,
                *(
                    asked(payment_id=str(number), connector_id=connector)
                    for number, connector in enumerate(connectors)
                ),
            )
        }
        for id_, one in operations.items():
            attempts = data.draw(st.integers(0, 3)) if one.connector else 0
            operations[id_] = one.model_copy(update={"attempts": attempts})
        answers = list(answer(list(operations.values())))
        undone: list[Operation] = []
        now = NOW
        while open_ := [
            id_
            for id_, one in operations.items()
            if one.state == "pending" or (one.state == "unknown" and one.completed is None)
        ]:
            now += timedelta(hours=1)
            settled = settle(
                list(operations.values()),
                data.draw(st.sampled_from(open_)),
                data.draw(st.sampled_from(OUTCOMES)),
                cause=LATER,
                now=now,
            )
            assert settled.given_up == any(
                one.state == "unknown" and one.completed is not None for one in settled.changed[:1]
            )
            operations |= {one.id: one for one in settled.changed}
            answers += settled.answers
            undone += settled.undo

        assert len(answers) == 1
        reported = {payment.internal_reference for payment in answers[0].payments}
        moved = {id_ for id_, one in operations.items() if one.state == "succeeded"}
        assert reported | {one.undoes for one in undone} == moved
        assert len(undone) == len({one.undoes for one in undone})
        assert reported.isdisjoint(one.undoes for one in undone)
