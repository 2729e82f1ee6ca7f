from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contracts.order_form import OrderForm
from services.workflow.domain.payment_totals import known_totals, payment_totals
from tests.unit.workflow.priced import a_payment, an_order, form_of

ABSENT = st.none() | st.integers(0, 9).map(Decimal)


def paid(**totals: Decimal | None) -> OrderForm:
    """Return a form whose payments authorize 500, capture 300 and credit 200."""
    payments = [
        a_payment("Authorization", 500),
        a_payment("Capture", 300),
        a_payment("Credit", 200),
    ]
    return form_of(an_order(payments=payments)).model_copy(update=totals)


class TestKnownTotals:
    @given(ABSENT, ABSENT, ABSENT)
    def test_are_those_of_the_form_and_where_it_has_none_those_of_its_payments(
        self, authorized: Decimal | None, captured: Decimal | None, credited: Decimal | None
    ) -> None:
        form = paid(
            authorized_payment_total=authorized,
            captured_payment_total=captured,
            credit_payment_total=credited,
        )

        totals = known_totals(form)

        assert totals == (
            500 if authorized is None else authorized,
            300 if captured is None else captured,
            200 if credited is None else credited,
        )

    def test_are_nothing_where_nothing_was_paid(self) -> None:
        assert known_totals(OrderForm()) == payment_totals([]) == (Decimal(0),) * 3
