from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.orders import PlaceOrder
from contracts.order import Order
from contracts.order_form import OrderForm
from contracts.order_line import MOST_LINES
from contracts.settings import DEFAULT, OrderLineSettings
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import Pricing, calculate, recalculate
from services.workflow.domain.place import place
from tests.builders import an_order as an_order_of_the_reference
from tests.unit.workflow.kept import (
    CAUSE,
    NOW,
    holding,
    kept,
    lines_renamed,
    overwritten,
    patched_with,
    pieces_of,
    seen,
    updated,
)
from tests.unit.workflow.priced import (
    PRICING,
    Members,
    a_discount,
    an_order,
    form_of,
    lines_of,
    prices,
    shipments_of,
)
from tests.unit.workflow.test_calculate_laws import (
    discounts,
    maybe_flag,
    money,
    multi_buys,
    orders,
    pricings,
    with_discounts,
)

CONFIGURED = DEFAULT.model_copy(
    update={
        "order_settings": DEFAULT.order_settings.model_copy(
            update={
                "order_line_settings": OrderLineSettings(split_multibuy_promotion_order_lines=True)
            }
        )
    }
)
SPLITTING = replace(PRICING, split_multi_buys=True)
TWO_PLUS_ONE = a_discount(
    "LineItem",
    "MultiBuys",
    skuIds=["SKU1", "SKU2"],
    promotionMultiBuyReward={"requiredBuyAmount": 2, "numberOfDiscountedItems": 1},
)


def split(*lines: Members, **form: object) -> Order:
    form = {"discounts": [TWO_PLUS_ONE], **form}
    return recalculate(None, an_order(*lines, **form), SPLITTING)


def ids(order: Order) -> list[str]:
    return [line.line_item_id for line in lines_of(order)]


