from decimal import Decimal
from typing import Any

import pytest

from contracts.money import LARGEST
from contracts.order import Order
from services.chassis.outcomes import Refused
from services.workflow.domain.amounts import refuse_too_much
from services.workflow.domain.calculate import calculate
from tests.unit.workflow.priced import PRICING, a_discount, a_payment, an_order, lines_of


def test_amounts_may_be_as_large_as_any_that_comes_in() -> None:
    order = an_order({"placedPrice": float(LARGEST), "quantity": 1, "taxRate": 0})

    done = calculate(order, PRICING)
    refuse_too_much(done)

    assert lines_of(done)[0].extended_price == LARGEST
    assert Order.model_validate_json(done.model_dump_json()) == done


@pytest.mark.parametrize(
    ("order", "named"),
    [
        (an_order({"placedPrice": 2, "quantity": 1e15}), "orderForm.lineItems[0].extendedPrice"),
        (
            an_order({"placedPrice": 1e15}, {"placedPrice": 1e15}),
            "orderForm.subTotal",
        ),
        (
            an_order({"placedPrice": 1, "quantity": 2, "taxRate": 1e15, "cost": 1e15}),
            "orderForm.lineItems[0].costTotal",
        ),
        (
            an_order(
                {"placedPrice": 2, "quantity": 1e15},
                discounts=[a_discount("Order", "Percentage", 100)],
            ),
            "orderForm.discountAmount",
        ),
        (
            an_order(
                {"placedPrice": 1},
                payments=[a_payment("Authorization", 1e15), a_payment("Authorization", 1e15)],
            ),
            "orderForm.authorizedPaymentTotal",
        ),
    ],
    ids=["of a line", "of the form", "of the cost", "taken off", "of payments"],
)
def test_amounts_that_would_be_larger_are_refused_by_name(order: Order, named: str) -> None:
    done = calculate(order, PRICING)

    with pytest.raises(Refused) as refused:
        refuse_too_much(done)

    found: Any = refused.value.problem
    assert found.slug == "amount-too-large"
    assert named in [one.path for one in found.errors]
    assert all(abs(Decimal(one.got)) > LARGEST for one in found.errors)
