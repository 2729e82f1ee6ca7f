"""The thorough way to read a body from outside.

It takes names in any case, tells which members are unknown, and finds every fault.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import UnionType
from typing import Annotated, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from contracts.faults import FieldError, Invalid, Path, excerpt, explain, spell

DEEPEST: Final = 64
"""Levels of objects and lists that a body may have."""

T = TypeVar("T")

_TOO_DEEP: Final = f"expected at most {DEEPEST} levels of objects and lists"
_BAD_TEXT: Final = re.compile("[\0\ud800-\udfff]")
_QUOTED: Final = re.compile("'([^']*)'")
_NOTHING: Final = object()
_MOST_ROUNDS: Final = 16
_ENOUGH_FAULTS: Final = 1_000


def load(raw: bytes) -> object:
    """Read JSON in UTF-8; of members with the same name the last one counts.

    :raises Invalid: saying where it is no JSON
    """

    def last_wins(pairs: list[tuple[str, object]]) -> dict[str, object]:
        members: dict[str, object] = {}
        for name, value in pairs:
            members.pop(name, None)  # so that the last one also stands last
            members[name] = value
        return members

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        text = raw.decode("utf-8-sig")
        value: object = json.loads(text, object_pairs_hook=last_wins, parse_constant=refuse)
    except json.JSONDecodeError as error:
        message = f"expected JSON: {error.msg} at line {error.lineno}, column {error.colno}"
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, which byte {error.start} is not"
    except RecursionError:
        message = _TOO_DEEP
    except ValueError:
        # Python's own limit on the digits of a whole number, or `refuse` above.
        message = "expected JSON whose numbers are finite and not thousands of digits long"
    else:
        return value
    raise Invalid([FieldError("$", message, f"{len(raw)} bytes")])


def read(
    adapter: TypeAdapter[T], annotation: object, data: object, context: Mapping[str, object]
) -> tuple[T, list[str]]:
    """Give the value and the paths of unknown members.

    :raises Invalid: naming every fault
    """
    body = _Body()
    data = body.fold(data, _shape(annotation), (), 1)
    # A fault hides others: a model's own rules run only when all its members are fine. So each
    # fault found is mended and the rest is looked at again, until there is nothing new.
    for _ in range(_MOST_ROUNDS):
        try:
            # As JSON again, so that this way accepts exactly what the fast one does.
            value = adapter.validate_json(
                json.dumps(data, default=str), by_alias=True, by_name=False, context=context
            )
        except ValidationError as error:
            if not body.mend(data, error.errors(include_url=False)):
                break
        else:
            if body.faults:
                break
            return value, body.ignored
    raise Invalid(list(body.faults.values()))


@dataclass
class _Body:
    """A body being read: what was wrong with it and what nobody knew."""

    faults: dict[Path, FieldError] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)
    stand_ins: dict[Path, int] = field(default_factory=dict)

    def fold(self, value: object, shape: "_Shape", path: Path, level: int) -> object:
        """Give every member the name that its model knows; leave out and note the others."""
        if isinstance(value, str) and _BAD_TEXT.search(value):
            self._note(path, "expected text without NUL and lone surrogates", value)
            return ""
        if not isinstance(value, dict | list):
            return value
        if level > DEEPEST:
            raise Invalid([FieldError(spell(path[:1]), _TOO_DEEP, excerpt(value))])
        if isinstance(value, list):
            inner = shape.of if isinstance(shape, _ListOf) else None
            return [self.fold(v, inner, (*path, i), level + 1) for i, v in enumerate(value)]
        if isinstance(shape, type):
            return self._members(value, shape, path, level)
        inner = shape.of if isinstance(shape, _MapOf) else None
        if any(_BAD_TEXT.search(name) for name in value):
            self._note(path, "expected names without NUL and lone surrogates", value)
            return {}
        return {name: self.fold(v, inner, (*path, name), level + 1) for name, v in value.items()}

    def _members(
        self, value: dict[str, object], model: type[BaseModel], path: Path, level: int
    ) -> dict[str, object]:
        known = _names(model)
        keeps_unknown = model.model_config.get("extra") == "allow"
        members: dict[str, object] = {}
        for name, inner in value.items():
            wire, shape = known.get(name.casefold(), (name, None))
            folded = self.fold(inner, shape, (*path, wire), level + 1)
            if name.casefold() in known or keeps_unknown:
                members[wire] = folded
            else:
                self.ignored.append(spell((*path, name)))
        return members

    def mend(self, data: object, errors: list[ErrorDetails]) -> bool:
        """Note what is new and put it right, so that what it hides is seen in the next round.

        :returns: whether anything could be put right, and the faults are not far too many yet
        """
        before = set(self.faults)
        changed = False
        for error in errors:
            for path, message in explain(error):
                if not any(path[:length] in before for length in range(len(path) + 1)):
                    self._note(path, message, _got(data, path, error))
                changed |= self._put_right(data, path, error)
            if len(self.faults) >= _ENOUGH_FAULTS:
                return False
        return changed

    def _note(self, path: Path, message: str, got: object) -> None:
        shown = "nothing" if got is _NOTHING else excerpt(got)
        self.faults.setdefault(path, FieldError(spell(path), message, shown))

    def _put_right(self, data: object, path: Path, error: ErrorDetails) -> bool:
        parent, name = (_at(data, path[:-1]), path[-1]) if path else (None, "")
        value = _at(parent, (name,))
        given = error.get("ctx", {})
        word = _QUOTED.search(str(given.get("expected")))
        tried = self.stand_ins.get(path)
        if error["type"] == "too_long" and isinstance(value, list):
            del value[given["max_length"] :]
        elif word is not None:
            return _put(parent, name, word[1])
        elif tried is None and isinstance(parent, dict) and name in parent:
            del parent[name]
            self.stand_ins[path] = 0
        elif value is not _NOTHING or error["type"] == "missing":
            # Something must stand here; what fits is found by trying. Ids must not be equal.
            choice: list[object] = [f"~{len(self.stand_ins)}", 0, {}, [], False]
            self.stand_ins[path] = (tried or 0) + 1
            return len(choice) > (tried or 0) and _put(parent, name, choice[tried or 0])
        else:
            return False
        return True


def _at(data: object, path: Path) -> object:
    for step in path:
        if isinstance(data, dict):
            data = data.get(step, _NOTHING)
        elif isinstance(data, list) and isinstance(step, int):
            data = data[step] if step < len(data) else _NOTHING
        else:
            return _NOTHING
    return data


def _put(parent: object, name: str | int, value: object) -> bool:
    if isinstance(parent, dict):
        parent[name] = value
        return True
    if isinstance(parent, list) and isinstance(name, int):
        parent[name] = value
        return True
    return False


def _got(data: object, path: Path, error: ErrorDetails) -> object:
    if error["type"] == "missing":
        return _NOTHING
    return error["input"] if path == error["loc"] else _at(data, path)


@dataclass(frozen=True)
class _ListOf:
    of: "_Shape"


@dataclass(frozen=True)
class _MapOf:
    of: "_Shape"


_Shape = type[BaseModel] | _ListOf | _MapOf | None
"""What is inside a type: a model's members, entries or values with members, or no model at all."""


def _shape(annotation: object) -> _Shape:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(arguments[0])
    if origin in (Union, UnionType):
        return next((shape for shape in map(_shape, arguments) if shape), None)
    inner = next((shape for shape in map(_shape, arguments) if shape), None)
    if inner is None:
        return None
    if origin in (dict, Mapping):
        return _MapOf(inner)
    return _ListOf(inner) if origin in (list, tuple, set, frozenset) else None


@cache
def _names(model: type[BaseModel]) -> Mapping[str, tuple[str, _Shape]]:
    """Give the members of a model by their wire names in lower case."""
    others: Mapping[str, str] = getattr(model, "other_names", {})
    names = {
        (wire := info.alias or name).casefold(): (wire, _shape(info.annotation))
        for name, info in model.model_fields.items()
    }
    return names | {other.casefold(): names[name.casefold()] for other, name in others.items()}
