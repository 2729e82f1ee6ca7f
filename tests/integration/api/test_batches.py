"""Many commands of one request: one answer for all, whatever becomes of each (decided 2.4, 10)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from contracts.message import Envelope, derived
from contracts.messages.replies import Reply, partly
from contracts.problems import FieldProblem, problem
from services.api.app import service
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.answering import Answerer, answer
from tests.integration.api.calling import Answer, Caller
from tests.integration.api.conftest import api_settings


def bodies(count: int = 3) -> list[dict[str, Any]]:
    return [the_reference_body() | {"id": f"O-{uuid4().hex[:8]}"} for _ in range(count)]


async def add(call: Caller, orders: list[dict[str, Any]], key: str | None = None) -> Answer:
    headers = {"idempotency-key": key} if key else {}
    return await call("POST", "/api/Orders/AddMany", orders, headers=headers)


def refuse(slug: str, **members: Any) -> Any:  # noqa: ANN401 - a script of the answerer
    """Return the script that refuses a command."""
    found = problem(slug, **members)
    return lambda command, _: (answer(command, found.status, problem=found), None)


def never(*_: object) -> None:
    """Leave the command unanswered."""


@asynccontextmanager
async def impatient(settings: ChassisSettings) -> AsyncIterator[Caller]:
    """An api of its own that waits for a second, and a client of it."""
    async with harness.running(service(api_settings(settings, answer_seconds=1))) as api:
        caller = await Caller.signed_in(api.url)
        yield caller
        await caller.close()


async def mark(database: Database, command: UUID, status: int, **outcome: object) -> None:
    """Keep of a command what its service would have kept."""
    mark = {"_id": command, "b": uuid4(), "at": datetime.now(UTC), "o": {"s": status, **outcome}}
    await database["workflow_inbox"].insert_one(mark)


class TestABatch:
    async def test_is_done_when_all_is_done(self, call: Caller, answerer: Answerer) -> None:
        orders = bodies()

        said = await add(call, orders)

        assert (said.status, said.body) == (204, b"")
        assert [len(answerer.named(one["id"])) for one in orders] == [1, 1, 1]

    async def test_says_what_could_not_be_done_and_how_much_was(
        self, call: Caller, answerer: Answerer
    ) -> None:
        orders = bodies(4)
        fault = FieldProblem(path="orderForm.lineItems[0].quantity", message="too much", got="9")
        answerer.scripts[orders[0]["id"]] = refuse("duplicate-order-id")
        answerer.scripts[orders[1]["id"]] = refuse("order-locked", retry_after=3)
        answerer.scripts[orders[3]["id"]] = refuse("validation-failed", errors=(fault,))

        said = await add(call, orders)

        assert (said.status, said.problem) == (409, "batch-incomplete")
        assert said.json["detail"].startswith("1 of 4 were done")
        locked, bad = said.json["errors"]
        assert (locked["path"], locked["message"].partition(":")[0]) == ("[1]", "order-locked")
        assert bad == {
            "path": "[3].orderForm.lineItems[0].quantity",
            "message": "too much",
            "got": "9",
        }
        assert said.headers["retry-after"] == "3"
        assert said.headers["existing-orders"] == "[0]"

    async def test_gets_its_answer_again_with_its_key(
        self, call: Caller, answerer: Answerer
    ) -> None:
        orders, key = bodies(), uuid4().hex
        answerer.scripts[orders[2]["id"]] = refuse("order-locked")
        first = await add(call, orders, key)

        again = await add(call, orders, key)

        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["idempotency-replayed"] == "true"
        assert [len(answerer.named(one["id"])) for one in orders] == [1, 1, 1]

    async def test_that_is_not_all_done_in_time_becomes_an_operation(
        self, settings: ChassisSettings, answerer: Answerer, database: Database
    ) -> None:
        orders = bodies()
        for one in orders:
            answerer.scripts[one["id"]] = never
        answerer.scripts[orders[0]["id"]] = refuse("duplicate-order-id")
        async with impatient(settings) as call:
            said = await add(call, orders)
            location = said.headers["location"]
            ids = [derived(UUID(said.json["operationId"]), place) for place in range(3)]
            await mark(database, ids[0], 409, p="duplicate-order-id")
            await mark(database, ids[1], 202, o=orders[1]["id"])
            await database["orders"].insert_one(
                {"_id": orders[1]["id"], "run": {"commandId": str(ids[1])}}
            )
            await mark(database, ids[2], 500, p="command-failed")
            pending = await call("GET", location)
            await database["orders"].update_one({"_id": orders[1]["id"]}, {"$unset": {"run": 1}})
            failed = await call("GET", location)

        assert said.status == 202
        assert [answerer.named(one["id"])[0].id for one in orders] == ids
        assert pending.json["state"] == "pending"
        assert (failed.json["state"], failed.json["statusCode"]) == ("failed", 409)
        assert [one["path"] for one in failed.json["problem"]["errors"]] == ["[2]"]
        assert failed.json["problem"]["detail"].startswith("1 of 3 were done")

    async def test_publishes_again_only_what_is_open(
        self, settings: ChassisSettings, answerer: Answerer, database: Database
    ) -> None:
        orders, key = bodies(), uuid4().hex
        for one in orders:
            answerer.scripts[one["id"]] = never
        async with impatient(settings) as call:
            first = await add(call, orders, key)
            ids = [derived(UUID(first.json["operationId"]), place) for place in range(3)]
            await mark(database, ids[0], 201, o=orders[0]["id"], v=1)
            for one in orders:
                answerer.scripts.pop(one["id"])
            again = await add(call, orders, key)

        assert (first.status, again.status) == (202, 204)
        assert again.headers["idempotency-replayed"] == "true"
        assert [len(answerer.named(one["id"])) for one in orders] == [1, 2, 2]

    async def test_finds_by_itself_what_was_answered_elsewhere(
        self, call: Caller, settings: ChassisSettings, answerer: Answerer, database: Database
    ) -> None:
        orders, key = bodies(2), uuid4().hex

        for one in orders:
            answerer.scripts[one["id"]] = never
        async with impatient(settings) as other:
            first = await add(other, orders, key)
        ids = [derived(UUID(first.json["operationId"]), place) for place in range(2)]
        for one, id_ in zip(orders, ids, strict=True):
            await mark(database, id_, 201, o=one["id"], v=1)

        again = await add(call, orders, key)

        assert again.status == 204
        assert [len(answerer.named(one["id"])) for one in orders] == [1, 1]

    async def test_of_few_commands_names_each_of_its_entries(
        self, call: Caller, answerer: Answerer
    ) -> None:
        orders = bodies(3)
        slugs = {0: "duplicate-order-id", 2: "too-large"}

        def partly_done(command: Envelope, data: Any) -> tuple[Reply, object]:  # noqa: ANN401
            left = {place: slug for place, slug in slugs.items() if place in data["places"]}
            return answer(command, 204, shape=partly(left)), None

        for one in orders:
            answerer.scripts[one["id"]] = partly_done

        said = await call("POST", "/api/Orders/ImportMany", orders)

        assert (said.status, said.problem) == (409, "batch-incomplete")
        assert [one["path"] for one in said.json["errors"]] == ["[2]"]
        assert said.headers["existing-orders"] == "[0]"

    async def test_tells_each_order_what_became_of_it_although_one_is_gone_at_the_repeat(
        self, settings: ChassisSettings, answerer: Answerer, database: Database
    ) -> None:
        ids, key = [f"O-{uuid4().hex[:8]}" for _ in range(3)], uuid4().hex
        await database["orders"].insert_many([{"_id": id_, "order": {}} for id_ in ids])
        named = [{"orderId": id_, "lineItemId": "1"} for id_ in ids]
        path, headers = "/api/Orders/OrderLines/Cancel", {"idempotency-key": key}
        for id_ in ids:
            answerer.scripts[id_] = never
        async with impatient(settings) as call:
            first = await call("POST", path, named, headers=headers)
            await until(lambda: all(answerer.named(id_) for id_ in ids))
            done = [answerer.named(id_)[0].id for id_ in ids]
            await mark(database, done[0], 200, a="number 1")
            await mark(database, done[1], 200, a="number 2")
            await database["orders"].delete_one({"_id": ids[0]})
            answerer.scripts[ids[2]] = lambda c, _: (answer(c, 200, shape="number 4"), None)
            again = await call("POST", path, named, headers=headers)

        assert (first.status, again.status, again.json) == (202, 200, 2 + 4)
        assert [{one.id for one in answerer.named(id_)} for id_ in ids] == [{id_} for id_ in done]
        assert [len(answerer.named(id_)) for id_ in ids] == [1, 1, 2]
