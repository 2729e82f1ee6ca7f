"""The base of every model of the published language, and how a body from outside is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from contracts import reading
from contracts.faults import FieldError, Invalid, RuleBroken
from contracts.value import Value

__all__ = ["LONGEST_TEXT", "FieldError", "Invalid", "Model", "Parsed", "RuleBroken", "parse"]

LONGEST_TEXT: Final = 32_768
"""Characters that any text may have."""

T = TypeVar("T")


class Model(Value):
    """A part of the language: snake_case in Python, camelCase on the wire, never changed in place.

    Inside the system unknown members are ignored, so that a newer sender can talk to an older
    reader; `parse` is for bodies from outside and reports them.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        serialize_by_alias=True,
        extra="ignore",
        frozen=True,
        str_max_length=LONGEST_TEXT,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    other_names: ClassVar[Mapping[str, str]] = {}
    """Wire names that mean another member: {"occured": "occurred"}. Only `parse` knows them."""


# What stands under a type is an adapter for that very type, which a dict cannot express.
_ADAPTERS: Final[dict[object, TypeAdapter[Any]]] = {}


@dataclass(frozen=True, slots=True)
class Parsed(Generic[T]):
    """A body from outside, read.

    :param ignored: paths of members that no model knows, such as `orderForm.lineItems[0].foo`
    :param exact: whether it is spelt as we spell it, so that it can be handed on as it came
    """

    value: T
    ignored: list[str]
    exact: bool = field(default=False, compare=False)


def parse(
    model_type: type[T], raw: object, *, context: Mapping[str, object] | None = None
) -> Parsed[T]:
    """Read a body from outside: names in any case, unknown members reported, every fault named.

    :param model_type: a model, or a type made of models such as `list[Order]`
    :param raw: JSON as bytes, or a value already read from JSON
    :param context: what validators may ask for, such as `{"pos": True}`
    :raises Invalid: if it is no JSON, or does not fit the model; names every fault, or the first
        thousand or so
    """
    adapter = _adapter(model_type)
    context = context or {}
    # A body spelt as we spell it costs one pass; only others are read thoroughly. An escaped NUL
    # may be an innocent backslash before a u, which only the thorough reading can tell.
    if isinstance(raw, bytes) and b"\\u0000" not in raw:
        try:
            value = adapter.validate_json(
                raw, extra="forbid", by_alias=True, by_name=False, context=context
            )
        except ValidationError:
            pass  # it is read again below, to name every fault
        else:
            return Parsed(value, [], exact=True)
    data = reading.load(raw) if isinstance(raw, bytes) else raw
    found, ignored = reading.read(adapter, model_type, data, context)
    return Parsed(found, ignored)


def _adapter(model_type: type[T]) -> TypeAdapter[T]:
    adapter = _ADAPTERS.get(model_type)
    if adapter is None:
        adapter = _ADAPTERS[model_type] = TypeAdapter(model_type)
    return adapter
