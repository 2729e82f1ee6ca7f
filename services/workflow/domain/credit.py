"""What of a line is credited: returned units, and units cancelled after they were paid for.

Two members of a line cannot be worked out from the order as it is: what a unit cost before the
first cancellation, and what the cancelled units are credited with, which is nothing unless their
money was taken by then. They follow from the change itself (domain 6.1, [SW]).
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

from contracts.order import Order
from contracts.order_line import OrderLine
from services.workflow.domain.payment_totals import captured_lines
from services.workflow.domain.rounding import FINEST, ZERO, rounded
from services.workflow.domain.totals import open_units


def follow_credits(before: Order | None, after: Order, cent: Decimal) -> Order:
    """Return the changed order with what the change credits, whatever a client says of it.

    :param before: the stored order; None for a new one
    :param after: the same with the change, not calculated yet
    """
    form = after.order_form
    if form is None or not form.line_items:
        return after
    stored = before.order_form if before is not None else None
    known = {line.line_item_id: line for line in (stored.line_items if stored else None) or ()}
    returned_before, returned = _returned(before), _returned(after)
    captured = captured_lines(stored) if stored is not None else set[str]()
    changed = False
    lines = []
    for line in form.line_items:
        key = line.line_item_id
        old = known.get(key)
        original = _original_price(old, line)
        credited = returned.get(key, ZERO)
        if old is not None and old.credited_amount:
            by_cancelling = old.credited_amount - returned_before.get(key, ZERO)
            credited += _kept(by_cancelling, old, line, cent)
        if old is not None and original is not None and key in captured:
            credited += _cancelled_now(old, line, original, cent)
        followed = _with(line, original, credited)
        changed |= followed is not line
        lines.append(followed)
    if not changed:
        return after
    return after.model_copy(update={"order_form": form.model_copy(update={"line_items": lines})})


def _original_price(old: OrderLine | None, line: OrderLine) -> Decimal | None:
    """Return what a unit cost before the first cancellation; None while there is none."""
    if not line.canceled_quantity:
        return None
    if old is None:
        return line.original_extended_price_per_unit
    known = old.original_extended_price_per_unit if old.canceled_quantity else None
    if known is not None or line.canceled_quantity == old.canceled_quantity:
        return known
    _, units = open_units(old)
    return rounded((old.extended_price or ZERO) / units, FINEST) if units else None


def _cancelled_now(old: OrderLine, line: OrderLine, original: Decimal, cent: Decimal) -> Decimal:
    """Credit the units that are cancelled with this change, so that all of them add up."""
    before, after = old.canceled_quantity or ZERO, line.canceled_quantity or ZERO
    if abs(after) <= abs(before):
        return ZERO
    return rounded(after * original, cent) - rounded(before * original, cent)


def _kept(credited: Decimal, old: OrderLine, line: OrderLine, cent: Decimal) -> Decimal:
    """Take back the credit of units that are not cancelled any more."""
    before, after = old.canceled_quantity or ZERO, line.canceled_quantity or ZERO
    if abs(after) >= abs(before):
        return credited
    return rounded(credited * after / before, cent)


def _with(line: OrderLine, original: Decimal | None, credited: Decimal) -> OrderLine:
    changes: dict[str, object] = {}
    if original != line.original_extended_price_per_unit:
        changes["original_extended_price_per_unit"] = original
    if credited != (line.credited_amount or ZERO):
        changes["credited_amount"] = credited or None
    return line.model_copy(update=changes) if changes else line


def _returned(order: Order | None) -> Mapping[str, Decimal]:
    """Return what each line is credited with by the return forms that give money back."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for form in (order.return_order_forms if order is not None else None) or ():
        if form.credit_payment is False:
            continue
        for line in form.line_items or ():
            found[line.line_item_id] += line.extended_price or ZERO
    return found
