"""The order as MongoDB keeps it: every line once, shipments by reference (domain 3 no. 48).

A stored order is the order's wire form with `Decimal` and `datetime` instead of numbers and texts.
A shipment's line is a reference `{lineItemId, quantity}` to the form's line; where the copy differs
from that line (a part of it, with its share of the amounts), the reference carries what differs,
and null for what the copy does not have, so nothing is calculated anew on reading.

MongoDB keeps milliseconds and so does `Moment`: what is answered before storing equals what is read
afterwards.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic_core import to_json

from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.shipment import Shipment

# A stored member is whatever its model says: text, number, Decimal, datetime, list or dict.
Stored = dict[str, Any]

_LINES: Final = TypeAdapter(list[OrderLine])
_WITHOUT_COPIES: Final = {"order_form": {"shipments": {"__all__": {"line_items"}}}}
_IDENTITY: Final = frozenset({"line_item_id", "quantity"})
_BARE: Final = frozenset({"lineItemId", "quantity"})
_AS_THEY_ARE: Final = frozenset({str, bool, int, datetime})


def order_document(order: Order) -> Stored:
    """Return the order as it is stored; absent members are left out."""
    stored = order.model_dump(by_alias=True, exclude_none=True, exclude=_WITHOUT_COPIES)
    form = order.order_form
    if form is None or not form.shipments:
        return stored
    masters = {line.line_item_id: line for line in form.line_items or ()}
    for shipment, kept in zip(form.shipments, stored["orderForm"]["shipments"], strict=True):
        if shipment.line_items is not None:
            kept["lineItems"] = _references(shipment, masters)
    return stored


def order_model(stored: Stored) -> Order:
    """Return the order that `order_document` stored; copies that equal a line are that line."""
    form = stored.get("orderForm")
    if not form or not form.get("shipments"):
        return Order.model_validate(stored)
    lines = _LINES.validate_python(form.get("lineItems", ()))
    masters = {line.line_item_id: line for line in lines}
    known = {line["lineItemId"]: line for line in form.get("lineItems", ())}
    # Models inside a value are taken over as they are, so each line is validated once.
    read = {
        **form,
        "shipments": [
            shipment
            if "lineItems" not in shipment
            else {
                **shipment,
                "lineItems": [_line(part, masters, known) for part in shipment["lineItems"]],
            }
            for shipment in form["shipments"]
        ],
    }
    if "lineItems" in form:
        read["lineItems"] = lines
    return Order.model_validate({**stored, "orderForm": read})


def order_json(stored: Stored) -> bytes:
    """Return the order as clients read it: shipments hold whole lines, amounts are JSON numbers."""
    return plain_order_json({name: _plain(value) for name, value in stored.items()})


def plain_order_json(plain: Stored) -> bytes:
    """Do the same with a stored order that was read with floats for amounts; it is used up."""
    form = plain.get("orderForm")
    if form and "shipments" in form:
        masters = {line["lineItemId"]: line for line in form.get("lineItems", ())}
        for shipment in form["shipments"]:
            if "lineItems" in shipment:
                shipment["lineItems"] = [
                    _overlaid(masters.get(part["lineItemId"]), part)
                    for part in shipment["lineItems"]
                ]
    return to_json(plain)


def _references(shipment: Shipment, masters: Mapping[str, OrderLine]) -> list[Stored]:
    references = []
    for part in shipment.line_items or ():
        master = masters.get(part.line_item_id)
        if master is None:
            references.append(part.model_dump(by_alias=True, exclude_none=True))
            continue
        if part is not master and part != master:
            references.append(_difference(part, master))
            continue
        reference: Stored = {"lineItemId": part.line_item_id}
        if part.quantity is not None:
            reference["quantity"] = part.quantity
        references.append(reference)
    return references


def _difference(part: OrderLine, master: OrderLine) -> Stored:
    others = master.__dict__
    changed = {name for name, value in part.__dict__.items() if value != others[name]}
    reference = part.model_dump(by_alias=True, exclude_none=True, include=changed | _IDENTITY)
    fields = OrderLine.model_fields
    for name in changed:
        if part.__dict__[name] is None:
            reference[fields[name].alias or name] = None
    return reference


def _line(
    part: Stored, masters: Mapping[str, OrderLine], known: Mapping[str, Stored]
) -> OrderLine | Stored:
    key = part["lineItemId"]
    master = masters.get(key)
    if master is None:
        return part
    if part.keys() <= _BARE and part.get("quantity") == master.quantity:
        return master
    return {**known[key], **part}


def _overlaid(master: Stored | None, part: Stored) -> Stored:
    if master is None:
        return part
    whole = master | part
    if len(part) <= len(_BARE):
        return whole
    return {name: value for name, value in whole.items() if value is not None}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a stored member may be
    """Turn Decimals into numbers all the way down; dates are written by pydantic-core."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is Decimal:
        return float(value)
    if kind is dict:
        return {name: _plain(inner) for name, inner in value.items()}
    if kind is list or kind is tuple:
        return [_plain(inner) for inner in value]
    return value
