"""Orders are deleted: hidden and restored, or gone for good."""

from tests.journeys.world import World, an_order

# Whatever is kept of an order, by collection and by the member that says of which.
KEPT = {
    "orders": "_id",
    "order_versions": "orderId",
    "reservations": "_id",
    "notifications": "orderId",
    "payment_operations": "orderId",
}


class TestADeletedOrder:
    async def test_keeps_its_id_gives_its_stock_back_and_can_be_restored(
        self, world: World
    ) -> None:
        sku = await world.stock(5)
        order = await world.placed(an_order(sku=sku))
        path = f"/api/Orders/{order['id']}"

        answer = await world.shop("DELETE", path)
        again = await world.shop("DELETE", path)

        assert (answer.status, answer.body) == (200, b"")
        assert (again.status, again.headers["etag"]) == (200, answer.headers["etag"])
        found = await world.read(order["id"])
        assert (found["status"], found["orderForm"]["total"]) == ("Deleted", 998)
        events = await world.events_up_to(order["id"], 3)
        assert [one.type for one in events[1:]] == ["order.status_changed", "order.deleted"]
        told = (await world.hooks_up_to(order["id"], 3))[-1].json["data"]
        assert (told["operationId"], told["category"]) == (110109, "Deleted")
        await world.quiet()
        assert await world.held(order["id"]) == 0
        assert (await world.record(sku))["reservedInventory"] == 0
        assert [x["reservedInventoryQuantity"] for x in found["orderForm"]["lineItems"]] == [0]
        taken = await world.place(an_order(sku=sku, id=order["id"]))
        assert (taken.status, taken.problem) == (409, "duplicate-order-id")

        restored = await world.entered(order["id"], "New")
        assert restored["order"]["status"] == "New"
        assert await world.held(order["id"]) == 2

    async def test_may_be_read_only_but_must_be_the_one_that_was_read(self, world: World) -> None:
        order = await world.placed(an_order())
        path = f"/api/Orders/{order['id']}"

        nobody = await world.shop("DELETE", "/api/Orders/nobody")
        late = await world.shop("DELETE", path, headers={"if-match": '"7"'})
        odd = await world.shop("DELETE", f"{path}?deletePermanently=perhaps")
        bound = await world.placed(an_order(isReadOnly=True))
        gone = await world.shop("DELETE", f"/api/Orders/{bound['id']}")

        assert (nobody.status, nobody.problem) == (404, "order-not-found")
        assert (late.status, late.problem) == (412, "precondition-failed")
        assert (odd.status, odd.json["errors"][0]["path"]) == (400, "deletePermanently")
        assert await world.read(order["id"]) == order
        assert (gone.status, (await world.read(bound["id"]))["status"]) == (200, "Deleted")


class TestAnOrderDeletedForGood:
    async def test_leaves_nothing_of_the_customer_and_frees_its_id(self, world: World) -> None:
        sku = await world.stock(5)
        body = an_order(sku=sku)
        key = {"idempotency_key": f"key-{body['id']}"}
        first = await world.place(body, **key)
        order = first.json
        path = f"/api/Orders/{order['id']}"
        comment = {"orderId": order["id"], "comment": "Hello", "sendEmail": True}
        await world.shop("POST", "/api/Orders/AddComment", comment)
        await world.mails(order["customerEmail"], 2)
        await world.quiet()

        answer = await world.shop("DELETE", f"{path}?deletePermanently=true")
        again = await world.shop("DELETE", f"{path}?deletePermanently=true")
        replayed = await world.place(body, **key)

        assert (answer.status, answer.body) == (200, b"")
        assert (again.status, again.problem) == (404, "order-not-found")
        assert (replayed.status, replayed.problem) == (404, "order-not-found")
        gone = [
            await world.shop("GET", path),
            await world.shop("GET", f"{path}/Events"),
            await world.enter(order["id"], "InProgress"),
        ]
        assert [one.status for one in gone] == [404, 404, 404]
        event = (await world.events_up_to(order["id"], 3))[-1]
        got = (await world.hooks_up_to(order["id"], 3))[-1]
        told = got.json["data"]
        assert (event.type, told["operationId"], told["status"]) == (
            "order.deleted",
            110110,
            "Deleted",
        )
        assert order["customerEmail"].encode() not in event.data
        assert {"id", "status", "version"} < told["order"].keys()
        await world.quiet()
        for collection, member in KEPT.items():
            assert await world.db[collection].find_one({member: order["id"]}) is None, collection
        assert (await world.record(sku))["reservedInventory"] == 0
        money = world.db["payment_operations"].find({"orderId": {"$regex": f"^{order['id']}/"}})
        assert sorted([one["kind"] async for one in money]) == ["authorize", "void"]
        (trace,) = await world.db["order_deletions"].find({"orderId": order["id"]}).to_list(None)
        assert (trace["version"], trace["user"]) == (3, "owner")
        assert order["customerEmail"] not in str(trace)

    async def test_makes_room_for_another_with_its_id(self, world: World) -> None:
        sku = await world.stock(5)
        old = await world.placed(an_order(sku=sku))
        path = f"/api/Orders/{old['id']}"
        for status in ("InProgress", "PackedAndReady", "Ship"):
            await world.entered(old["id"], status)
        version = (await world.read(old["id"]))["version"]
        await world.shop("DELETE", f"{path}?deletePermanently=true")
        last = (await world.events_up_to(old["id"], version + 1))[-1]
        await world.quiet()

        new = await world.placed(an_order(sku=sku, id=old["id"]))

        assert last.type == "order.deleted"
        assert (new["version"], new["status"]) == (1, "New")
        await world.quiet()
        got = world.hook.taken(old["id"])[-1].json
        assert (got["type"], got["sequence"], got["previousSequence"]) == ("order.created", 1, 0)
        assert await world.held(old["id"]) == 2
        record = await world.record(sku)
        assert (record["inventory"], record["reservedInventory"]) == (3, 2)
        events = await world.shop("GET", f"{path}/Events")
        assert [one["sequence"] for one in events.json["items"]] == [1]
        books = await world.shop("POST", "/api/Reconcile")
        assert [one for one in books.json["differences"] if one.get("orderId") == old["id"]] == []
