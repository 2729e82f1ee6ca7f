"""The documents' examples with something wrong in them, carried out by all services to the end.

Whatever comes is refused whole, naming what is wrong, or carried out; nothing breaks anybody.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Final
from uuid import uuid4

import pytest

from contracts.problems import CATALOGUE, Problem
from services.api.entrypoints import ROUTES
from services.api.entrypoints.documentation.examples import example_of
from services.api.entrypoints.routing import Route
from services.chassis.settings import ChassisSettings
from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.calling import Answer
from tests.integration.api.mutations import mutated, several
from tests.integration.api.whole import Whole, the_whole

IN_EXAMPLES: Final = "ORD-2024-000001"
BODIES_OF_A_ROUTE: Final = 20
CREATING: Final = ("/api/Orders", "/PosOrders", "/AddMany", "/ImportMany", "/Orders/UpdateMany")
BAD: Final = 400
STABLE: Final = 8
"""So many readings alike, half a second together, and nothing is under way any more."""
WITH_A_BODY: Final = [route for route in ROUTES if route.body is not None]


@pytest.fixture(scope="module")
async def whole(settings: ChassisSettings) -> AsyncIterator[Whole]:
    async with the_whole(settings) as whole:
        yield whole


@pytest.mark.parametrize("route", WITH_A_BODY, ids=lambda route: f"{route.method} {route.path}")
async def test_that_is_nearly_right_is_refused_whole_or_carried_out(
    whole: Whole, route: Route
) -> None:
    order_id = f"ORD-{uuid4().hex[:8]}-1"
    placed = await whole.call("POST", "/api/Orders", the_reference_body() | {"id": order_id})
    path = filled(route.path, order_id)
    bodies = [
        about(body, f"{order_id}{number}" if path.endswith(CREATING) else order_id)
        for number, body in enumerate(
            several(mutated(example_of(route.method, route.path)), BODIES_OF_A_ROUTE)
        )
    ]
    settings = await whole.call("GET", path) if "/Settings/" in path else None

    said = [
        await carried_out(whole, route.method, path, body, key=None if number % 2 else uuid4().hex)
        for number, body in enumerate(bodies)
    ]
    dead = await whole.dead_letters()

    if settings is not None:
        await whole.call("PUT", path, settings.json)
    assert placed.status == 201
    assert dead == []
    assert [one for one in said if one[1].status >= 500 or one[1].status == 202] == []
    assert [one for one in said if one[1].status >= 400 and not is_well_formed(one[1])] == []
    assert [one for one in said if one[1].status == 400 and one[2]] == []


def filled(path: str, order_id: str) -> str:
    """Return the path of something that is there, if it is an order's."""
    return re.sub(r"\{(\w+)\}", lambda it: order_id if it[1] == "orderId" else "none", path)


def about(body: object, order_id: str) -> bytes:
    """Return the body as JSON, its order renamed; those who break JSON's rules break them here."""
    return json.dumps(body).replace(IN_EXAMPLES, order_id).encode()


async def carried_out(
    whole: Whole, method: str, path: str, body: bytes, *, key: str | None
) -> tuple[bytes, Answer, bool]:
    """Send the body; return what was sent and answered, and whether anything was stored."""
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["idempotency-key"] = key
    before = await whole.stored()
    answer = await whole.call(method, path, data=body, headers=headers)
    differs = await whole.stored() != before
    if answer.status == BAD and differs:
        # What an earlier request led to may have been under way: once more, when it is quiet.
        before = await settled(whole)
        answer = await whole.call(method, path, data=body, headers=headers)
        differs = await whole.stored() != before
    return body[:2000], answer, differs


async def settled(whole: Whole) -> list[object]:
    """Wait until nothing more is stored; return what is."""
    seen: list[list[object]] = []

    async def stays() -> bool:
        seen.append(await whole.stored())
        return len(seen) > STABLE and all(one == seen[-1] for one in seen[-STABLE:])

    await until(stays, within=30)
    return seen[-1]


def is_well_formed(answer: Answer) -> bool:
    """Tell whether a problem says all that problems say (RFC 9457)."""
    said = Problem.model_validate(answer.json)
    return (
        said.slug in CATALOGUE
        and (said.status, said.title) == CATALOGUE[said.slug][:2]
        and bool(said.detail and said.instance)
        and all(one.path and one.message for one in said.errors or ())
        and (answer.status != 400 or said.errors is None or len(said.errors) > 0)
    )
