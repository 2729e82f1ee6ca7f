"""What goes beyond a limit is refused at once, and hurts nobody else (decided 13.2)."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from services.api.app import Api, service
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.answering import Answerer, created
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.integration.api.conftest import api_settings

CLIENT, TENANT, BUCKET = 2, 3, 12


@pytest.fixture(scope="module")
async def small_api(settings: ChassisSettings, answerer: Answerer) -> AsyncIterator[Api]:
    """An api with small limits, and nobody who answers its commands in time."""
    answerer.script = lambda *_: None
    small = api_settings(
        settings,
        concurrent_client=CLIENT,
        concurrent_tenant=TENANT,
        concurrent_batch=1,
        rate_bucket=BUCKET,
        rate_refill=1,
        rate_refill_seconds=600,
        answer_seconds=60,
    )
    async with harness.running(service(small)) as api:
        yield api
    answerer.script = created


async def somebody(api: Api, database: Database) -> Caller:
    """Return a client that nobody knew before."""
    name = uuid4().hex
    await keep_client(database, name, "ApiOwner", secret="s")
    return await Caller.signed_in(api.url, name, "s")


async def test_requests_under_way_are_limited_by_client_and_in_all(
    small_api: Api, database: Database, answerer: Answerer
) -> None:
    one, other, third = [await somebody(small_api, database) for _ in range(3)]
    ids = [f"{number}-{uuid4().hex}" for number in range(TENANT)]

    def placing(caller: Caller, id_: str) -> asyncio.Task[Answer]:
        body = {**the_reference_body(), "id": id_}
        return asyncio.create_task(caller("POST", "/api/Orders", body))

    # They wait for their answers, which is being under way.
    waiting = [placing(one, ids[0]), placing(one, ids[1])]
    await until(lambda: len(answerer.named(ids[0]) + answerer.named(ids[1])) == 2, within=30)
    of_client = await one("GET", "/api/Orders/1")
    free = await other("GET", "/api/Orders/1")
    waiting.append(placing(other, ids[2]))
    await until(lambda: answerer.named(ids[2]), within=30)
    of_tenant = await third("GET", "/api/Orders/1")
    exempt = [
        (await third(method, path)).status
        for method, path in (("GET", "/health/live"), ("GET", "/metrics"), ("POST", "/api/token"))
    ]
    goods = await third("POST", "/api/Inventory/Search", {})
    for id_ in ids:
        await answerer.answer_now(id_)
    answered = await asyncio.gather(*waiting)
    again = await one("GET", "/api/Orders/1")
    for caller in (one, other, third):
        await caller.close()

    assert (of_client.status, of_client.problem) == (429, "too-many-requests")
    assert of_client.headers["retry-after"] == "1"
    assert f"{CLIENT} requests of a client" in of_client.json["detail"]
    assert free.status == 404
    assert of_tenant.status == 429
    assert f"{TENANT} requests" in of_tenant.json["detail"]
    assert exempt == [200, 200, 401]
    assert goods.status == 200
    assert [said.status for said in answered] == [201] * TENANT
    assert again.status == 404


async def test_requests_of_a_client_are_limited_over_time(
    small_api: Api, database: Database
) -> None:
    greedy, modest = [await somebody(small_api, database) for _ in range(2)]

    said = [await greedy("GET", "/api/Operations/x") for _ in range(BUCKET + 1)]
    elsewhere = await greedy("GET", "/api/ApiClients")
    other = await modest("GET", "/api/Operations/x")
    await greedy.close()
    await modest.close()

    assert [one.status for one in said] == [404] * BUCKET + [429]
    assert 590 <= int(said[-1].headers["retry-after"]) <= 600
    assert elsewhere.status == 429
    assert other.status == 404
