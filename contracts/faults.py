"""What is wrong with a body, said so that whoever sent it can put it right."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic_core import ErrorDetails

LONGEST_EXCERPT: Final = 64

Path = tuple[str | int, ...]
"""Where a value stands: names of members as on the wire, and indexes."""


class RuleBroken(ValueError):
    """Values that are fine alone but not together.

    Raise it from a validator; `faults` holds one (path from the model, what was expected) for
    each member at fault, and `parse` names them all. A validator that must not judge our own
    messages returns early when its validation context is None: `parse` always gives one.
    """

    def __init__(self, faults: Iterable[tuple[Path, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(message for _, message in self.faults))


@dataclass(frozen=True, slots=True)
class FieldError:
    """One member that cannot be accepted.

    :param path: where it stands, as `orderForm.lineItems[0].quantity`; `$` is the whole body
    :param message: what was expected, for people
    :param got: what came, at most 64 characters; of an object or list only that it is one
    """

    path: str
    message: str
    got: str


class Invalid(Exception):
    """A body that cannot be accepted; `errors` names every member at fault."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors
        super().__init__("; ".join(f"{error.path}: {error.message}" for error in errors))


def spell(path: Path) -> str:
    """Write a path as clients read it: `orderForm.lineItems[0].quantity`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            # Names that nobody knows come from the sender and may end up in a header.
            name = json.dumps(step)[1:-1]
            text += f".{_cut(name)}" if text else _cut(name)
    return text or "$"


def excerpt(value: object) -> str:
    """Show what came, at most 64 characters and none that is not plain ASCII."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return _cut(json.dumps(value, default=lambda other: type(other).__name__))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_EXCERPT else text[: LONGEST_EXCERPT - 3] + "..."


def explain(error: ErrorDetails) -> list[tuple[Path, str]]:
    """Turn one of pydantic's errors into (path, what was expected) for each member at fault."""
    path: Path = error["loc"]
    context: Mapping[str, object] = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, RuleBroken):
        return [((*path, *inner), message) for inner, message in cause.faults]
    if isinstance(cause, ValueError):
        return [(path, str(cause))]
    words = _WORDS.get(error["type"])
    if words is None:
        return [(path, error["msg"])]
    return [(path, words(path, context) if callable(words) else words)]


def _list_limit(path: Path, context: Mapping[str, object]) -> str:
    name = next((step for step in reversed(path) if isinstance(step, str)), "the body")
    return f"expected at most {context['max_length']} entries in the list {name}"


def _one_of(_: Path, context: Mapping[str, object]) -> str:
    return f"expected one of {context['expected']}"


_Words = str | Callable[[Path, Mapping[str, object]], str]
_FLAG: Final = "expected true or false"
_NUMBER: Final = "expected a number"
_WHOLE: Final = "expected a whole number"
_OBJECT: Final = "expected an object"
_WORDS: Final[Mapping[str, _Words]] = {
    "missing": "is required",
    "string_type": "expected text",
    "string_pattern_mismatch": lambda _, given: f"expected text of the form {given['pattern']}",
    "string_too_long": lambda _, given: f"expected at most {given['max_length']} characters",
    "string_too_short": lambda _, given: f"expected at least {given['min_length']} characters",
    "bool_type": _FLAG,
    "bool_parsing": _FLAG,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": _WHOLE,
    "greater_than": lambda _, given: f"expected a number greater than {given['gt']:g}",
    "greater_than_equal": lambda _, given: f"expected a number of at least {given['ge']}",
    "less_than_equal": lambda _, given: f"expected a number of at most {given['le']}",
    "literal_error": _one_of,
    "enum": _one_of,
    "too_long": _list_limit,
    "too_short": lambda _, given: f"expected at least {given['min_length']} entries",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
}
