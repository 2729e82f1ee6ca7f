from decimal import Decimal

import pytest

from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.return_form import ReturnForm
from services.workflow.domain.calculate import calculate, recalculate
from tests.unit.workflow.priced import (
    PRICING,
    Members,
    a_discount,
    a_payment,
    amounts,
    an_order,
    form_of,
    lines_of,
    shipments_of,
)

CREDIT = ("original_extended_price_per_unit", "credited_amount")


def with_line(order: Order, **changes: object) -> Order:
    """Change the first line, as a client's patch would."""
    first, *others = lines_of(order)
    lines = [OrderLine.model_validate({**first.model_dump(), **changes}), *others]
    form = form_of(order).model_copy(update={"line_items": lines})
    return order.model_copy(update={"order_form": form})


def cancelled(order: Order, units: object) -> Order:
    """Cancel units of the first line, so that so many are cancelled in all."""
    return recalculate(order, with_line(order, canceledQuantity=units), PRICING)


def credits_of(order: Order) -> list[float | None]:
    return amounts(lines_of(order)[0], *CREDIT)


def sold(*payments: Members, **line: object) -> Order:
    order = an_order(
        {"placedPrice": 100, "quantity": 3, **line},
        {"placedPrice": 500},
        payments=list(payments),
        shipments=[
            {"shipmentId": "1", "lineItems": [{"lineItemId": "1"}]},
            {"shipmentId": "2", "lineItems": [{"lineItemId": "2"}]},
        ],
    )
    return recalculate(None, order, PRICING)


def test_the_first_cancellation_keeps_what_a_unit_cost_before_it() -> None:
    order = sold(discounted=100)

    once = cancelled(order, 1)
    twice = cancelled(with_line(once, placedPrice=50), 2)

    assert credits_of(order) == [None, None]
    assert credits_of(once) == [66.666667, None]
    assert credits_of(twice) == [66.666667, None]


def test_nothing_is_credited_before_the_money_was_taken() -> None:
    order = sold(a_payment("Authorization", 800), a_payment("Capture", 800, status="Failed"))

    assert credits_of(cancelled(order, 2)) == [100, None]


@pytest.mark.parametrize("kind", ["Capture", "Sale", "Invoiced"])
def test_units_cancelled_after_they_were_paid_for_are_credited(kind: str) -> None:
    order = sold(a_payment(kind, 800), discounted=100)

    steps = [cancelled(order, 1)]
    steps.append(cancelled(steps[-1], 2))
    steps.append(cancelled(steps[-1], 3))

    assert [credits_of(step)[1] for step in steps] == [66.67, 133.33, 200]


def test_units_cancelled_before_are_not() -> None:
    order = cancelled(sold(), 1)
    form = form_of(order).model_copy(
        update={"payments": form_of(sold(a_payment("Sale", 700))).payments}
    )

    paid = recalculate(order, order.model_copy(update={"order_form": form}), PRICING)

    assert credits_of(paid) == [100, None]
    assert credits_of(cancelled(paid, 3)) == [100, 200]


@pytest.mark.parametrize(
    ("capture", "credited"),
    [
        ({"shipmentId": "1"}, 100),
        ({"shipmentId": "2"}, None),
        ({"orderLineReferences": [{"lineItemId": "1"}]}, 100),
        ({"orderLineReferences": [{"lineItemId": "2"}], "shipmentId": "1"}, None),
    ],
)
def test_a_capture_is_for_its_lines_or_its_shipment(capture: Members, credited: int | None) -> None:
    order = sold(a_payment("Capture", 300, **capture))

    assert credits_of(cancelled(order, 1))[1] == credited


def test_taking_a_cancellation_back_takes_its_credit_back() -> None:
    paid = cancelled(sold(a_payment("Sale", 800)), 3)

    assert credits_of(cancelled(paid, 1)) == [100, 100]
    assert credits_of(cancelled(paid, 0)) == [None, None]


def test_goods_that_a_till_took_back_are_credited_the_other_way() -> None:
    order = sold(a_payment("Sale", 200), quantity=-3)

    once, twice = cancelled(order, -1), cancelled(cancelled(order, -1), -2)

    assert [credits_of(one) for one in (once, twice)] == [[100, -100], [100, -200]]
    assert credits_of(cancelled(twice, -1)) == [100, -100]
    assert credits_of(cancelled(twice, 0)) == [None, None]


