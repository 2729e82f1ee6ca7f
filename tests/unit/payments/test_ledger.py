from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.domain.ledger import Instruction, instruct
from services.payments.domain.operation import Kind, Operation
from services.payments.domain.outcome import Failed, Succeeded

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)


def an_operation(kind: Kind, amount: str | int, number: int = 0, **changes: object) -> Operation:
    members = {
        "id": f"{kind}-{number}",
        "order_id": "O",
        "payment_id": "P",
        "kind": kind,
        "amount": Decimal(amount),
        "currency": "NOK",
        "method": "Card",
        "connector": "psp",
        "state": "succeeded",
        "transaction_id": "T",
        "created": NOW + timedelta(seconds=number),
        "command": UUID(int=number),
    }
    return Operation.model_validate(members | changes)


class TestInstruct:
    def test_authorizes_what_was_asked(self) -> None:
        operation = an_operation("authorize", 100, state="pending")

        assert instruct(operation, [operation]) == Instruction(Decimal(100))

    def test_names_the_authorization_that_was_made_here(self) -> None:
        made = an_operation("authorize", 100, transaction_id="psp-1")
        operation = an_operation("capture", 60, state="pending", transaction_id="client's")

        assert instruct(operation, [made, operation]) == Instruction(Decimal(60), "psp-1")

    @pytest.mark.parametrize("kind", ["capture", "void", "credit"])
    def test_sets_no_bound_for_what_a_client_brought_along(self, kind: Kind) -> None:
        operation = an_operation(kind, 100, state="pending", transaction_id="client's")

        assert instruct(operation, [operation]) == Instruction(Decimal(100), "client's")

    @pytest.mark.parametrize(
        ("kind", "done", "left"),
        [
            ("capture", "capture", Failed("nothing is held of this payment")),
            ("void", "capture", Succeeded(Decimal(0), "T")),
            ("credit", "credit", Failed("nothing is captured of this payment")),
        ],
    )
    def test_moves_no_more_of_what_a_client_brought_along_than_the_order_says_there_is(
        self, kind: Kind, done: Kind, left: Succeeded | Failed
    ) -> None:
        bound = Decimal(100)
        again = an_operation(kind, 100, 1, state="pending", bound=bound)
        part, whole, other = (
            an_operation(done, amount, bound=bound, transaction_id=of)
            for amount, of in ((40, "T"), (100, "T"), (100, "another"))
        )

        told = [instruct(again, [one, again]) for one in (part, whole, other)]

        assert [one.amount for one in (told[0], told[2]) if isinstance(one, Instruction)] == [
            Decimal(60),
            Decimal(100),
        ]
        assert told[1] == left

    def test_captures_no_more_than_is_held_and_says_so(self) -> None:
        ledger = [an_operation("authorize", 100), an_operation("capture", 70)]

        told = instruct(an_operation("capture", 50, 1, state="pending"), ledger)

        assert told == Instruction(Decimal(30), "T", note="only 30 of 50 was held")

    def test_captures_nothing_when_nothing_is_held(self) -> None:
        ledger = [an_operation("authorize", 100), an_operation("void", 100)]

        told = instruct(an_operation("capture", 50, state="pending"), ledger)

        assert told == Failed("nothing is held of this payment")

    def test_captures_nothing_when_the_authorization_was_declined(self) -> None:
        ledger = [an_operation("authorize", 100, state="declined")]

        told = instruct(an_operation("capture", 50, state="pending"), ledger)

        assert isinstance(told, Failed)

    def test_voids_what_is_left(self) -> None:
        ledger = [an_operation("authorize", 100), an_operation("capture", 70)]

        assert instruct(an_operation("void", 100), ledger) == Instruction(Decimal(30), "T")

    def test_has_nothing_to_void_when_the_authorization_never_happened(self) -> None:
        ledger = [an_operation("authorize", 100, state="failed")]

        assert instruct(an_operation("void", 100), ledger) == Succeeded(Decimal(0), "T")

    def test_credits_a_capture_by_the_entry_it_made_on_the_order(self) -> None:
        ledger = [
            an_operation("authorize", 100),
            an_operation("capture", 70),
            an_operation("credit", 50, payment_id="capture-0"),
        ]

        told = instruct(an_operation("credit", 70, 1, payment_id="capture-0"), ledger)

        assert told == Instruction(Decimal(20), "T", note="only 20 of 70 was captured")

    def test_leaves_other_payments_alone(self) -> None:
        ledger = [
            an_operation("authorize", 50, payment_id="Q", transaction_id="q"),
            an_operation("authorize", 100, 1),
        ]

        told = instruct(an_operation("capture", 80, payment_id="Q"), ledger)

        assert told == Instruction(Decimal(50), "q", note="only 50 of 80 was held")

    def test_captures_all_that_is_held_without_a_word(self) -> None:
        ledger = [an_operation("authorize", 100)]

        assert instruct(an_operation("capture", 100), ledger) == Instruction(Decimal(100), "T")

    def test_names_the_newest_authorization_that_succeeded(self) -> None:
        ledger = [
            an_operation("authorize", 10, 2, transaction_id="new"),
            an_operation("authorize", 10, 1, transaction_id="old"),
            an_operation("authorize", 10, 3, transaction_id="declined", state="declined"),
            an_operation("capture", 1, 4, transaction_id="captured"),
        ]

        assert instruct(an_operation("void", 5), ledger) == Instruction(Decimal(5), "new")

    def test_sets_no_bound_for_a_credit_of_what_a_client_captured_of_a_hold_of_ours(self) -> None:
        ledger = [an_operation("authorize", 100)]

        assert instruct(an_operation("credit", 100), ledger) == Instruction(Decimal(100), "T")

    @pytest.mark.parametrize("kind", ["capture", "void"])
    def test_says_the_same_to_a_process_that_takes_the_call_over(self, kind: Kind) -> None:
        hold = an_operation("authorize", 100)
        pending = an_operation(kind, 100, state="pending")
        done = pending.model_copy(update={"state": "succeeded"})

        assert instruct(done, [hold, done]) == instruct(pending, [hold, pending])

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["authorize", "capture", "void", "credit"]),
                st.decimals(min_value="0.01", max_value=1000, places=2),
                st.sampled_from(["succeeded", "declined", "unknown"]),
            ),
            max_size=12,
        )
    )
    def test_never_moves_more_than_there_is(self, asked: list[tuple[Kind, Decimal, str]]) -> None:
        ledger = [an_operation("authorize", 100), an_operation("capture", 1)]
        for number, (kind, amount, state) in enumerate(asked, start=1):
            operation = an_operation(kind, str(amount), number, state="pending")
            told = instruct(operation, ledger)
            if isinstance(told, Instruction):
                changes = {"state": state, "amount": told.amount}
                assert Decimal(0) < told.amount <= amount
                ledger.append(operation.model_copy(update=changes))
            total = {
                word: sum(
                    one.amount for one in ledger if one.kind == word and one.state == "succeeded"
                )
                for word in ("authorize", "capture", "void", "credit")
            }

            assert total["capture"] + total["void"] <= total["authorize"]
            assert total["credit"] <= total["capture"]
