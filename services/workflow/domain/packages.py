"""Packages: their price is that of what is in them (domain 6.2, AllocatePackagePricesToComponents).

Neither the package's `placedPrice` nor a component's is changed, so there is nothing to restore
before calculating again: what a component costs is a share that is worked out each time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from contracts.order_line import OrderLine
from services.workflow.domain.discount import Priced
from services.workflow.domain.rounding import ZERO, bounded, rounded, split


@dataclass(frozen=True, slots=True)
class Package:
    """The line of a package and the lines of what is in it."""

    line: Priced
    components: Sequence[Priced]


def packages(lines: Sequence[Priced]) -> list[Package]:
    """Find the packages that are broken down, outer ones first, and mark their components.

    Components point to their package by `packageLineItemId`. Bundles keep their components'
    prices, and so does what points at itself in a circle.
    """
    at = {one.line.line_item_id: place for place, one in enumerate(lines) if _is_package(one.line)}
    inside: dict[int, list[int]] = {}
    for place, one in enumerate(lines) if at else ():
        outer = one.line.package_line_item_id
        if outer is not None and outer in at:
            inside.setdefault(at[outer], []).append(place)
    components = {place for places in inside.values() for place in places}
    turn = [place for place in inside if place not in components]
    for place in turn:  # it grows by the packages within this one
        turn += [component for component in inside[place] if component in inside]
    found = [Package(lines[place], [lines[one] for one in inside[place]]) for place in turn]
    for package in found:
        for component in package.components:
            component.is_component = True
    return found


def allocate(found: Iterable[Package], step: Decimal) -> None:
    """Share each package's price, after its discounts, among its components.

    The shares are by what the whole of each component would cost by itself, after the client's own
    discount. A component that has lost more units than its package costs so much less. Where the
    components cost nothing there is nothing to share by, and the package keeps its price.
    """
    for package in found:
        price = package.line.price
        weights = [_own_price(component) for component in package.components]
        has_shares = any(weights)
        for component, part in zip(
            package.components,
            split(price, weights, step, [price] * len(weights)),
            strict=True,
        ):
            component.price = _left(part, component, package.line, step)
        if has_shares:
            package.line.price = ZERO


def _is_package(line: OrderLine) -> bool:
    marked = line.is_package_product or line.is_package_broke_down or line.is_package
    return bool(marked) and not line.is_bundle


def _own_price(component: Priced) -> Decimal:
    whole = component.quantity * (component.line.placed_price or ZERO)
    return abs(whole - bounded(component.entered, whole))


def _left(part: Decimal, component: Priced, package: Priced, step: Decimal) -> Decimal:
    kept = abs(component.open * package.quantity)
    expected = abs(component.quantity * package.open)
    return part if kept >= expected else rounded(part * kept / expected, step)
