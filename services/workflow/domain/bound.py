"""What no change may touch: read-only lines, and properties that the settings fix.

A line that is read-only stays as it is (domain 3 no. 34); a default property that is read-only
does, once the order exists (domain 2.13).
"""

from collections.abc import Iterator, Mapping, Sequence

from contracts.note import PropertyItem
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.problems import FieldProblem
from contracts.settings import Configuration, DefaultProperty

Places = Mapping[str, str]
"""Where in the client's body each line stands, by its id: `orderForm.lineItems[0]`."""


def bound_lines(
    before: Order, after: Order, sent: Places, *, frees_lines: bool
) -> Iterator[FieldProblem]:
    """Yield read-only lines that would not be as they were (domain 3 no. 34)."""
    new = {line.line_item_id: line for line in _lines(after)}
    for place, old in enumerate(_lines(before)):
        line = new.get(old.line_item_id)
        is_freed = frees_lines and line is not None and line.is_read_only is False
        if old.is_read_only and not is_freed and line != old:
            path = sent.get(old.line_item_id, f"orderForm.lineItems[{place}]")
            message = f"expected the line {old.line_item_id!r} as it is, since it is read-only"
            yield FieldProblem(path=path, message=message)


def bound_properties(
    before: Order, after: Order, sent: Places, configuration: Configuration
) -> Iterator[FieldProblem]:
    """Yield properties that the settings fix once the order exists (domain 2.13)."""
    settings = configuration.order_settings
    yield from _bound(
        "properties", before.properties, after.properties, settings.default_properties
    )
    fixed = settings.order_line_settings.default_properties
    if not fixed:
        return
    new = {line.line_item_id: line for line in _lines(after)}
    for old in _lines(before):
        line = new.get(old.line_item_id)
        if line is not None and line is not old:
            path = at(sent.get(old.line_item_id, "orderForm.lineItems"), "properties")
            yield from _bound(path, old.properties, line.properties, fixed)


def _bound(
    path: str,
    before: Sequence[PropertyItem] | None,
    after: Sequence[PropertyItem] | None,
    fixed: Sequence[DefaultProperty],
) -> Iterator[FieldProblem]:
    for one in fixed:
        if not one.is_read_only:
            continue
        old, new = _values(before, one), _values(after, one)
        if old and old != new:
            message = f"expected the property {one.key!r} as it is, since it is read-only"
            yield FieldProblem(path=path, message=message)


def _values(items: Sequence[PropertyItem] | None, one: DefaultProperty) -> list[str | None]:
    return [item.value for item in items or () if _name(item) == _name(one)]


def _name(item: PropertyItem | DefaultProperty) -> tuple[str, str]:
    return (item.key or "").casefold(), (item.key_group or "").casefold()


def at(path: str, name: str) -> str:
    """Return the path of a member; an empty path is the body itself."""
    return f"{path}.{name}" if path else name


def _lines(order: Order) -> Sequence[OrderLine]:
    return (order.order_form.line_items if order.order_form else None) or ()
