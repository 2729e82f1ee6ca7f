"""The OpenAPI 3.1 document, made from the routes and the models that they name (decided 13.6)."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from contracts.problems import CATALOGUE, FieldProblem, Problem, problem
from services.api.entrypoints.documentation.open_points import in_markdown, open_points
from services.api.entrypoints.documentation.operations import operation, tag
from services.api.entrypoints.documentation.parameters import Json
from services.api.entrypoints.routing import Route

SEGMENTS: Final[dict[str, tuple[str, ...]]] = {
    "orders": ("orders",),
    "products": ("products",),
    "carts": ("cart", "carts"),
    "customers": ("customers", "privatecustomers", "businesscustomers"),
    "projects": ("projects",),
    "inventory": ("inventory",),
    "webhooks": ("webhooks",),
    "settings": ("settings",),
    "clients": ("apiclients", "token"),
    "operations": ("operations", "deadletters", "reconcile", "health", "metrics"),
}
"""The documents by segment, and the first words of their paths below /api.

The first five are the guide's (S1, environments), the others ours.
"""

VERSION: Final = "1.0"
"""Of the API, not of the program."""

_REF: Final = "#/components/schemas/{model}"
INTRODUCTION: Final = """\
Kontor is an open, event-driven order-management backend.

Fetch a token from `POST /api/token` and send it as `Authorization: Bearer …`. Fixed segments of
paths and the names of members match without regard to case; answers are camelCase and leave out
members without a value. Errors are problem details (RFC 9457), each with a stable `type`; `errors`
names every bad field at once. Members that no model knows are listed in the header
`Ignored-Fields`. A writing request with an `Idempotency-Key` takes effect once, however often it
is sent; one with `Prefer: respond-async` is answered at once. What goes beyond the limits of a
client is refused at once with 429 and `Retry-After`; long answers are compressed for those who
accept it.
"""


class _Schema(GenerateJsonSchema):
    """Leaves out the titles that only repeat the names of members; amounts are numbers."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - none of them
        return False

    def encode_default(self, dft: object) -> object:
        """Write amounts as the numbers that they are on the wire."""
        return float(dft) if isinstance(dft, Decimal) else super().encode_default(dft)


def document(routes: Sequence[Route], segment: str | None = None) -> Json:
    """Return the description of all routes, or of one segment's."""
    described = [route for route in routes if segment is None or _is_of(route, segment)]
    schemas, components = _schemas(tuple(routes))
    paths: Json = {}
    for path, of_path in groupby(sorted(described, key=lambda r: r.path), lambda r: r.path):
        paths[path] = {route.method.lower(): operation(route, schemas) for route in of_path}
    used = Used.by(paths, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kontor" if segment is None else f"Kontor: {segment}",
            "version": VERSION,
            "description": f"{INTRODUCTION}\n{in_markdown(open_points(segment))}",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({tag(route) for route in described})],
        "paths": paths,
        "components": {
            "schemas": {name: components[name] for name in sorted(used.schemas)},
            "examples": {slug: _example(slug) for slug in CATALOGUE if slug in used.examples},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of `POST /api/token`.",
                }
            },
        },
    }


def _is_of(route: Route, segment: str) -> bool:
    return tag(route).casefold() in SEGMENTS[segment]


def _example(slug: str) -> Json:
    """Return a problem as it may be answered."""
    found = problem(slug, errors=_FAULTS if slug == "validation-failed" else None)
    found = found.model_copy(update={"instance": "/api/Orders"})
    return {
        "summary": found.title,
        "value": found.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


_FAULTS: Final = (
    FieldProblem(path="marketId", message="is required", got="nothing"),
    FieldProblem(path="orderForm.lineItems[0].quantity", message="expected a number", got='"two"'),
)


# -- models ----------------------------------------------------------------------------------------


def _schemas(routes: tuple[Route, ...]) -> tuple[dict[int, Json], Json]:
    """Return the schema of everything that the routes name, and the models that these refer to.

    One schema a model, for input and output alike: a member with a default may be absent
    either way. Queries are not referred to, for each of their members is a parameter. Types are
    told apart by their identity, since not all of them are hashable.
    """
    named: list[Any] = [Problem]  # Any: models, and annotated types that are none
    for route in routes:
        named += [one for one in (route.body, route.answer) if one is not None]
    keyed = {str(number): kind for number, kind in enumerate(named)}
    found, together = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(kind)) for key, kind in keyed.items()],
        ref_template=_REF,
        schema_generator=_Schema,
    )
    schemas = {id(kind): found[key, "validation"] for key, kind in keyed.items()}
    for query in dict.fromkeys(route.query for route in routes if route.query is not None):
        schemas[id(query)] = query.model_json_schema(schema_generator=_Schema)
    _mend([*schemas.values(), together])
    return schemas, together["$defs"]


def _mend(value: object) -> None:
    """Put limits into JSON Schema's words where pydantic leaves them as they are in Python.

    Behind a validator of our own it takes every length for that of a text, and does not know what
    becomes of a number.
    """
    if isinstance(value, dict):
        if value.get("type") == "array":
            for words, right in _OF_LISTS.items():
                if words in value:
                    value[right] = value.pop(words)
        for word, right in _OF_NUMBERS.items():
            if isinstance(value.get(word), int | float):
                value[right] = value.pop(word)
        for inner in value.values():
            _mend(inner)
    elif isinstance(value, list):
        for inner in value:
            _mend(inner)


_OF_LISTS: Final = {"minLength": "minItems", "maxLength": "maxItems"}
_OF_NUMBERS: Final = {
    "ge": "minimum",
    "le": "maximum",
    "gt": "exclusiveMinimum",
    "lt": "exclusiveMaximum",
}


class Used(NamedTuple):
    """The names of components that something refers to, directly or through one of them."""

    schemas: set[str]
    examples: set[str]

    @classmethod
    def by(cls, paths: Json, components: Json) -> "Used":
        """Find what the paths refer to."""
        used = cls(set(), set())
        open_: list[object] = [paths]
        while open_:
            for kind, name in set(_references(open_.pop())):
                if kind == "examples":
                    used.examples.add(name)
                elif name not in used.schemas:
                    used.schemas.add(name)
                    open_.append(components[name])
        return used


def _references(value: object) -> Iterator[tuple[str, str]]:
    """Yield the kind and the name of every component that is referred to inside."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref" and isinstance(inner, str):
                _, _, kind, component = inner.split("/")
                yield kind, component
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
