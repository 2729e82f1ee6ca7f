"""Adding payments: which are new, which replace another, and what the order owes then."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.orders import AddPayments
from contracts.payment import Payment
from contracts.settings import DEFAULT
from services.chassis.outcomes import Refused
from services.workflow.domain.add_payments import add_payments
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_payment, an_order

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 21, 13, tzinfo=UTC)


def adding(document: OrderDocument, *payments: Payment, number: int = 1) -> Progress:
    command = AddPayments(order_id=document.id, payments=payments, user="shop", origin="POST …")
    cause = Cause(UUID(int=number), str(UUID(int=number)), 3, size=200)
    return add_payments(document, command, cause, now=LATER, configuration=DEFAULT)


def stored(*payments: Payment) -> OrderDocument:
    order = an_order(order_form=a_form(payments=list(payments), total=998))
    return OrderDocument(id=order.id, order=order, version=1)


def payments_of(progress: Progress) -> list[Payment]:
    form = progress.document.order.order_form
    assert form is not None
    return list(form.payments or ())


class TestAddPayments:
    def test_puts_one_with_a_known_id_in_the_place_of_that_one(self) -> None:
        document = stored(a_payment(id="a", created=NOON), a_payment(id="b"))

        progress = adding(document, a_payment(id="a", amount=5), a_payment(id="c"))

        replaced, kept, new = payments_of(progress)
        assert [one.id for one in (replaced, kept, new)] == ["a", "b", "c"]
        assert replaced.amount == 5
        assert (replaced.created, new.created) == (NOON, LATER)

    def test_settles_what_is_owed_and_leaves_the_prices_alone(self) -> None:
        document = stored()
        imported = document.order.order_form

        progress = adding(document, a_payment(amount=700))

        order = progress.document.order
        assert order.order_form is not None
        assert imported is not None
        assert order.order_form.authorized_payment_total == 700
        assert order.remaining_payment == 298
        assert order.order_form.line_items is imported.line_items

    def test_goes_no_further_than_250(self) -> None:
        document = stored(*(a_payment(id=str(number)) for number in range(250)))

        replaced = adding(document, a_payment(id="7", amount=1))
        with pytest.raises(Refused) as refused:
            adding(document, a_payment())

        assert len(payments_of(replaced)) == 250
        assert refused.value.problem.slug == "too-many-entries"

    @given(
        st.lists(st.sampled_from(["a", "b", "c", None]), max_size=6),
        st.lists(st.sampled_from(["a", "b", "c", None]), max_size=6),
    )
    def test_names_each_payment_once_and_loses_none(
        self, first: list[str | None], second: list[str | None]
    ) -> None:
        document = adding(stored(), *(a_payment(id=one) for one in first)).document
        before = {one.id for one in document.order.order_form.payments or ()}  # type: ignore[union-attr] # it has one

        progress = adding(document, *(a_payment(id=one) for one in second), number=2)

        ids = [one.id for one in payments_of(progress)]
        assert len(ids) == len(set(ids))
        assert before <= set(ids)
        assert len(ids) == len(before | set(second) - {None}) + second.count(None)
