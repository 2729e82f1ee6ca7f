"""Changes of an order without a run: one version each, one event each, one answer."""

from tests.journeys.world import World, an_order

PAYMENT = {
    "id": "p-1",
    "amount": 100,
    "paymentMethodName": "Invoice",
    "transactionId": "t-1",
    "transactionType": "Authorization",
    "status": "Processed",
}


class TestAChange:
    async def test_is_a_version_an_event_and_a_webhook(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        path = f"/api/Orders/{order['id']}/PutPayments"

        answer = await world.shop("PUT", path, [PAYMENT])

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        assert [one["id"] for one in answer.json["orderForm"]["payments"]] == ["p-1"]
        assert answer.json["orderForm"]["authorizedPaymentTotal"] == 100
        events = await world.events_up_to(order["id"], 2)
        assert events[-1].type == "order.payment_updated"
        await world.hooks_up_to(order["id"], 2)
        assert await world.read(order["id"]) == answer.json

    async def test_that_changes_nothing_is_no_version(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        path = f"/api/Orders/{order['id']}/PutPayments"
        first = await world.shop("PUT", path, [PAYMENT])

        again = await world.shop("PUT", path, first.json["orderForm"]["payments"])

        assert (again.status, again.json) == (200, first.json)

    async def test_is_made_only_on_the_version_that_the_client_has_read(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        path = f"/api/Orders/{order['id']}/PutPayments"

        late = await world.shop("PUT", path, [PAYMENT], headers={"if-match": '"7"'})
        fits = await world.shop("PUT", path, [PAYMENT], headers={"if-match": '"7", "1"'})
        odd = await world.shop("PUT", path, [PAYMENT], headers={"if-match": "seven"})

        assert (late.status, late.json["type"]) == (
            412,
            "/documentation/problems/precondition-failed",
        )
        assert fits.status == 200
        assert (odd.status, odd.json["errors"][0]["path"]) == (400, "If-Match")

    async def test_that_names_one_payment_twice_is_refused(self, world: World) -> None:
        nameless = {name: value for name, value in PAYMENT.items() if name != "id"}

        answer = await world.shop(
            "PUT", "/api/Orders/nobody/PutPayments", [PAYMENT, nameless, nameless, PAYMENT]
        )

        assert answer.status == 400
        assert [one["path"] for one in answer.json["errors"]] == ["[0].id", "[3].id"]

    async def test_of_no_order_is_refused(self, world: World) -> None:
        answer = await world.shop("PUT", "/api/Orders/nobody/PutPayments", [PAYMENT])

        assert (answer.status, answer.json["type"]) == (
            404,
            "/documentation/problems/order-not-found",
        )

    async def test_asked_for_again_with_its_key_gets_the_first_answer(self, world: World) -> None:
        order = await world.placed(an_order(sku=await world.stock(5)))
        path = f"/api/Orders/{order['id']}/PutPayments"
        key = {"idempotency-key": f"key-{order['id']}"}
        first = await world.shop("PUT", path, [PAYMENT], headers=key)

        again = await world.shop("PUT", path, [PAYMENT], headers=key)

        assert again.headers["idempotency-replayed"] == "true"
        assert (again.status, again.json) == (200, first.json)
