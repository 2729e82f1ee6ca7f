"""The checked-in description of the HTTP API says what is served, and says it completely."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.problems import CATALOGUE
from deploy import publish_openapi
from services.api.domain import PUBLIC
from services.api.entrypoints import DESCRIBED
from services.api.entrypoints.cors import Cors
from services.api.entrypoints.documentation import document
from services.api.entrypoints.documentation.open_points import OPEN_POINTS, TITLE
from services.api.entrypoints.documentation.openapi import SEGMENTS
from services.api.entrypoints.documentation.parameters import KEYED, Json, is_command
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route

PUBLISHED = json.loads(publish_openapi.FILE.read_bytes())
OPERATIONS = [
    pytest.param(route, PUBLISHED["paths"][route.path][route.method.lower()], id=str(number))
    for number, route in enumerate(DESCRIBED)
    if route.method.lower() in PUBLISHED["paths"].get(route.path, {})
]
OF_THE_GUIDE: Final = ("orders", "products", "carts", "customers", "projects")
"""S1, environments."""


def schemas(value: object) -> Iterator[dict[str, Any]]:
    """Yield every object inside."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from schemas(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schemas(inner)


def test_it_is_what_the_routes_declare() -> None:
    published = publish_openapi.FILE.read_text("utf-8")

    assert published == publish_openapi.text(), "run `poe schemas` and look at what changed"


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(PUBLISHED).validate()


def test_no_two_operations_have_one_name() -> None:
    names = [
        operation["operationId"]
        for item in PUBLISHED["paths"].values()
        for operation in item.values()
    ]

    assert len(names) == len(set(names))


def test_amounts_are_numbers_and_nothing_else() -> None:
    odd = [
        one
        for one in schemas(PUBLISHED["components"])
        if {inner.get("type") for inner in one.get("anyOf", ()) if isinstance(inner, dict)}
        >= {"number", "string"}
        and any("pattern" in inner for inner in one["anyOf"])
    ]

    assert odd == []


def test_limits_are_in_the_words_of_json_schema() -> None:
    described = {key: value for key, value in PUBLISHED.items() if key != "info"}

    odd = [
        one
        for one in schemas(described)
        if (one.get("type") == "array" and {"minLength", "maxLength"} & one.keys())
        or any(isinstance(one.get(word), int | float) for word in ("ge", "gt", "le", "lt"))
    ]

    assert odd == []


def test_every_model_has_one_schema() -> None:
    doubled = [name for name in PUBLISHED["components"]["schemas"] if name.endswith("put")]

    assert doubled == []


def test_it_has_one_table_of_what_the_documents_leave_open() -> None:
    said = PUBLISHED["info"]["description"]

    assert said.count(TITLE) == 1
    assert len({one.number for one in OPEN_POINTS}) == len(OPEN_POINTS)
    for one in OPEN_POINTS:
        assert f"| {one.number} | {one.subject} | {one.answer} |" in said
        assert "|" not in one.subject + one.answer
        assert set(one.segments) <= set(SEGMENTS)


def test_its_settings_that_nothing_acts_on_are_settings() -> None:
    (idle,) = [one for one in OPEN_POINTS if one.number == "d 1.3"]
    schemas = PUBLISHED["components"]["schemas"].values()
    members = {name for schema in schemas for name in schema.get("properties", ())}

    named = re.findall(r"`(\w+)`", idle.answer)

    assert len(named) > 1
    assert set(named) - members == set()


class TestSegments:
    def test_are_those_of_the_guide_first(self) -> None:
        assert tuple(SEGMENTS)[: len(OF_THE_GUIDE)] == OF_THE_GUIDE

    def test_share_all_operations_among_them(self) -> None:
        paths = [path for one in SEGMENTS for path in document(DESCRIBED, one)["paths"]]

        assert sorted(paths) == sorted(PUBLISHED["paths"])

    def test_name_the_open_points_that_concern_them(self) -> None:
        orders = document(DESCRIBED, "orders")["info"]["description"]
        projects = document(DESCRIBED, "projects")["info"]["description"]

        assert "keepExistingListItems" in orders
        assert "keepExistingListItems" not in projects
        assert "Ignored-Fields" in projects


