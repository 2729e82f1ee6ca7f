"""Laying what a client says over what is stored: updates merge deeply, patches mind their lists.

These are laws about values; of orders they know only what tells entries of a list apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from pydantic.alias_generators import to_camel

from contracts.discount import Discount, LineDiscount
from contracts.fields import LONGEST_LIST
from contracts.model import Model
from contracts.note import Asset, Comment, ExternalId, PropertyItem
from contracts.order import OrderForm, OrderGroup
from contracts.order_line import MOST_LINES, Component, OrderLine
from contracts.order_patch import OrderFormPatch, OrderLinePatch, ReturnFormPatch, read_only
from contracts.payment import Payment, PaymentLineReference, PaymentPatch
from contracts.problems import FieldProblem, problem
from contracts.return_form import ReturnCharge, ReturnForm
from contracts.shipment import LineReference, OpeningHour, Package, Shipment
from services.chassis.outcomes import Refused

AnyModel = TypeVar("AnyModel", bound=Model)
Key = tuple[object, ...]

_NATURAL_KEYS: Final[Mapping[type[Model], tuple[str, ...]]] = {
    Asset: ("asset_id",),
    Comment: ("id",),
    Component: ("id",),
    Discount: ("discount_id",),
    ExternalId: ("provider_name",),
    LineDiscount: ("discount_id",),
    LineReference: ("line_item_id",),
    OpeningHour: ("day",),
    OrderGroup: ("id",),
    OrderLine: ("line_item_id",),
    Package: ("id",),
    PaymentLineReference: ("line_item_id",),
    PaymentPatch: ("id",),
    PropertyItem: ("key", "key_group"),
    ReturnCharge: ("key",),
    ReturnForm: ("return_id",),
    Shipment: ("shipment_id",),
}
"""What tells the entries of a list apart (domain 3 no. 12); any others are apart unless equal."""

_KEPT_AS: Final[Mapping[type[Model], type[Model]]] = {
    OrderFormPatch: OrderForm,
    OrderLinePatch: OrderLine,
    PaymentPatch: Payment,
    ReturnFormPatch: ReturnForm,
}


@dataclass(frozen=True, slots=True)
class Stays:
    """Whether entries that a patch does not name stay: properties, lines, those of other lists."""

    properties: bool = True
    lines: bool = True
    others: bool = True
    adds_lines: bool = True
    """Whether lines that are not there yet come in."""


# -- updates ---------------------------------------------------------------------------------------


def merged(stored: AnyModel, sent: Model) -> AnyModel:
    """Lay an update over a value: absent keeps, objects merge, lists replace, null clears.

    Decided 3.4; `model_fields_set` tells what was sent.
    """
    changes: dict[str, object] = {}
    for name in sent.model_fields_set:
        old, news = getattr(stored, name), getattr(sent, name)
        are_objects = isinstance(old, Model) and isinstance(news, Model)
        changes[name] = merged(old, news) if are_objects else news
    return stored.model_copy(update=changes)


# -- patches ---------------------------------------------------------------------------------------


def patched(stored: AnyModel, patch: Model, stays: Stays) -> AnyModel:
    """Lay a patch over a value: absent and null keep, entries of lists are found by their keys.

    What only the system writes is ignored (domain 4.4). The same patch again changes nothing.

    :raises Refused: too-many-entries, when a list would be longer than one may be
    """
    if isinstance(patch, OrderLinePatch):
        stored = without_properties(stored, patch.properties_removal_conditions or ())
        if patch.keep_existing_custom_properties is not None:
            stays = replace(stays, properties=patch.keep_existing_custom_properties)
    elif isinstance(patch, ReturnFormPatch):
        is_whole = bool(patch.replace_line_items_array)
        stays = replace(
            stays,
            lines=stays.lines and not is_whole,
            adds_lines=is_whole or bool(patch.should_add_missing_line_items),
        )
    changes: dict[str, object] = {}
    fields, ours = type(stored).model_fields, read_only(type(stored))
    for name in patch.model_fields_set:
        if name not in fields or name in ours:
            continue
        old, news = getattr(stored, name), getattr(patch, name)
        if isinstance(news, list):
            if old or news:  # an empty list says of an absent one what it is
                changes[name] = _patched_list(name, old or (), news, stays)
        elif isinstance(news, Model) and isinstance(old, Model):
            changes[name] = patched(old, news, stays)
        elif news is not None:
            changes[name] = _kept(news)
    return stored.model_copy(update=changes)


# Any: entries are texts, models, or objects that nobody has described.
def _patched_list(name: str, old: Sequence[Any], news: Sequence[Any], stays: Stays) -> list[Any]:
    kept = {"properties": stays.properties, "line_items": stays.lines}.get(name, stays.others)
    entries = list(old) if kept else []
    places = {key: place for place, entry in enumerate(entries) if (key := _key(entry))}
    known = {key: entry for entry in old if (key := _key(entry))}
    for entry in news:
        key = _key(entry)
        if key in places:
            entries[places[key]] = patched(entries[places[key]], entry, stays)
        elif key in known:
            places[key] = len(entries)
            entries.append(patched(known[key], entry, stays))
        elif key is not None and (stays.adds_lines or not isinstance(entry, OrderLine)):
            places[key] = len(entries)
            entries.append(_kept(entry))
        elif key is None and _kept(entry) not in entries:
            entries.append(_kept(entry))
    _refuse_too_many(name, entries)
    return entries


def _refuse_too_many(name: str, entries: Sequence[object]) -> None:
    most = MOST_LINES if name == "line_items" else LONGEST_LIST
    if len(entries) > most:
        wire = to_camel(name)
        message = f"expected at most {most} entries in the list {wire}"
        fault = FieldProblem(path=wire, message=message, got=str(len(entries)))
        raise Refused(problem("too-many-entries", errors=(fault,)))


def _key(entry: object) -> Key | None:
    """Return what tells an entry from others of its list; None where only itself does."""
    for kind, names in _NATURAL_KEYS.items():
        if isinstance(entry, kind):
            key = tuple(getattr(entry, name) for name in names)
            return None if key[0] is None else key
    return None


def _kept(value: Any) -> Any:  # noqa: ANN401 - whatever a member may be
    """Return what comes in by a patch as the order holds it: a line patch becomes a line."""
    if not isinstance(value, Model):
        return value
    kind = _KEPT_AS.get(type(value), type(value))
    members: dict[str, Any] = {}
    for name in value.model_fields_set & kind.model_fields.keys():
        inner = getattr(value, name)
        is_list = isinstance(inner, list)
        members[name] = _patched_list(name, (), inner, Stays()) if is_list else _kept(inner)
    return kind.model_construct(**members)


def without_properties(stored: AnyModel, conditions: Sequence[PropertyItem]) -> AnyModel:
    """Take away the properties that match one of these (domain 3 no. 14).

    A condition matches by all that it names; one that names nothing matches nothing.
    """
    named = [condition.model_dump(exclude_none=True, by_alias=False) for condition in conditions]
    items: Sequence[PropertyItem] = getattr(stored, "properties", None) or ()
    left = [item for item in items if not any(_matches(item, members) for members in named)]
    return stored if len(left) == len(items) else stored.model_copy(update={"properties": left})


def _matches(item: PropertyItem, members: Mapping[str, object]) -> bool:
    return bool(members) and all(getattr(item, name) == value for name, value in members.items())


def cleared(stored: AnyModel, path: Sequence[str]) -> AnyModel:
    """Clear the member at the end of the path: a list is emptied, anything else becomes null."""
    name, *rest = path
    value = getattr(stored, name)
    if rest and not isinstance(value, Model):
        return stored
    news = cleared(value, rest) if rest else [] if isinstance(value, list) else None
    return stored.model_copy(update={name: news})