class TestALineOfAMultiBuy:
    """S2: buy two, get one free creates three lines instead of one with quantity three."""

    def test_becomes_one_line_per_unit_and_the_last_is_free(self) -> None:
        done = split({"placedPrice": 99, "quantity": 3})

        assert ids(done) == ["1", "1-2", "1-3"]
        assert [line.quantity for line in lines_of(done)] == [1, 1, 1]
        assert prices(done) == [99, 99, 0]
        assert {line.original_multi_buy_line_item_id for line in lines_of(done)} == {"1"}
        assert form_of(done).total == 198

    def test_stays_whole_unless_the_setting_says_so(self) -> None:
        order = an_order({"placedPrice": 99, "quantity": 3}, discounts=[TWO_PLUS_ONE])

        done = recalculate(None, order, PRICING)

        assert ids(done) == ["1"]
        assert lines_of(done)[0].original_multi_buy_line_item_id is None

    def test_is_one_that_a_promotion_on_the_line_itself_says_is(self) -> None:
        own = {"rewardType": "MultiBuys", "discountAmount": 99}
        line = {
            "code": "other",
            "placedPrice": 99,
            "quantity": 3,
            "discounted": 99,
            "orderLineDiscounts": [own],
        }

        done = split(line)

        assert prices(done) == [66, 66, 66]
        listed = [line.order_line_discounts or [] for line in lines_of(done)]
        assert [one.discount_amount for (one,) in listed] == [33, 33, 33]

    def test_gives_no_unit_an_id_that_another_line_has(self) -> None:
        done = split(
            {"placedPrice": 9, "quantity": 3},
            {"lineItemId": "1-2", "code": "other", "placedPrice": 5},
        )

        assert ids(done) == ["1", "1-3", "1-4", "1-2"]

    def test_is_split_where_it_is_shipped(self) -> None:
        shipments = [
            {"shipmentId": "a", "lineItems": [{"lineItemId": "1", "quantity": 1}]},
            {"shipmentId": "b", "lineItems": [{"lineItemId": "1", "quantity": 2}]},
        ]

        done = split({"placedPrice": 99, "quantity": 3}, shipments=shipments)

        held = [[line.line_item_id for line in one.line_items or ()] for one in shipments_of(done)]
        assert held == [["1"], ["1-2", "1-3"]]
        assert [one.sub_total for one in shipments_of(done)] == [99, 99]

    def test_is_split_where_it_is_paid(self) -> None:
        payment = {
            "amount": 198,
            "paymentMethodName": "Card",
            "transactionId": "t",
            "transactionType": "Authorization",
            "status": "Processed",
            "orderLineReferences": [{"lineItemId": "1"}, {"lineItemId": "2"}],
        }

        done = split({"placedPrice": 99, "quantity": 3}, {"code": "other"}, payments=[payment])

        (paid,) = form_of(done).payments or []
        named = [one.line_item_id for one in paid.order_line_references or ()]
        assert named == ["1", "1-2", "1-3", "2"]

    def test_shares_what_is_said_of_all_its_units(self) -> None:
        line = {
            "placedPrice": 10,
            "quantity": 3,
            "discounted": 10,
            "orderLineBonusPoints": {"earnedPoints": 6},
        }

        done = split(line, discounts=[{**TWO_PLUS_ONE, "promotionMultiBuyReward": None}])

        assert [line.discounted for line in lines_of(done)] == [
            Decimal("3.333333"),
            Decimal("3.333334"),
            Decimal("3.333333"),
        ]
        assert form_of(done).total == 20
        points = [line.order_line_bonus_points for line in lines_of(done)]
        assert [one.earned_points for one in points if one is not None] == [2, 2, 2]

    def test_lowers_each_unit_of_a_set_by_the_percentage(self) -> None:
        half = {"requiredBuyAmount": 2, "numberOfDiscountedItems": 2, "percentage": 50}

        done = split(
            {"placedPrice": 10, "quantity": 5},
            discounts=[{**TWO_PLUS_ONE, "promotionMultiBuyReward": half}],
        )

        assert prices(done) == [10, 10, 10, 5, 5]

    @pytest.mark.parametrize(
        "left",
        [
            {"deliveredQuantity": 1},
            {"canceledQuantity": 1},
            {"returnQuantity": 1},
            {"replacedQuantity": 1},
            {"readyForPickupQuantity": 1},
            {"reservedInventoryQuantity": 1},
            {"isReadOnly": True},
            {"isPackageProduct": True},
            {"packageLineItemId": "2"},
            {"quantity": Decimal("2.5")},
            {"quantity": MOST_LINES + 1},
            {"quantity": 10**15},
            {"placedPrice": 0},
            {"code": "other"},
        ],
        ids=str,
    )
    def test_is_left_whole_where_it_is_begun_bound_or_not_to_be_counted(
        self, left: Members
    ) -> None:
        done = split({"placedPrice": 9, "quantity": 3, **left})

        assert ids(done) == ["1"]

    def test_is_left_whole_where_its_units_are_packed(self) -> None:
        packed = [{"lineItemReferences": [{"lineItemId": "1", "quantity": 3}]}]
        shipment = {"shipmentId": "a", "lineItems": [{"lineItemId": "1"}], "packages": packed}

        done = split({"placedPrice": 9, "quantity": 3}, shipments=[shipment])

        assert ids(done) == ["1"]

    def test_of_which_units_are_cancelled_later_is_priced_by_those_that_stay(self) -> None:
        done = split({"placedPrice": 99, "quantity": 3})
        lines = lines_of(done)
        lines = [lines[0].model_copy(update={"canceled_quantity": Decimal(1)}), *lines[1:]]
        form = form_of(done).model_copy(update={"line_items": lines})

        cancelled = recalculate(done, done.model_copy(update={"order_form": form}), SPLITTING)

        assert prices(cancelled) == [0, 99, 99]

    def test_that_grows_again_is_split_again(self) -> None:
        done = split({"placedPrice": 99, "quantity": 3})
        lines = lines_of(done)
        lines = [*lines[:2], lines[2].model_copy(update={"quantity": Decimal(2)})]
        form = form_of(done).model_copy(update={"line_items": lines})

        grown = recalculate(done, done.model_copy(update={"order_form": form}), SPLITTING)

        assert ids(grown) == ["1", "1-2", "1-3", "1-4"]
        assert prices(grown) == [99, 99, 99, 0]

    def test_that_is_patched_alone_is_a_line_like_others(self) -> None:
        done = split({"placedPrice": 99, "quantity": 3})
        lines = lines_of(done)
        lines = [*lines[:2], lines[2].model_copy(update={"placed_price": Decimal(9)})]
        form = form_of(done).model_copy(update={"line_items": lines})

        patched = recalculate(done, done.model_copy(update={"order_form": form}), SPLITTING)

        assert prices(patched) == [99, 99, 0]
        assert form_of(patched).total == 198


def a_sale(**members: object) -> Order:
    form = {
        "lineItems": [{"lineItemId": "1", "code": "SKU1", "placedPrice": 99, "quantity": 3}],
        "discounts": [TWO_PLUS_ONE],
    }
    return an_order_of_the_reference(order_form=OrderForm.model_validate(form), **members)


