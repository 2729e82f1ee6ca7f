"""Some members of an order: patches, updates, and what no client writes.

An update (POST Update) names members that are to be as it says, a null clears one. A patch
(PatchOrder) says nothing with a null; `forceUpdate` names what it clears, and its switches say what
becomes of lists (domain 3 nos 12 to 14).
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationInfo, model_validator

from contracts.faults import Path, RuleBroken
from contracts.fields import Flag, ListOf, Said
from contracts.model import Model
from contracts.note import PropertyItem
from contracts.order import Order, SomeOfAnOrder
from contracts.order_form import OrderForm
from contracts.order_id import OrderId
from contracts.order_line import MOST_LINES, OrderLine
from contracts.payment import PaymentPatch
from contracts.return_form import ReturnForm
from contracts.shipment import Shipment

REQUIRED: Final = ("id", "market_id", "store_id", "status", "order_type")
"""What a stored order always has (S0): no update and no patch clears it."""

_READ_ONLY: Final[Mapping[type[Model], frozenset[str]]] = {
    SomeOfAnOrder: frozenset(
        {
            *("created", "modified", "modified_by", "version", "version_id"),
            *("completed", "ready_for_pickup", "customer_pickup_deadline", "is_new_customer"),
            *("remaining_payment", "line_items_cost", "net_total", "net_total_excl_tax"),
            *("total", "total_excl_tax", "sub_total", "sub_total_excl_tax", "tax_total"),
            *("shipping_sub_total", "shipping_discount_total", "discount_total_inc_vat"),
        }
    ),
    OrderForm: frozenset(
        {
            *("sub_total", "sub_total_excl_tax", "total", "total_excl_tax", "tax_total"),
            *("discount_amount", "shipping_total", "shipping_credited_total"),
            *("shipping_sub_total", "shipping_sub_total_excl_tax", "shipping_discount_total"),
            *("authorized_payment_total", "captured_payment_total", "credit_payment_total"),
        }
    ),
    OrderLine: frozenset(
        {
            *("placed_price_excl_tax", "discounted_price", "discounted_price_excl_tax"),
            *("extended_price", "extended_price_excl_tax", "original_extended_price_per_unit"),
            *("order_discount_amount", "discounted_excl_tax", "credited_amount"),
            *("tax_total", "cost_total", "reserved_inventory_quantity", "reserved_inventory"),
            "original_multi_buy_line_item_id",
        }
    ),
    Shipment: frozenset(
        {
            *("sub_total", "tax_total", "total", "prev_status", "order_status_log"),
            *("shipping_sub_total_excl_tax", "shipping_discount_amount", "shipping_tax"),
            *("shipping_total", "shipping_credited_total"),
        }
    ),
}


def read_only(kind: type[BaseModel]) -> frozenset[str]:
    """Return the members of a model that only the system writes: (c) and read-only in S0.

    What a client sends for them is ignored wherever it changes an order.
    """
    return next((names for of, names in _READ_ONLY.items() if issubclass(kind, of)), frozenset())


class OrderUpdate(SomeOfAnOrder):
    """The members of an order that are to be as they stand here (OmniumOrder, POST Update).

    What is absent stays, objects are merged, lists are replaced, null clears (decided 3.4).
    """

    id: OrderId

    @model_validator(mode="after")
    def _keeps_what_is_required(self, info: ValidationInfo) -> "OrderUpdate":
        if info.context is None:
            return self  # our own message: it was checked when it came in
        faults: list[tuple[Path, str]] = [
            ((_wire(Order, name),), "expected text, since an order always has it")
            for name in REQUIRED
            if name in self.model_fields_set and getattr(self, name) is None
        ]
        if faults:
            raise RuleBroken(faults)
        return self


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

    line_items: Annotated[list[OrderLinePatch], Field(max_length=MOST_LINES)] | None = None  # type: ignore[assignment] # patches
    payments: ListOf[PaymentPatch] | None = None  # type: ignore[assignment] # patches


class ReturnFormPatch(ReturnForm):
    """Some members of the return form with this return id."""

    payments: ListOf[PaymentPatch] | None = None  # type: ignore[assignment] # patches
    should_add_missing_line_items: Flag | None = None
    """If true, lines that the form does not have yet are added; else they are left out."""
    replace_line_items_array: Flag | None = None
    """If true, lines of the form that the patch does not name go."""


class OrderPatch(SomeOfAnOrder):
    """Some members of an order, and what becomes of its lists (OmniumOrderPatch).

    A null says nothing. Members that only the system writes are ignored.
    """

    order_form: OrderFormPatch | None = None
    return_order_forms: ListOf[ReturnFormPatch] | None = None  # type: ignore[assignment] # patches
    keep_existing_custom_properties: Flag | None = None
    """Absent means true: properties that the patch does not name stay."""
    keep_existing_list_items: Flag | None = None
    """Absent means true: entries of other lists that the patch does not name stay."""
    force_update: ListOf[str] | None = None
    """Names of members, dotted where nested and in any case, that are cleared before the rest of
    the patch: a list is emptied, anything else becomes null."""
    properties_removal_conditions: ListOf[PropertyItem] | None = None
    """Properties that match one of these go before the rest of the patch."""
    customer_groups: ListOf[str] | None = None
    ignore_promotions: Flag | None = None

    @model_validator(mode="after")
    def _clears_what_may_be_cleared(self, info: ValidationInfo) -> "OrderPatch":
        if info.context is None or not self.force_update:
            return self
        faults = list(_unclearable(self.force_update))
        if faults:
            raise RuleBroken(faults)
        return self


def _unclearable(names: list[str]) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with names to clear: unknown, required, read-only (decided 3.4)."""
    for place, name in enumerate(names):
        path: Path = ("forceUpdate", place)
        try:
            found = cleared_path(name)
        except LookupError:
            yield path, "expected the name of a member of the order, dotted where nested"
            continue
        if found[-1][1] in read_only(found[-1][0]):
            yield path, "expected a member that clients write; this one is calculated"
        elif len(found) == 1 and found[0][1] in REQUIRED:
            yield path, "expected a member that may be absent; this one is required"


