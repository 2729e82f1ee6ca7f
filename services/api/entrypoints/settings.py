"""The settings of the system, each document read and replaced whole (decided 1.2, 1.4)."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, Union

from pydantic import create_model
from pydantic.alias_generators import to_camel, to_snake
from pydantic_core import to_json

from contracts.model import Invalid, Model, Parsed, parse
from contracts.problems import FieldProblem
from contracts.reading import load
from contracts.settings import DOCUMENTS
from services.api.domain import refusal
from services.api.entrypoints.once import ONCE, once
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request, refused
from services.api.entrypoints.response import (
    MOST_IGNORED,
    OK,
    Header,
    Response,
    etag,
    not_modified,
)
from services.api.entrypoints.routing import Handler, Route
from services.api.queries.references import Warned, dangling
from services.api.queries.settings import MEMBERS, Changed, SecretMissing, Stored, shown

_WARNINGS: Final = "warnings"

# Any: each document is read as what DOCUMENTS names, of which only the list of them knows.
AnyDocument: TypeAlias = Any


def _reader(name: str) -> Handler:
    async def read(request: Request, parts: Parts) -> Response:
        stored = await parts.settings_store.read()
        tag = etag(stored.version(name))
        if not _tags(request.header("if-none-match")).isdisjoint({tag[1], b"*"}):
            return not_modified(tag)
        return Response(OK, stored.public(name), (tag,))

    read.__doc__ = f"Return {name} as in force, with an ETag; secrets are never shown."
    return read


def _writer(name: str) -> Handler:
    async def write(request: Request, parts: Parts) -> Response:
        parsed = _read(name, await request.json(), strict=parts.strict)
        condition = request.header("if-match")
        expected = _tags(condition)
        try:
            before, after = await parts.settings_store.replace(
                name,
                parsed.value,
                is_expected=lambda version: (
                    condition is None or b"*" in expected or etag(version)[1] in expected
                ),
                user=request.client.id,
                request=request.id,
                now=parts.clock.now(),
            )
        except Changed as error:
            raise refusal("precondition-failed") from error
        except SecretMissing as error:
            fault = FieldProblem(path=error.path, message=str(error))
            raise refusal("validation-failed", errors=[fault]) from error
        headers: list[Header] = [etag(after.version(name))]
        if parsed.ignored:
            names = ", ".join(parsed.ignored[:MOST_IGNORED])
            headers.append((b"ignored-fields", names.encode("ascii", "replace")))
        body = shown(name, getattr(after.configuration, MEMBERS[name]))
        warnings = _warnings(name, before, after)
        return Response(OK, _with_warnings(name, body, warnings) if warnings else body, headers)

    write.__doc__ = f"""Replace {name}; in force in every service within a second.

    The body is the bare document or the guide's wrapper, `{{"{name}": …}}`, in any case. It is
    validated whole, and nothing is stored when anything in it is wrong. With `If-Match` it is
    stored only if the document is still the one with that ETag.

    The answer is what is stored. References to another document that does not exist are stored
    too; then the answer is the wrapper, `{{"{to_camel(to_snake(name))}": …, "warnings": […]}}`,
    where each warning names the document, the path and what is missing.
    """
    return write


def _read(name: str, raw: bytes, *, strict: bool) -> Parsed[AnyDocument]:
    try:
        value = _unwrapped(name, load(raw))
        parsed: Parsed[AnyDocument] = parse(DOCUMENTS[name], value)
    except Invalid as invalid:
        raise refused(invalid, raw) from invalid
    if strict and parsed.ignored:
        message = "is no member that is known here"
        faults = [FieldProblem(path=path, message=message) for path in parsed.ignored]
        raise refusal("validation-failed", errors=faults)
    return parsed


def _unwrapped(name: str, value: object) -> object:
    """Return the document, whether it came bare or in its wrapper, as our own answers have it."""
    if not isinstance(value, dict):
        return value
    for key, inner in value.items():
        others = {other.casefold() for other in value if other != key}
        if key.casefold() == name.casefold() and others <= {_WARNINGS}:
            return inner
    return value


def _tags(header: str | None) -> set[bytes]:
    """Return the entity tags that a condition names; none where there is no condition."""
    parts = (one.strip() for one in (header or "").split(","))
    return {one.removeprefix("W/").encode("latin-1") for one in parts if one}


def _warnings(name: str, before: Stored, after: Stored) -> Sequence[Warned]:
    """Return what leads nowhere in this document, and what this change took the end from."""
    known = set(dangling(before.configuration))
    return [
        one for one in dangling(after.configuration) if one.document == name or one not in known
    ]


def _with_warnings(name: str, body: bytes, warnings: Iterable[Warned]) -> bytes:
    told = to_json([one.model_dump() for one in warnings])
    return b'{"%s":%s,"%s":%s}' % (_member(name).encode(), body, _WARNINGS.encode(), told)


def _member(name: str) -> str:
    return to_camel(to_snake(name))


def _answer(name: str) -> object:
    """Return what a PUT is answered with: the document, or the wrapper with warnings."""
    members: dict[str, Any] = {  # Any: pydantic's own type for members
        to_snake(name): (DOCUMENTS[name], ...),
        _WARNINGS: (list[Warned], ...),
    }
    wrapper = create_model(f"{name}WithWarnings", __base__=Model, **members)
    wrapper.__doc__ = f"{name} as stored, and its references that lead nowhere."
    return Union[DOCUMENTS[name], wrapper]  # noqa: UP007 - `|` does not take annotated types


ROUTES: Final = tuple(
    route
    for name in DOCUMENTS
    for route in (
        Route(
            method="GET",
            path=f"/api/Settings/{name}",
            handler=_reader(name),
            requires="SettingsRead",
            answer=DOCUMENTS[name],
            tagged=True,
        ),
        Route(
            method="PUT",
            path=f"/api/Settings/{name}",
            handler=once(_writer(name)),
            requires="SettingsAdmin",
            body=DOCUMENTS[name],
            answer=_answer(name),
            problems=("precondition-failed", *ONCE),
        ),
    )
)
