from dataclasses import replace
from decimal import Decimal

import pytest

from contracts.money import exponent
from contracts.order import Order
from services.workflow.domain.breakdown import FROM_FORM, keep_entered
from services.workflow.domain.calculate import Pricing, calculate, outstanding, settle
from tests.unit.workflow.priced import (
    PRICING,
    Members,
    a_discount,
    a_payment,
    amounts,
    an_order,
    form_of,
    lines_of,
    prices,
    shipments_of,
)


class TestGoldenFixtures:
    """Domain 6.10."""

    def test_f1_half_off_the_order(self) -> None:
        order = an_order(
            {"placedPrice": 99, "taxRate": 25},
            discounts=[a_discount("Order", "Percentage", 50)],
            payments=[a_payment("Authorization", 49.5)],
        )

        done = calculate(order, PRICING)

        (line,) = lines_of(done)
        assert amounts(line, "placed_price_excl_tax", "discounted_price") == [79.2, 99]
        assert amounts(line, "order_discount_amount", "tax_total") == [49.5, 9.9]
        assert amounts(line, "extended_price", "extended_price_excl_tax") == [49.5, 39.6]
        assert amounts(form_of(done), "sub_total", "total", "discount_amount") == [49.5] * 3
        assert amounts(done, "net_total", "net_total_excl_tax") == [49.5, 39.6]
        assert done.remaining_payment == 0

    def test_f2_a_tenth_off_the_order(self) -> None:
        order = an_order(
            {"placedPrice": 500, "quantity": 2, "taxRate": 25},
            discounts=[a_discount("Order", "Percentage", 10)],
        )

        (line,) = lines_of(calculate(order, PRICING))

        assert amounts(line, "discounted_price", "discounted_price_excl_tax") == [1000, 800]
        assert amounts(line, "order_discount_amount", "tax_total") == [100, 180]
        assert amounts(line, "extended_price", "extended_price_excl_tax") == [900, 720]

    def test_f3_an_order_percentage_is_of_the_placed_prices(self) -> None:
        order = an_order(
            {"placedPrice": 38900},
            {"placedPrice": 199, "discounted": 199},
            {"placedPrice": 1699},
            discounts=[a_discount("Order", "Percentage", 10)],
        )

        done = calculate(order, PRICING)

        form = form_of(done)
        assert [float(found.discount_amount or 0) for found in form.discounts or ()] == [4079.8]
        assert form.discount_amount == Decimal("4079.80")
        names = ("order_discount_amount", "extended_price", "extended_price_excl_tax", "tax_total")
        assert [amounts(line, *names) for line in lines_of(done)] == [
            [3909.07, 34990.93, 27992.74, 6998.19],
            [0, 0, 0, 0],
            [170.73, 1528.27, 1222.62, 305.65],
        ]
        assert amounts(form, "sub_total", "total") == [36519.2, 36519.2]
        assert amounts(form, "total_excl_tax", "tax_total") == [29215.36, 7303.84]

    def test_f4_an_authorized_order_owes_nothing(self) -> None:
        order = an_order(
            {"placedPrice": 499.0, "quantity": 2, "taxRate": 25},
            payments=[a_payment("Authorization", 998.0)],
        )

        done = calculate(order, PRICING)

        totals = amounts(form_of(done), "total", "tax_total", "total_excl_tax")
        assert totals == [998.0, 199.6, 798.4]
        assert done.remaining_payment == 0

    def test_f6_a_package_costs_what_is_in_it(self) -> None:
        inside = {"packageLineItemId": "1", "packageSkuId": "SKU1"}
        order = an_order(
            {"placedPrice": 100, "isPackageProduct": True, "isPackageBrokeDown": True},
            {"placedPrice": 60, **inside},
            {"placedPrice": 40, **inside},
        )

        done = calculate(order, replace(PRICING, allocate_packages=True))

        assert [line.extended_price for line in lines_of(done)] == [0, 60, 40]
        assert form_of(done).total == 100


