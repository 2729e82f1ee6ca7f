"""Properties that every new order, and every new line, has by default (domain 2.11, 2.13)."""

from collections.abc import Sequence
from itertools import islice

from contracts.fields import LONGEST_LIST
from contracts.note import PropertyItem
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.settings import DefaultProperty, OrderSettings


def with_default_properties(order: Order, settings: OrderSettings) -> Order:
    """Return a new order, and its lines wherever they stand, with the default properties."""
    if settings.default_properties:
        properties = _completed(order.properties, settings.default_properties)
        order = order.model_copy(update={"properties": properties})
    form = order.order_form
    if form is None or not settings.order_line_settings.default_properties:
        return order
    shipments = [
        shipment.model_copy(update={"line_items": with_defaults(shipment.line_items, settings)})
        for shipment in form.shipments or ()
    ]
    lines = with_defaults(form.line_items, settings)
    form = form.model_copy(update={"line_items": lines, "shipments": shipments})
    return order.model_copy(update={"order_form": form})


def with_defaults(lines: Sequence[OrderLine] | None, settings: OrderSettings) -> list[OrderLine]:
    """Return new lines with the default properties of lines."""
    defaults = settings.order_line_settings.default_properties
    return [
        line.model_copy(update={"properties": _completed(line.properties, defaults)})
        for line in lines or ()
    ]


def _completed(
    properties: Sequence[PropertyItem] | None, defaults: Sequence[DefaultProperty]
) -> list[PropertyItem]:
    """Return the properties with those whose key is missing, as far as the list has room."""
    kept = list(properties or ())
    known = {_name(item) for item in kept}
    missing = (
        PropertyItem(
            key=default.key,
            value=default.value,
            key_group=default.key_group,
            value_type=default.data_type,
        )
        for default in defaults
        if _name(default) not in known
    )
    return [*kept, *islice(missing, max(0, LONGEST_LIST - len(kept)))]


def _name(item: PropertyItem | DefaultProperty) -> tuple[str, str]:
    return (item.key or "").casefold(), (item.key_group or "").casefold()
