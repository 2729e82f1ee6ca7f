"""Changes that an order validator looks at first: what it says is stored, or nothing is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.harness import until
from tests.integration.api.calling import Answer
from tests.journeys.world import Json, World, an_order
from tests.validator import Judge, OrderValidator, Says, agree


@pytest.fixture(scope="module")
async def validator(world: World) -> AsyncIterator[OrderValidator]:
    """A validator that every change of an order goes to."""
    async with OrderValidator() as validator:
        connector = {
            "connectorId": "webhookOrderValidator",
            "host": validator.url,
            "implementations": ["IWebhookOrderValidator"],
            "timeOut": 2,
            "secret": "hush",
        }
        await world.configure("Connectors", [connector])
        await world.configure("OrderSettings", {"isOrderValidationEnabled": True})
        yield validator


@pytest.fixture
async def order(world: World, validator: OrderValidator) -> Json:
    """An order whose run has ended, and a validator that agrees with everything."""
    validator.judge = agree
    validator.go_on.set()
    placed = await world.placed(an_order(sku=await world.stock(10), paid=True))
    await world.quiet()
    return await world.read(placed["id"])


async def patched(world: World, order: Json, **members: object) -> Answer:
    return await world.shop("PATCH", f"/api/Orders/{order['id']}/PatchOrder", members)


class TestAChange:
    async def test_is_stored_as_the_validator_answers(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        def judge(candidate: Json) -> Says:
            line = candidate["orderForm"]["lineItems"][0]
            return Says(
                {
                    **candidate,
                    "tags": ["checked"],
                    "orderForm": {
                        **candidate["orderForm"],
                        "lineItems": [{**line, "placedPrice": 10}],
                    },
                }
            )

        validator.judge = judge
        answer = await patched(world, order, customerName="Kari")

        assert answer.status == 200, answer.json
        stored = await world.read(order["id"])
        assert (stored["customerName"], stored["tags"]) == ("Kari", ["checked"])
        assert stored["orderForm"]["total"] == 20
        assert stored["version"] == order["version"] + 1
        (asked,) = validator.orders(order["id"])
        assert (asked["customerName"], asked["orderForm"]["total"]) == ("Kari", 998)
        assert validator.headers[-1]["Authorization"] == "Bearer hush"
        events = await world.events_up_to(order["id"], stored["version"])
        assert len(events) == stored["version"]

    async def test_that_a_step_makes_by_hand_goes_unasked(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        path = f"/api/Orders/{order['id']}/RunWorkflowStep"
        answer = await world.shop("POST", path, {"name": "SetCompletedDate"})

        assert answer.status == 200, answer.json
        assert "completed" in answer.json["order"]
        assert validator.orders(order["id"]) == []

    async def test_may_begin_a_run_which_follows_the_answer(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        validator.judge = lambda candidate: Says({**candidate, "customerReference": "checked"})

        answer = await world.enter(order["id"], "Ship")

        assert answer.status == 200, answer.json
        assert answer.json["workflowExecutionResult"]["isSuccessful"], answer.json
        stored = await world.read(order["id"])
        assert (stored["status"], stored["customerReference"]) == ("Ship", "checked")
        (asked,) = validator.orders(order["id"])
        assert asked["status"] == "Ship"
        await world.quiet()
        assert await world.held(order["id"]) == 0

    async def test_that_makes_no_difference_is_nobody_s_business(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        answer = await patched(world, order, customerName=order["customerName"])

        assert answer.status == 200, answer.json
        assert validator.orders(order["id"]) == []
        assert (await world.read(order["id"]))["version"] == order["version"]

    async def test_that_the_validator_takes_back_leaves_no_version(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        validator.judge = lambda candidate: Says(
            {**candidate, "customerName": order["customerName"]}
        )

        answer = await patched(world, order, customerName="Kari")

        assert answer.status == 200, answer.json
        assert len(validator.orders(order["id"])) == 1
        assert await world.read(order["id"]) == order

    async def test_locks_the_order_until_the_validator_has_answered(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        validator.go_on.clear()
        waiting = asyncio.create_task(patched(world, order, customerName="Kari"))
        await until(lambda: validator.orders(order["id"]), within=30)

        locked = await patched(world, order, customerName="Ola")
        said = await world.shop("GET", f"/api/Orders/{order['id']}/Explain")
        meanwhile = await world.read(order["id"])
        validator.go_on.set()
        answer = await waiting

        assert (locked.status, locked.problem) == (409, "order-locked")
        assert said.json["run"]["waitingFor"] == {"service": "workflow", "step": "ValidateOrder"}
        assert meanwhile == order
        assert answer.status == 200, answer.json
        assert (await world.read(order["id"]))["customerName"] == "Kari"

    async def test_that_is_cancelled_is_not_made_and_lets_the_order_go(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        validator.go_on.clear()
        waiting = asyncio.create_task(patched(world, order, customerName="Kari"))
        await until(lambda: validator.orders(order["id"]), within=30)

        cancelled = await world.shop("POST", f"/api/Orders/{order['id']}/CancelRun")
        answer = await waiting
        validator.go_on.set()
        await world.quiet()
        meanwhile = await world.read(order["id"])
        next_one = await patched(world, order, customerName="Ola")

        assert (cancelled.status, cancelled.json) == (200, order)
        assert (answer.status, answer.problem) == (409, "run-cancelled")
        assert "cancelled by owner" in answer.json["detail"]
        assert meanwhile == order
        assert next_one.status == 200, next_one.json
        stored = await world.read(order["id"])
        assert (stored["customerName"], stored["version"]) == ("Ola", order["version"] + 1)


REFUSED = Says({"detail": "No Kari here."}, 422)
RUBBISH = {
    "no JSON": Says(b"<html>"),
    "no order": Says({"orderForm": 7}),
    "another order": Says({"id": "other", "marketId": "NOR", "storeId": "WebShop"}),
    "a failure": Says({}, 500),
    "a closed door": Says({}, 401),
}


class TestNothingIsStored:
    async def test_where_the_validator_refuses(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        validator.judge = lambda _: REFUSED

        answer = await patched(world, order, customerName="Kari")

        assert (answer.status, answer.problem) == (400, "order-not-valid")
        assert "No Kari here." in answer.json["detail"]
        assert await world.read(order["id"]) == order

    @pytest.mark.parametrize("name", RUBBISH)
    async def test_where_it_answers_nothing_to_go_by(
        self, world: World, validator: OrderValidator, order: Json, name: str
    ) -> None:
        validator.judge = lambda _: RUBBISH[name]

        answer = await patched(world, order, customerName="Kari")

        assert (answer.status, answer.problem) == (502, "validator-unavailable"), answer.json
        assert await world.read(order["id"]) == order

    async def test_where_it_answers_an_order_that_cannot_be(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        def judge(candidate: Json) -> Says:
            line = candidate["orderForm"]["lineItems"][0] | {"quantity": -1}
            return Says(candidate | {"orderForm": candidate["orderForm"] | {"lineItems": [line]}})

        validator.judge = judge

        answer = await patched(world, order, customerName="Kari")

        assert (answer.status, answer.problem) == (502, "validator-unavailable"), answer.json
        assert await world.read(order["id"]) == order

    async def test_where_it_hangs_and_the_next_change_is_free(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        silent: Judge = lambda _: None  # noqa: E731
        validator.judge = silent
        hung = await patched(world, order, customerName="Kari")
        validator.judge = agree

        answer = await patched(world, order, customerName="Ola")

        assert (hung.status, hung.problem) == (502, "validator-unavailable"), hung.json
        assert answer.status == 200, answer.json
        stored = await world.read(order["id"])
        assert (stored["customerName"], stored["version"]) == ("Ola", order["version"] + 1)

    async def test_of_those_orders_of_a_batch_that_it_refuses(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        other = await world.placed(an_order(sku=await world.stock(10), paid=True))
        await world.quiet()
        validator.judge = lambda one: REFUSED if one["id"] == other["id"] else agree(one)
        updates = [{"id": one["id"], "customerName": "Kari"} for one in (order, other)]

        answer = await world.shop("POST", "/api/Orders/UpdateMany", updates)

        assert (answer.status, answer.problem) == (409, "batch-incomplete"), answer.json
        assert [one["path"] for one in answer.json["errors"]] == ["[1]"]
        assert (await world.read(order["id"]))["customerName"] == "Kari"
        assert (await world.read(other["id"]))["version"] == other["version"]

    async def test_and_an_operation_says_so_to_whoever_did_not_wait(
        self, world: World, validator: OrderValidator, order: Json
    ) -> None:
        validator.judge = lambda _: REFUSED
        path, body = f"/api/Orders/{order['id']}/PatchOrder", {"customerName": "Kari"}

        answer = await world.shop("PATCH", path, body, headers={"prefer": "respond-async"})

        async def ended() -> Json:
            said = (await world.shop("GET", answer.headers["location"])).json
            return said if said["state"] != "pending" else None

        assert answer.status == 202, answer.json
        await until(ended, within=30)
        said = await ended()
        assert (said["state"], said["statusCode"]) == ("failed", 400)
        assert said["problem"]["type"].endswith("order-not-valid")
