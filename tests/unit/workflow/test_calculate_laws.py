import sys
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.discount import Discount, FixedPriceReward, MultiBuyReward
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.payment import Payment
from contracts.return_form import ReturnForm
from contracts.shipment import Shipment
from services.workflow.domain.calculate import Pricing, calculate, recalculate
from services.workflow.domain.price_return import price_return

ZERO = Decimal(0)
SKUS = ("A", "B", "C")

few = st.integers(0, 4).map(Decimal)
money = st.one_of(
    st.decimals(0, 1000, places=2),
    st.decimals(0, 1, places=6),
    st.sampled_from([ZERO, Decimal("0.01"), Decimal(10), Decimal(10**9)]),
)
quantities = st.one_of(few, st.decimals(0, 3, places=3))
maybe_flag = st.none() | st.booleans()


@st.composite
def order_lines(draw: st.DrawFn) -> OrderLine:
    quantity = draw(quantities)
    return OrderLine(
        line_item_id="",
        code=draw(st.sampled_from(SKUS)),
        placed_price=draw(money),
        quantity=quantity,
        canceled_quantity=min(draw(st.just(ZERO) | quantities), quantity),
        tax_rate=draw(st.none() | st.sampled_from([ZERO, Decimal(12), Decimal("25.5")])),
        cost=draw(st.none() | money),
        discounted=draw(st.none() | money),
        is_excluded_from_promotions=draw(maybe_flag),
        is_package_product=draw(maybe_flag),
        is_bundle=draw(st.sampled_from([None, None, None, True])),
        package_line_item_id=draw(st.none() | st.sampled_from(["0", "1", "2", "3"])),
        reserved_inventory_quantity=draw(st.none() | few),
    )


@st.composite
def discounts(draw: st.DrawFn, *kinds: str) -> Discount:
    return Discount.model_validate(
        {
            "discount_id": draw(st.none() | st.sampled_from(["1", "2"])),
            "discount_type": draw(st.sampled_from(kinds)),
            "discount_source": draw(st.sampled_from(["Manual", "Campaign", None])),
            "reward_type": draw(
                st.sampled_from(
                    ["Money", "Percentage", "Free", "FixedPrice", "MultiBuys", "Gift", "None"]
                )
            ),
            "discount_value": draw(st.none() | st.decimals(0, 120, places=2)),
            "discount_amount": draw(st.none() | money),
            "max_discount_amount": draw(st.none() | money),
            "priority": draw(st.none() | st.integers(0, 2)),
            "sku_ids": draw(st.lists(st.sampled_from(SKUS))),
            "always_apply": draw(maybe_flag),
            "can_be_combined_with_other_promotions": draw(maybe_flag),
            "promotion_fixed_price_reward": draw(st.none() | fixed_prices),
            "promotion_multi_buy_reward": draw(st.none() | multi_buys),
        }
    )


fixed_prices = st.builds(
    FixedPriceReward, fixed_price_price=money, fixed_price_quantity=st.integers(0, 4)
)
multi_buys = st.builds(
    MultiBuyReward,
    required_buy_amount=st.integers(0, 3),
    number_of_discounted_items=st.integers(0, 2),
    percentage=st.none() | st.decimals(0, 100, places=2),
)
payments = st.fixed_dictionaries(
    {
        "amount": money,
        "payment_method_name": st.just("Card"),
        "transaction_id": st.sampled_from(["1", "2"]),
        "transaction_type": st.sampled_from(["Authorization", "Capture", "Sale", "Credit"]),
        "status": st.sampled_from(["Processed", "Pending"]),
    }
).map(Payment.model_validate)
pricings = st.builds(
    Pricing,
    default_tax_rate=st.just(Decimal(25)),
    is_tax_excluded=st.booleans(),
    exponent=st.sampled_from([0, 2, 3]),
    round_discounts=st.booleans(),
    round_lines=st.booleans(),
    credit_reduces_remaining=st.booleans(),
    legacy_sign=st.booleans(),
    dearest_first=st.booleans(),
    percentage_of_discounted=st.booleans(),
    allocate_packages=st.booleans(),
)
returns = st.builds(
    ReturnForm,
    total=money,
    total_excl_tax=money,
    shipping_credited_total=st.none() | money,
    credit_payment=maybe_flag,
    line_items=st.just([OrderLine(line_item_id="0", extended_price=Decimal(10))]),
)


