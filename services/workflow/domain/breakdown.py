"""A line's own discount and its list of discounts: what the client said, what we worked out.

`discounted` is input and output (decided 3.2), and a line has no second field for the input. So
what is worked out is listed in `orderLineDiscounts`, marked, and the input is the rest.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from contracts.discount import Discount, LineDiscount
from contracts.order import Order
from contracts.order_line import OrderLine
from services.workflow.domain.discount import Priced
from services.workflow.domain.rounding import FINEST, ZERO, rounded

FROM_FORM: Final = "OrderForm"
"""The `discountSource` of a line's discount that was worked out from the order form's list."""

Marks = set[tuple[str | None, str | None]]
"""Id and SKU of the form's discounts on lines."""

_LONGEST: Final = 250
_SHARED: Final = LineDiscount.model_fields.keys() & Discount.model_fields.keys()


def form_marks(discounts: Sequence[Discount]) -> Marks:
    """Tell which discounts of the form are for which products.

    One of them that a client lists on such a line as well, under its id, is one discount, not two.
    """
    return {
        (found.discount_id, sku)
        for found in discounts
        if found.discount_id
        and found.discount_type == "LineItem"
        and not found.is_bonus_points_reward
        for sku in found.sku_ids or ()
    }


def entered(line: OrderLine, marks: Marks) -> Decimal:
    """Tell the client's own discount on the line's whole quantity (decided 3.2).

    :param marks: see `form_marks`
    """
    sent = line.discounted or ZERO
    if not line.order_line_discounts:
        return sent
    rest = sent
    for found in line.order_line_discounts:
        if _is_ours(found, line, marks):
            rest -= found.discount_amount or ZERO
    # A list that explains more than there is: nothing is left for the client's own.
    return ZERO if rest < ZERO <= sent else rest


def keep_entered(before: Order, after: Order) -> Order:
    """Read a client's change so that a `discounted` it only repeats is not taken for its input.

    A line that comes back with the stored output keeps its input, whether or not the list of its
    discounts came back too; any other value is the new input (decided 3.2).

    :param before: the stored order
    :param after: the same with the change, not calculated yet
    """
    old, form = before.order_form, after.order_form
    if old is None or form is None:
        return after
    marks = form_marks(old.discounts or ()) | form_marks(form.discounts or ())
    stored = {
        line.line_item_id: line
        for line in old.line_items or ()
        if any(_is_ours(found, line, marks) for found in line.order_line_discounts or ())
    }
    if not stored:
        return after
    lines = []
    for line in form.line_items or ():
        known = stored.get(line.line_item_id)
        if known is None:
            lines.append(line)
            continue
        repeated = (line.discounted or ZERO) == (known.discounted or ZERO)
        own = [
            found for found in line.order_line_discounts or () if not _is_ours(found, line, marks)
        ]
        changes = {
            "discounted": entered(known, marks) if repeated else line.discounted,
            "order_line_discounts": own,
        }
        lines.append(line.model_copy(update=changes))
    form = form.model_copy(update={"line_items": lines})
    return after.model_copy(update={"order_form": form})


def breakdown(priced: Priced, marks: Marks, step: Decimal) -> tuple[list[LineDiscount], Decimal]:
    """List the line's discounts, the client's own and then ours, and add ours up.

    `discounted` is for the whole quantity (domain 6.1: discountedPrice takes n/q of it), so where
    units are cancelled, an amount that lowers the open ones is written up to the whole.
    """
    line, quantity, units = priced.line, priced.quantity, priced.open
    ours: list[LineDiscount] = []
    total = ZERO
    for found, off in priced.off:
        amount = off if units == quantity else rounded(off * quantity / units, step)
        total += amount
        values = {name: getattr(found, name) for name in _SHARED}
        values["discount_source"] = FROM_FORM
        values["discount_amount"] = amount
        values["discount_amount_pr_item"] = rounded(amount / quantity, FINEST)
        ours.append(LineDiscount.model_construct(**values))
    own = [found for found in line.order_line_discounts or () if not _is_ours(found, line, marks)]
    # A line lists at most 250. The client's own only explain its input; ours must all be there.
    return own[: _LONGEST - len(ours)] + ours, total


def _is_ours(found: LineDiscount, line: OrderLine, marks: Marks) -> bool:
    return found.discount_source == FROM_FORM or (found.discount_id, line.code) in marks
