from typing import Any

import pytest
from openapi_spec_validator import validate

from services.payments.gateways import OperationAnswer, OperationRequest, Refusal
from tests.provider import document, faults


def the_examples() -> list[tuple[str, Any]]:
    """Every example of the document, with the name of its schema."""
    found: list[tuple[str, Any]] = []

    def look(part: Any) -> None:  # noqa: ANN401 - JSON
        if isinstance(part, dict):
            if "schema" in part and "examples" in part:
                schema = part["schema"]["$ref"].rpartition("/")[2]
                found.extend((schema, one["value"]) for one in part["examples"].values())
            for inner in part.values():
                look(inner)

    look(document())
    return found


class TestTheProviderDocument:
    def test_is_a_valid_openapi_document(self) -> None:
        validate(document())

    @pytest.mark.parametrize(("schema", "example"), the_examples())
    def test_has_examples_that_fit(self, schema: str, example: object) -> None:
        assert faults(schema, example) == []

    @pytest.mark.parametrize(
        ("schema", "model"),
        [
            ("AuthorizationRequest", OperationRequest),
            ("OperationRequest", OperationRequest),
            ("Outcome", OperationAnswer),
            ("Refusal", Refusal),
        ],
    )
    def test_has_the_members_that_the_gateway_knows(
        self,
        schema: str,
        model: type[OperationRequest | OperationAnswer | Refusal],
    ) -> None:
        written = document()["components"]["schemas"][schema]
        known = model.model_json_schema(mode="serialization")

        assert set(written["properties"]) == set(known["properties"])
        assert set(written.get("required", ())) == set(known.get("required", ()))
