"""An operator sees where an order is and why, and reads its events as they left."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.message import Envelope
from contracts.note import EntityError
from services.api.app import Api
from services.chassis import inbox
from services.chassis.mongo import Database
from services.notifications.domain import Notification
from services.workflow.domain.order import OrderDocument, Shortage, StepResult
from tests.integration.api.books import (
    TWO,
    ZERO,
    a_delivery,
    a_reservation,
    a_run,
    an_operation,
    an_order_of,
    keep,
    shown,
    versions,
)
from tests.integration.api.calling import Caller, keep_client

NOW = datetime.now(UTC).replace(microsecond=0)
ID = "ORD-7"
COLLECTIONS = (
    "orders",
    "order_versions",
    "reservations",
    "payment_operations",
    "notifications",
    "webhook_deliveries",
    "dead_letters",
    "timers",
)


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Database]:
    yield database
    for name in COLLECTIONS:
        await database[name].delete_many({})


async def a_waiting_order(database: Database) -> None:
    """An order whose run waits for the payments service, after a step that warned."""
    timer = uuid4()
    later = NOW + timedelta(seconds=180)
    warned = StepResult.model_validate(
        {
            "action_type": "IncreaseReservedInventory",
            "action_status": "Warning",
            "error_reason": "not enough stock: SKU-001 (1 of 2)",
        }
    )
    run = a_run(NOW, deadline=later, timer=timer, results=(warned,))
    held = an_operation(ID, NOW)
    await keep(
        database,
        OrderDocument(
            id=ID,
            order=an_order_of(ID, payments=[shown(held)], status="Ship"),
            version=3,
            run=run,
            shortage=Shortage(since=NOW, lines=("1", "2")),
        ),
        held,
        an_operation(ID, NOW, id=str(uuid4()), kind="capture", state="pending", connector="bank"),
        a_reservation(ID),
        a_delivery(ID, 1, NOW),
        a_delivery(ID, 2, NOW, state="retrying"),
        Notification(
            id=str(uuid4()), order_id=ID, status="New", template="new", state="sent", created=NOW
        ),
    )
    await database["timers"].insert_one({"_id": timer, "at": later, "m": a_timeout(timer)})
    await database["dead_letters"].insert_one(
        {
            "_id": "dead-1",
            "service": "payments",
            "topic": "payments.commands",
            "partition": 0,
            "offset": 7,
            "orderId": ID,
            "type": "payments.capture_payment",
            "reason": "KeyError: 'amount'",
            "attempts": 5,
            "at": NOW,
            "data": b"{}",
        }
    )


def a_timeout(id_: object) -> bytes:
    return inbox.to_bytes(
        Envelope(
            id=uuid4(),
            type="orders.run_timed_out",
            topic="orders.commands",
            key=ID,
            data=b"{}",
            time=NOW,
            correlation_id=str(id_),
        )
    )


class TestExplain:
    async def test_tells_what_a_run_waits_for(self, books: Database, call: Caller) -> None:
        await a_waiting_order(books)

        said = await call("GET", f"/api/orders/{ID}/explain")

        assert said.status == 200
        found = said.json
        assert (found["orderId"], found["status"], found["version"]) == (ID, "Ship", 3)
        assert found["run"]["step"] == "CapturePayments"
        assert (found["run"]["stepNumber"], found["run"]["of"]) == (2, 3)
        assert found["run"]["waitingFor"] == {"service": "payments", "step": "CapturePayments"}
        assert found["results"][0]["actionStatus"] == "Warning"
        assert found["nextTimer"]["type"] == "orders.run_timed_out"
        assert found["safeManualSteps"] == []

    async def test_tells_what_the_other_services_know(self, books: Database, call: Caller) -> None:
        await a_waiting_order(books)

        found = (await call("GET", f"/api/Orders/{ID}/Explain")).json

        assert [one["id"] for one in found["deadLetters"]] == ["dead-1"]
        assert found["reservations"][0]["quantity"] == 2
        assert found["shortage"]["lines"] == ["1", "2"]
        assert {one["kind"]: one["state"] for one in found["payments"]} == {
            "authorize": "succeeded",
            "capture": "pending",
        }
        assert found["notifications"][0]["state"] == "sent"
        assert found["deliveries"] == {"delivered": 1, "retrying": 1}

    async def test_tells_it_in_sentences(self, books: Database, call: Caller) -> None:
        await a_waiting_order(books)

        story = (await call("GET", f"/api/Orders/{ID}/Explain")).json["story"]

        assert story[0] == f"Order {ID} has the status Ship at version 3."
        assert "CapturePayments has been waiting for the payments service since" in story[1]
        assert any("not enough stock: SKU-001 (1 of 2)" in one for one in story)
        assert any("/api/DeadLetters/dead-1/Redrive" in one for one in story)
        assert f"Waiting for stock since {NOW:%Y-%m-%d %H:%M:%S} UTC: line 1, 2." in story
        assert "Webhook deliveries: 1 delivered, 1 retrying." in story

    async def test_names_the_last_failure_and_what_may_be_done(
        self, books: Database, call: Caller
    ) -> None:
        failed = {
            "action_type": "AuthorizePayment",
            "action_status": "Error",
            "error_reason": "declined",
            "cancel_workflow": True,
        }
        error = EntityError(
            key="AuthorizePayment",
            message="declined",
            severity="Error",
            status="New",
            occurred=NOW - timedelta(hours=1),
        )
        order = an_order_of(ID, payments=[], reserved=ZERO, errors=[error], version=1)
        await keep(
            books,
            OrderDocument(id=ID, order=order, version=1),
            *versions(order, at=NOW, last=1, is_aborted=True, results=(failed,)),
        )

        found = (await call("GET", f"/api/Orders/{ID}/Explain")).json

        assert found["run"] is None
        assert found["lastFailure"]["step"] == "AuthorizePayment"
        assert found["lastFailure"]["reason"] == "declined"
        assert found["safeManualSteps"] == [
            "Notification",
            "ReduceReservedInventory",
            "IncreaseReservedInventory",
        ]

    async def test_does_not_call_it_safe_to_reserve_twice_or_for_a_cancelled_order(
        self, books: Database, call: Caller
    ) -> None:
        held = an_order_of("held", payments=[])
        cancelled = an_order_of("gone", payments=[], reserved=ZERO, status="OrderCanceled")
        await keep(
            books,
            OrderDocument(id="held", order=held, version=2),
            a_reservation("held", TWO),
            OrderDocument(id="gone", order=cancelled, version=2),
        )

        for id_ in ("held", "gone"):
            found = (await call("GET", f"/api/Orders/{id_}/Explain")).json

            assert found["safeManualSteps"] == ["Notification", "ReduceReservedInventory"]

    async def test_calls_no_step_safe_of_an_order_that_takes_none(
        self, books: Database, call: Caller
    ) -> None:
        order = an_order_of("fixed", payments=[]).model_copy(update={"is_read_only": True})
        await keep(books, OrderDocument(id="fixed", order=order, version=2))

        found = (await call("GET", "/api/Orders/fixed/Explain")).json

        assert found["safeManualSteps"] == []
        assert found["story"][-1] == "No step is safe to run by hand."

    async def test_knows_no_order_that_is_not_there_or_out_of_scope(
        self, books: Database, call: Caller, api: Api
    ) -> None:
        await a_waiting_order(books)
        await keep_client(books, "oslo", "OrderRead", secret="s", stores=["Oslo"])
        oslo = await Caller.signed_in(api.url, "oslo", "s")

        nowhere = await call("GET", "/api/Orders/none/Explain")
        elsewhere = await oslo("GET", f"/api/Orders/{ID}/Explain")
        events = await oslo("GET", f"/api/Orders/{ID}/Events")

        await oslo.close()
        said = [(one.status, one.problem) for one in (nowhere, elsewhere, events)]
        assert said == [(404, "order-not-found")] * 3


class TestEvents:
    async def test_are_what_left_on_kafka_by_sequence(self, books: Database, call: Caller) -> None:
        order = an_order_of(ID, payments=[], version=3)
        await keep(
            books,
            OrderDocument(id=ID, order=order, version=3),
            *versions(order, at=NOW, last=3),
            *versions(an_order_of(f"{ID}-1", payments=[]), at=NOW, last=1),
        )

        said = await call("GET", f"/api/Orders/{ID}/Events")

        assert [one["sequence"] for one in said.json["items"]] == [1, 2, 3]
        assert said.json["nextAfter"] == 3
        first = said.json["items"][0]
        assert list(first) == ["id", "sequence", "order"]
        assert first["order"]["id"] == ID

    async def test_are_read_on_page_by_page(self, books: Database, call: Caller) -> None:
        order = an_order_of(ID, payments=[], version=5)
        await keep(
            books,
            OrderDocument(id=ID, order=order, version=5),
            *versions(order, at=NOW, last=5),
        )
        seen: list[int] = []
        after = 0
        for _ in range(3):
            query = {"after": str(after), "take": "2"}

            page = (await call("GET", f"/api/Orders/{ID}/Events", query=query)).json

            seen += [one["sequence"] for one in page["items"]]
            after = page["nextAfter"]
        assert seen == [1, 2, 3, 4, 5]
        end = (await call("GET", f"/api/Orders/{ID}/Events", query={"after": "5"})).json
        assert end == {"items": [], "nextAfter": 5}

    @pytest.mark.parametrize(
        ("query", "path"),
        [
            ({"take": "0"}, "take"),
            ({"take": "501"}, "take"),
            ({"after": "-1"}, "after"),
            ({"after": "first"}, "after"),
        ],
    )
    async def test_are_refused_outside_the_limits(
        self, call: Caller, query: dict[str, str], path: str
    ) -> None:
        said = await call("GET", f"/api/Orders/{ID}/Events", query=query)

        assert (said.status, said.problem) == (400, "validation-failed")
        assert [one["path"] for one in said.json["errors"]] == [path]
