"""Rounding, and sharing amounts out so that the parts add up to the whole (domain 6.9)."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

ZERO: Final = Decimal(0)
FINEST: Final = Decimal("0.000001")
"""The step of amounts that are not to be rounded: as fine as a stored amount may be."""

# Half away from zero (domain 6.9). A context of our own, because the default one refuses to round
# what two allowed numbers can multiply to; used by name, so that no thread's context is switched.
rounded: Final = Context(prec=60, rounding=ROUND_HALF_UP).quantize
"""rounded(amount, step): the multiple of the step that is nearest to the amount."""


def bounded(amount: Decimal, limit: Decimal) -> Decimal:
    """Hold an amount between nothing and the limit, which is negative for goods taken back."""
    if limit >= ZERO:
        return min(max(amount, ZERO), limit)
    return max(min(amount, ZERO), limit)


def split(
    total: Decimal,
    weights: Sequence[Decimal],
    step: Decimal,
    limits: Sequence[Decimal] | None = None,
) -> list[Decimal]:
    """Share an amount out by weight, so that the parts add up to it to the last unit.

    What rounding leaves over goes to the largest weight, the first of equals; when that would
    push its part beyond its limit (as a rule its weight), the next largest takes the rest.
    """
    whole = sum(weights, ZERO)
    if not whole or not total:
        return [ZERO] * len(weights)
    if limits is None:
        limits = weights
    parts = [
        bounded(rounded(total * weight / whole, step), limit)
        for weight, limit in zip(weights, limits, strict=True)
    ]
    rest = total - sum(parts, ZERO)
    if rest:
        for place in sorted(range(len(parts)), key=lambda place: -abs(weights[place])):
            part = bounded(parts[place] + rest, limits[place])
            rest -= part - parts[place]
            parts[place] = part
            if not rest:
                break
    return parts


def share(
    amount: Decimal | None, before: Decimal, after: Decimal, whole: Decimal, step: Decimal
) -> Decimal:
    """Return what falls to some of the units that an amount is for.

    It is the difference of what is due up to the last of these units and up to those before them,
    so all shares add up to the amount once every unit is dealt.

    :param before: how many units are dealt already
    :param after: how many are dealt with these
    """
    if not whole or not amount:
        return ZERO
    if rounded(amount, step) != amount:
        step = FINEST  # the client's own discount, or an amount that is not to be rounded
    return rounded(amount * after / whole, step) - rounded(amount * before / whole, step)
