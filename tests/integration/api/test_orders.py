"""POST and GET Orders and UpdateStatus, against somebody who answers the commands by a script."""

import gzip
import json
from typing import Any
from uuid import uuid4

import pytest
from pydantic_core import from_json

from contracts.message import Envelope
from contracts.messages.orders import PlaceOrder, UpdateOrderStatus
from contracts.messages.replies import Reply
from contracts.model import parse
from contracts.order import Order
from contracts.problems import problem
from contracts.stored import order_document
from services.chassis.mongo import Database
from tests.builders import the_reference_body
from tests.harness import until
from tests.integration.api.answering import Answerer, answer
from tests.integration.api.calling import Caller, keep_client

JSON = {"content-type": "application/json"}


def a_body(**changes: object) -> dict[str, Any]:
    return {**the_reference_body(), "id": f"O-{uuid4().hex[:8]}", **changes}


async def keep_order(database: Database, body: dict[str, Any], version: int = 1) -> None:
    order = parse(Order, json.dumps(body).encode()).value
    await database["orders"].insert_one(
        {"_id": order.id, "revision": 1, "version": version, "order": order_document(order)}
    )


class TestPlaceOrder:
    async def test_answers_with_the_order_and_where_it_is(
        self, call: Caller, answerer: Answerer
    ) -> None:
        body = a_body(id="Ø 1")

        said = await call("POST", "/API/orders", body)

        assert said.status == 201
        assert said.json == body
        assert said.headers["location"] == "/api/Orders/%C3%98%201"
        assert said.headers["etag"] == '"1"'
        command = answerer.named("Ø 1")[0]
        sent = PlaceOrder.model_validate_json(command.data)
        assert sent.user == "owner"
        assert sent.origin == "POST /api/Orders"
        assert sent.order == parse(Order, json.dumps(body).encode()).value

    async def test_names_every_bad_field_at_once(self, call: Caller, answerer: Answerer) -> None:
        body = a_body(customerType="B2X", isReadOnly="yes")
        del body["storeId"]

        said = await call("POST", "/api/Orders", body)

        assert (said.status, said.problem) == (400, "validation-failed")
        assert {error["path"] for error in said.json["errors"]} == {
            "customerType",
            "isReadOnly",
            "storeId",
        }
        assert answerer.named(body["id"]) == []

    @pytest.mark.parametrize("raw", [b"", b"{", b"nonsense", b'{"id": NaN}', b"\xff\xfe"])
    async def test_says_that_a_body_is_no_json(self, call: Caller, raw: bytes) -> None:
        said = await call("POST", "/api/Orders", data=raw, headers=JSON)

        assert (said.status, said.problem) == (400, "malformed-json")

    async def test_refuses_what_cannot_be_stored(self, call: Caller) -> None:
        form = the_reference_body()["orderForm"] | {"charges": [{"amount": 10**30}]}

        said = await call("POST", "/api/Orders", a_body(orderForm=form))

        assert said.status == 400
        assert [error["path"] for error in said.json["errors"]] == ["orderForm.charges[0]"]

    @pytest.mark.parametrize("raw", [b"[]", b"null", b"1", b'"x"', b"{}"])
    async def test_says_that_a_body_is_no_order(self, call: Caller, raw: bytes) -> None:
        said = await call("POST", "/api/Orders", data=raw, headers=JSON)

        assert (said.status, said.problem) == (400, "validation-failed")

    async def test_tells_what_it_ignored(self, call: Caller, answerer: Answerer) -> None:
        body = a_body(colour="blue", CustomerName="Kari")

        said = await call("POST", "/api/Orders", body)

        assert said.status == 201
        assert said.headers["ignored-fields"] == "colour"
        sent = PlaceOrder.model_validate_json(answerer.named(body["id"])[0].data)
        assert sent.ignored_fields == ("colour",)
        assert sent.order.customer_name == "Kari"

    async def test_takes_a_compressed_body(self, call: Caller) -> None:
        raw = gzip.compress(json.dumps(a_body()).encode())

        said = await call(
            "POST",
            "/api/Orders",
            data=raw,
            headers=JSON | {"content-encoding": "gzip"},
        )

        assert said.status == 201

    @pytest.mark.parametrize(
        ("raw", "encoding"),
        [(b"x" * (5 * 1024 * 1024 + 1), ""), (gzip.compress(b"x" * (6 * 1024 * 1024)), "gzip")],
    )
    async def test_refuses_a_body_that_is_too_large(
        self, call: Caller, raw: bytes, encoding: str
    ) -> None:
        headers = {"content-encoding": encoding} if encoding else {}

        said = await call("POST", "/api/Orders", data=raw, headers=JSON | headers)

        assert (said.status, said.problem) == (413, "too-large")

    async def test_takes_more_in_a_batch_than_alone(self, call: Caller) -> None:
        long = b" " * (6 * 1024 * 1024)

        alone = await call("POST", "/api/Orders", data=long + b"{}", headers=JSON)
        batch = await call("POST", "/api/Orders/AddMany", data=long + b"[]", headers=JSON)

        assert alone.status == 413
        assert batch.status == 204

    async def test_says_in_a_problem_which_path_was_asked_for(self, call: Caller) -> None:
        said = await call("GET", "/api/Orders/carts/a%2Fb%20%C3%B8?x=1")

        assert (said.status, said.json["instance"]) == (404, "/api/Orders/carts/a%2Fb%20%C3%B8")

    async def test_refuses_what_is_not_declared_as_json(self, call: Caller) -> None:
        said = await call("POST", "/api/Orders", data=b"{}", headers={"content-type": "text/plain"})

        assert (said.status, said.problem) == (415, "unsupported-media-type")

    async def test_passes_a_refusal_on(self, call: Caller, answerer: Answerer) -> None:
        body = a_body()

        def locked(command: Envelope, _: object) -> tuple[Reply, object]:
            return answer(command, 409, problem=problem("order-locked", retry_after=3)), None

        answerer.scripts[body["id"]] = locked

        said = await call("POST", "/api/Orders", body)

        assert (said.status, said.problem) == (409, "order-locked")
        assert said.headers["retry-after"] == "3"

    async def test_passes_the_trace_on(self, call: Caller, answerer: Answerer) -> None:
        body = a_body()
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

        await call("POST", "/api/Orders", body, headers={"traceparent": trace})

        assert answerer.named(body["id"])[0].traceparent == trace

    async def test_is_for_stores_of_the_client_alone(
        self, call: Caller, database: Database, answerer: Answerer
    ) -> None:
        await keep_client(database, "oslo", "OrderAdmin", "store-OSLO", secret="s")
        oslo = await Caller.signed_in(call.url, "oslo", "s")
        inside, outside = a_body(storeId="Oslo"), a_body(storeId="Bergen")

        said = [await oslo("POST", "/api/Orders", body) for body in (inside, outside)]

        await oslo.close()
        assert [one.status for one in said] == [201, 403]
        assert said[1].problem == "forbidden"
        assert answerer.named(outside["id"]) == []


