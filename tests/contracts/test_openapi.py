"""The checked-in description of the HTTP API says what is served, and says it completely."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.problems import CATALOGUE
from deploy import publish_openapi
from services.api.domain import PUBLIC
from services.api.entrypoints import DESCRIBED
from services.api.entrypoints.documentation.openapi import KEYED, Json
from services.api.entrypoints.routing import Route

PUBLISHED = json.loads(publish_openapi.FILE.read_bytes())
OPERATIONS = [
    pytest.param(route, PUBLISHED["paths"][route.path][route.method.lower()], id=str(number))
    for number, route in enumerate(DESCRIBED)
    if route.method.lower() in PUBLISHED["paths"].get(route.path, {})
]


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


def test_lists_are_limited_by_their_entries() -> None:
    odd = [one for one in schemas(PUBLISHED) if one.get("type") == "array" and "maxLength" in one]

    assert odd == []


def test_every_model_has_one_schema() -> None:
    doubled = [name for name in PUBLISHED["components"]["schemas"] if name.endswith("put")]

    assert doubled == []


class TestOperation:
    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_says_what_it_does_and_for_whom(self, route: Route, operation: Json) -> None:
        role = "anybody" if route.requires == PUBLIC else f"`{route.requires}`"

        assert operation["summary"].endswith(".")
        assert operation["description"].endswith(f"Role: {role}.")
        assert bool(operation["security"]) is (route.requires != PUBLIC)

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_names_what_may_go_wrong(self, route: Route, operation: Json) -> None:
        answers = set(operation["responses"])

        assert str(route.status) in answers
        assert {"500", "503"} <= answers
        assert {"401", "403"} <= answers or route.requires == PUBLIC
        assert "404" in answers or "{" not in route.path
        assert "400" in answers or (route.body is None and route.query is None)
        assert {"202", "422"} <= answers or KEYED not in route.problems
        for answer in operation["responses"].values():
            problems = answer.get("content", {}).get("application/problem+json", {})
            assert set(problems.get("examples", ())) <= set(CATALOGUE)

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_has_an_example_that_fits(self, route: Route, operation: Json) -> None:
        if route.body is None:
            return
        content = operation["requestBody"]["content"]["application/json"]

        schema = {**content["schema"], "components": PUBLISHED["components"]}

        faults = Draft202012Validator(schema).iter_errors(content["example"])

        assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []

    @pytest.mark.parametrize(("route", "operation"), OPERATIONS)
    def test_lists_every_parameter(self, route: Route, operation: Json) -> None:
        named = {(one["name"], one["in"]) for one in operation["parameters"]}

        for part in route.path.split("/"):
            assert not part.startswith("{") or (part[1:-1], "path") in named
        fields = route.query.model_fields if route.query is not None else {}
        for name, field in fields.items():
            assert (field.alias or name, "query") in named
