"""The OpenAPI 3.1 document, made from the routes and the models that they name (decided 13.6)."""

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from inspect import cleandoc
from itertools import groupby
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from contracts.problems import CATALOGUE, Problem, problem
from services.api.domain import PUBLIC
from services.api.entrypoints.documentation.examples import example_of
from services.api.entrypoints.routing import Route

Json = dict[str, Any]  # Any: whatever JSON holds

SEGMENTS: Final[dict[str, tuple[str, ...]]] = {
    "orders": ("orders",),
    "inventory": ("inventory",),
    "webhooks": ("webhooks",),
    "products": ("products",),
    "carts": ("cart", "carts"),
    "customers": ("customers", "privatecustomers", "businesscustomers"),
    "projects": ("projects",),
}
"""The documents by segment, and the first words of their paths below /api."""

VERSION: Final = "1.0"
"""Of the API, not of the program."""

KEYED: Final = "idempotency-key-reused"
"""The problem by which a route says that it publishes a command, so takes an Idempotency-Key."""

_REF: Final = "#/components/schemas/{model}"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_ACCEPTED, _OK, _CREATED = 202, 200, 201
_SUCCESSES: Final = {
    _OK: "Done.",
    _CREATED: "Created; `Location` says where it is.",
    _ACCEPTED: "Accepted; it is on its way.",
    204: "Done; there is nothing to say.",
}
_PENDING: Final[Json] = {
    "description": "The answer takes longer, or the client asked not to wait; `Location` says "
    "where it will be.",
    "headers": {
        "Location": {
            "description": "`/api/Operations/{commandId}`",
            "schema": {"type": "string"},
        }
    },
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "properties": {
                    "operationId": {"type": "string", "format": "uuid"},
                    "state": {"const": "pending"},
                },
                "required": ["operationId", "state"],
            }
        }
    },
}
_DESCRIPTION: Final = """\
Kontor is an open, event-driven order-management backend.

Fetch a token from `POST /api/token` and send it as `Authorization: Bearer …`. Fixed segments of
paths and the names of members match without regard to case; answers are camelCase and leave out
members without a value. Errors are problem details (RFC 9457), each with a stable `type`; `errors`
names every bad field at once. Members that no model knows are listed in the header
`Ignored-Fields`. A writing request with an `Idempotency-Key` takes effect once, however often it
is sent; one with `Prefer: respond-async` is answered at once.
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
        paths[path] = {route.method.lower(): _operation(route, schemas) for route in of_path}
    tags = sorted({_tag(route) for route in described})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Kontor" if segment is None else f"Kontor: {segment}",
            "version": VERSION,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": _needed(paths, components),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _tag(route: Route) -> str:
    segments = route.path.strip("/").split("/")
    return segments[1] if segments[0] == "api" else segments[0]


def _is_of(route: Route, segment: str) -> bool:
    return _tag(route).casefold() in SEGMENTS[segment]


# -- models ----------------------------------------------------------------------------------------


def _schemas(routes: tuple[Route, ...]) -> tuple[dict[int, Json], Json]:
    """Return the schema of everything that the routes name, and the models that these refer to.

    One schema a model, for input and output alike: a member with a default may be absent
    either way. Types are told apart by their identity, since not all of them are hashable.
    """
    named: list[Any] = [Problem]  # Any: models, and annotated types that are none
    for route in routes:
        named += [one for one in (route.body, route.answer, route.query) if one is not None]
    keyed = {str(number): kind for number, kind in enumerate(named)}
    found, together = TypeAdapter.json_schemas(
        [(key, "validation", TypeAdapter(kind)) for key, kind in keyed.items()],
        ref_template=_REF,
        schema_generator=_Schema,
    )
    _mend(found)
    _mend(together)
    schemas = {id(kind): found[key, "validation"] for key, kind in keyed.items()}
    return schemas, together["$defs"]


def _mend(value: object) -> None:
    """Say that a limit of a list counts entries; behind a validator pydantic takes it for text."""
    if isinstance(value, dict):
        if value.get("type") == "array" and "maxLength" in value:
            value["maxItems"] = value.pop("maxLength")
        for inner in value.values():
            _mend(inner)
    elif isinstance(value, list):
        for inner in value:
            _mend(inner)


def _needed(paths: Json, components: Json) -> Json:
    """Return the models that the paths refer to, and those that these do."""
    needed: set[str] = set()
    open_: list[object] = [paths]
    while open_:
        for name in set(_references(open_.pop())) - needed:
            needed.add(name)
            open_.append(components[name])
    return {name: components[name] for name in sorted(needed)}


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref" and isinstance(inner, str):
                yield inner.rsplit("/", 1)[-1]
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


# -- operations ------------------------------------------------------------------------------------


def _operation(route: Route, schemas: dict[int, Json]) -> Json:
    summary, _, rest = cleandoc(route.handler.__doc__ or "").partition("\n\n")
    role = "anybody" if route.requires == PUBLIC else f"`{route.requires}`"
    operation: Json = {
        "operationId": f"{route.method.lower()}_{_identifier(route.path)}",
        "summary": " ".join(summary.split()),
        "description": "\n\n".join(part for part in (rest, f"Role: {role}.") if part),
        "tags": [_tag(route)],
        "security": [] if route.requires == PUBLIC else [{"token": [route.requires]}],
        "parameters": list(_parameters(route)),
    }
    if route.body is not None:
        content: Json = {"schema": schemas[id(route.body)]}
        example = example_of(route.method, route.path)
        if example is not None:
            content["example"] = example
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    operation["responses"] = _responses(route, schemas)
    return operation


def _identifier(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_")


def _parameters(route: Route) -> Iterator[Json]:
    for name in _PARAMETER.findall(route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    if route.query is not None:
        schema = route.query.model_json_schema(schema_generator=_Schema)
        for name, member in schema.get("properties", {}).items():
            told = {key: value for key, value in member.items() if key != "description"}
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": told,
                **({"description": text} if (text := member.get("description")) else {}),
            }
    if KEYED in route.problems:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Requests of a client with the same key take effect once.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
        yield {
            "name": "Prefer",
            "in": "header",
            "description": "`respond-async` is answered with 202 at once.",
            "schema": {"type": "string"},
        }
    if "precondition-failed" in route.problems:
        yield {
            "name": "If-Match",
            "in": "header",
            "description": "Only if the ETag is still this one.",
            "schema": {"type": "string"},
        }


def problems_of(route: Route) -> list[str]:
    """Return what may go wrong with this route, the problems common to many among it."""
    slugs = [*route.problems]
    if route.requires != PUBLIC:
        slugs += ["unauthorized", "forbidden"]
    if route.body is not None:
        slugs += ["malformed-json", "validation-failed", "too-large", "unsupported-media-type"]
    if KEYED in slugs:
        slugs += ["validation-failed", "command-failed"]
    slugs += ["internal-error", "unavailable"]
    return sorted(set(slugs), key=lambda slug: (CATALOGUE[slug][0], slug))


def _responses(route: Route, schemas: dict[int, Json]) -> Json:
    success: Json = {"description": _SUCCESSES[route.status]}
    if route.answer is not None:
        success["content"] = {"application/json": {"schema": schemas[id(route.answer)]}}
    responses: Json = {str(route.status): success}
    if KEYED in route.problems and route.status != _ACCEPTED:
        responses[str(_ACCEPTED)] = _PENDING
    for status, slugs in groupby(problems_of(route), lambda slug: CATALOGUE[slug][0]):
        responses[str(status)] = _failure(list(slugs), schemas)
    return responses


def _failure(slugs: Iterable[str], schemas: dict[int, Json]) -> Json:
    named = list(slugs)
    return {
        "description": "\n".join(f"- `{slug}`: {CATALOGUE[slug][1]}." for slug in named),
        "content": {
            "application/problem+json": {
                "schema": schemas[id(Problem)],
                "examples": {
                    slug: {"value": problem(slug).model_dump(by_alias=True, exclude_none=True)}
                    for slug in named
                },
            }
        },
    }
