"""One operation of the description: whom it is for, what it takes, what it answers."""

import re
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from itertools import groupby
from typing import Final

from contracts.problems import CATALOGUE, Problem
from services.api.domain import PUBLIC
from services.api.entrypoints.documentation import parameters
from services.api.entrypoints.documentation.examples import example_of
from services.api.entrypoints.documentation.parameters import KEYED, Json
from services.api.entrypoints.routing import Route

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_PROBLEM: Final = "application/problem+json"
_ACCEPTED, _OK, _CREATED, _UNCHANGED = 202, 200, 201, 304
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
        _JSON: {
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


def tag(route: Route) -> str:
    """Return what the operation is about: the first word of its path, below /api."""
    segments = route.path.strip("/").split("/")
    return segments[1] if segments[0] == "api" else segments[0]


def operation(route: Route, schemas: dict[int, Json]) -> Json:
    """Return the description of a route.

    :param schemas: of everything that routes name, by identity
    """
    summary, _, rest = cleandoc(route.handler.__doc__ or "").partition("\n\n")
    role = "anybody" if route.requires == PUBLIC else f"`{route.requires}`"
    described: Json = {
        "operationId": f"{route.method.lower()}_{_identifier(route.path)}",
        "summary": " ".join(summary.split()),
        "description": "\n\n".join(part for part in (rest, f"Role: {role}.") if part),
        "tags": [tag(route)],
        "security": list(_security(route)),
        "parameters": [
            *parameters.in_path(route.path),
            *(parameters.in_query(schemas[id(route.query)]) if route.query is not None else ()),
            *parameters.in_headers(route),
        ],
    }
    if route.body is not None:
        content: Json = {"schema": schemas[id(route.body)]}
        example = example_of(route.method, route.path)
        if example is not None:
            content["example"] = example
        kinds = [_JSON, _FORM] if route.form else [_JSON]
        described["requestBody"] = {
            "required": not (route.form or route.optional),
            "content": dict.fromkeys(kinds, content),
        }
    described["responses"] = _responses(route, schemas)
    return described


def _security(route: Route) -> Iterator[Json]:
    if route.requires != PUBLIC:
        yield {"token": [route.requires]}
    if route.guests is not None:
        yield {}  # OpenAPI's way to say that it may be left out


def _identifier(path: str) -> str:
    return re.sub(r"\W+", "_", path).strip("_")


def problems_of(route: Route) -> list[str]:
    """Return what may go wrong with this route, the problems common to many among it."""
    slugs = [*route.problems]
    if route.requires != PUBLIC:
        slugs += ["unauthorized", "forbidden", "too-many-requests"]
    if route.body is not None:
        slugs += ["malformed-json", "validation-failed", "too-large", "unsupported-media-type"]
        slugs += ["request-timeout"]
    if KEYED in slugs:
        slugs.append("validation-failed")
    if parameters.is_command(route):
        slugs.append("command-failed")
    slugs += ["headers-too-large", "internal-error", "unavailable"]
    return sorted(set(slugs), key=lambda slug: (CATALOGUE[slug][0], slug))


def _responses(route: Route, schemas: dict[int, Json]) -> Json:
    success: Json = {"description": _SUCCESSES[route.status]}
    headers = parameters.of_success(route)
    if headers:
        success["headers"] = headers
    if route.answer is not None:
        success["content"] = {_JSON: {"schema": schemas[id(route.answer)]}}
        if route.text:
            success["content"]["text/plain"] = {"schema": {"type": "string"}}
    for kind in route.files:
        file: Json = {"schema": {"type": "string", "format": "binary"}}
        success.setdefault("content", {})[kind] = file
    responses: Json = {str(route.status): success}
    if parameters.is_command(route) and route.status != _ACCEPTED:
        responses[str(_ACCEPTED)] = _PENDING
    if route.tagged and route.method == "GET":
        responses[str(_UNCHANGED)] = {
            "description": "It is what you have.",
            "headers": parameters.of_unchanged(),
        }
    for status, slugs in groupby(problems_of(route), lambda slug: CATALOGUE[slug][0]):
        responses[str(status)] = _failure(list(slugs), schemas)
    return responses


def _failure(slugs: Iterable[str], schemas: dict[int, Json]) -> Json:
    named = list(slugs)
    headers = parameters.of_failure(named)
    return {
        **({"headers": headers} if headers else {}),
        "description": "\n".join(f"- `{slug}`: {CATALOGUE[slug][1]}." for slug in named),
        "content": {
            _PROBLEM: {
                "schema": schemas[id(Problem)],
                "examples": {slug: {"$ref": f"#/components/examples/{slug}"} for slug in named},
            }
        },
    }
