"""What discounts take off: lines, the whole order, shipping (domain 6.1, 6.2; decided 3.3)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from contracts.discount import Discount, MultiBuyReward
from contracts.order_line import OrderLine
from services.workflow.domain.rounding import ZERO, bounded, rounded, split

_HUNDRED: Final = Decimal(100)

Group = Mapping[int, Discount]
"""Discounts that are judged together, each by its place in the list it came in."""


@dataclass(slots=True)
class Priced:
    """A line while its price is being worked out."""

    line: OrderLine
    quantity: Decimal
    open: Decimal
    """The units that are not cancelled."""
    gross: Decimal
    """The open units at their placed price."""
    entered: Decimal
    """The client's own discount, for the whole quantity."""
    price: Decimal
    """What the open units cost after the discounts so far."""
    off: list[tuple[Discount, Decimal]] = field(default_factory=list)
    """What each discount of the order form took off that price."""
    is_component: bool = False
    """Whether its price is a share of the price of its package."""
    pieces: Sequence["Priced"] = ()
    """The lines that it was split into (`pieces`)."""


def priced(  # noqa: PLR0913, PLR0917 - what a price begins with
    line: OrderLine, quantity: Decimal, units: Decimal, gross: Decimal, own: Decimal, step: Decimal
) -> Priced:
    """Price so many units of a line after the client's own discount.

    :param units: those of them that are not cancelled
    :param gross: what these cost without any discount
    :param own: the client's discount, for the whole quantity
    """
    price = gross
    if own and quantity:
        price -= own if units == quantity else own / quantity * units
        # A discount takes at most the price; of goods taken back both are negative.
        price = max(price, ZERO) if gross >= ZERO else min(price, ZERO)
    return Priced(line, quantity, units, gross, own, rounded(price, step))


def is_excluded(line: OrderLine, discount: Discount) -> bool:
    """Say whether the line is excluded from this promotion.

    S0: from automatic ones; what somebody gives by hand still applies.
    """
    return bool(line.is_excluded_from_promotions) and discount.discount_source == "Campaign"


def multi_buy(discount: Discount) -> tuple[int, int, Decimal] | None:
    """Return how many must be bought, how many are lowered then, and by how much percent.

    None where it is no such reward, or one that no document explains.
    """
    reward = discount.promotion_multi_buy_reward
    if discount.reward_type != "MultiBuys" or reward is None or _is_other_multi_buy(reward):
        return None
    bought, lowered = reward.required_buy_amount, reward.number_of_discounted_items
    if bought is None or bought < 0 or not lowered or lowered < 0:
        return None
    # "Buy two, get one" without a word about the percentage means that the one is free.
    return bought, lowered, min(reward.percentage or _HUNDRED, _HUNDRED)


def discount_lines(
    group: Group, lines: Sequence[Priced], step: Decimal, *, dearest_first: bool
) -> dict[int, Decimal]:
    """Lower the lines' prices by LineItem discounts, by priority, each on the price left.

    :param dearest_first: whether a MultiBuys lowers the dearest units, not the cheapest
    :returns: what each discount took off in all
    """
    places: dict[str, list[int]] = {}
    for place, priced in enumerate(lines):
        if priced.line.code is not None:
            places.setdefault(priced.line.code, []).append(place)
    companies: dict[int, bool] = {}
    taken = dict.fromkeys(group, ZERO)
    for at, discount in _in_turn(group):
        chosen = [
            place
            for sku in dict.fromkeys(discount.sku_ids or ())
            for place in places.get(sku, ())
            if _welcome(discount, companies.get(place))
            and not is_excluded(lines[place].line, discount)
        ]
        chosen.sort()
        matching = [lines[place] for place in chosen]
        amounts = _off_lines(discount, matching, step, dearest_first=dearest_first)
        for place, amount in zip(chosen, amounts, strict=True):
            if amount:
                lines[place].price -= amount
                lines[place].off.append((discount, amount))
                taken[at] += amount
                companies[place] = _company(discount, companies.get(place))
    return taken


def discount_whole(
    group: Group, base: Decimal, limit: Decimal, step: Decimal
) -> dict[int, Decimal]:
    """Lower one amount: each discount on the full base, all together by at most the limit.

    :returns: what each took off; beyond the limit the last by priority have nothing left
    """
    companies: dict[str | None, bool] = {}
    taken = dict.fromkeys(group, ZERO)
    for at, discount in _in_turn(group):
        kind = discount.discount_type
        if not _welcome(discount, companies.get(kind)):
            continue
        amount = bounded(rounded(_capped(discount, _worth(discount, base)), step), limit)
        if amount:
            taken[at] = amount
            limit -= amount
            companies[kind] = _company(discount, companies.get(kind))
    return taken


def with_amounts(discounts: Sequence[Discount], taken: Mapping[int, Decimal]) -> list[Discount]:
    """Write what each discount took off into it, unless its amount is the client's word."""
    return [
        discount.model_copy(update={"discount_amount": taken[place]})
        if place in taken and not _is_sent(discount)
        else discount
        for place, discount in enumerate(discounts)
    ]


def _is_sent(discount: Discount) -> bool:
    """Whether the discount's amount is the client's word: nothing says how to work it out."""
    match discount.reward_type:
        case "Money" | "Percentage":
            return not discount.discount_value
        case "Free":
            return False
        case "FixedPrice":
            return discount.discount_type != "LineItem" or _fixed_price(discount) is None
        case "MultiBuys":
            return discount.discount_type != "LineItem" or multi_buy(discount) is None
        case _:
            return True


