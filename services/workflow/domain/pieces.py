"""The pieces of a line that was split (`multi_buys`): they are priced together, as the line was.

Then each is told its part. So the split moves no total, not by the last unit; and what a multi-buy
lowers are the last pieces.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from contracts.order_line import OrderLine
from services.workflow.domain.discount import Priced, multi_buy, priced
from services.workflow.domain.rounding import FINEST, ZERO, rounded, share

_HUNDRED: Final = Decimal(100)


class Amounts(NamedTuple):
    """What a line comes to."""

    price: Decimal
    """After its own discounts."""
    price_excl_tax: Decimal
    order_discount: Decimal
    extended: Decimal
    """After all discounts."""
    extended_excl_tax: Decimal
    cost: Decimal


def is_package(line: OrderLine) -> bool:
    """Say whether the line is a package, or in one."""
    marks = (line.is_package_product, line.is_package_broke_down, line.is_package)
    return any(marks) or line.package_line_item_id is not None


def joined(lines: Sequence[Priced], step: Decimal) -> Sequence[Priced]:
    """Return the lines with pieces of one line as one again, at the place of the first.

    Pieces that are not alike any more are lines like any others.
    """
    if all(one.line.original_multi_buy_line_item_id is None for one in lines):
        return lines
    groups: dict[object, list[Priced]] = {}
    for place, one in enumerate(lines):
        groups.setdefault(_likeness(one) or place, []).append(one)
    return [pieces[0] if len(pieces) == 1 else _joined(pieces, step) for pieces in groups.values()]


def _likeness(one: Priced) -> tuple[object, ...] | None:
    """Return what pieces of one line have in common; None of a line that is no piece."""
    line = one.line
    is_piece = line.original_multi_buy_line_item_id is not None and not is_package(line)
    if not is_piece or one.quantity <= ZERO or (line.placed_price or ZERO) <= ZERO:
        return None
    return (
        line.original_multi_buy_line_item_id,
        line.code,
        line.placed_price,
        line.tax_rate,
        line.is_excluded_from_promotions,
    )


def _joined(pieces: Sequence[Priced], step: Decimal) -> Priced:
    """Price the pieces as the one line that they are of, and tell each its part of the price."""

    def of_all(amounts: Iterator[Decimal]) -> Decimal:
        return sum(amounts, ZERO)

    whole = priced(
        pieces[0].line,
        of_all(piece.quantity for piece in pieces),
        of_all(piece.open for piece in pieces),
        of_all(piece.gross for piece in pieces),
        of_all(piece.entered for piece in pieces),
        step,
    )
    whole.pieces = pieces
    exact = [
        priced(one.line, one.quantity, one.open, one.gross, one.entered, FINEST).price
        for one in pieces
    ]
    parts = _shares(whole.price, exact, step)
    for piece, part in zip(pieces, parts, strict=True):
        piece.price = part
    return whole


def dealt(
    whole: Priced, amounts: Amounts, steps: tuple[Decimal, Decimal]
) -> Iterator[tuple[Priced, Amounts]]:
    """Yield each piece with what it comes to; all of them come to what the whole does.

    :param steps: to which the amounts of lines, and discounts, are rounded
    """
    step, discount_step = steps
    finest = min(steps)
    pieces = whole.pieces
    for discount, off in whole.off:
        left = [piece.price for piece in pieces]
        reward = multi_buy(discount)
        if reward is None:
            parts = _shares(off, left, finest)
        else:
            *_, percentage = reward
            parts = _on_last(off, left, percentage, discount_step)
        for piece, part in zip(pieces, parts, strict=True):
            if part:
                piece.price -= part
                piece.off.append((discount, part))
    prices = _shares(amounts.price, [piece.price for piece in pieces], step)
    off_order = _shares(amounts.order_discount, prices, finest)
    left = [price - off for price, off in zip(prices, off_order, strict=True)]
    extended = _shares(amounts.extended, left, step)
    columns = zip(
        prices,
        _shares(amounts.price_excl_tax, prices, step),
        off_order,
        extended,
        _shares(amounts.extended_excl_tax, extended, step),
        _shares(amounts.cost, [cost_of(piece) for piece in pieces], step),
        strict=True,
    )
    return zip(pieces, map(Amounts._make, columns), strict=True)


def cost_of(one: Priced) -> Decimal:
    """Return what the open units cost us, pieces each by its own cost."""
    if one.pieces:
        return sum(map(cost_of, one.pieces), ZERO)
    return one.line.cost * one.open if one.line.cost else ZERO  # never -0


def _shares(amount: Decimal, weights: Sequence[Decimal], step: Decimal) -> list[Decimal]:
    """Share an amount out by weight; no part is more than its weight unless the whole is."""
    ends = [ZERO, *accumulate(weights)]
    return [share(amount, before, after, ends[-1], step) for before, after in pairwise(ends)]


def _on_last(
    off: Decimal, prices: Sequence[Decimal], percentage: Decimal, step: Decimal
) -> list[Decimal]:
    """Lower the last units by the percentage; what rounding leaves over falls to them as well."""
    parts = [ZERO] * len(prices)
    wanted = [rounded(price * percentage / _HUNDRED, step) for price in prices]
    for limits in (wanted, prices):
        for at in reversed(range(len(prices))):
            more = min(off, max(min(limits[at], prices[at]) - parts[at], ZERO))
            parts[at] += more
            off -= more
    return parts