class TestAnOrderWithThem:
    def test_is_split_as_it_comes_in_and_stays_so_when_it_is_sent_back(self) -> None:
        document = kept(a_sale(), CONFIGURED)

        again = overwritten(document, seen(document.order), CONFIGURED)

        assert ids(document.order) == ["1", "1-2", "1-3"]
        assert pieces_of(document.order) == [{"1": 1, "1-2": 1, "1-3": 1}]
        assert again.is_unchanged

    def test_is_split_alike_when_the_sender_repeats_its_own_lines(self) -> None:
        document = kept(a_sale(), CONFIGURED)
        body = seen(a_sale())

        again = overwritten(document, body, CONFIGURED)

        assert ids(again.document.order) == ["1", "1-2", "1-3"]

    def test_is_left_alone_once_its_goods_are_reserved(self) -> None:
        document = holding(kept(a_sale()))

        progress = updated(document, {"orderForm": {"handlingTotal": 5}}, CONFIGURED)

        assert ids(progress.document.order) == ["1"]

    def test_keeps_its_units_together_when_lines_get_other_ids(self) -> None:
        document = kept(a_sale(), CONFIGURED)

        progress = lines_renamed(document, **{"1": "one"})

        order = progress.document.order
        assert {line.original_multi_buy_line_item_id for line in lines_of(order)} == {"one"}

    def test_cannot_be_told_by_a_client_which_line_a_unit_is_of(self) -> None:
        document = kept(a_sale(), CONFIGURED)
        body = {"lineItems": [{"lineItemId": "1-3", "originalMultiBuyLineItemId": "9"}]}

        progress = patched_with(document, {"orderForm": body}, CONFIGURED)

        assert progress.is_unchanged

    def test_is_refused_where_its_many_lines_would_be_too_large_for_an_event(self) -> None:
        line = {"lineItemId": "1", "code": "SKU1", "placedPrice": 9, "comment": "x" * 30_000}
        form = {"lineItems": [{**line, "quantity": 400}], "discounts": [TWO_PLUS_ONE]}
        order = an_order_of_the_reference(order_form=OrderForm.model_validate(form))
        command = PlaceOrder(order_id=order.id, order=order, user="shop", origin="a test")

        with pytest.raises(Refused) as refused:
            place(None, command, CAUSE, now=NOW, configuration=CONFIGURED)

        assert refused.value.problem.slug == "too-large"


# -- laws ------------------------------------------------------------------------------------------

a_multi_buy = st.builds(
    lambda discount, reward: discount.model_copy(
        update={
            "discount_type": "LineItem",
            "reward_type": "MultiBuys",
            "sku_ids": ["A", "B"],
            "promotion_multi_buy_reward": reward,
        }
    ),
    discounts("LineItem"),
    multi_buys,
)
found = st.one_of(a_multi_buy, discounts("LineItem", "Order", "Shipping", "Manual"))


@st.composite
def sold(draw: st.DrawFn) -> Order:
    """Orders whose lines can be split, with a multi-buy promotion among their discounts."""
    order = draw(orders(found=found))
    changes = [
        {
            "quantity": Decimal(draw(st.integers(1, 5))),
            "canceled_quantity": None,
            "reserved_inventory_quantity": None,
            "placed_price": draw(money),
            "is_package_product": None,
            "package_line_item_id": None,
            "is_excluded_from_promotions": draw(maybe_flag),
        }
        for _ in lines_of(order)
    ]
    lines = [
        line.model_copy(update=change)
        for line, change in zip(lines_of(order), changes, strict=True)
    ]
    shipments = [one.model_copy(update={"line_items": []}) for one in shipments_of(order)[:1]]
    shipments = [one.model_copy(update={"line_items": list(lines)}) for one in shipments]
    form = form_of(order).model_copy(update={"line_items": lines, "shipments": shipments})
    order = order.model_copy(update={"order_form": form})
    return with_discounts(order, [draw(a_multi_buy), *(form.discounts or ())])


TOTALS = (
    *("sub_total", "sub_total_excl_tax", "total", "total_excl_tax", "tax_total"),
    *("discount_amount", "shipping_total"),
)


@given(sold(), pricings)
def test_the_split_moves_no_total(order: Order, pricing: Pricing) -> None:
    whole = form_of(recalculate(None, order, pricing))

    done = recalculate(None, order, replace(pricing, split_multi_buys=True))

    form = form_of(done)
    assert {name: getattr(form, name) for name in TOTALS} == {
        name: getattr(whole, name) for name in TOTALS
    }
    assert [one.discount_amount for one in form.discounts or ()] == [
        one.discount_amount for one in whole.discounts or ()
    ]
    assert sum(line.extended_price or 0 for line in form.line_items or ()) == sum(
        line.extended_price or 0 for line in whole.line_items or ()
    )
    (held,), (held_whole,) = form.shipments or [], whole.shipments or []
    assert (held.total, held.tax_total) == (held_whole.total, held_whole.tax_total)


@given(sold(), pricings)
def test_split_lines_are_calculated_again_without_a_change(order: Order, pricing: Pricing) -> None:
    splitting = replace(pricing, split_multi_buys=True)

    once = recalculate(None, order, splitting)

    assert calculate(once, pricing) == once
    assert recalculate(once, once, splitting) == once
    assert len(set(ids(once))) == len(ids(once))


@given(sold(), pricings)
def test_no_unit_costs_less_than_nothing(order: Order, pricing: Pricing) -> None:
    done = recalculate(None, order, replace(pricing, split_multi_buys=True))

    for line in lines_of(done):
        for name, value in line:
            assert not isinstance(value, Decimal) or value >= 0, name