def _in_turn(group: Group) -> list[tuple[int, Discount]]:
    return sorted(group.items(), key=lambda entry: entry[1].priority or 0)


# The company of a price says whether discounts have lowered it already (else None) and whether
# all of them bear another one. One that cannot be combined neither joins others nor is joined.
def _welcome(discount: Discount, company: bool | None) -> bool:  # noqa: FBT001 - see above
    if company is None or discount.always_apply:
        return True
    return company and discount.can_be_combined_with_other_promotions is not False


def _company(discount: Discount, company: bool | None) -> bool:  # noqa: FBT001 - see above
    bears = discount.can_be_combined_with_other_promotions is not False
    return (bears or bool(discount.always_apply)) and company is not False


def _worth(discount: Discount, base: Decimal) -> Decimal:
    value = discount.discount_value
    match discount.reward_type:
        case "Percentage" if value:
            return base * min(value, _HUNDRED) / _HUNDRED
        case "Money" if value:
            return value
        case "Free":
            return base
        case _:
            return discount.discount_amount or ZERO


def _capped(discount: Discount, amount: Decimal) -> Decimal:
    # A cap of 0 is what clients with non-nullable numbers send for "no cap".
    cap = discount.max_discount_amount
    return min(amount, cap) if cap and cap > 0 else amount


def _off_lines(
    discount: Discount, lines: Sequence[Priced], step: Decimal, *, dearest_first: bool
) -> list[Decimal]:
    prices = [priced.price for priced in lines]
    amounts: list[Decimal]
    if _is_sent(discount):
        sent = bounded(discount.discount_amount or ZERO, sum(prices, ZERO))
        amounts = split(rounded(sent, step), prices, step)
    elif (fixed := _fixed_price(discount)) is not None:
        amounts = _rounded_together(_at_fixed_price(lines, *fixed), prices, step)
    elif (buys := multi_buy(discount)) is not None:
        saved = _at_multi_buy(lines, *buys, dearest_first=dearest_first)
        amounts = _rounded_together(saved, prices, step)
    else:
        amounts = [bounded(rounded(_worth(discount, price), step), price) for price in prices]
    total = sum(amounts, ZERO)
    capped = _capped(discount, total)
    return amounts if capped == total else split(rounded(capped, step), amounts, step)


def _rounded_together(
    amounts: Sequence[Decimal], prices: Sequence[Decimal], step: Decimal
) -> list[Decimal]:
    return split(rounded(sum(amounts, ZERO), step), amounts, step, prices)


def _fixed_price(discount: Discount) -> tuple[int, Decimal] | None:
    reward = discount.promotion_fixed_price_reward
    if discount.reward_type != "FixedPrice" or reward is None:
        return None
    units, price = reward.fixed_price_quantity, reward.fixed_price_price
    return (units, price) if units and units > 0 and price is not None else None


def _is_other_multi_buy(reward: MultiBuyReward) -> bool:
    """Whether it is one of the kinds that no document explains, whose amount is the client's."""
    return bool(
        reward.is_fixed_price
        or reward.use_tiered_pricing
        or reward.use_conditional_pricing
        or (reward.promotion_amounts and not reward.use_percentage)
    )


def _at_fixed_price(lines: Sequence[Priced], units: int, price: Decimal) -> list[Decimal]:
    """Take sets from the most expensive unit down; a set that is cheaper already is left alone."""
    saved = [ZERO] * len(lines)
    each = [_unit_price(priced) for priced in lines]
    for times, members in _sets(lines, sorted(range(len(lines)), key=lambda at: -each[at]), units):
        worth = sum((each[at] * count for at, count in members), ZERO)
        if worth > price:
            for at, count in members:
                saved[at] += times * (worth - price) * each[at] * count / worth
    return saved


def _at_multi_buy(
    lines: Sequence[Priced],
    bought: int,
    lowered: int,
    percentage: Decimal,
    *,
    dearest_first: bool,
) -> list[Decimal]:
    """Group the units from the cheapest up; in every full group the cheapest are lowered.

    :param dearest_first: from the dearest down instead, and the dearest are lowered
    """
    saved = [ZERO] * len(lines)
    each = [_unit_price(priced) for priced in lines]
    order = sorted(range(len(lines)), key=lambda at: -each[at] if dearest_first else each[at])
    for times, members in _sets(lines, order, bought + lowered):
        left = lowered
        for at, count in members:
            units = min(count, left)
            left -= units
            saved[at] += times * units * each[at] * percentage / _HUNDRED
    return saved


def _unit_price(priced: Priced) -> Decimal:
    return priced.price / priced.open if priced.open > 0 else ZERO


def _sets(
    lines: Sequence[Priced], order: Iterable[int], size: int
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Deal the lines' whole units into full sets, in the order given.

    :returns: how many such sets, and the units of each line in one of them. Not a set at a time,
        since a line may hold a million units.
    """
    begun: list[tuple[int, int]] = []
    room = size
    for at in order:
        units = max(int(lines[at].open), 0)
        if begun:
            taken = min(units, room)
            begun.append((at, taken))
            units -= taken
            room -= taken
            if room:
                continue
            yield 1, begun
            begun, room = [], size
        times, rest = divmod(units, size)
        if times:
            yield times, [(at, size)]
        if rest:
            begun, room = [(at, rest)], size - rest
