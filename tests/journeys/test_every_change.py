"""What every change of an order has in common: when it is refused, and with which words."""

import asyncio
from collections.abc import Mapping
from typing import Final

from services.api.entrypoints.documentation.examples import example_of
from tests.harness import until
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.journeys.test_payments import hurried
from tests.journeys.test_requests import the_operation
from tests.journeys.world import CARD, Json, World, an_order, with_provider

LINE: Final = "/api/Orders/{orderId}/OrderLines"
CHANGES: Final = (
    ("POST", "/api/Orders/Update"),
    ("PUT", "/api/Orders/Update"),
    ("PATCH", "/api/Orders/{orderId}/PatchOrder"),
    ("PATCH", "/api/Orders/{orderId}/PatchUpdateOrderLines"),
    ("POST", "/api/Orders/PatchLineItemIds"),
    ("POST", LINE),
    ("POST", "/api/Orders/{orderId}/AddManyOrderLines"),
    ("POST", "/api/Orders/{orderId}/OrderLines/1/Cancel"),
    ("PUT", "/api/Orders/{orderId}/AddOrderLineProperties"),
    ("POST", "/api/Orders/{orderId}/AddPayments"),
    ("PUT", "/api/Orders/{orderId}/AddPayments"),
    ("PUT", "/api/Orders/{orderId}/PutPayments"),
    ("POST", "/api/Orders/{orderId}/UpdateStatus"),
    ("POST", "/api/Orders/{orderId}/RunWorkflowStep"),
    ("POST", "/api/Orders/AddComment"),
    ("DELETE", "/api/Orders/{orderId}"),
)
EVEN_READ_ONLY: Final = {"/api/Orders/AddComment", "/api/Orders/{orderId}"}


def about(body: Json, order_id: str) -> Json:
    """Return the documents' own example, about this order and its line."""
    if isinstance(body, dict):
        named = {"id": order_id, "orderId": order_id}
        return {**body, **{name: id_ for name, id_ in named.items() if name in body}}
    return body


async def change(
    caller: Caller,
    method: str,
    path: str,
    order_id: str,
    *,
    match: str = "*",
    **preferences: str,
) -> Answer:
    body = example_of(method, path)
    if path.endswith("PatchLineItemIds"):
        mapping = {"oldLineItemId": "1", "newLineItemId": "9"}
        body = {"orderId": order_id, "lineItemIdMappings": [mapping]}
    elif path == LINE:
        body = {**body, "lineItemId": "77"}
    elif path.endswith("AddManyOrderLines"):
        body = [{**line, "lineItemId": f"8{at}"} for at, line in enumerate(body)]
    elif path.endswith(("PatchUpdateOrderLines", "AddOrderLineProperties")):
        body = [{"lineItemId": "1", "properties": [{"key": "k", "value": "v"}]}]
    target, headers = path.format(orderId=order_id), {"if-match": match, **preferences}
    return await caller(method, target, about(body, order_id), headers=headers)


async def each(caller: Caller, order_id: str) -> Mapping[tuple[str, str], Answer]:
    """Ask for every change of the order, one after the other."""
    return {(how, path): await change(caller, how, path, order_id) for how, path in CHANGES}


class TestEveryChange:
    async def test_of_an_order_that_is_not_there_is_404(self, world: World) -> None:
        said = await each(world.shop, "nobody-has-it")

        assert {way: (one.status, one.problem) for way, one in said.items()} == dict.fromkeys(
            CHANGES, (404, "order-not-found")
        )

    async def test_of_an_order_outside_the_scope_is_404(self, world: World) -> None:
        await keep_client(world.db, "elsewhere", "OrderAdmin", "store-oslo", secret="s")
        elsewhere = await Caller.signed_in(world.shop.url, "elsewhere", "s")
        order = await world.placed(an_order(paid=True, storeId="Bergen"))

        said = await each(elsewhere, order["id"])

        await elsewhere.close()
        told = {
            way: (one.status, one.problem)
            for way, one in said.items()
            if way != ("PUT", "/api/Orders/Update")
        }
        assert set(told.values()) == {(404, "order-not-found")}
        # What it would become is refused before anybody looks for it.
        assert said["PUT", "/api/Orders/Update"].status == 403
        assert await world.read(order["id"]) == order

    async def test_of_a_read_only_order_is_400_but_for_comments_and_deletion(
        self, world: World
    ) -> None:
        order_id = (await world.placed(an_order(paid=True, isReadOnly=True)))["id"]

        said = await each(world.shop, order_id)

        refused = {way: (one.status, one.problem) for way, one in said.items() if one.status != 200}
        assert refused == dict.fromkeys(
            [way for way in CHANGES if way[1] not in EVEN_READ_ONLY], (400, "order-read-only")
        )

    async def test_of_a_version_that_has_passed_is_412(self, world: World) -> None:
        order_id = (await world.placed(an_order(paid=True)))["id"]

        said = {way: await change(world.shop, *way, order_id, match='"7"') for way in CHANGES}

        assert {way: (one.status, one.problem) for way, one in said.items()} == dict.fromkeys(
            CHANGES, (412, "precondition-failed")
        )

    async def test_that_nobody_waits_for_ends_as_an_operation(self, world: World) -> None:
        orders = await asyncio.gather(*(world.placed(an_order()) for _ in CHANGES))

        promised = [
            await change(world.shop, *one, order["id"], prefer="respond-async")
            for one, order in zip(CHANGES, orders, strict=True)
        ]
        ended = {}
        for one, answer in zip(CHANGES, promised, strict=True):
            operation = await the_operation(world, answer)
            ended[one] = (operation.json["state"], operation.json["statusCode"])

        assert {answer.status for answer in promised} == {202}
        assert ended == dict.fromkeys(CHANGES, ("succeeded", 200))

    async def test_of_an_order_whose_run_waits_is_409_and_says_when_to_come_back(
        self, world: World
    ) -> None:
        connectors, markets = with_provider(world.provider.url)
        await world.configure("Connectors", connectors)
        await world.configure("Markets", markets)
        world.provider.behave("normal")
        order_id = (await world.placed(an_order(sku=await world.stock(9), method=CARD)))["id"]
        world.provider.behave("hang")
        shipping = asyncio.create_task(world.enter(order_id, "Ship"))

        async def waits() -> bool:
            return (
                await world.db["orders"].find_one({"_id": order_id, "run": {"$ne": None}})
                is not None
            )

        await until(waits, within=30)
        said = await each(world.shop, order_id)
        world.provider.behave("normal")
        async with hurried(world):
            await shipping

        assert {way: (one.status, one.problem) for way, one in said.items()} == dict.fromkeys(
            CHANGES, (409, "order-locked")
        )
        assert all(int(one.headers["retry-after"]) > 0 for one in said.values())
        await world.quiet()


async def test_the_documents_own_payments_replace_all(world: World) -> None:
    path = "/api/Orders/{orderId}/PutPayments"
    order_id = (await world.placed(an_order(paid=True)))["id"]
    payments = example_of("PUT", path)

    answer = await world.shop("PUT", path.format(orderId=order_id), payments)

    assert answer.status == 200
    stored = answer.json["orderForm"]["payments"]
    assert [one["amount"] for one in stored] == [one["amount"] for one in payments]
