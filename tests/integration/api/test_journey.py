"""An order's way through all services, as a shop sees it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from services.api.app import service as api_service
from services.chassis.settings import ChassisSettings
from services.inventory import app as inventory
from services.inventory.settings import Settings as InventorySettings
from services.notifications import app as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.payments import app as payments
from services.payments.settings import Settings as PaymentsSettings
from services.workflow import app as workflow
from services.workflow.settings import Settings as WorkflowSettings
from tests import harness
from tests.builders import the_reference_body
from tests.harness import Wire, until
from tests.integration.api.calling import Answer, Caller
from tests.integration.api.conftest import api_settings


@pytest.fixture(scope="module")
async def shop(settings: ChassisSettings, wire: Wire) -> AsyncIterator[Caller]:  # noqa: ARG001 - the wire makes the topics
    members = settings.model_dump()
    async with AsyncExitStack() as stack:
        for one in (
            workflow.service(WorkflowSettings(**members)),
            inventory.service(InventorySettings(**members)),
            payments.service(PaymentsSettings(**members)),
            notifications.service(NotificationsSettings(**members)),
        ):
            await stack.enter_async_context(harness.running(one))
        api = await stack.enter_async_context(harness.running(api_service(api_settings(settings))))
        caller = await Caller.signed_in(api.url)
        yield caller
        await caller.close()


def a_body(**changes: object) -> dict[str, Any]:
    return {**the_reference_body(), "id": f"O-{uuid4().hex[:8]}", **changes}


class TestJourney:
    async def test_of_an_order_ends_in_its_first_status(self, shop: Caller) -> None:
        body = a_body()
        sku, warehouse = "SKU-001", "MainWarehouse"
        stocked = await shop(
            "PUT",
            "/api/Inventory/UpdateMany",
            [{"sku": sku, "warehouseCode": warehouse, "inventory": 10}],
        )

        placed = await shop("POST", "/api/Orders", body)

        assert stocked.json["updatedCount"] == 1
        assert placed.status == 201
        assert placed.json["status"] == "New"
        assert placed.headers["etag"] == f'"{placed.json["version"]}"'
        read = await shop("GET", placed.headers["location"])
        assert read.json == placed.json
        stock = await shop("POST", "/api/Inventory/Search", {"productCodes": [sku]})
        assert stock.json["result"][0]["reservedInventory"] == 2

    async def test_told_twice_happens_once(self, shop: Caller) -> None:
        body, headers = a_body(), {"Idempotency-Key": uuid4().hex}
        first = await shop("POST", "/api/Orders", body, headers=headers)

        again = await shop("POST", "/api/Orders", body, headers=headers)
        other = await shop("POST", "/api/Orders", body)

        assert (again.status, again.json) == (first.status, first.json)
        assert again.headers["idempotency-replayed"] == "true"
        assert (other.status, other.problem) == (409, "duplicate-order-id")

    async def test_goes_on_by_its_statuses(self, shop: Caller) -> None:
        body, headers = a_body(), {"Idempotency-Key": uuid4().hex}
        await shop("POST", "/api/Orders", body)
        path = f"/api/Orders/{body['id']}/UpdateStatus"

        moved = await shop("POST", path, {"status": "InProgress"}, headers=headers)
        again = await shop("POST", path, {"status": "InProgress"}, headers=headers)
        unknown = await shop("POST", path, {"status": "Nowhere"})
        nobody = await shop("POST", "/api/Orders/none/UpdateStatus", {"status": "InProgress"})

        assert moved.json["order"]["status"] == "InProgress"
        assert not moved.json["isAborted"]
        assert moved.json["workflowExecutionResult"]["isSuccessful"]
        assert again.json == moved.json
        assert (unknown.status, unknown.problem) == (400, "unknown-status")
        assert (nobody.status, nobody.problem) == (404, "order-not-found")

    async def test_may_be_waited_for_elsewhere(self, shop: Caller) -> None:
        body = a_body()
        promised = await shop("POST", "/api/Orders", body, headers={"Prefer": "respond-async"})

        async def done() -> Answer | None:
            said = await shop("GET", promised.headers["location"])
            return said if said.json["state"] != "pending" else None

        operation = await until(done)

        assert promised.status == 202
        assert operation is not None
        assert operation.json["state"] == "succeeded"
        assert operation.json["statusCode"] == 201
        read = await shop("GET", f"/api/Orders/{body['id']}")
        assert operation.json["answer"] == read.json