@st.composite
def orders(draw: st.DrawFn, *, found: st.SearchStrategy[Discount] | None = None) -> Order:
    if found is None:
        found = discounts("LineItem", "Order", "Shipping", "Manual", "BonusPoints")
    lines = [
        line.model_copy(update={"line_item_id": str(number)})
        for number, line in enumerate(draw(st.lists(order_lines(), max_size=5)))
    ]
    left = {line.line_item_id: line.quantity or ZERO for line in lines}
    shipments = []
    for last in (False, True):
        parts = []
        for line in lines:
            rest = left[line.line_item_id]
            quantity = rest if last else min(rest, draw(few))
            left[line.line_item_id] -= quantity
            if quantity:
                part = OrderLine(line_item_id=line.line_item_id, quantity=quantity)
                parts.append(part)
        shipments.append(
            Shipment(
                line_items=parts,
                shipping_sub_total=draw(st.none() | money),
                discounts=draw(st.none() | st.lists(discounts("Shipping"), max_size=2)),
            )
        )
    return Order(
        id="1",
        market_id="NOR",
        store_id="1",
        order_form=OrderForm(
            line_items=lines,
            shipments=shipments,
            discounts=draw(st.lists(found, max_size=4)),
            payments=draw(st.lists(payments, max_size=3)),
            handling_total=draw(st.none() | money),
        ),
        return_order_forms=draw(st.none() | st.lists(returns, max_size=2)),
    )


def form_of(order: Order) -> OrderForm:
    assert order.order_form is not None
    return order.order_form


def lines_of(order: Order) -> list[OrderLine]:
    return form_of(order).line_items or []


def with_discounts(order: Order, found: list[Discount]) -> Order:
    form = form_of(order).model_copy(update={"discounts": found})
    return order.model_copy(update={"order_form": form})


@given(orders(), pricings)
def test_calculating_again_changes_nothing(order: Order, pricing: Pricing) -> None:
    once = recalculate(None, order, pricing)

    assert calculate(once, pricing) == once
    assert recalculate(once, once, pricing) == once


@given(orders(), pricings)
def test_a_calculated_order_can_be_stored_and_read(order: Order, pricing: Pricing) -> None:
    once = calculate(order, pricing)

    assert Order.model_validate(once.model_dump()) == once


@given(orders(), pricings)
def test_nothing_becomes_negative(order: Order, pricing: Pricing) -> None:
    form = form_of(calculate(order, pricing))

    for part in (form, *(form.line_items or ()), *(form.shipments or ())):
        for name, value in part:
            assert not isinstance(value, Decimal) or value >= 0, name


@given(orders(), pricings)
def test_the_order_discount_is_the_sum_of_its_shares(order: Order, pricing: Pricing) -> None:
    done = calculate(order, pricing)

    shares = sum((line.order_discount_amount or ZERO for line in lines_of(done)), ZERO)
    applied = form_of(done).discount_amount
    assert shares == applied


@given(orders(), pricings)
def test_a_line_is_its_price_without_what_was_taken_off(order: Order, pricing: Pricing) -> None:
    for line in lines_of(calculate(order, replace(pricing, round_lines=True))):
        assert line.discounted_price is not None
        assert line.extended_price is not None
        assert line.tax_total is not None
        share = line.order_discount_amount or ZERO
        assert abs(line.discounted_price - share - line.extended_price) < 1
        if pricing.round_discounts:
            assert line.discounted_price - share == line.extended_price
        assert line.extended_price_excl_tax == line.extended_price - line.tax_total