class TestLine:
    def test_takes_nothing_that_was_calculated_elsewhere(self) -> None:
        made_up = {"extendedPrice": 1, "discountedPrice": 2, "taxTotal": 3, "costTotal": 4}
        order = an_order({"placedPrice": 100, **made_up}, total=5, subTotal=6, taxTotal=7)

        done = calculate(order, PRICING)

        names = ("extended_price", "discounted_price", "tax_total", "cost_total")
        assert amounts(lines_of(done)[0], *names) == [100, 100, 20, 0]
        assert amounts(form_of(done), "total", "sub_total", "tax_total") == [100, 100, 20]

    def test_spreads_the_clients_discount_over_the_units(self) -> None:
        order = an_order(
            {"placedPrice": 100, "quantity": 4, "canceledQuantity": 1, "discounted": 40, "cost": 7}
        )

        (line,) = lines_of(calculate(order, PRICING))

        assert amounts(line, "discounted", "discounted_excl_tax") == [40, 32]
        assert amounts(line, "discounted_price", "extended_price", "cost_total") == [270, 270, 21]

    def test_costs_nothing_when_it_is_cancelled_or_empty(self) -> None:
        order = an_order(
            {"placedPrice": 100, "quantity": 2, "canceledQuantity": 2, "discounted": 10},
            {"placedPrice": 100, "quantity": 0, "discounted": 10},
            {"placedPrice": 100, "quantity": None},
            {},
        )

        done = calculate(order, PRICING)

        assert prices(done) == [0, 0, 0, 0]
        assert form_of(done).total == 0

    def test_is_never_worth_less_than_nothing(self) -> None:
        done = calculate(an_order({"placedPrice": 100, "discounted": 150}), PRICING)

        assert prices(done) == [0]
        assert amounts(lines_of(done)[0], "discounted") == [150]

    def test_counts_backwards_when_goods_are_taken_back(self) -> None:
        order = an_order(
            {"placedPrice": 100, "quantity": -2},
            {"placedPrice": 500, "quantity": 1},
            discounts=[a_discount("Order", "Percentage", 10)],
        )

        done = calculate(order, PRICING)

        assert [line.extended_price for line in lines_of(done)] == [-180, 450]
        assert amounts(form_of(done), "total", "tax_total") == [270, 54]

    def test_takes_its_quantity_from_the_selected_units(self) -> None:
        order = an_order(
            {
                "placedPrice": 10,
                "quantity": None,
                "selectedUnitQuantity": 3,
                "selectedUnitConversionFactor": 2.5,
            }
        )

        (line,) = lines_of(calculate(order, PRICING))

        assert amounts(line, "quantity", "extended_price") == [7.5, 75]

    @pytest.mark.parametrize(("reserved", "is_whole"), [(0, False), (2, False), (3, True)])
    def test_is_reserved_when_every_open_unit_is(self, reserved: int, *, is_whole: bool) -> None:
        order = an_order(
            {"quantity": 4, "canceledQuantity": 1, "reservedInventoryQuantity": reserved},
            {"reservedInventory": None},
        )

        done = calculate(order, PRICING)

        assert [line.reserved_inventory for line in lines_of(done)] == [is_whole, None]

    @pytest.mark.parametrize(
        ("rate", "tax"), [(25, 20), (None, 13.04), (0, 0), (-100, 0), (Decimal("25.5"), 20.32)]
    )
    def test_contains_its_own_rate_or_the_markets(self, rate: object, tax: float) -> None:
        order = an_order({"placedPrice": 100, "taxRate": rate})

        (line,) = lines_of(calculate(order, Pricing(default_tax_rate=Decimal(15))))

        assert amounts(line, "tax_total") == [tax]

    def test_has_no_tax_in_a_market_without(self) -> None:
        order = an_order({"placedPrice": 100, "taxRate": 25}, shipments=[{"shippingSubTotal": 10}])

        done = calculate(order, Pricing(default_tax_rate=Decimal(25), is_tax_excluded=True))

        totals = amounts(form_of(done), "total", "total_excl_tax", "tax_total")
        assert totals == [110, 110, 0]


class TestRounding:
    def test_goes_half_away_from_nothing(self) -> None:
        order = an_order(
            {"placedPrice": Decimal("0.125")}, {"placedPrice": Decimal("0.125"), "quantity": -1}
        )

        assert prices(calculate(order, PRICING)) == [0.13, -0.13]

    @pytest.mark.parametrize(
        ("decimals", "price"), [(0, 67), (2, 66.67), (3, 66.667), (4, 66.6667)]
    )
    def test_follows_the_currency(self, decimals: int, price: float) -> None:
        order = an_order({"placedPrice": Decimal("66.66666")})

        done = calculate(order, Pricing(default_tax_rate=Decimal(25), exponent=decimals))

        assert prices(done) == [price]

    def test_of_lines_can_be_off_but_totals_stay_round(self) -> None:
        order = an_order({"placedPrice": Decimal("33.33333")})

        done = calculate(order, Pricing(default_tax_rate=Decimal(25), round_lines=False))

        (line,) = lines_of(done)
        assert amounts(line, "extended_price", "extended_price_excl_tax") == [33.33333, 26.666664]
        totals = amounts(form_of(done), "total", "total_excl_tax", "tax_total")
        assert totals == [33.33, 26.66, 6.67]

    def test_of_discounts_can_be_off(self) -> None:
        order = an_order(
            {"placedPrice": 10},
            {"placedPrice": 20},
            discounts=[a_discount("Order", "Percentage", Decimal("3.33"))],
        )

        done = calculate(order, Pricing(default_tax_rate=Decimal(25), round_discounts=False))

        shares = [line.order_discount_amount for line in lines_of(done)]
        assert shares == [Decimal("0.333"), Decimal("0.666")]
        assert prices(done) == [10, 20]
        assert [line.extended_price for line in lines_of(done)] == [
            Decimal("9.67"),
            Decimal("19.33"),
        ]

    def test_of_discounts_can_be_off_for_shipping_too(self) -> None:
        order = an_order(
            discounts=[a_discount("Shipping", "Percentage", Decimal("3.33"))],
            shipments=[{"shippingSubTotal": 9.99}],
        )

        done = calculate(order, Pricing(default_tax_rate=Decimal(25), round_discounts=False))

        (shipment,) = shipments_of(done)
        assert amounts(shipment, "shipping_discount_amount", "shipping_total") == [0.332667, 9.66]
        assert form_of(done).total == Decimal("9.66")

    def test_survives_the_largest_numbers(self) -> None:
        order = an_order({"placedPrice": 10**15, "quantity": 10**15, "cost": 10**15})

        assert calculate(order, PRICING).net_total == 10**30

    @pytest.mark.parametrize(
        ("currency", "decimals"),
        [("NOK", 2), ("jpy", 0), ("KWD", 3), ("CLF", 4), ("XXX", 2), ("", 2), (None, 2)],
    )
    def test_knows_currencies(self, currency: str | None, decimals: int) -> None:
        assert exponent(currency) == decimals


