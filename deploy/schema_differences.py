"""What a change of the published schemas means to those who write and read the messages."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]  # Any: a JSON Schema holds whatever JSON can

_NARROWER_WHEN_HIGHER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_NARROWER_WHEN_LOWER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_SAME_OR_BROKEN = ("format", "pattern", "uniqueItems")
_ALTERNATIVES = ("anyOf", "oneOf")

_WAY_OUT = (
    "Take the change back; or publish it as a new message type beside the old one; or, when nobody "
    "can have read it yet, run `poe schemas --breaking` and tell it in contracts/CHANGELOG.md."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One change of one schema. `path` is empty when it concerns the whole message."""

    schema: str
    path: str
    what: str
    breaking: bool

    def __str__(self) -> str:
        """Say what changed, whom it breaks, and what to do."""
        where = (
            f"{self.schema}: `{self.path}` {self.what}"
            if self.path
            else (f"{self.schema} {self.what}")
        )
        if self.breaking:
            return f"BREAKING {where}. {_WAY_OUT}"
        return f"harmless {where}. Run `poe schemas` and check the files in."


def differences(old: Mapping[str, Schema], new: Mapping[str, Schema]) -> list[Difference]:
    """Compare two sets of schemas by name, such as `order.created`.

    Breaking is what an older reader, or a message that waits on its topic, does not survive, in
    events and commands alike: a schema or member gone, a type, meaning or limit changed, a member
    that must be there now or need not be any more, a word of an enumeration gone. Titles and
    descriptions are no difference.
    """
    found = [
        Difference(name, "", "is gone, and messages of it are still on their way", breaking=True)
        for name in sorted(old.keys() - new.keys())
    ]
    found += [
        Difference(name, "", "is new", breaking=False) for name in sorted(new.keys() - old.keys())
    ]
    for name in sorted(old.keys() & new.keys()):
        comparison = _Comparison(name, old[name], new[name])
        found += comparison.compare(old[name], new[name], "")
    return found


class _Comparison:
    """Walks two versions of one schema side by side, each definition once."""

    def __init__(self, name: str, old: Schema, new: Schema) -> None:
        self._name = name
        self._roots = old, new
        self._seen: set[tuple[object, object]] = set()

    def compare(self, old: object, new: object, path: str) -> Iterator[Difference]:
        """Yield what differs at this place and below."""
        refs = _local_ref(old), _local_ref(new)
        if all(refs):
            if refs in self._seen:
                return
            self._seen.add(refs)
        before, after = _resolved(old, self._roots[0]), _resolved(new, self._roots[1])
        kinds = _kind(before, self._roots[0]), _kind(after, self._roots[1])
        if kinds[0] != kinds[1]:
            yield self._broken(path, f"was {kinds[0]} and is {kinds[1]}")
            return
        yield from self._plain(before, after, path)
        yield from self._words(before, after, path)
        yield from self._limits(before, after, path)
        yield from self._members(before, after, path)
        for keyword in _ALTERNATIVES:
            # As many on both sides, or their kinds would differ.
            pairs = zip(before.get(keyword, ()), after.get(keyword, ()), strict=True)
            for one, other in pairs:
                yield from self.compare(one, other, path)
        for keyword, suffix in (("items", "[]"), ("additionalProperties", "{}")):
            if keyword in before or keyword in after:
                yield from self.compare(before.get(keyword), after.get(keyword), path + suffix)

    def _plain(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        for keyword in _SAME_OR_BROKEN:
            if old.get(keyword) != new.get(keyword):
                change = f"from {_json(old.get(keyword))} to {_json(new.get(keyword))}"
                yield self._broken(path, f"changes its {keyword} {change}")
        if old.get("default") != new.get("default"):
            change = f"{_json(old.get('default'))}, now {_json(new.get('default'))}"
            yield self._broken(path, f"means something else where it is absent: before {change}")

    def _words(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        before, after = _words_of(old), _words_of(new)
        if before is None or after is None:
            if before != after:
                change = f"{_json(before or 'any word')} and is {_json(after or 'any word')}"
                yield self._broken(path, f"was {change}")
            return
        for word in before:
            if word not in after:
                yield self._broken(path, f"loses the word {_json(word)}")
        for word in after:
            if word not in before:
                yield self._fine(path, f"gains the word {_json(word)}, which readers have to learn")

    def _limits(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        for keyword in (*_NARROWER_WHEN_HIGHER, *_NARROWER_WHEN_LOWER):
            before, after = old.get(keyword), new.get(keyword)
            if before == after:
                continue
            change = f"{keyword} {_json(before)} becomes {_json(after)}"
            sign = 1 if keyword in _NARROWER_WHEN_HIGHER else -1
            if after is not None and (before is None or sign * after > sign * before):
                yield self._broken(path, f"is narrower: {change}")
            else:
                yield self._fine(path, f"is wider: {change}")

    def _members(self, old: Schema, new: Schema, path: str) -> Iterator[Difference]:
        before, after = old.get("properties", {}), new.get("properties", {})
        had_to, has_to = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            if name not in after:
                yield self._broken(_under(path, name), "is gone")
        for name in after:
            inner = _under(path, name)
            if name not in before:
                if name in has_to:
                    yield self._broken(inner, "is new and required; a default would do")
                else:
                    yield self._fine(inner, "is new and optional")
                continue
            if name in has_to - had_to:
                yield self._broken(inner, "is required now; a default would do")
            if name in had_to - has_to:
                yield self._broken(inner, "need not be there any more, and readers count on it")
            yield from self.compare(before[name], after[name], inner)

    def _broken(self, path: str, what: str) -> Difference:
        return Difference(self._name, path, what, breaking=True)

    def _fine(self, path: str, what: str) -> Difference:
        return Difference(self._name, path, what, breaking=False)


def _local_ref(schema: object) -> str | None:
    ref = schema.get("$ref") if isinstance(schema, Mapping) else None
    return ref if isinstance(ref, str) and ref.startswith("#/") else None


def _resolved(schema: object, root: Schema) -> Schema:
    """Return the schema with its definition in place of a local reference."""
    if schema is False:
        return {"not": {}}
    if not isinstance(schema, Mapping):
        return {}
    ref = _local_ref(schema)
    if ref is None:
        return schema
    found: Any = root  # Any: a step of the path may lead anywhere in the document
    for step in ref.removeprefix("#/").split("/"):
        found = found[step]
    rest = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    return {**_resolved(found, root), **rest}


def _kind(schema: Schema, root: Schema) -> str:
    """Return in words what kinds of JSON the schema lets through."""
    for keyword in _ALTERNATIVES:
        if keyword in schema:
            branches = (_resolved(branch, root) for branch in schema[keyword])
            return " or ".join(_kind(branch, root) for branch in branches)
    if "$ref" in schema:
        return f"what {schema['$ref']} says"
    if "not" in schema:
        return "nothing"
    kind = schema.get("type", "anything")
    return kind if isinstance(kind, str) else " or ".join(kind)


def _words_of(schema: Schema) -> list[object] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _json(value: object) -> str:
    return "nothing" if value is None else json.dumps(value)
