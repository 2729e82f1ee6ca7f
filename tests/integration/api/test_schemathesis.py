"""The api answers as its own description says, whatever the description lets clients send."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import uuid4

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.entrypoints import DESCRIBED
from services.api.entrypoints.documentation import document
from services.chassis.settings import ChassisSettings
from tests.builders import the_reference_body
from tests.integration.api.whole import Whole, the_whole

# Its negative bodies are made with `random`, which hypothesis seeds; they are the same every time.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisDeprecationWarning")

EXAMPLES: Final = 4
"""Requests of an operation, for each way to make them."""
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
)
# The settings come last: what is put there may be right and yet leave no status for an order.
OPERATIONS: Final = sorted(
    (
        one.ok()
        for one in schemathesis.openapi.from_dict(document(DESCRIBED)).get_all_operations()
        if isinstance(one, Ok)
    ),
    key=lambda one: "/Settings/" in one.path,
)


@pytest.fixture(scope="module")
async def whole(settings: ChassisSettings) -> AsyncIterator[Whole]:
    async with the_whole(settings) as whole:
        yield whole


@pytest.fixture(scope="module")
async def order_id(whole: Whole) -> str:
    id_ = f"ORD-{uuid4().hex[:8]}"
    placed = await whole.call("POST", "/api/Orders", the_reference_body() | {"id": id_})
    assert placed.status == 201
    return id_


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
async def test_an_operation_answers_as_it_is_described(
    whole: Whole,
    order_id: str,
    operation: Any,  # noqa: ANN401 - generic in types that schemathesis keeps to itself
    mode: GenerationMode,
) -> None:
    headers = {"authorization": f"Bearer {whole.call.token}"}
    there = {"orderId": order_id, "versionId": "1"}
    if operation.path.startswith("/api/Orders/{id}"):
        there["id"] = order_id

    @hypothesis_settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def answers_as_described(case: schemathesis.Case[Any]) -> None:
        if case.method != "DELETE":
            known = case.path_parameters.keys() & there.keys()
            case.path_parameters.update({name: there[name] for name in known})
        response = case.call(base_url=whole.call.url, headers=headers, timeout=30)
        case.validate_response(response, checks=list(CHECKS))

    try:
        await asyncio.to_thread(answers_as_described)
    except Unsatisfiable:
        # Of a path that takes nothing, or any text, nothing wrong can be asked.
        assert mode is GenerationMode.NEGATIVE