class TestOrderDiscount:
    @pytest.mark.parametrize(
        ("placed", "shares"),
        [
            ([10, 10, 10], [0.34, 0.33, 0.33]),
            ([10, 11, 10], [0.32, 0.36, 0.32]),
            ([30, 20, 10], [0.5, 0.33, 0.17]),
        ],
    )
    def test_rest_goes_to_the_largest_line_and_of_equals_to_the_first(
        self, placed: list[int], shares: list[float]
    ) -> None:
        order = an_order(
            *[{"placedPrice": price} for price in placed],
            discounts=[a_discount("Order", "Money", 1)],
        )

        done = calculate(order, PRICING)

        assert [amounts(line, "order_discount_amount") for line in lines_of(done)] == [
            [share] for share in shares
        ]

    def test_rest_never_makes_a_line_negative(self) -> None:
        order = an_order(
            *[{"placedPrice": Decimal("0.01")}] * 100,
            discounts=[a_discount("Order", "Money", Decimal("0.49"))],
        )

        done = calculate(order, PRICING)

        assert min(line.extended_price or 0 for line in lines_of(done)) == 0
        assert form_of(done).total == Decimal("0.51")

    def test_several_take_the_full_base_and_share_one_cap(self) -> None:
        order = an_order(
            {"placedPrice": 100},
            discounts=[
                a_discount("Order", "Percentage", 40, priority=2),
                a_discount("Manual", "Percentage", 70, priority=1),
            ],
        )

        form = form_of(calculate(order, PRICING))

        assert [found.discount_amount for found in form.discounts or ()] == [30, 70]
        assert amounts(form, "discount_amount", "total") == [100, 0]

    @pytest.mark.parametrize(("of_discounted", "off"), [(False, 10), (True, 5)])
    def test_percentage_is_of_the_placed_prices_unless_set_otherwise(
        self, *, of_discounted: bool, off: int
    ) -> None:
        """Domain 3 no. 31."""
        order = an_order(
            {"placedPrice": 100, "discounted": 50},
            discounts=[a_discount("Order", "Percentage", 10)],
        )

        done = calculate(order, replace(PRICING, percentage_of_discounted=of_discounted))

        assert form_of(done).discount_amount == off

    @pytest.mark.parametrize("reward", ["Gift", "Kit"])
    def test_of_other_kinds_is_worth_what_was_sent(self, reward: str) -> None:
        sent = a_discount("Order", reward, discountAmount=30)

        done = calculate(an_order({"placedPrice": 100}, discounts=[sent]), PRICING)

        assert amounts(form_of(done), "discount_amount", "total") == [30, 70]

    @pytest.mark.parametrize(("always", "off"), [(False, 20), (True, 50)])
    def test_that_cannot_be_combined_leaves_no_room_but_for_what_always_applies(
        self, *, always: bool, off: int
    ) -> None:
        alone = a_discount("Order", "Money", 20, priority=1, canBeCombinedWithOtherPromotions=False)
        later = a_discount("Order", "Money", 30, priority=2, alwaysApply=always)

        done = calculate(an_order({"placedPrice": 100}, discounts=[later, alone]), PRICING)

        assert form_of(done).discount_amount == off

    def test_that_was_sent_as_an_amount_is_taken_as_it_is(self) -> None:
        sent = a_discount("Order", "Money", discountAmount=30)
        order = an_order({"placedPrice": 20}, discounts=[sent])

        form = form_of(calculate(order, PRICING))

        assert [found.discount_amount for found in form.discounts or ()] == [30]
        assert amounts(form, "discount_amount", "total") == [20, 0]

    def test_has_its_own_cap(self) -> None:
        capped = a_discount("Order", "Percentage", 50, maxDiscountAmount=20)

        form = form_of(calculate(an_order({"placedPrice": 100}, discounts=[capped]), PRICING))

        assert amounts(form, "discount_amount", "total") == [20, 80]

    def test_for_bonus_points_takes_nothing_off(self) -> None:
        points = [
            a_discount("Order", "Percentage", 50, isBonusPointsReward=True, discountAmount=5),
            a_discount("BonusPoints", "Money", 50),
            a_discount("None", "Money", 50),
        ]

        form = form_of(calculate(an_order({"placedPrice": 100}, discounts=points), PRICING))

        assert [found.discount_amount for found in form.discounts or ()] == [5, None, None]
        assert amounts(form, "discount_amount", "total") == [0, 100]