@given(orders(), pricings)
def test_the_form_is_the_sum_of_lines_shipments_and_extras(order: Order, pricing: Pricing) -> None:
    pricing = replace(pricing, round_lines=True)
    form = form_of(calculate(order, pricing))

    lines, shipments = form.line_items or [], form.shipments or []
    assert form.sub_total == sum((line.extended_price or ZERO for line in lines), ZERO)
    assert form.sub_total == sum((part.sub_total or ZERO for part in shipments), ZERO)
    assert form.tax_total == sum((part.tax_total or ZERO for part in shipments), ZERO)
    assert form.shipping_total == sum((part.shipping_total or ZERO for part in shipments), ZERO)
    assert form.total is not None
    assert form.total_excl_tax == form.total - (form.tax_total or ZERO)


@given(orders(), pricings)
def test_the_pieces_of_a_line_add_up_to_it(order: Order, pricing: Pricing) -> None:
    form = form_of(calculate(order, pricing))
    names = (
        "quantity canceled_quantity discounted discounted_price discounted_price_excl_tax"
        " order_discount_amount extended_price extended_price_excl_tax tax_total cost_total"
    )
    # Unrounded lines differ by what rounding the shares of the order discount moved.
    exact = pricing.round_lines and pricing.round_discounts

    for line in form.line_items or ():
        pieces = [
            piece
            for shipment in form.shipments or ()
            for piece in shipment.line_items or ()
            if piece.line_item_id == line.line_item_id
        ]
        for name in names.split():
            if name == "discounted_price" and not exact:
                continue
            total = sum((getattr(piece, name) or ZERO for piece in pieces), ZERO)
            assert total == (getattr(line, name) or ZERO) or not line.quantity, name


@given(orders(found=discounts("Order")), pricings, st.integers())
def test_the_order_of_order_discounts_is_irrelevant(
    order: Order, pricing: Pricing, seed: int
) -> None:
    """Decided 3.3: each on the full base, one cap; which may be combined goes by priority."""
    free = [
        found.model_copy(update={"can_be_combined_with_other_promotions": True})
        for found in form_of(order).discounts or ()
    ]
    shuffled = list(free)
    Random(seed).shuffle(shuffled)  # noqa: S311

    one = calculate(with_discounts(order, free), pricing)
    other = calculate(with_discounts(order, shuffled), pricing)

    assert form_of(one).discount_amount == form_of(other).discount_amount
    assert one.net_total == other.net_total


@given(orders(found=discounts("LineItem")), pricings, st.integers())
def test_the_order_of_discounts_of_different_priority_is_irrelevant(
    order: Order, pricing: Pricing, seed: int
) -> None:
    ranked = [
        found.model_copy(update={"priority": number, "discount_id": None})
        for number, found in enumerate(form_of(order).discounts or ())
    ]
    shuffled = list(ranked)
    Random(seed).shuffle(shuffled)  # noqa: S311

    one = calculate(with_discounts(order, ranked), pricing)
    other = calculate(with_discounts(order, shuffled), pricing)

    assert lines_of(one) == lines_of(other)


@given(orders(), pricings)
def test_discounts_of_equal_priority_take_their_turn_as_they_are_listed(
    order: Order, pricing: Pricing
) -> None:
    listed = form_of(order).discounts or []
    in_turn = sorted(listed, key=lambda found: found.priority or 0)

    one = calculate(order, pricing)
    other = calculate(with_discounts(order, in_turn), pricing)

    assert lines_of(one) == lines_of(other)
    assert one.net_total == other.net_total


some_discounts = st.lists(discounts("LineItem", "Order"), max_size=2)


def an_order_of(
    lines: list[OrderLine], found: list[Discount], paid: list[Payment] | None = None
) -> Order:
    form = OrderForm(line_items=lines, discounts=found, payments=paid)
    return Order(id="1", market_id="NOR", store_id="1", order_form=form)


