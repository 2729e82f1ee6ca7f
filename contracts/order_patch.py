"""Patches: some members of an order, and what becomes of the lists they stand in."""

from typing import Annotated

from pydantic import Field

from contracts.fields import Flag, ListOf
from contracts.note import PropertyItem
from contracts.order import SomeOfAnOrder
from contracts.order_form import OrderForm
from contracts.order_line import MOST_LINES, OrderLine
from contracts.payment import PaymentPatch
from contracts.return_form import ReturnForm


class OrderLinePatch(OrderLine):
    """Some members of the line with this id (OmniumOrderLinePatch)."""

    keep_existing_custom_properties: Flag | None = None
    """Absent means true: properties that the patch does not name stay."""
    properties_removal_conditions: ListOf[PropertyItem] | None = None
    """Properties that match one of these go before the rest of the patch."""


# mypy minds the lists below, because a line could be added to a patch's lines as to any form's;
# patches are read and never added to.
class OrderFormPatch(OrderForm):
    """Some members of an order form (OmniumOrderFormPatch)."""

    line_items: Annotated[list[OrderLinePatch], Field(max_length=MOST_LINES)] | None = None  # type: ignore[assignment]
    payments: ListOf[PaymentPatch] | None = None  # type: ignore[assignment]


class ReturnFormPatch(ReturnForm):
    """Some members of the return form with this return id."""

    payments: ListOf[PaymentPatch] | None = None  # type: ignore[assignment]
    should_add_missing_line_items: Flag | None = None
    replace_line_items_array: Flag | None = None


class OrderPatch(SomeOfAnOrder):
    """Some members of an order, and what becomes of its lists (OmniumOrderPatch)."""

    order_form: OrderFormPatch | None = None
    return_order_forms: ListOf[ReturnFormPatch] | None = None  # type: ignore[assignment]
    keep_existing_custom_properties: Flag | None = None
    """Absent means true: properties that the patch does not name stay."""
    keep_existing_list_items: Flag | None = None
    """Absent means true: entries of other lists that the patch does not name stay."""
    force_update: ListOf[str] | None = None
    """Names of members, dotted where nested, that become null."""
    properties_removal_conditions: ListOf[PropertyItem] | None = None
    """Properties that match one of these go before the rest of the patch."""
    customer_groups: ListOf[str] | None = None
    ignore_promotions: Flag | None = None