class TestLineDiscount:
    def priced(self, *discounts: Members, lines: list[Members] | None = None) -> Order:
        order = an_order(*lines or [{"placedPrice": 100, "quantity": 2}], discounts=discounts)
        return calculate(order, PRICING)

    @pytest.mark.parametrize(
        ("reward", "value", "price"),
        [
            ("Money", 50, 150),
            ("Money", 500, 0),
            ("Money", -5, 200),
            ("Percentage", 25, 150),
            ("Percentage", 250, 0),
            ("Free", None, 0),
            ("None", 50, 200),
        ],
    )
    def test_lowers_the_line(self, reward: str, value: int | None, price: int) -> None:
        done = self.priced(a_discount("LineItem", reward, value, skuIds=["SKU1"]))

        assert prices(done) == [price]

    @pytest.mark.parametrize("reward", ["Gift", "Kit", "FixedPrice", "MultiBuys", "Money", "None"])
    def test_without_a_rule_is_worth_what_was_sent(self, reward: str) -> None:
        sent = a_discount("LineItem", reward, skuIds=["SKU1", "SKU2"], discountAmount=30)

        done = self.priced(sent, lines=[{"placedPrice": 100}, {"placedPrice": 200}])

        assert prices(done) == [90, 180]

    @pytest.mark.parametrize(
        "incomplete",
        [
            {"rewardType": "FixedPrice", "promotionFixedPriceReward": {"fixedPricePrice": 5}},
            {"rewardType": "MultiBuys", "promotionMultiBuyReward": {"requiredBuyAmount": 2}},
        ],
    )
    def test_with_half_a_rule_is_worth_what_was_sent(self, incomplete: Members) -> None:
        sent = a_discount("LineItem", "None", skuIds=["SKU1"], discountAmount=30)

        assert prices(self.priced({**sent, **incomplete})) == [170]

    def test_of_money_is_given_once_for_each_matching_line(self) -> None:
        done = self.priced(
            a_discount("LineItem", "Money", 10, skuIds=["SKU1", "SKU3", "SKU3", "SKU9"]),
            lines=[{"placedPrice": 100, "quantity": 5}, {"placedPrice": 100}, {"placedPrice": 60}],
        )

        assert prices(done) == [490, 100, 50]
        assert [found.discount_amount for found in form_of(done).discounts or ()] == [20]

    def test_works_by_priority_on_what_the_earlier_left(self) -> None:
        money = a_discount("LineItem", "Money", 50, skuIds=["SKU1"], priority=2)
        half = a_discount("LineItem", "Percentage", 50, skuIds=["SKU1"], priority=1)

        assert prices(self.priced(money, half)) == [50]
        assert prices(self.priced({**money, "priority": 0}, half)) == [75]

    def test_comes_after_the_clients_own(self) -> None:
        half = a_discount("LineItem", "Percentage", 50, skuIds=["SKU1"])

        done = self.priced(half, lines=[{"placedPrice": 100, "quantity": 2, "discounted": 20}])

        assert prices(done) == [90]
        assert amounts(lines_of(done)[0], "discounted") == [110]

    def test_works_on_the_open_units_and_is_written_up_to_all(self) -> None:
        half = a_discount("LineItem", "Percentage", 50, skuIds=["SKU1"])
        line = {"placedPrice": 100, "quantity": 3, "canceledQuantity": 2, "discounted": 30}

        done = self.priced(half, lines=[line])

        # domain 6.1: 1 * 100 - (165 / 3) * 1
        assert amounts(lines_of(done)[0], "discounted", "discounted_price") == [165, 45]

    def test_that_cannot_be_combined_stands_alone(self) -> None:
        ten = a_discount("LineItem", "Money", 10, skuIds=["SKU1"], priority=1)
        alone = a_discount(
            "LineItem",
            "Money",
            20,
            skuIds=["SKU1", "SKU2"],
            priority=2,
            canBeCombinedWithOtherPromotions=False,
        )
        lines: list[Members] = [{"placedPrice": 100}, {"placedPrice": 100}]

        assert prices(self.priced(ten, alone, lines=lines)) == [90, 80]
        assert prices(self.priced({**ten, "priority": 3}, alone, lines=lines)) == [80, 80]
        always = {**alone, "alwaysApply": True}
        assert prices(self.priced(ten, always, lines=lines)) == [70, 80]
        assert prices(self.priced({**ten, "priority": 3}, always, lines=lines)) == [70, 80]

    def test_of_another_type_does_not_count_as_company(self) -> None:
        alone = a_discount("Order", "Money", 20, canBeCombinedWithOtherPromotions=False)
        ten = a_discount("LineItem", "Money", 10, skuIds=["SKU1"])

        assert form_of(self.priced(ten, alone)).total == 170

    def test_cap_holds_for_all_lines_together(self) -> None:
        half = a_discount(
            "LineItem", "Percentage", 50, skuIds=["SKU1", "SKU2"], maxDiscountAmount=30
        )

        done = self.priced(half, lines=[{"placedPrice": 100}, {"placedPrice": 200}])

        assert prices(done) == [90, 180]

    def test_of_a_campaign_spares_lines_outside_promotions(self) -> None:
        line = {"placedPrice": 100, "isExcludedFromPromotions": True}
        half = a_discount("LineItem", "Percentage", 50, skuIds=["SKU1"])

        campaign = self.priced({**half, "discountSource": "Campaign"}, lines=[line])
        by_hand = self.priced({**half, "discountSource": "Manual"}, lines=[line])

        assert prices(campaign) == [100]
        assert prices(by_hand) == [50]

    def test_fixed_price_makes_sets_from_the_most_expensive_down(self) -> None:
        three_for_200 = a_discount(
            "LineItem",
            "FixedPrice",
            skuIds=["SKU1", "SKU2"],
            promotionFixedPriceReward={"fixedPricePrice": 200, "fixedPriceQuantity": 3},
        )
        lines: list[Members] = [
            {"placedPrice": 80, "quantity": 3},
            {"placedPrice": 120, "quantity": 5},
        ]

        done = self.priced(three_for_200, lines=lines)

        # Sets 120*3 and 120*2 + 80 save 160 and 120; two of 80 stay.
        assert prices(done) == [210, 350]
        assert form_of(done).total == 560

    def test_fixed_price_never_makes_a_set_dearer(self) -> None:
        dear = a_discount(
            "LineItem",
            "FixedPrice",
            skuIds=["SKU1"],
            promotionFixedPriceReward={"fixedPricePrice": 1000, "fixedPriceQuantity": 2},
        )

        assert prices(self.priced(dear)) == [200]

    def test_multi_buy_lowers_the_cheapest_of_each_full_group(self) -> None:
        buy_two_get_one = a_discount(
            "LineItem",
            "MultiBuys",
            skuIds=["SKU1", "SKU2"],
            promotionMultiBuyReward={"requiredBuyAmount": 2, "numberOfDiscountedItems": 1},
        )
        lines: list[Members] = [
            {"placedPrice": 100, "quantity": 2},
            {"placedPrice": 30, "quantity": 5},
        ]

        done = self.priced(buy_two_get_one, lines=lines)

        # Groups from the cheapest up: 30 30 30, 30 30 100; one of 100 stays.
        assert prices(done) == [200, 90]

    def test_multi_buy_lowers_the_dearest_where_they_come_first(self) -> None:
        """SortMultibuyItemsDescending."""
        buy_two_get_one = a_discount(
            "LineItem",
            "MultiBuys",
            skuIds=["SKU1", "SKU2"],
            promotionMultiBuyReward={"requiredBuyAmount": 2, "numberOfDiscountedItems": 1},
        )
        order = an_order(
            {"placedPrice": 100, "quantity": 2},
            {"placedPrice": 30, "quantity": 5},
            discounts=[buy_two_get_one],
        )

        done = calculate(order, replace(PRICING, dearest_first=True))

        # Groups from the dearest down: 100 100 30, 30 30 30; one of 30 stays.
        assert prices(done) == [100, 120]

    @pytest.mark.parametrize(
        "other",
        [
            {"isFixedPrice": True},
            {"useTieredPricing": True},
            {"useConditionalPricing": True},
            {"promotionAmounts": [{"amount": 99, "currency": "NOK"}]},
        ],
    )
    def test_multi_buy_of_another_kind_is_worth_what_was_sent(self, other: Members) -> None:
        reward = {"requiredBuyAmount": 1, "numberOfDiscountedItems": 1, **other}
        sent = a_discount(
            "LineItem",
            "MultiBuys",
            skuIds=["SKU1"],
            discountAmount=30,
            promotionMultiBuyReward=reward,
        )

        assert prices(self.priced(sent)) == [170]

    def test_multi_buy_may_be_a_percentage_and_millions(self) -> None:
        second_half_price = a_discount(
            "LineItem",
            "MultiBuys",
            skuIds=["SKU1"],
            promotionMultiBuyReward={
                "requiredBuyAmount": 1,
                "numberOfDiscountedItems": 1,
                "percentage": 50,
            },
        )

        done = self.priced(second_half_price, lines=[{"placedPrice": 2, "quantity": 10_000_001}])

        assert prices(done) == [15_000_002]


