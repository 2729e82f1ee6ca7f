"""Creating orders one by one: with a number or without, at the till, by what the settings ask."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from pydantic_core import from_json

from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.calling import Answer, Caller, keep_client
from tests.journeys.world import Json, World, an_order


def without_id(**changes: object) -> Json:
    """Return the body of an order that wants a number and whose status runs no step."""
    body = an_order(paid=True, status="InProgress") | changes
    del body["id"]
    return body


def a_sale(**changes: object) -> Json:
    """Return the body of a sale at the till: one thing sold, one brought back."""
    return {
        "marketId": "NOR",
        "storeId": "Oslo",
        "orderNumber": f"R-{uuid4().hex[:10]}",
        "orderForm": {
            "lineItems": [
                {"lineItemId": "1", "code": "SKU-1", "placedPrice": 300, "quantity": 1},
                {"lineItemId": "2", "code": "SKU-2", "placedPrice": 100, "quantity": -1},
            ]
        },
        **changes,
    }


async def put(world: World, body: Json, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await world.shop("PUT", "/api/Orders", body, headers=named)


async def put_sale(caller: Caller, body: Json) -> Answer:
    return await caller("PUT", "/api/Orders/PosOrders", body)


def number_of(answer: Answer, prefix: str = "ORD-") -> int:
    assert answer.status == 201, answer.json
    return int(answer.json["orderNumber"].removeprefix(prefix))


@asynccontextmanager
async def configured(world: World, **documents: object) -> AsyncIterator[None]:
    """Put other settings in force for the length of the block; members of OrderSettings alone."""
    before = {}
    for name, value in documents.items():
        found = await world.shop("GET", f"/api/Settings/{name}")
        before[name] = found.json
        changed = found.json | value if isinstance(value, dict) else value
        await world.configure(name, changed)
    try:
        yield
    finally:
        for name, value in before.items():
            await world.configure(name, value)


class TestAnOrderWithoutANumber:
    async def test_gets_the_next_one_as_its_number_and_id(self, world: World) -> None:
        body = the_reference_body()
        del body["id"]

        answer = await put(world, body)

        order = answer.json
        assert number_of(answer) >= 10_000
        assert order["id"] == order["orderNumber"]
        assert answer.headers["location"] == f"/api/Orders/{order['id']}"
        assert answer.headers["etag"] == '"1"'
        assert order["status"] == "New"
        assert order["orderForm"]["total"] == 998
        (event,) = await world.events_up_to(order["id"], 1)
        told = from_json(event.data)
        assert (event.type, told["origin"], told["category"]) == (
            "order.created",
            "PUT /api/Orders",
            "Created",
        )
        await world.quiet()
        assert await world.read(order["id"]) == order

    async def test_keeps_the_id_or_the_number_that_it_brings(self, world: World) -> None:
        own_id, own_number = f"X-{uuid4().hex[:8]}", f"N-{uuid4().hex[:8]}"

        first = await put(world, without_id())
        with_id = await put(world, without_id() | {"id": own_id})
        with_number = await put(world, without_id(orderNumber=own_number))
        with_both = await put(world, without_id(orderNumber="same") | {"id": f"{own_id}-2"})
        again = await put(world, without_id(orderNumber=own_number))

        assert with_id.json["id"] == own_id
        assert number_of(with_id) == number_of(first) + 1
        assert with_number.json["id"] == with_number.json["orderNumber"] == own_number
        assert (with_both.json["id"], with_both.json["orderNumber"]) == (f"{own_id}-2", "same")
        assert (again.status, again.problem) == (409, "duplicate-order-id")

    async def test_leaves_no_gap_among_fifty_at_a_time_and_refused_ones(self, world: World) -> None:
        taken = (await put(world, without_id())).json
        before = number_of(await put(world, without_id()))
        bodies = [
            without_id() | ({"id": taken["id"]} if place % 6 == 5 else {}) for place in range(60)
        ]

        answers = await asyncio.gather(*(put(world, body) for body in bodies))

        refused = [one for one in answers if one.status == 409]
        numbers = sorted(number_of(one) for one in answers if one.status != 409)
        assert len(refused) == 10
        assert numbers == list(range(before + 1, before + 51))

    async def test_passes_over_numbers_that_are_taken(self, world: World) -> None:
        before = number_of(await put(world, without_id()))
        for number in range(before + 1, before + 8):
            await world.placed(without_id() | {"id": f"ORD-{number}"})

        answers = await asyncio.gather(*(put(world, without_id()) for _ in range(3)))

        assert sorted(map(number_of, answers)) == [before + 8, before + 9, before + 10]

    async def test_has_the_same_number_when_it_is_asked_for_again(self, world: World) -> None:
        body, key = without_id(), f"key-{uuid4().hex}"

        first = await put(world, body, idempotency_key=key)
        again = await put(world, body, idempotency_key=key)
        other = await put(world, without_id())

        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status, again.json) == (201, first.json)
        assert again.headers["location"] == first.headers["location"]
        assert number_of(other) == number_of(first) + 1

    async def test_can_be_waited_for_elsewhere(self, world: World) -> None:
        answer = await put(world, without_id(), prefer="respond-async")

        async def done() -> Json:
            found = await world.shop("GET", answer.headers["location"])
            assert found.status == 200
            return found.json if found.json["state"] != "pending" else None

        operation = await until(done, within=30)
        assert answer.status == 202
        assert (operation["state"], operation["statusCode"]) == ("succeeded", 201)
        assert operation["answer"] == await world.read(operation["answer"]["id"])

    async def test_is_numbered_by_the_service_of_its_type_and_market(self, world: World) -> None:
        options = [
            {"numberType": "Order", "prefix": "ORD-", "startSequence": 10_000},
            {
                "numberType": "Web",
                "prefix": "W",
                "suffix": "X",
                "startSequence": 7,
                "incrementInterval": 3,
                "service": "SequentialMarketNumberService",
                "validationRegex": r"^W\d+X$",
            },
            {"numberType": "Web", "marketGroupId": "FIN", "service": "GuidNumberService"},
        ]
        types = (await world.shop("GET", "/api/Settings/OrderTypes")).json
        types[0]["orderNumberType"] = "WebNumberOptions"
        odd = without_id(orderNumber="12")

        async with configured(world, NumberOptions=options, OrderTypes=types):
            answers = [
                await put(world, without_id(marketId=market) | {"id": f"I-{uuid4().hex}"})
                for market in ("NOR", "nor", "SWE", "NOR", "FIN")
            ]
            refused = await put(world, odd)

        numbers = [one.json["orderNumber"] for one in answers]
        assert numbers[:4] == ["W7X", "W10X", "W7X", "W13X"]
        assert UUID(numbers[4])
        assert (refused.status, refused.json["errors"][0]["path"]) == (400, "orderNumber")

    async def test_takes_a_blank_id_and_number_for_none(self, world: World) -> None:
        before = number_of(await put(world, without_id()))

        numbered = await put(world, without_id(orderNumber="") | {"id": ""})
        placed = await world.place(an_order(orderNumber="  "))
        unnamed = await world.place(an_order() | {"id": " "})

        assert number_of(numbered) == before + 1
        assert numbered.json["id"] == numbered.json["orderNumber"]
        assert placed.json["orderNumber"] == placed.json["id"]
        assert (unnamed.status, unnamed.json["errors"][0]["path"]) == (400, "id")

    async def test_is_for_stores_of_the_client_alone(self, world: World) -> None:
        await keep_client(world.db, "numbers", "OrderAdmin", "store-oslo", secret="s")
        oslo = await Caller.signed_in(world.shop.url, "numbers", "s")
        before = number_of(await put(world, without_id()))

        outside = await oslo("PUT", "/api/Orders", without_id(storeId="Bergen"))
        inside = await oslo("PUT", "/api/Orders", without_id(storeId="OSLO"))

        await oslo.close()
        assert (outside.status, outside.problem) == (403, "forbidden")
        assert number_of(inside) == before + 1

    async def test_must_be_valid_like_any_other(self, world: World) -> None:
        before = number_of(await put(world, without_id()))
        body = without_id(storeId=None, marketId=4)

        answer = await put(world, body)
        after = await put(world, without_id())

        paths = {one["path"] for one in answer.json["errors"]}
        assert (answer.status, paths) == (400, {"storeId", "marketId"})
        assert number_of(after) == before + 1


class TestAnOrderOfTheTill:
    async def test_is_completed_and_of_the_type_pos(self, world: World) -> None:
        body = a_sale(orderType="Online", status="New")

        answer = await put_sale(world.shop, body)

        order = answer.json
        assert answer.status == 201, order
        assert order["id"] == order["orderNumber"] == body["orderNumber"]
        assert (order["orderType"], order["status"]) == ("Pos", "Completed")
        assert order["created"]
        assert order["completed"]
        assert answer.headers["location"] == f"/api/Orders/{order['id']}"
        form = order["orderForm"]
        assert [line["extendedPrice"] for line in form["lineItems"]] == [300, -100]
        assert (form["total"], form["taxTotal"]) == (200, 40)
        (event,) = await world.events_up_to(order["id"], 1)
        assert event.type == "order.created"

    async def test_is_refused_when_its_number_is_taken(self, world: World) -> None:
        body = a_sale()
        await put_sale(world.shop, body)

        again = await put_sale(world.shop, body)

        assert (again.status, again.problem) == (409, "duplicate-order-id")

    async def test_shares_its_number_with_no_other_order(self, world: World) -> None:
        ids = [uuid4().hex for _ in range(4)]
        sale, other, repeated = a_sale(id=ids[0]), a_sale(), a_sale(id=ids[3])
        for body in (sale, other):
            await put_sale(world.shop, body)
        key = {"Idempotency-Key": ids[0]}

        of_one = await put_sale(world.shop, sale | {"id": ids[1]})
        of_one_by_id = await put_sale(world.shop, a_sale(orderNumber=sale["orderNumber"]))
        of_another = await put_sale(world.shop, other | {"id": ids[2]})
        first, again = [
            await world.shop("PUT", "/api/Orders/PosOrders", repeated, headers=key)
            for _ in range(2)
        ]

        refused = (of_one, of_one_by_id, of_another)
        assert {(one.status, one.problem) for one in refused} == {(409, "duplicate-order-id")}
        assert (first.status, again.status, again.json) == (201, 201, first.json)

    async def test_needs_a_number_and_a_store_and_market_that_exist(self, world: World) -> None:
        bare = await put_sale(world.shop, {})
        elsewhere = await put_sale(world.shop, a_sale(storeId="Nowhere", marketId="XYZ"))

        assert {one["path"] for one in bare.json["errors"]} == {
            "marketId",
            "orderNumber",
            "storeId",
        }
        faults = {one["path"]: one for one in elsewhere.json["errors"]}
        assert (elsewhere.status, set(faults)) == (400, {"storeId", "marketId"})
        assert "NOR, SWE, DNK, FIN" in faults["marketId"]["message"]
        assert faults["storeId"]["got"] == '"Nowhere"'

    async def test_takes_quantities_that_no_other_order_may_have(self, world: World) -> None:
        sale = a_sale()

        posted = await world.shop("POST", "/api/Orders", sale | {"id": sale["orderNumber"]})

        assert posted.status == 400
        assert posted.json["errors"][0]["path"] == "orderForm.lineItems[1].quantity"

    async def test_may_be_sent_by_who_writes_for_tills_alone(self, world: World) -> None:
        await keep_client(world.db, "till", "PosWriter", "store-Oslo", secret="s")
        till = await Caller.signed_in(world.shop.url, "till", "s")

        sold = await put_sale(till, a_sale())
        elsewhere = await put_sale(till, a_sale(storeId="Bergen"))
        other_way = await till("PUT", "/api/Orders", without_id())

        await till.close()
        assert (sold.status, elsewhere.status, other_way.status) == (201, 403, 403)


class TestWhatTheSettingsAsk:
    async def test_default_properties_are_added_and_required_ones_must_be_there(
        self, world: World
    ) -> None:
        settings = {
            "defaultProperties": [
                {"name": "Channel", "value": "web", "dataType": "String"},
                {"name": "Segment", "isRequired": True},
            ],
            "orderLineSettings": {
                "defaultProperties": [
                    {"name": "Engraving", "value": "none"},
                    {"name": "Origin", "isRequired": True},
                ]
            },
        }
        bare, full = an_order(paid=True), an_order(paid=True)
        full["properties"] = [{"key": "segment", "value": "gold"}]
        for line in full["orderForm"]["lineItems"]:
            line["properties"] = [{"key": "Origin", "value": "NO"}]

        async with configured(world, OrderSettings=settings):
            refused = await world.place(bare)
            order = await world.placed(full)
            sale = await put_sale(world.shop, a_sale())

        assert refused.status == 400
        assert [one["path"] for one in refused.json["errors"]] == [
            "properties",
            "orderForm.lineItems[0].properties",
        ]
        assert "'Segment'" in refused.json["errors"][0]["message"]
        assert order["properties"] == [
            {"key": "segment", "value": "gold"},
            {"key": "Channel", "value": "web", "valueType": "String"},
        ]
        (line,) = order["orderForm"]["lineItems"]
        (copy,) = order["orderForm"]["shipments"][0]["lineItems"]
        engraving = {"key": "Engraving", "value": "none"}
        assert line["properties"] == [{"key": "Origin", "value": "NO"}, engraving]
        assert copy["properties"] == line["properties"]
        assert sale.status == 201
        assert {"key": "Segment"} in sale.json["properties"]

    async def test_unknown_places_are_a_warning_or_by_strict_references_a_fault(
        self, world: World
    ) -> None:
        body = an_order(paid=True, marketId="XYZ", storeId="Nowhere")

        async with configured(world, OrderSettings={"strictReferences": True}):
            refused = await world.place(body)
            numbered = await put(world, without_id(storeId="Nowhere"))
        order = await world.placed(body)

        assert {one["path"] for one in refused.json["errors"]} == {"marketId", "storeId"}
        assert (refused.status, numbered.status) == (400, 400)
        assert {one["key"] for one in order["errors"]} == {"marketId", "storeId"}