class TestGetOrder:
    async def test_answers_with_the_order_and_its_version(
        self, call: Caller, database: Database
    ) -> None:
        body = a_body()
        await keep_order(database, body, version=7)

        said = await call("GET", f"/api/orders/{body['id']}")

        assert said.status == 200
        assert from_json(said.body) == body
        assert said.headers["etag"] == '"7"'
        assert said.headers["content-type"] == "application/json"

    @pytest.mark.parametrize("known", ['"7"', 'W/"7"', '"6", "7"', "*"])
    async def test_sends_nothing_that_is_known(
        self, call: Caller, database: Database, known: str
    ) -> None:
        body = a_body()
        await keep_order(database, body, version=7)

        said = await call("GET", f"/api/Orders/{body['id']}", headers={"if-none-match": known})

        assert (said.status, said.body) == (304, b"")
        # What a cache would take for the stored answer's own.
        assert "content-length" not in said.headers
        assert (said.headers["etag"], said.headers["vary"]) == ('"7"', "accept-encoding")

    async def test_answers_head_without_a_body(self, call: Caller, database: Database) -> None:
        body = a_body()
        await keep_order(database, body)

        said = await call("HEAD", f"/api/Orders/{body['id']}")

        assert (said.status, said.body) == (200, b"")
        assert int(said.headers["content-length"]) > 900

    async def test_keeps_the_case_of_ids(self, call: Caller, database: Database) -> None:
        body = a_body()
        await keep_order(database, body)

        said = await call("GET", f"/api/Orders/{body['id'].lower()}")

        assert (said.status, said.problem) == (404, "order-not-found")

    async def test_shows_nothing_outside_the_scope(self, call: Caller, database: Database) -> None:
        body = a_body(marketId="SWE")
        await keep_order(database, body)
        await keep_client(database, "norway", "OrderRead", "market-nor", secret="s")
        norway = await Caller.signed_in(call.url, "norway", "s")

        said = await norway("GET", f"/api/Orders/{body['id']}")

        await norway.close()
        assert (said.status, said.problem) == (404, "order-not-found")