class TestDiscounted:
    """Decided 3.2: input and output."""

    half = a_discount("LineItem", "Percentage", 50, skuIds=["SKU1"], discountId="half")

    def test_lists_where_it_came_from(self) -> None:
        order = an_order(
            {"placedPrice": 100, "quantity": 3, "discounted": 60}, discounts=[self.half]
        )

        (line,) = lines_of(calculate(order, PRICING))

        (found,) = line.order_line_discounts or []
        assert (found.discount_source, found.discount_id) == (FROM_FORM, "half")
        assert amounts(found, "discount_amount", "discount_amount_pr_item") == [120, 40]
        assert amounts(line, "discounted", "discounted_excl_tax") == [180, 144]

    def test_goes_back_to_the_input_when_the_discount_is_taken_away(self) -> None:
        once = calculate(
            an_order({"placedPrice": 100, "discounted": 20}, discounts=[self.half]), PRICING
        )
        form = form_of(once).model_copy(update={"discounts": None})

        again = calculate(once.model_copy(update={"order_form": form}), PRICING)

        (line,) = lines_of(again)
        assert amounts(line, "discounted", "discounted_price") == [20, 80]
        assert line.order_line_discounts == []

    def test_does_not_count_a_discount_twice_that_the_client_listed_itself(self) -> None:
        listed = {"discountId": "half", "discountSource": "Campaign", "discountAmount": 50}
        order = an_order(
            {"placedPrice": 100, "discounted": 50, "orderLineDiscounts": [listed]},
            discounts=[self.half],
        )

        assert prices(calculate(order, PRICING)) == [50]

    def test_keeps_the_clients_own_list(self) -> None:
        own = {"discountId": "mine", "discountAmount": 20}
        order = an_order(
            {"placedPrice": 100, "discounted": 20, "orderLineDiscounts": [own]},
            discounts=[self.half],
        )

        (line,) = lines_of(calculate(order, PRICING))

        assert [x.discount_id for x in line.order_line_discounts or ()] == ["mine", "half"]
        assert amounts(line, "discounted", "discounted_price") == [60, 40]

    @pytest.mark.parametrize("with_list", [True, False])
    def test_sent_back_unchanged_changes_nothing(self, *, with_list: bool) -> None:
        stored = calculate(
            an_order({"placedPrice": 100, "discounted": 20}, discounts=[self.half]), PRICING
        )
        sent = stored
        if not with_list:
            bare = [
                line.model_copy(update={"order_line_discounts": None}) for line in lines_of(stored)
            ]
            form = form_of(stored).model_copy(update={"line_items": bare})
            sent = stored.model_copy(update={"order_form": form})

        assert calculate(keep_entered(stored, sent), PRICING) == stored

    def test_sent_with_another_value_is_the_new_input(self) -> None:
        stored = calculate(
            an_order(
                {"placedPrice": 100, "discounted": 20}, {"placedPrice": 5}, discounts=[self.half]
            ),
            PRICING,
        )
        changed = [
            line.model_copy(update={"discounted": Decimal(40)}) for line in lines_of(stored)[:1]
        ]
        form = form_of(stored).model_copy(update={"line_items": [*changed, lines_of(stored)[1]]})
        sent = stored.model_copy(update={"order_form": form})

        again = calculate(keep_entered(stored, sent), PRICING)

        assert amounts(lines_of(again)[0], "discounted", "discounted_price") == [70, 30]

    def test_is_only_input_where_nothing_was_calculated(self) -> None:
        stored = calculate(an_order({"placedPrice": 100, "discounted": 20}), PRICING)
        empty = stored.model_copy(update={"order_form": None})

        assert keep_entered(stored, stored) is stored
        assert keep_entered(empty, stored) is stored