@given(st.lists(order_lines(), max_size=4), some_discounts, pricings)
def test_allocating_the_price_of_a_package_adds_nothing(
    others: list[OrderLine], found: list[Discount], pricing: Pricing
) -> None:
    """What is in it costs what the package would alone, unless more of that is cancelled."""
    package = OrderLine(
        line_item_id="package",
        code="A",
        quantity=Decimal(2),
        placed_price=Decimal(100),
        is_package_product=True,
    )
    inside = {"package_line_item_id": "package", "canceled_quantity": None}
    first = OrderLine(line_item_id="first", quantity=Decimal(1), placed_price=Decimal(1))
    components = [line.model_copy(update=inside) for line in (first, *others)]
    pricing = replace(pricing, allocate_packages=True)

    alone = calculate(an_order_of([package], found), pricing)
    broken_down = calculate(an_order_of([package, *components], found), pricing)

    (whole,), (left, *parts) = lines_of(alone), lines_of(broken_down)
    assert sum((part.discounted_price or ZERO for part in parts), ZERO) == whole.discounted_price
    assert left.extended_price == 0
    if pricing.round_discounts:  # else each line's share of the order discount is rounded away
        assert broken_down.net_total == alone.net_total


@st.composite
def dealt_out(draw: st.DrawFn) -> tuple[OrderLine, list[Decimal]]:
    """A line, and its units dealt out."""
    parts = draw(st.lists(st.integers(1, 3).map(Decimal), min_size=1, max_size=4))
    line = OrderLine(
        line_item_id="sold",
        code="A",
        quantity=sum(parts, ZERO),
        placed_price=draw(money),
        discounted=draw(st.none() | st.decimals(0, 100, places=2)),
    )
    return line, parts


@given(dealt_out(), some_discounts, pricings)
def test_what_is_cancelled_step_by_step_is_credited_to_the_last_unit(
    dealt: tuple[OrderLine, list[Decimal]], found: list[Discount], pricing: Pricing
) -> None:
    line, steps = dealt
    sale = Payment.model_validate(
        {
            "amount": 1,
            "payment_method_name": "Card",
            "transaction_id": "1",
            "transaction_type": "Sale",
            "status": "Processed",
        }
    )
    order = recalculate(None, an_order_of([line], found, [sale]), pricing)
    (paid,) = lines_of(order)

    cancelled = ZERO
    for step in steps:
        cancelled += step
        changed = lines_of(order)[0].model_copy(update={"canceled_quantity": cancelled})
        form = form_of(order).model_copy(update={"line_items": [changed]})
        order = recalculate(order, order.model_copy(update={"order_form": form}), pricing)

    (done,) = lines_of(order)
    price = (paid.extended_price or ZERO).quantize(pricing.cent, ROUND_HALF_UP)
    assert (done.credited_amount or ZERO) == price


@given(dealt_out(), some_discounts, pricings)
def test_what_comes_back_piece_by_piece_is_credited_to_the_last_unit(
    dealt: tuple[OrderLine, list[Decimal]], found: list[Discount], pricing: Pricing
) -> None:
    line, steps = dealt
    order = calculate(an_order_of([line], found), pricing)

    for step in steps:
        part = OrderLine(line_item_id="sold", quantity=step)
        back = price_return(ReturnForm(line_items=[part]), order, pricing, {})
        known = order.return_order_forms or []
        order = order.model_copy(update={"return_order_forms": [*known, back]})

    parts = [part for back in order.return_order_forms or () for part in back.line_items or ()]
    (sold,) = lines_of(order)
    for name in ("extended_price", "extended_price_excl_tax", "tax_total", "order_discount_amount"):
        assert sum((getattr(part, name) for part in parts), ZERO) == getattr(sold, name), name


units = st.lists(
    st.tuples(st.integers(1, 100), st.integers(0, 7)), min_size=1, max_size=4
)  # price and quantity of each line


