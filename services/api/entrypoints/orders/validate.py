"""What the settings ask of an order that comes in, beyond what the contracts do (decided 1.5, 1.7).

A pure matter of body and settings: it is found out before anything is sent on its way.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from contracts.faults import excerpt
from contracts.note import PropertyItem
from contracts.order import NewOrder
from contracts.problems import FieldProblem
from contracts.settings import Configuration, DefaultProperty
from services.api.domain import refusal

_MOST_NAMED: Final = 20


def refuse_unfit(
    order: NewOrder, configuration: Configuration, *, imported: bool = False, pos: bool = False
) -> None:
    """Refuse a new order that the settings do not take; see `misfits`.

    :raises Refusal: validation-failed
    """
    faults = misfits(order, configuration, imported=imported, pos=pos)
    if faults:
        raise refusal("validation-failed", errors=faults)


def misfits(
    order: NewOrder, configuration: Configuration, *, imported: bool = False, pos: bool = False
) -> list[FieldProblem]:
    """Return what is wrong with a new order by the settings in force.

    Its market and store must be known if strictReferences says so, at the till always. Default
    properties that are required must have a value, but not in imports and at the till.
    """
    faults: list[FieldProblem] = []
    if pos or configuration.order_settings.strict_references:
        faults += unknown_places(order.market_id, order.store_id, configuration)
    if not (imported or pos):
        faults += _unfilled(order, configuration)
    return faults


def unknown_places(
    market_id: str | None, store_id: str | None, configuration: Configuration
) -> Iterator[FieldProblem]:
    """Yield a fault for the market, and one for the store, if it is not configured."""
    if market_id is not None and configuration.market(market_id) is None:
        names = [one.market_id for one in configuration.markets]
        yield _unknown("marketId", market_id, names)
    if store_id is not None and configuration.store(store_id) is None:
        names = [one.store_id for one in configuration.stores]
        yield _unknown("storeId", store_id, names)


def _unknown(path: str, got: str, names: Collection[str]) -> FieldProblem:
    listed = ", ".join(list(names)[:_MOST_NAMED]) or "none"
    more = "" if len(names) <= _MOST_NAMED else f" and {len(names) - _MOST_NAMED} more"
    message = f"expected one that is configured: {listed}{more}"
    return FieldProblem(path=path, message=message, got=excerpt(got))


def _unfilled(order: NewOrder, configuration: Configuration) -> Iterator[FieldProblem]:
    """Yield a fault for each required default property that is still empty (domain 2.11, 2.13)."""
    settings = configuration.order_settings
    yield from _empty("properties", order.properties, _required(settings.default_properties))
    of_lines = _required(settings.order_line_settings.default_properties)
    form = order.order_form
    if not of_lines or form is None:
        return
    known = set()
    for place, line in enumerate(form.line_items or ()):
        known.add(line.line_item_id)
        path = f"orderForm.lineItems[{place}].properties"
        yield from _empty(path, line.properties, of_lines)
    for at, shipment in enumerate(form.shipments or ()):
        for place, line in enumerate(shipment.line_items or ()):
            if line.line_item_id not in known:
                path = f"orderForm.shipments[{at}].lineItems[{place}].properties"
                yield from _empty(path, line.properties, of_lines)


def _required(defaults: Iterable[DefaultProperty]) -> list[DefaultProperty]:
    return [one for one in defaults if one.is_required]


def _empty(
    path: str, items: Iterable[PropertyItem] | None, required: Sequence[DefaultProperty]
) -> Iterator[FieldProblem]:
    if not required:
        return
    sent = {_name(item): item.value for item in items or ()}
    for one in required:
        # What is sent empty stays empty; only what is missing is filled in.
        if not (sent.get(_name(one), one.value) or "").strip():
            message = f"expected a value of the property {one.key!r}, which is required"
            yield FieldProblem(path=path, message=message, got="nothing")


def _name(item: PropertyItem | DefaultProperty) -> tuple[str, str]:
    return (item.key or "").casefold(), (item.key_group or "").casefold()