class TestShipment:
    def test_without_a_tax_rate_has_that_of_its_shipping_method_else_the_markets(self) -> None:
        pricing = replace(PRICING, shipping_tax_rates={"home": Decimal(12)})
        methods: list[Members] = [
            {"shippingMethodName": "Home"},
            {"shippingMethodName": "Store"},
            {},
        ]
        own: Members = {"shippingMethodName": "Home", "shipmentTaxRate": 0}
        priced: list[Members] = [{"shippingSubTotal": 112, **one} for one in (*methods, own)]

        done = calculate(an_order(shipments=priced), pricing)

        taxes = [float(one.shipping_tax or 0) for one in shipments_of(done)]
        assert taxes == [12, 22.4, 22.4, 0]

    def test_lines_are_full_copies_of_the_forms(self) -> None:
        order = an_order(
            {"placedPrice": 100, "quantity": 2, "displayName": "Lamp"},
            {"placedPrice": 50, "quantity": 1},
            shipments=[
                {
                    "shipmentId": "1",
                    "lineItems": [
                        {"lineItemId": "1", "quantity": 2},
                        {"lineItemId": "2"},
                        {"lineItemId": "9", "quantity": 1, "placedPrice": 7},
                    ],
                }
            ],
        )

        done = calculate(order, PRICING)

        (shipment,) = shipments_of(done)
        assert (shipment.line_items or [])[:2] == lines_of(done)
        assert amounts(shipment, "sub_total", "total", "tax_total") == [250, 250, 50]

    def test_lines_share_the_amounts_of_a_divided_line(self) -> None:
        order = an_order(
            {"placedPrice": 10, "quantity": 3, "canceledQuantity": 1, "cost": 1, "discounted": 1},
            discounts=[
                a_discount("LineItem", "Money", 1, skuIds=["SKU1"]),
                a_discount("Order", "Money", Decimal("0.33")),
            ],
            shipments=[
                {"shipmentId": "1", "lineItems": [{"lineItemId": "1", "quantity": 1}]},
                {"shipmentId": "2", "lineItems": [{"lineItemId": "1", "quantity": 2}]},
            ],
        )

        done = calculate(order, PRICING)

        (whole,) = lines_of(done)
        pieces = [line for shipment in shipments_of(done) for line in shipment.line_items or ()]
        assert [piece.quantity for piece in pieces] == [1, 2]
        assert [piece.canceled_quantity for piece in pieces] == [0, 1]
        for name in ("extended_price", "tax_total", "order_discount_amount", "discounted_price"):
            parts = [getattr(piece, name) for piece in pieces]
            assert sum(parts) == getattr(whole, name), name
            assert parts[0] > 0, name
        assert sum(piece.discounted or 0 for piece in pieces) == whole.discounted

    def test_hold_what_they_say_of_goods_that_a_till_takes_back(self) -> None:
        order = an_order(
            {"placedPrice": 10, "quantity": -3, "canceledQuantity": -1, "deliveredQuantity": -2},
            shipments=[
                {
                    "shipmentId": "1",
                    "lineItems": [{"lineItemId": "1", "quantity": -1, "deliveredQuantity": -1}],
                },
                {
                    "shipmentId": "2",
                    "lineItems": [{"lineItemId": "1", "quantity": -2, "deliveredQuantity": -1}],
                },
                {"shipmentId": "3", "lineItems": [{"lineItemId": "1", "quantity": -9}]},
            ],
        )

        done = calculate(order, PRICING)

        assert [part.sub_total for part in shipments_of(done)] == [-10, -10, 0]
        pieces = [line for part in shipments_of(done) for line in part.line_items or ()]
        assert [piece.quantity for piece in pieces] == [-1, -2, 0]
        assert [piece.canceled_quantity for piece in pieces] == [0, -1, 0]
        assert [piece.delivered_quantity for piece in pieces] == [-1, -1, 0]
        assert not any(str(piece.quantity).startswith("-0") for piece in pieces)
        assert calculate(done, PRICING) == done

    def test_holds_no_more_than_the_line_has(self) -> None:
        twice = {"lineItemId": "1", "quantity": 5}
        order = an_order(
            {"placedPrice": 10, "quantity": 3},
            shipments=[
                {"shipmentId": "1", "lineItems": [twice]},
                {"shipmentId": "2", "lineItems": [twice]},
                {"shipmentId": "3"},
            ],
        )

        done = calculate(order, PRICING)

        assert [shipment.sub_total for shipment in shipments_of(done)] == [30, 0, 0]

    def test_keeps_what_happened_to_its_piece(self) -> None:
        order = an_order(
            {"placedPrice": 10, "quantity": 3, "deliveredQuantity": 1},
            shipments=[
                {"lineItems": [{"lineItemId": "1", "quantity": 1, "deliveredQuantity": 1}]},
                {"lineItems": [{"lineItemId": "1", "quantity": 2}]},
            ],
        )

        done = calculate(order, PRICING)

        pieces = [line for shipment in shipments_of(done) for line in shipment.line_items or ()]
        assert [piece.delivered_quantity for piece in pieces] == [1, 0]

    def test_shipping_is_taxed_by_its_own_rate(self) -> None:
        order = an_order(
            {"placedPrice": 100},
            shipments=[{"shippingSubTotal": 56, "shipmentTaxRate": 12}, {"shippingSubTotal": 50}],
        )

        done = calculate(order, PRICING)

        names = ("shipping_sub_total_excl_tax", "shipping_total", "shipping_tax")
        assert [amounts(shipment, *names) for shipment in shipments_of(done)] == [
            [50, 56, 6],
            [40, 50, 10],
        ]
        totals = amounts(form_of(done), "shipping_total", "total", "tax_total", "total_excl_tax")
        assert totals == [106, 206, 36, 170]

    def test_shipping_with_more_decimals_than_the_currency_adds_up_too(self) -> None:
        order = an_order(
            {"placedPrice": 100},
            shipments=[{"shippingSubTotal": 59.55}, {"shippingSubTotal": 102.83}],
        )

        done = calculate(order, Pricing(default_tax_rate=Decimal(25), exponent=0))

        totals = amounts(form_of(done), "shipping_sub_total", "shipping_total", "total")
        assert totals == [163, 163, 263]

    def test_shipping_discounts_of_the_form_are_spread_by_cost(self) -> None:
        order = an_order(
            {"placedPrice": 100},
            discounts=[a_discount("Shipping", "Money", 30)],
            shipments=[{"shippingSubTotal": 60}, {"shippingSubTotal": 30}],
        )

        done = calculate(order, PRICING)

        names = ("shipping_discount_amount", "shipping_total")
        assert [amounts(shipment, *names) for shipment in shipments_of(done)] == [
            [20, 40],
            [10, 20],
        ]
        form = form_of(done)
        assert [found.discount_amount for found in form.discounts or ()] == [30]
        totals = amounts(
            form, "shipping_sub_total", "shipping_discount_total", "shipping_total", "total"
        )
        assert totals == [90, 30, 60, 160]

    def test_shipping_discounts_of_its_own_concern_it_alone(self) -> None:
        order = an_order(
            discounts=[a_discount("Shipping", "Percentage", 50)],
            shipments=[
                {"shippingSubTotal": 60, "discounts": [a_discount("Shipping", "Money", 45)]},
                {"shippingSubTotal": 40},
            ],
        )

        done = calculate(order, PRICING)

        totals = [shipment.shipping_total for shipment in shipments_of(done)]
        assert totals == [0, 5]  # 45 own, then 50 of the 55 that are left
        (own,) = shipments_of(done)[0].discounts or []
        assert own.discount_amount == 45

    @pytest.mark.parametrize(("reward", "value"), [("Free", None), ("Money", 99)])
    def test_shipping_is_never_less_than_free(self, reward: str, value: int | None) -> None:
        order = an_order(
            discounts=[a_discount("Shipping", reward, value)],
            shipments=[{"shippingSubTotal": 60}, {}],
        )

        assert form_of(calculate(order, PRICING)).total == 0


