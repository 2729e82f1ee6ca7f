from decimal import Decimal

from contracts.order import Order
from contracts.return_form import ReturnForm
from services.workflow.domain.calculate import calculate, recalculate
from services.workflow.domain.price_return import price_return
from tests.unit.workflow.priced import PRICING, Members, a_discount, amounts, an_order

NOTHING_SENT: dict[str, Decimal] = {}


def sold(*lines: Members, **form: object) -> Order:
    return calculate(an_order(*lines, **form), PRICING)


def a_return(units: object = 1, line: str = "1", **form: object) -> ReturnForm:
    return ReturnForm.model_validate(
        {"lineItems": [{"lineItemId": line, "quantity": units}], **form}
    )


def totals(form: ReturnForm) -> list[float | None]:
    return amounts(form, "sub_total", "total", "total_excl_tax", "tax_total", "credit_amount")


def test_returned_units_are_worth_their_share_of_the_line() -> None:
    order = sold(
        {"placedPrice": 100, "quantity": 4, "discounted": 40, "cost": 30},
        discounts=[a_discount("Order", "Money", 60)],
    )

    form = price_return(a_return(2), order, PRICING, NOTHING_SENT)

    (line,) = form.line_items or []
    assert amounts(line, "extended_price", "extended_price_excl_tax", "tax_total") == [150, 120, 30]
    assert amounts(line, "discounted_price", "order_discount_amount", "cost_total") == [180, 30, 60]
    assert totals(form) == [150, 150, 120, 30, 150]


def test_a_line_that_comes_back_piece_by_piece_is_credited_to_the_last_unit() -> None:
    order = sold({"placedPrice": 10, "quantity": 3, "discounted": 20})

    credited = []
    for number in range(3):
        form = price_return(a_return(returnId=str(number)), order, PRICING, NOTHING_SENT)
        credited.append(form.total)
        returns = [*(order.return_order_forms or ()), form]
        order = recalculate(
            order, order.model_copy(update={"return_order_forms": returns}), PRICING
        )

    assert credited == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]
    assert amounts(order, "net_total", "net_total_excl_tax") == [0, 0]
    assert order.order_form is not None
    assert amounts((order.order_form.line_items or [])[0], "credited_amount") == [10]


def test_pricing_a_return_again_changes_nothing() -> None:
    order = sold({"placedPrice": 10, "quantity": 3, "discounted": 20})
    first = price_return(a_return(returnId="a"), order, PRICING, NOTHING_SENT)
    order = order.model_copy(update={"return_order_forms": [first]})
    second = price_return(a_return(returnId="b"), order, PRICING, NOTHING_SENT)
    order = order.model_copy(update={"return_order_forms": [first, second]})

    again = price_return(second, order, PRICING, NOTHING_SENT)

    assert again == second


def test_cancelled_units_do_not_make_the_others_cheaper() -> None:
    order = sold({"placedPrice": 100, "quantity": 3, "canceledQuantity": 1})

    form = price_return(a_return(2), order, PRICING, NOTHING_SENT)

    assert form.total == 200


def test_no_more_comes_back_than_was_sold() -> None:
    order = sold({"placedPrice": 100, "quantity": 2})

    form = price_return(a_return(5), order, PRICING, NOTHING_SENT)

    assert form.total == 200


def test_a_line_that_is_cancelled_by_now_is_worth_what_it_cost_before() -> None:
    line = {"placedPrice": 100, "quantity": 2, "canceledQuantity": 2}
    order = sold({**line, "originalExtendedPricePerUnit": 80}, line)

    known = price_return(a_return(1), order, PRICING, NOTHING_SENT)
    unknown = price_return(a_return(1, line="2"), order, PRICING, NOTHING_SENT)

    assert [known.total, unknown.total] == [80, 0]


def test_the_client_may_say_what_a_unit_is_credited_with() -> None:
    order = sold({"placedPrice": 100, "quantity": 2}, discounts=[a_discount("Order", "Money", 50)])

    form = price_return(a_return(2), order, PRICING, {"1": Decimal(40)})

    (line,) = form.line_items or []
    assert amounts(line, "extended_price", "tax_total", "order_discount_amount") == [80, 16, 0]
    assert totals(form) == [80, 80, 64, 16, 80]


def test_shipping_is_credited_and_fees_and_handling_are_kept() -> None:
    order = sold({"placedPrice": 100})

    form = price_return(
        a_return(
            shippingCreditedTotal=50,
            handlingTotal=5,
            returnCharges=[{"key": "returnFee", "amount": 20}, {"key": "other"}],
        ),
        order,
        PRICING,
        NOTHING_SENT,
    )

    assert totals(form) == [100, 125, 95, 30, 125]
    assert form.shipping_credited_total == 50


def test_shipping_is_taxed_as_the_shipment_was() -> None:
    shipments = [
        {"shippingCreditedTotal": 56, "shipmentTaxRate": 12},
        {"shippingCreditedTotal": 50},
        {"shippingSubTotal": 99},
    ]

    form = price_return(
        a_return(shipments=shipments), sold({"placedPrice": 100}), PRICING, NOTHING_SENT
    )

    assert form.shipping_credited_total == 106
    assert totals(form)[1:4] == [206, 170, 36]


def test_the_amount_to_credit_may_be_given_and_is_never_negative() -> None:
    order = sold({"placedPrice": 100})
    dear = a_return(returnCharges=[{"key": "returnFee", "amount": 130}])

    given = price_return(a_return(creditAmount=70), order, PRICING, NOTHING_SENT)
    owed = price_return(dear, order, PRICING, NOTHING_SENT)

    assert amounts(given, "total", "credit_amount") == [100, 70]
    assert amounts(owed, "total", "credit_amount") == [-30, 0]


def test_a_line_that_was_not_sold_is_left_as_it_is() -> None:
    form = price_return(a_return(line="9"), sold({"placedPrice": 100}), PRICING, NOTHING_SENT)

    assert totals(form)[:2] == [0, 0]