class TestOperation:
    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_says_what_it_does_and_for_whom(self, route: Route, operation: Json) -> None:
        role = "anybody" if route.requires == PUBLIC else f"`{route.requires}`"

        assert operation["summary"].endswith(".")
        assert operation["description"].endswith(f"Role: {role}.")
        assert bool(operation["security"]) is (route.requires != PUBLIC)

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_names_what_may_go_wrong(self, route: Route, operation: Json) -> None:
        answers = operation["responses"]

        assert str(route.status) in answers
        assert {"500", "503"} <= answers.keys()
        assert {"401", "403", "429"} <= answers.keys() or route.requires == PUBLIC
        assert "404" in answers or "{" not in route.path or "Customers/" in route.path
        assert "400" in answers or (route.body is None and route.query is None)
        assert "422" in answers or KEYED not in route.problems
        assert "202" in answers or not is_command(route)
        for status, answer in answers.items():
            problems = answer.get("content", {}).get("application/problem+json", {})
            for slug in problems.get("examples", ()):
                example = PUBLISHED["components"]["examples"][slug]["value"]
                assert (example["type"].rsplit("/", 1)[-1], example["status"]) == (
                    slug,
                    int(status),
                )
                assert slug in CATALOGUE

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_names_the_headers_that_mean_something(self, route: Route, operation: Json) -> None:
        sent = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        answers = operation["responses"]
        said = {status: set(answer.get("headers", ())) for status, answer in answers.items()}

        assert ("Idempotency-Key" in sent) is (KEYED in route.problems)
        assert ("Prefer" in sent) is is_command(route)
        assert ("If-Match" in sent) is ("412" in answers)
        assert ("If-None-Match" in sent) is ("304" in answers)
        assert "ETag" in said[str(route.status)] or not {"304", "412"} & said.keys()
        assert "Location" in said.get("201", {"Location"})
        assert "Location" in said.get("202", ()) or not is_command(route)
        assert "Retry-After" in said["503"] & said.get("429", said["503"])
        assert "WWW-Authenticate" in said.get("401", {"WWW-Authenticate"})

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_has_an_example_that_fits(self, route: Route, operation: Json) -> None:
        if route.body is None:
            return
        content = operation["requestBody"]["content"]["application/json"]

        schema = {**content["schema"], "components": PUBLISHED["components"]}

        faults = Draft202012Validator(schema).iter_errors(content["example"])

        assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_lists_and_describes_every_parameter(self, route: Route, operation: Json) -> None:
        named = {(one["name"], one["in"]) for one in operation["parameters"]}

        for part in route.path.split("/"):
            assert not part.startswith("{") or (part[1:-1], "path") in named
        fields = route.query.model_fields if route.query is not None else {}
        for name, field in fields.items():
            assert (field.alias or name, "query") in named
        for one in operation["parameters"]:
            assert one["description"].endswith(".")
            assert {"type", "anyOf", "enum"} & one["schema"].keys()


WITHOUT_EFFECT = {
    "POST /api/Orders/ExistMany",
    "POST /api/Orders/Search",
    "POST /api/Orders/Customers/{customerId}/Orders/Search",
    "POST /api/Orders/SearchByCustomProperties",
    "POST /api/Orders/Scroll",
    "POST /api/Inventory/Search",
    "POST /api/Reconcile",
    "POST /api/token",
    # Made again whenever it is asked for; the connector gets the key.
    "POST /api/Orders/ExportOrders",
}


def test_every_writing_route_takes_an_idempotency_key() -> None:
    """Guards decided 10.1: it decides for every writing route."""
    without = {
        f"{route.method} {route.path}"
        for route in DESCRIBED
        if route.method not in {"GET", "HEAD"} and KEYED not in route.problems
    }

    assert without == WITHOUT_EFFECT


READS = {
    "POST /api/Orders/ExistMany",
    "POST /api/Orders/Search",
    "POST /api/Orders/Customers/{customerId}/Orders/Search",
    "POST /api/Orders/SearchByCustomProperties",
    "POST /api/Orders/Scroll",
    "POST /api/Inventory/Search",
}
"""What reads although it is sent by POST (domain 1.3)."""
ROLES = {
    "Orders": ("OrderRead", "OrderAdmin"),
    "Inventory": ("InventoryRead", "InventoryAdmin"),
    "Settings": ("SettingsRead", "SettingsAdmin"),
    "Webhooks": ("SettingsRead", "SettingsAdmin"),
    "ApiClients": ("UserRead", "UserAdmin"),
    "Operations": ("ApiUser", "ApiUser"),
    "DeadLetters": ("ApiOwner", "ApiOwner"),
    "Reconcile": ("ApiOwner", "ApiOwner"),
}
"""Who reads and who writes (S0, authentication; S1, roles; decided 13.3)."""


@pytest.mark.parametrize(
    "route",
    [route for route in DESCRIBED if route.requires != PUBLIC],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_it_is_for_the_roles_of_the_documents(route: Route) -> None:
    name = f"{route.method} {route.path}"
    reading, writing = ROLES[route.path.split("/")[2]]

    expected = reading if route.method in {"GET", "HEAD"} or name in READS else writing

    assert route.requires == ("PosWriter" if name == "PUT /api/Orders/PosOrders" else expected)


def test_pages_of_other_origins_may_send_and_read_every_header_that_means_something() -> None:
    origin = b"https://shop.example"
    cors = Cors([origin.decode()])
    asked, answered = Response(204), Response(200)
    operations = [one for item in PUBLISHED["paths"].values() for one in item.values()]
    sent = {one["name"] for of in operations for one in of["parameters"] if one["in"] == "header"}
    said = {
        name
        for operation in operations
        for answer in operation["responses"].values()
        for name in answer.get("headers", ())
    }

    cors.allow({b"origin": origin, b"access-control-request-method": b"POST"}, asked)
    cors.allow({b"origin": origin}, answered)

    allowed = dict(asked.headers)[b"access-control-allow-headers"].decode().split(", ")
    exposed = dict(answered.headers)[b"access-control-expose-headers"].decode().split(", ")
    assert {name.casefold() for name in sent} <= set(allowed)
    assert {name.casefold() for name in said} <= set(exposed)