class TestForm:
    def test_total_has_handling_tax_and_roundoff(self) -> None:
        order = an_order(
            {"placedPrice": 100}, handlingTotal=10, orderLevelTax=5, grossRoundoff=Decimal("-0.4")
        )

        form = form_of(calculate(order, PRICING))

        assert amounts(form, "total", "tax_total", "total_excl_tax") == [114.6, 25, 89.6]

    def test_adds_up_costs(self) -> None:
        order = an_order(
            {"placedPrice": 9, "cost": 2, "quantity": 3}, {"placedPrice": 9, "cost": Decimal("1.5")}
        )

        assert calculate(order, PRICING).line_items_cost == Decimal("7.5")

    def test_mirrors_its_totals_where_the_order_has_them(self) -> None:
        order = an_order({"placedPrice": 100}).model_copy(
            update={"total": Decimal(1), "discount_total_inc_vat": Decimal(1)}
        )

        done = calculate(order, PRICING)

        assert amounts(done, "total", "discount_total_inc_vat", "sub_total") == [100, 0, None]

    def test_may_be_missing(self) -> None:
        order = an_order().model_copy(update={"order_form": None})

        done = calculate(order, PRICING)

        assert amounts(done, "net_total", "remaining_payment") == [0, 0]
        assert lines_of(done) == []


