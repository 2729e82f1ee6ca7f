"""What stands in paths, queries and headers of requests, and in headers of answers."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts.order_id import LONGEST_ID
from services.api.entrypoints.response import BUSY, CHALLENGES
from services.api.entrypoints.routing import Route

Json = dict[str, Any]  # Any: whatever JSON holds

KEYED: Final = "idempotency-key-reused"
"""The problem by which a route says that it takes an Idempotency-Key."""
AT_ONCE: Final = "request-under-way"
"""The problem by which a route says that no command carries it out, so it is never answered 202."""
CONDITIONAL: Final = "precondition-failed"
"""The problem by which a route says that it takes If-Match, so answers with an ETag."""

_PARAMETER: Final = re.compile(r"{(\w+)}")
_TEXT: Final[Json] = {"type": "string"}
_ORDER_ID: Final[Json] = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID}
_OF_AN_ORDER: Final = ("The order's id, with its upper and lower case.", _ORDER_ID)

# By the name, or by what stands before it in the path where names are alike.
_IN_PATHS: Final[Mapping[str, tuple[str, Json]]] = {
    "orderId": _OF_AN_ORDER,
    "Orders/id": _OF_AN_ORDER,
    "versionId": ("The versionId that the order had then, or the number of the version.", _TEXT),
    "lineItemId": ("The line's id, with its upper and lower case.", _TEXT),
    "cartId": ("The id of the cart that the order was made from.", _TEXT),
    "secretKey": ("The order's secretKey.", _TEXT),
    "customerId": ("The customer's id.", _TEXT),
    "scrollId": ("The scrollId of the answer before.", _TEXT),
    "Scroll/id": ("The scrollId of the answer before.", _TEXT),
    "clientId": ("The client's id, with its upper and lower case.", _TEXT),
    "Endpoints/id": ("The endpoint's id.", _TEXT),
    "Deliveries/id": ("The delivery's id.", _TEXT),
    "Operations/id": (
        "The operation's id, as `Location` gave it.",
        {"type": "string", "format": "uuid"},
    ),
    "DeadLetters/id": ("The dead letter's id.", _TEXT),
}


def is_command(route: Route) -> bool:
    """Say whether a route publishes a command, which may be answered later."""
    return KEYED in route.problems and AT_ONCE not in route.problems


def in_path(path: str) -> Iterator[Json]:
    """Describe the parameters of a path.

    :raises KeyError: if nothing is known of one
    """
    for found in _PARAMETER.finditer(path):
        name = found[1]
        before = path[: found.start()].rstrip("/").rsplit("/", 1)[-1]
        key = name if name in _IN_PATHS else f"{before}/{name}"
        description, schema = _IN_PATHS[key]
        yield {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": schema,
        }


def in_query(schema: Json) -> Iterator[Json]:
    """Describe the parameters of a query, which is read as a model with this schema."""
    for name, member in schema.get("properties", {}).items():
        described = dict(member)
        text = described.pop("description", None)
        yield {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(described),
            **({"description": text} if text else {}),
        }


def _without_null(schema: Json) -> Json:
    """Leave null out: in a query there is none, what is not meant is not sent."""
    choices = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        schema = {**choices[0], **{name: schema[name] for name in schema if name != "anyOf"}}
    return {name: value for name, value in schema.items() if (name, value) != ("default", None)}


def in_headers(route: Route) -> Iterator[Json]:
    """Describe the headers of a request that mean something to this route."""
    if KEYED in route.problems:
        yield _header(
            "Idempotency-Key",
            "Requests of a client with the same key take effect once; kept for 7 days.",
            minLength=1,
            maxLength=255,
            pattern="^[ -~]+$",
        )
    if is_command(route):
        yield _header("Prefer", "`respond-async` is answered with 202 at once.")
    if CONDITIONAL in route.problems:
        yield _header("If-Match", "Only if the ETag is still this one; `*` for any.")
    if route.tagged and route.method == "GET":
        yield _header("If-None-Match", "304 if the ETag is still this one.")


def _header(name: str, description: str, **limits: object) -> Json:
    schema = {"type": "string", **limits}
    return {"name": name, "in": "header", "description": description, "schema": schema}


_EXISTING: Final = "Places of orders that were there before and stay as they are, if there are any."

# Headers that one route alone has.
_OF_ITS_OWN: Final[Mapping[str, Mapping[str, str]]] = {
    "/api/Orders/AddMany": {"Existing-Orders": _EXISTING},
    "/api/Orders/ImportMany": {"Existing-Orders": _EXISTING},
}
_CREATED: Final = 201
_ACCEPTED: Final = 202
_PASSING: Final = frozenset({*BUSY, "batch-incomplete"})

# -- headers of answers ----------------------------------------------------------------------------

_ETAG: Final = "The version of what is answered, for `If-Match` and `If-None-Match`."
_OPERATION: Final = "What tells how it went: `/api/Operations/{commandId}`, or what is made of it."
_LOCATION: Final = "Where it is to be found."
_IGNORED: Final = "Paths of members that no model knows, the first 50; absent if there are none."
_REPLAYED: Final = "`true`, if an earlier request with the same Idempotency-Key got this answer."
_FILE_NAME: Final = "The name of the file; absent if the answer is JSON."


def of_success(route: Route) -> Json:
    """Describe the headers of a success."""
    names: dict[str, str] = {**_OF_ITS_OWN.get(route.path, {})}
    if route.status == _CREATED:
        names["Location"] = _LOCATION
    if route.status == _ACCEPTED and is_command(route):
        names["Location"] = _OPERATION
    if route.tagged or CONDITIONAL in route.problems:
        names["ETag"] = _ETAG
    if route.body is not None and not route.form:
        names["Ignored-Fields"] = _IGNORED
    if KEYED in route.problems:
        names["Idempotency-Replayed"] = _REPLAYED
    if route.files:
        names["Content-Disposition"] = _FILE_NAME
    return {name: {"description": text, "schema": _TEXT} for name, text in names.items()}


def of_unchanged() -> Json:
    """Describe the headers of a 304."""
    return {"ETag": {"description": _ETAG, "schema": _TEXT}}


def of_failure(slugs: list[str]) -> Json:
    """Describe the headers of an answer that is one of these problems."""
    headers: Json = {}
    if _PASSING.intersection(slugs):
        headers["Retry-After"] = {
            "description": "After how many seconds it is worth trying again.",
            "schema": {"type": "integer", "minimum": 1},
        }
    if CHALLENGES.keys() & set(slugs):
        headers["WWW-Authenticate"] = {"description": "How to sign in.", "schema": _TEXT}
    return headers