@pytest.mark.parametrize("reward", ["FixedPrice", "MultiBuys"])
@given(units, st.integers(0, 150), st.integers(0, 3), st.integers(1, 3))
def test_sets_are_what_laying_out_every_unit_gives(
    reward: str, stock: list[tuple[int, int]], price: int, bought: int, lowered: int
) -> None:
    sets = Discount.model_validate(
        {
            "discount_type": "LineItem",
            "reward_type": reward,
            "sku_ids": ["A"],
            "promotion_fixed_price_reward": FixedPriceReward(
                fixed_price_price=Decimal(price), fixed_price_quantity=lowered
            ),
            "promotion_multi_buy_reward": MultiBuyReward(
                required_buy_amount=bought, number_of_discounted_items=lowered
            ),
        }
    )
    lines = [
        OrderLine(
            line_item_id=str(number), code="A", placed_price=Decimal(each), quantity=Decimal(count)
        )
        for number, (each, count) in enumerate(stock)
    ]
    form = OrderForm(line_items=lines, discounts=[sets])
    order = Order(id="1", market_id="NOR", store_id="1", order_form=form)

    done = calculate(order, Pricing(default_tax_rate=Decimal(25)))

    laid_out = sorted(each for each, count in stock for _ in range(count))
    if reward == "FixedPrice":
        laid_out.reverse()
        groups = [laid_out[at : at + lowered] for at in range(0, len(laid_out), lowered)]
        saved = sum(max(sum(group) - price, 0) for group in groups if len(group) == lowered)
    else:
        size = bought + lowered
        groups = [laid_out[at : at + size] for at in range(0, len(laid_out), size)]
        saved = sum(sum(group[:lowered]) for group in groups if len(group) == size)
    assert form_of(done).total == sum(laid_out) - saved


class Steps:
    """Counts the steps that Python takes."""

    taken = 0

    def __call__(self, frame: FrameType, event: str, _: object) -> "Steps":
        frame.f_trace_opcodes = True
        self.taken += event == "opcode"
        return self


def steps_of(order: Order, pricing: Pricing) -> int:
    """Count the steps of calculating the order."""
    steps, before = Steps(), sys.gettrace()
    sys.settrace(steps)
    try:
        recalculate(order, order, pricing)
    finally:
        sys.settrace(before)
    return steps.taken


@pytest.mark.parametrize("kind", ["LineItem", "Order", "Shipping"])
@pytest.mark.parametrize("reward", ["Percentage", "FixedPrice", "MultiBuys"])
def test_twice_the_lines_are_twice_the_work(kind: str, reward: str) -> None:
    discount = Discount.model_validate(
        {
            "discount_type": kind,
            "reward_type": reward,
            "discount_value": 7,
            "discount_amount": Decimal("33.33"),
            "sku_ids": ["A", "B"],
            "promotion_fixed_price_reward": {"fixedPricePrice": 10, "fixedPriceQuantity": 3},
            "promotion_multi_buy_reward": {"requiredBuyAmount": 2, "numberOfDiscountedItems": 1},
        }
    )
    pricing = Pricing(default_tax_rate=Decimal(25), allocate_packages=True)

    def an_order_of_lines(count: int) -> Order:
        lines = [
            OrderLine(
                line_item_id=str(number),
                code="AB"[number % 2],
                quantity=Decimal(3),
                canceled_quantity=Decimal(1),
                placed_price=Decimal(number % 10),
                is_package_product=not number % 4,
                package_line_item_id=str(number - number % 4),
            )
            for number in range(count)
        ]
        shipments = [
            Shipment(
                shipping_sub_total=Decimal(9),
                line_items=[line.model_copy(update={"quantity": units}) for line in lines],
            )
            for units in (Decimal(1), Decimal(2))
        ]
        form = OrderForm(line_items=lines, shipments=shipments, discounts=[discount])
        return Order(id="1", market_id="NOR", store_id="1", order_form=form)

    half, whole = an_order_of_lines(60), an_order_of_lines(120)

    few_steps, many_steps = steps_of(half, pricing), steps_of(whole, pricing)

    assert many_steps < 2.1 * few_steps


def test_three_lines_take_few_steps() -> None:
    """Guards 200 µs for three lines: that is four times what these steps take, on any machine."""
    lines = [
        OrderLine(line_item_id=id_, code=id_, quantity=Decimal(2), placed_price=Decimal(499))
        for id_ in "123"
    ]
    shipments = [Shipment(shipping_sub_total=Decimal(99), line_items=lines)]
    tenth_off = Discount.model_validate(
        {"discount_type": "Order", "reward_type": "Percentage", "discount_value": 10}
    )
    form = OrderForm(line_items=lines, shipments=shipments, discounts=[tenth_off])
    order = Order(id="1", market_id="NOR", store_id="1", order_form=form)

    taken = steps_of(order, Pricing(default_tax_rate=Decimal(25)))

    assert taken < 5_000