class TestPayments:
    def owed(self, *payments: Members) -> list[float | None]:
        done = calculate(an_order({"placedPrice": 1000}, payments=list(payments)), PRICING)
        form = form_of(done)
        totals = ("authorized_payment_total", "captured_payment_total", "credit_payment_total")
        return [*amounts(form, *totals), *amounts(done, "remaining_payment")]

    def test_capture_is_part_of_its_authorization(self) -> None:
        paid = self.owed(a_payment("Capture", 400), a_payment("Authorization", 1000))

        assert paid == [1000, 400, 0, 0]

    def test_capture_without_authorization_counts_for_itself(self) -> None:
        paid = self.owed(a_payment("Captured", 400), a_payment("Authorization", 9, status="Failed"))

        assert paid == [400, 400, 0, 600]

    @pytest.mark.parametrize("status", ["Processed", "Paid", "Approved"])
    def test_sale_and_invoice_are_both(self, status: str) -> None:
        paid = self.owed(a_payment("Sale", 600, status=status), a_payment("Invoiced", 500))

        assert paid == [1100, 1100, 0, -100]

    @pytest.mark.parametrize("kind", ["Void", "ReleaseRemainingAuthorization"])
    def test_what_is_given_up_is_owed_again(self, kind: str) -> None:
        assert self.owed(a_payment("Authorization", 1000), a_payment(kind, 300))[3] == 300

    @pytest.mark.parametrize("status", ["Failed", "Pending"])
    def test_what_did_not_go_through_does_not_count(self, status: str) -> None:
        assert self.owed(a_payment("Authorization", 1000, status=status)) == [0, 0, 0, 1000]

    def test_bookkeeping_does_not_count(self) -> None:
        assert self.owed(a_payment("Settlement", 1000)) == [0, 0, 0, 1000]

    @pytest.mark.parametrize("subtracted", [True, False])
    def test_a_returned_and_credited_line_leaves_nothing_owed(self, *, subtracted: bool) -> None:
        """The worked example of domain 6.4."""
        sold = an_order(
            {"placedPrice": 1000},
            payments=[a_payment("Authorization", 1000), a_payment("Credit", 200)],
        )
        form = {"total": 200, "totalExclTax": 160, "shippingCreditedTotal": 15}
        order = Order.model_validate({**sold.model_dump(), "returnOrderForms": [form]})
        pricing = Pricing(default_tax_rate=Decimal(25), credit_reduces_remaining=subtracted)

        done = calculate(order, pricing)

        assert amounts(done, "net_total", "net_total_excl_tax", "remaining_payment") == [
            800,
            640,
            0,
        ]
        credited = amounts(form_of(done), "credit_payment_total", "shipping_credited_total")
        assert credited == [200, 15]

    @pytest.mark.parametrize("subtracted", [True, False])
    def test_what_is_owed_may_be_written_with_the_sign_of_the_guide(
        self, *, subtracted: bool
    ) -> None:
        """Domain 3 no. 29: S2 writes (authorized - credited) - net total."""
        pricing = replace(PRICING, legacy_sign=True, credit_reduces_remaining=subtracted)
        order = an_order({"placedPrice": 1000}, payments=[a_payment("Sale", 900)])

        done = calculate(order, pricing)

        assert done.remaining_payment == -100
        assert outstanding(done, legacy_sign=True) == 100

    def test_settling_counts_payments_and_leaves_the_rest(self) -> None:
        done = calculate(an_order({"placedPrice": 1000}), PRICING)
        paid = an_order(payments=[a_payment("Sale", 1000)])
        form = form_of(done).model_copy(update={"payments": form_of(paid).payments})

        settled = settle(done.model_copy(update={"order_form": form}), PRICING)

        assert settled.remaining_payment == 0
        assert form_of(settled).captured_payment_total == 1000
        assert lines_of(settled) is lines_of(done)
        assert settled == calculate(settled, PRICING)
