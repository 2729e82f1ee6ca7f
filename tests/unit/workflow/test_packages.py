from dataclasses import replace
from decimal import Decimal

import pytest

from contracts.order import Order
from services.workflow.domain.calculate import calculate
from tests.unit.workflow.priced import (
    PRICING,
    Members,
    a_discount,
    amounts,
    an_order,
    form_of,
    lines_of,
    prices,
    shipments_of,
)

ALLOCATED = replace(PRICING, allocate_packages=True)


def a_package(*components: Members, price: object = 100, **package: object) -> list[Members]:
    """Line 1 is a package; the others are in it."""
    line = {"placedPrice": price, "isPackageProduct": True, **package}
    return [line, *({"packageLineItemId": "1", **one} for one in components)]


def priced(lines: list[Members], *discounts: Members, **form: object) -> Order:
    return calculate(an_order(*lines, discounts=list(discounts), **form), ALLOCATED)


def test_the_price_of_a_package_is_shared_by_what_its_components_cost() -> None:
    lines = a_package({"placedPrice": 90}, {"placedPrice": 30, "quantity": 2}, price=120)

    done = priced([*lines, {"placedPrice": 7}])

    assert prices(done) == [0, 72, 48, 7]
    assert [line.placed_price for line in lines_of(done)] == [120, 90, 30, 7]


def test_what_cannot_be_shared_evenly_goes_to_the_largest_component() -> None:
    done = priced(a_package(*[{"placedPrice": 10}] * 3))

    assert prices(done) == [0, 33.34, 33.33, 33.33]


def test_each_component_is_taxed_at_its_own_rate() -> None:
    lines = a_package({"placedPrice": 50, "taxRate": 25}, {"placedPrice": 50, "taxRate": 0})

    done = priced(lines)

    assert [line.tax_total for line in lines_of(done)] == [0, 10, 0]
    assert amounts(form_of(done), "total", "tax_total") == [100, 10]


def test_nothing_is_shared_unless_the_setting_says_so() -> None:
    order = an_order(*a_package({"placedPrice": 60}))

    assert prices(calculate(order, PRICING)) == [100, 60]


@pytest.mark.parametrize(
    "lines",
    [
        a_package({"placedPrice": 60}, isPackageProduct=False),
        a_package({"placedPrice": 60}, isBundle=True),
        a_package({"placedPrice": 60, "packageLineItemId": "9"}),
        a_package({"placedPrice": 60}, packageLineItemId="1"),
        a_package({"placedPrice": 60, "isPackageProduct": True}, packageLineItemId="2"),
    ],
    ids=["no package", "a bundle", "of another order", "in itself", "in a circle"],
)
def test_other_lines_keep_their_prices(lines: list[Members]) -> None:
    assert prices(priced(lines)) == [100, 60]


def test_a_package_keeps_its_price_where_its_components_have_none() -> None:
    assert prices(priced(a_package({"placedPrice": 0}, {}))) == [100, 0, 0]


def test_a_package_in_a_package_hands_its_share_on() -> None:
    inner = {"placedPrice": 30, "isPackageProduct": True}
    in_inner = {"placedPrice": 5, "packageLineItemId": "3"}
    innermost = {"placedPrice": 1, "packageLineItemId": "5"}

    done = priced(
        [
            *a_package({"placedPrice": 20}, inner),
            in_inner,
            {**in_inner, "isPackageProduct": True},
            innermost,
        ]
    )

    assert prices(done) == [0, 40, 0, 30, 0, 30]


def test_discounts_are_for_the_package_as_a_whole() -> None:
    lines = a_package({"placedPrice": 60}, {"placedPrice": 40}, discounted=10)
    all_skus = ["SKU1", "SKU2", "SKU3"]

    done = priced(
        lines,
        a_discount("LineItem", "Percentage", 50, skuIds=all_skus),
        a_discount("Order", "Percentage", 10),
    )

    # 100 - 10 - 45 are shared, and 10 % of the 100 that were placed.
    assert prices(done) == [0, 27, 18]
    assert [line.discounted for line in lines_of(done)] == [55, 0, 0]
    assert [found.discount_amount for found in form_of(done).discounts or ()] == [45, 10]
    assert [line.order_discount_amount for line in lines_of(done)] == [0, 6, 4]
    assert form_of(done).total == 35


def test_a_clients_discount_on_a_component_makes_its_share_smaller() -> None:
    lines = a_package({"placedPrice": 60, "discounted": 20}, {"placedPrice": 40})

    assert prices(priced(lines)) == [0, 50, 50]


@pytest.mark.parametrize(
    ("cancelled", "expected"),
    [
        ((0, 0, 2), [0, 120, 0]),  # a component alone: the others cost what they did
        ((1, 1, 1), [0, 60, 40]),  # half of everything
        ((1, 0, 0), [0, 60, 40]),  # the package alone counts as all of it
        ((1, 1, 2), [0, 60, 0]),
        ((2, 0, 0), [0, 0, 0]),
    ],
)
def test_cancelled_units_cost_nothing(
    cancelled: tuple[int, int, int], expected: list[float]
) -> None:
    lines = a_package({"placedPrice": 60}, {"placedPrice": 40})
    lines = [
        {**line, "quantity": 2, "canceledQuantity": units}
        for line, units in zip(lines, cancelled, strict=True)
    ]

    assert prices(priced(lines)) == expected


def test_goods_taken_back_count_backwards() -> None:
    lines = a_package({"placedPrice": 60}, {"placedPrice": 40})

    done = priced([{**line, "quantity": -1} for line in lines])

    assert prices(done) == [0, -60, -40]


def test_shipments_cost_what_they_hold() -> None:
    lines = a_package({"placedPrice": 60, "quantity": 3}, {"placedPrice": 20, "quantity": 1})

    done = priced(
        lines,
        shipments=[
            {"shipmentId": "1", "lineItems": [{"lineItemId": "1"}, {"lineItemId": "3"}]},
            {"shipmentId": "2", "lineItems": [{"lineItemId": "2", "quantity": 2}]},
            {"shipmentId": "3", "lineItems": [{"lineItemId": "2", "quantity": 1}]},
        ],
    )

    assert [shipment.sub_total for shipment in shipments_of(done)] == [10, 60, 30]


def test_calculating_again_and_without_the_setting_finds_the_prices_that_were_sent() -> None:
    order = an_order(*a_package({"placedPrice": 90}, {"placedPrice": 60}))

    once = calculate(order, ALLOCATED)

    assert prices(once) == [0, 60, 40]
    assert calculate(once, ALLOCATED) == once
    assert calculate(once, PRICING) == calculate(order, PRICING)
    assert form_of(calculate(once, PRICING)).total == Decimal(250)