class TestUpdateStatus:
    async def test_answers_with_what_the_workflow_says(
        self, call: Caller, answerer: Answerer
    ) -> None:
        order_id = a_body()["id"]
        result = {"order": {"id": order_id}, "isAborted": False}
        answerer.scripts[order_id] = lambda command, _: (answer(command, 200, version=4), result)

        said = await call(
            "POST",
            f"/api/Orders/{order_id}/UpdateStatus",
            {"Status": "Ship", "SkipRunWorkflow": True, "userId": "kari"},
        )

        assert (said.status, said.json) == (200, result)
        assert said.headers["etag"] == '"4"'
        sent = UpdateOrderStatus.model_validate_json(answerer.named(order_id)[0].data)
        assert (sent.status, sent.skip_run_workflow, sent.user_id) == ("Ship", True, "kari")

    async def test_names_what_is_missing_or_wrong(self, call: Caller) -> None:
        path = "/api/Orders/1/UpdateStatus"
        missing = await call("POST", path, {"status": None, "shipmentInfo": {"packages": "2"}})
        returned = await call("POST", path, {"status": "Ship", "returnId": "R1"})

        assert [error["path"] for error in missing.json["errors"]] == [
            "status",
            "shipmentInfo.packages",
        ]
        assert [error["path"] for error in returned.json["errors"]] == ["returnId"]
        assert (missing.status, returned.status) == (400, 400)

    async def test_takes_the_names_of_the_reference_for_a_shipment(
        self, call: Caller, database: Database, answerer: Answerer
    ) -> None:
        body = a_body()
        await keep_order(database, body)
        info = {
            "ShipmentId": "1",
            "shipmentMethodName": "Bring",
            "trackingUrl": "https://tracking.bring.com/12345",
            "labelLink": "https://labels.example/1",
        }

        await call(
            "POST",
            f"/api/Orders/{body['id']}/UpdateStatus",
            {"status": "Ship", "shipmentInfo": info},
            headers={"prefer": "respond-async"},
        )

        (command,) = await until(lambda: answerer.named(body["id"]))
        sent = UpdateOrderStatus.model_validate_json(command.data).shipment_info
        assert sent is not None
        assert (sent.shipment_id, sent.shipping_method_name) == ("1", "Bring")
        assert sent.shipment_tracking_link == "https://tracking.bring.com/12345"
        assert sent.shipment_label_link == "https://labels.example/1"

    @pytest.mark.parametrize("action", ["UpdateStatus", "CancelRun"])
    async def test_finds_nothing_outside_the_scope(
        self, call: Caller, database: Database, answerer: Answerer, action: str
    ) -> None:
        body = a_body(storeId="Bergen")
        await keep_order(database, body)
        await keep_client(database, "oslo", "OrderAdmin", "store-oslo", secret="s")
        oslo = await Caller.signed_in(call.url, "oslo", "s")

        said = await oslo("POST", f"/api/Orders/{body['id']}/{action}", {"status": "Ship"})

        await oslo.close()
        assert (said.status, said.problem) == (404, "order-not-found")
        assert answerer.named(body["id"]) == []