def cleared_path(name: str) -> list[tuple[type[BaseModel], str]]:
    """Return where a dotted name of `forceUpdate` leads: model and member of every step.

    :raises LookupError: if there is no such member, or the way leads through a list
    """
    kind: type[BaseModel] | None = Order
    path: list[tuple[type[BaseModel], str]] = []
    for word in name.split("."):
        if kind is None:
            raise LookupError(name)
        member = _members(kind).get(word.strip().casefold())
        if member is None:
            raise LookupError(name)
        path.append((kind, member))
        kind = _object(kind.model_fields[member].annotation)
    return path


def _members(kind: type[BaseModel]) -> Mapping[str, str]:
    return {(info.alias or name).casefold(): name for name, info in kind.model_fields.items()}


def _object(annotation: object) -> type[BaseModel] | None:
    """Return the model of a member that is an object; None for any other."""
    choices = getattr(annotation, "__args__", (annotation,))
    models = (one for one in choices if isinstance(one, type) and issubclass(one, BaseModel))
    return next(models, None)


def _wire(kind: type[BaseModel], name: str) -> str:
    return kind.model_fields[name].alias or name


class LinePropertiesPatch(Model):
    """Properties to add to a line, or to change there (OmniumLineItemPropertiesPatch)."""

    line_item_id: str
    properties: ListOf[PropertyItem]


class LineIdMapping(Model):
    """One line that gets another id (LineItemIdMapping)."""

    old_line_item_id: Annotated[str, Field(min_length=1)]
    new_line_item_id: Annotated[Said, Field(min_length=1)]


class LineIdsPatch(Model):
    """Lines of an order that get other ids, all at once (OmniumPatchLineItemIdsRequest)."""

    order_id: OrderId
    line_item_id_mappings: Annotated[list[LineIdMapping], Field(max_length=MOST_LINES)]

    @model_validator(mode="after")
    def _each_line_is_named_once(self, info: ValidationInfo) -> "LineIdsPatch":
        if info.context is None:
            return self
        first: dict[str, int] = {}
        faults: list[tuple[Path, str]] = []
        for place, mapping in enumerate(self.line_item_id_mappings):
            twin = first.setdefault(mapping.old_line_item_id, place)
            if twin != place:
                path: Path = ("lineItemIdMappings", place, "oldLineItemId")
                message = f"expected each line once, but lineItemIdMappings[{twin}] names it too"
                faults.append((path, message))
        if faults:
            raise RuleBroken(faults)
        return self
