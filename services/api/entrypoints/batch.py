"""Bodies that are lists: read entry by entry, so that a long one keeps nobody else waiting."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pydantic_core import from_json, to_json

from contracts.faults import Invalid, excerpt
from contracts.model import Parsed, parse
from contracts.problems import FieldProblem
from contracts.reading import load
from services.api.domain import refusal
from services.api.entrypoints.request import Request, named, refused

T = TypeVar("T")
Kept = TypeVar("Kept")

MOST_ENTRIES: Final = 1000
"""Entries that a batch may have (S1, bulk operations)."""
_IN_ONE_GO: Final = 10
# One batch is read at a time, with the short requests in between: taking turns, all would be late.
_READING: Final = asyncio.Lock()
_ENOUGH_FAULTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One entry of a batch, read; where it is `exact`, `raw` can be handed on as it is."""

    place: int
    parsed: Parsed[T]
    raw: bytes

    @property
    def value(self) -> T:
        """What it was read as."""
        return self.parsed.value


async def batch_of(
    request: Request,
    model_type: type[T],
    keep: Callable[[Entry[T]], Kept],
    *,
    strict: bool = False,
    context: Mapping[str, object] | None = None,
) -> tuple[list[Kept], bytes]:
    """Read the body as a list of at most 1,000 entries; returns it and the body as it came.

    :param keep: what is kept of an entry. Reading a thousand orders costs half as much again where
        all of them are still in memory as models
    :param strict: whether members that nobody knows are refused (decided 2.8)
    :param context: what validators may ask for, such as `{"pos": True}`
    :raises Refusal: validation-failed or malformed-json, naming the faults of all entries, by
        paths such as `[3].orderForm.lineItems[0].quantity`
    """
    raw = await request.json()
    async with _READING:
        return await _entries(raw, model_type, keep, strict=strict, context=context), raw


async def _entries(
    raw: bytes,
    model_type: type[T],
    keep: Callable[[Entry[T]], Kept],
    *,
    strict: bool,
    context: Mapping[str, object] | None,
) -> list[Kept]:
    entries: list[Kept] = []
    faults: list[FieldProblem] = []
    for place, value in enumerate(_listed(raw)):
        if place % _IN_ONE_GO == 0:
            await asyncio.sleep(0)
        try:
            parsed, text = _read(model_type, value, context)
        except Invalid as invalid:
            faults += within(place, map(named, invalid.errors))
            continue
        entries.append(keep(Entry(place, parsed, text)))
        if strict:
            message = "is no member that is known here"
            unknown = (FieldProblem(path=path, message=message) for path in parsed.ignored)
            faults += within(place, unknown)
        if len(faults) > _ENOUGH_FAULTS:
            break
    if faults:
        raise refusal("validation-failed", errors=faults)
    return entries


def ignored_of(entries: Iterable[tuple[int, Sequence[str]]]) -> list[str]:
    """Return the paths of members that nobody knows, in all entries; of each its place and own."""
    return [f"[{place}].{path}" for place, ignored in entries for path in ignored]


def within(place: int, faults: Iterable[FieldProblem]) -> list[FieldProblem]:
    """Return the faults of an entry by their paths in the batch."""
    return [
        fault.model_copy(
            update={"path": f"[{place}]" if fault.path == "$" else f"[{place}].{fault.path}"}
        )
        for fault in faults
    ]


def _read(
    model_type: type[T], value: object, context: Mapping[str, object] | None
) -> tuple[Parsed[T], bytes]:
    try:
        text = to_json(value)
    except ValueError:  # a lone surrogate, which `parse` finds and names
        return parse(model_type, value, context=context), b""
    return parse(model_type, text, context=context), text


def _listed(raw: bytes) -> list[object]:
    """Return the entries as JSON values.

    :raises Refusal: validation-failed or malformed-json
    """
    try:
        found = _loaded(raw)
    except Invalid as invalid:
        raise refused(invalid, raw) from invalid
    if not isinstance(found, list):
        fault = FieldProblem(path="$", message="expected a list", got=excerpt(found))
        raise refusal("validation-failed", errors=[fault])
    if len(found) > MOST_ENTRIES:
        message = f"expected at most {MOST_ENTRIES} entries in the list the body"
        fault = FieldProblem(path="$", message=message, got=excerpt(found))
        raise refusal("validation-failed", errors=[fault])
    return found


def _loaded(raw: bytes) -> object:
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        return load(raw)  # which says what is wrong with it