def test_units_that_were_cancelled_before_anybody_noted_what_they_cost_keep_no_price() -> None:
    order = sold(canceledQuantity=1)

    assert credits_of(recalculate(order, with_line(order, quantity=4), PRICING)) == [None, None]


def test_a_line_that_had_no_units_at_all_cost_nothing_a_unit() -> None:
    order = sold(a_payment("Sale", 800), quantity=0)

    after = recalculate(order, with_line(order, quantity=2, canceledQuantity=1), PRICING)

    assert credits_of(after) == [None, None]


def test_what_a_client_says_of_it_counts_for_nothing() -> None:
    made_up = {"creditedAmount": 7, "originalExtendedPricePerUnit": 8}
    order = sold(a_payment("Sale", 800), **made_up)
    paid = cancelled(order, 1)

    changed = recalculate(paid, with_line(paid, **made_up), PRICING)
    emptied = recalculate(paid, with_line(paid, **dict.fromkeys(made_up)), PRICING)

    assert credits_of(order) == [None, None]
    assert credits_of(changed) == credits_of(emptied) == [100, 100]


def test_a_line_that_comes_with_cancelled_units_keeps_what_they_cost() -> None:
    order = sold(canceledQuantity=1, originalExtendedPricePerUnit=90)

    assert credits_of(order) == [90, None]
    assert credits_of(cancelled(order, 2)) == [90, None]


def test_a_line_of_which_nothing_was_left_cost_nothing_a_unit() -> None:
    order = sold(a_payment("Sale", 800), quantity=1, canceledQuantity=1)

    assert credits_of(recalculate(order, with_line(order, quantity=2), PRICING)) == [None, None]


def a_return(price: object, **form: object) -> dict[str, object]:
    return {"lineItems": [{"lineItemId": "1", "quantity": 1, "extendedPrice": price}], **form}


def with_returns(order: Order, *forms: Members) -> Order:
    returns = [ReturnForm.model_validate(form) for form in forms]
    return order.model_copy(update={"return_order_forms": returns})


def test_returned_units_are_credited_without_fees() -> None:
    paid = cancelled(sold(a_payment("Sale", 800)), 1)
    with_fee = a_return(90, returnCharges=[{"key": "returnFee", "amount": 20}])

    once = recalculate(paid, with_returns(paid, with_fee), PRICING)
    twice = recalculate(
        once, with_returns(once, with_fee, a_return(70, creditPayment=True)), PRICING
    )
    taken_back = recalculate(twice, with_returns(twice, with_fee), PRICING)

    assert [credits_of(order)[1] for order in (once, twice, taken_back)] == [190, 260, 190]


def test_a_return_that_gives_no_money_back_credits_nothing() -> None:
    order = sold()

    back = recalculate(order, with_returns(order, a_return(90, creditPayment=False)), PRICING)

    assert credits_of(back) == [None, None]


def test_an_order_that_comes_with_returns_has_their_credit() -> None:
    order = recalculate(None, with_returns(sold(), a_return(90)), PRICING)

    assert credits_of(order) == [None, 90]


def test_an_order_without_lines_has_no_credit() -> None:
    empty = an_order().model_copy(update={"order_form": None})

    assert recalculate(empty, empty, PRICING) == calculate(empty, PRICING)


def test_shipments_share_the_credit_of_a_divided_line() -> None:
    half = {"lineItems": [{"lineItemId": "1", "quantity": 1}]}
    order = recalculate(
        None,
        an_order(
            {"placedPrice": 100, "quantity": 2},
            payments=[a_payment("Sale", 200)],
            shipments=[{**half, "shipmentId": "1"}, {**half, "shipmentId": "2"}],
        ),
        PRICING,
    )

    done = cancelled(order, 1)

    pieces = [line for shipment in shipments_of(done) for line in shipment.line_items or ()]
    assert sum(piece.credited_amount or Decimal(0) for piece in pieces) == 100


def test_changing_nothing_changes_nothing() -> None:
    half = a_discount("LineItem", "Percentage", 50, skuIds=["SKU1"])
    order = cancelled(sold(a_payment("Sale", 800)), 1)
    form = form_of(order).model_copy(
        update={"discounts": form_of(an_order(discounts=[half])).discounts}
    )
    order = recalculate(order, order.model_copy(update={"order_form": form}), PRICING)

    assert recalculate(order, order, PRICING) == order
