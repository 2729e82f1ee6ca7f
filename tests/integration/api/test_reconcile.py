"""Reconcile finds nothing in books that agree, and each kind of difference in those that do not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from contracts.messages.webhooks import TEST
from contracts.settings import DEFAULT
from services.api.app import Api
from services.api.queries.reconcile import ADVICE, Difference, Reconciliation, reconcile
from services.chassis.clock import Clock
from services.chassis.mongo import Database
from services.inventory.domain.stock import TransactionType
from services.workflow.domain.order import OrderDocument
from tests.harness import until
from tests.integration.api.books import (
    ENDPOINT,
    PRICE,
    SKU,
    TEN,
    TWO,
    WAREHOUSE,
    ZERO,
    a_delivery,
    a_reservation,
    a_run,
    an_endpoint,
    an_operation,
    an_order_of,
    healthy,
    keep,
    movement,
    shown,
    stock,
    versions,
)
from tests.integration.api.calling import Caller, keep_client

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(hours=1)
PLACE = f"{SKU}@{WAREHOUSE}"
ID = "ORD-1"

COLLECTIONS = (
    "orders",
    "order_versions",
    "stock",
    "reservations",
    "stock_transactions",
    "payment_operations",
    "webhook_endpoints",
    "webhook_deliveries",
    "workflow_outbox",
    "timers",
)


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Database]:
    """Books with one order; all of it agrees."""
    await keep(
        database,
        an_endpoint(LONG_AGO),
        stock(NOW),
        movement("m1", LONG_AGO, TransactionType.SET, inventory=TEN),
        movement("m2", LONG_AGO, TransactionType.RESERVED, reserved=TWO, after=(TEN, TWO)),
    )
    await healthy(database, ID, LONG_AGO + timedelta(minutes=1))
    yield database
    for name in COLLECTIONS:
        await database[name].delete_many({})


async def proved(database: Database) -> Reconciliation:
    return await reconcile(database, configuration=DEFAULT, clock=Clock(), settle=0)


async def found(database: Database) -> list[Difference]:
    return (await proved(database)).differences


class TestBooksThatAgree:
    async def test_have_no_differences_and_are_counted(self, books: Database) -> None:
        result = await proved(books)

        assert result.differences == []
        assert result.checked.model_dump() == {
            "orders": 1,
            "payments": 1,
            "stock": 1,
            "deliveries": 2,
        }

    async def test_may_have_failed_deliveries_to_an_endpoint_that_is_gone(
        self, books: Database
    ) -> None:
        await books["webhook_deliveries"].update_many({}, {"$set": {"state": "failed"}})
        await books["webhook_endpoints"].delete_many({})

        result = await proved(books)

        assert result.differences == []

    async def test_may_have_tests_of_an_endpoint_that_failed(self, books: Database) -> None:
        test = {"event_type": TEST, "order_id": None, "state": "failed"}
        await keep(books, a_delivery("a test", 0, NOW).model_copy(update=test))

        assert await found(books) == []

    async def test_may_have_payments_that_the_client_brought_along(self, books: Database) -> None:
        brought = shown(an_operation("x", NOW), id="own", internal_reference="theirs")
        order = an_order_of("ORD-2", payments=[brought], reserved=ZERO, version=1)
        await keep(
            books,
            OrderDocument(id="ORD-2", order=order, version=1),
            *versions(order, at=LONG_AGO, last=1),
        )
        await keep(books, a_delivery("ORD-2", 1, NOW))

        assert await found(books) == []

    async def test_may_have_an_order_whose_run_is_in_hand(self, books: Database) -> None:
        order = an_order_of("ORD-2", payments=[], reserved=ZERO)
        later = datetime.now(UTC) + timedelta(minutes=2)
        run = a_run(NOW, deadline=later)
        await keep(books, OrderDocument(id="ORD-2", order=order, version=0, run=run))

        assert await found(books) == []

    async def test_may_have_a_history_of_which_the_old_part_has_expired(
        self, books: Database
    ) -> None:
        old = NOW - timedelta(days=10)
        for id_, modified, made, left in (
            ("ALL-GONE", old, old, ()),
            ("BEGINS-LATE", NOW, NOW, (3,)),
            ("ENDS-EARLY", old, old, (1, 2)),
            ("HAS-A-GAP", NOW, old, (1, 3)),
            ("LOST-THE-LAST", NOW, NOW, (1, 2)),
            ("LOST-ONE-BETWEEN", NOW, NOW, (1, 3)),
        ):
            order = an_order_of(id_, payments=[], reserved=ZERO, version=3, modified=modified)
            history = versions(order, at=made, last=3)
            await keep(
                books,
                OrderDocument(id=id_, order=order, version=3),
                *(one for one in history if one.version in left),
                *(a_delivery(id_, number, NOW) for number in left),
            )
        settings = DEFAULT.order_settings.model_copy(update={"version_retention_days": 7})
        configuration = DEFAULT.model_copy(update={"order_settings": settings})

        result = await reconcile(books, configuration=configuration, clock=Clock(), settle=0)

        assert {(one.kind, one.order_id) for one in result.differences} == {
            ("version-missing", "LOST-THE-LAST"),
            ("version-differs", "LOST-THE-LAST"),
            ("version-missing", "LOST-ONE-BETWEEN"),
        }

    async def test_may_show_an_authorization_that_was_taken_back(self, books: Database) -> None:
        held = an_operation("ORD-2", LONG_AGO)
        given_up = an_operation("ORD-2", LONG_AGO, id=str(uuid4()), kind="void", run_id=None)
        entries = [shown(held), shown(held, id="p1-void", transaction_type="Void")]
        order = an_order_of("ORD-2", payments=entries, reserved=ZERO, version=1)
        await keep(
            books,
            OrderDocument(id="ORD-2", order=order, version=1),
            *versions(order, at=LONG_AGO, last=1, is_aborted=True),
            a_delivery("ORD-2", 1, LONG_AGO),
            held,
            given_up,
        )

        assert await found(books) == []

    async def test_may_have_a_cancelled_order_that_was_credited(self, books: Database) -> None:
        await a_cancelled_order(books, credited=PRICE)

        assert await found(books) == []

    async def test_may_have_an_order_of_an_aborted_run_that_was_credited(
        self, books: Database
    ) -> None:
        await an_order_paid_for_by_an_aborted_run(books, credited=PRICE)

        assert await found(books) == []

    async def test_may_have_a_cancelled_order_whose_credit_a_run_has_in_hand(
        self, books: Database
    ) -> None:
        await a_cancelled_order(books, credited=TWO)
        run = a_run(NOW, deadline=datetime.now(UTC) + timedelta(minutes=2))
        stored = run.model_dump(by_alias=True, exclude_none=True)
        await books["orders"].update_one({"_id": "ORD-2"}, {"$set": {"run": stored}})

        assert await found(books) == []

    async def test_may_have_an_order_that_keeps_money_and_is_not_cancelled(
        self, books: Database
    ) -> None:
        await a_cancelled_order(books, credited=TWO)
        await books["orders"].update_one({"_id": "ORD-2"}, {"$set": {"order.status": "Completed"}})

        assert await found(books) == []

    async def test_may_have_a_cancelled_order_that_keeps_what_its_delivered_goods_cost(
        self, books: Database
    ) -> None:
        await a_cancelled_order(books, credited=PRICE / 2)
        line = "order.orderForm.lineItems.0"
        sold = {
            f"{line}.quantity": TWO,
            f"{line}.deliveredQuantity": Decimal(1),
            f"{line}.extendedPrice": PRICE,
        }
        await books["orders"].update_one({"_id": "ORD-2"}, {"$set": sold})

        assert await found(books) == []

    async def test_may_have_a_cancelled_order_that_keeps_the_fee_of_a_return(
        self, books: Database
    ) -> None:
        await a_cancelled_order(books, credited=PRICE - TWO)
        await books["orders"].update_one({"_id": "ORD-2"}, {"$set": RETURNED_FOR_A_FEE})

        assert await found(books) == []

    async def test_may_have_an_endpoint_with_filters_that_was_sent_nothing(
        self, books: Database
    ) -> None:
        await books["webhook_deliveries"].delete_many({})
        await books["webhook_endpoints"].update_one(
            {}, {"$set": {"settings.filters.stores": ["Oslo"]}}
        )

        assert await found(books) == []

    async def test_may_have_an_endpoint_that_is_younger_than_the_events(
        self, books: Database
    ) -> None:
        await books["webhook_deliveries"].delete_many({})
        await books["webhook_endpoints"].update_one({}, {"$set": {"created": NOW}})

        assert await found(books) == []


Change = Callable[[Database], Awaitable[Any]]


async def a_cancelled_order(database: Database, *, credited: Decimal) -> None:
    """Keep an order that was paid for and cancelled, and of which so much was given back."""
    held = an_operation("ORD-2", LONG_AGO)
    taken = an_operation("ORD-2", LONG_AGO, id=str(uuid4()), kind="capture")
    given = an_operation(
        "ORD-2", LONG_AGO, id=str(uuid4()), kind="credit", payment_id=taken.id, amount=credited
    )
    entries = [
        shown(held),
        shown(taken, id=taken.id, transaction_type="Capture"),
        shown(given, id=given.id, transaction_type="Credit"),
    ]
    order = an_order_of("ORD-2", payments=entries, reserved=ZERO, version=1, status="OrderCanceled")
    await keep(
        database,
        OrderDocument(id="ORD-2", order=order, version=1),
        *versions(order, at=LONG_AGO, last=1),
        a_delivery("ORD-2", 1, LONG_AGO),
        held,
        taken,
        given,
    )


async def an_order_paid_for_by_an_aborted_run(database: Database, *, credited: Decimal) -> None:
    """Keep an order that was paid for by its first run, which was aborted after that."""
    await a_cancelled_order(database, credited=credited)
    await database["orders"].update_one({"_id": "ORD-2"}, {"$set": {"order.status": "New"}})
    aborted = {"isAborted": True, "statusCode": 201}
    await database["order_versions"].update_one({"orderId": "ORD-2"}, {"$set": aborted})


RETURNED_FOR_A_FEE = {
    "order.orderForm.lineItems.0.quantity": TWO,
    "order.orderForm.lineItems.0.returnQuantity": TWO,
    "order.orderForm.lineItems.0.extendedPrice": PRICE,
    "order.returnOrderForms": [
        {"total": PRICE, "creditAmount": PRICE - TWO, "creditPayment": True},
        {"total": PRICE, "creditPayment": False},
    ],
}


def a_late_run(database: Database) -> Awaitable[Any]:
    run = a_run(LONG_AGO).model_dump(by_alias=True, exclude_none=True)
    return database["orders"].update_one({}, {"$set": {"run": run}})


def an_unknown_outcome(database: Database) -> Awaitable[Any]:
    return database["payment_operations"].update_one({}, {"$set": {"state": "unknown"}})


DIFFERENCES: list[tuple[str, str | None, str | None, Change]] = [
    (
        "stock-inventory",
        None,
        PLACE,
        lambda db: db["stock"].update_one({}, {"$set": {"inventory": Decimal(9)}}),
    ),
    (
        "stock-reserved",
        None,
        PLACE,
        lambda db: db["stock_transactions"].delete_one({"_id": "m2"}),
    ),
    (
        "stock-reservations",
        None,
        PLACE,
        lambda db: db["reservations"].delete_one({}),
    ),
    ("stock-without-record", None, PLACE, lambda db: db["stock"].delete_one({})),
    (
        "stock-oversold",
        None,
        PLACE,
        lambda db: db["stock_transactions"].update_one(
            {"_id": "m2"}, {"$set": {"newInventory": Decimal(1)}}
        ),
    ),
    (
        "reservation-differs",
        ID,
        "1",
        lambda db: db["reservations"].update_one({}, {"$set": {"lines.0.quantity": Decimal(1)}}),
    ),
    (
        "reservation-without-order",
        "ORD-2",
        None,
        lambda db: keep(db, a_reservation("ORD-2")),
    ),
    (
        "closed-order-holds-stock",
        ID,
        None,
        lambda db: db["orders"].update_one({}, {"$set": {"order.status": "OrderCanceled"}}),
    ),
    (
        "closed-order-holds-money",
        ID,
        None,
        lambda db: db["order_versions"].update_one(
            {"version": 2}, {"$set": {"isAborted": True, "statusCode": 201}}
        ),
    ),
    (
        "cancelled-order-keeps-money",
        "ORD-2",
        None,
        lambda db: a_cancelled_order(db, credited=PRICE - 1),
    ),
    (
        "aborted-order-keeps-money",
        "ORD-2",
        None,
        lambda db: an_order_paid_for_by_an_aborted_run(db, credited=PRICE - 1),
    ),
    (
        "cancelled-order-overcredited",
        "ORD-2",
        None,
        lambda db: a_cancelled_order(db, credited=PRICE + 1),
    ),
    (
        "payment-held",
        ID,
        None,
        lambda db: db["payment_operations"].update_one({}, {"$set": {"amount": Decimal(100)}}),
    ),
    (
        "payment-captured",
        ID,
        None,
        lambda db: keep(db, an_operation(ID, NOW, id=str(uuid4()), kind="capture")),
    ),
    (
        "operation-not-on-order",
        ID,
        None,
        lambda db: db["orders"].update_one({}, {"$unset": {"order.orderForm.payments": ""}}),
    ),
    ("operation-unknown", ID, None, an_unknown_outcome),
    (
        "operation-pending",
        ID,
        None,
        lambda db: db["payment_operations"].update_one({}, {"$set": {"state": "pending"}}),
    ),
    (
        "operation-without-order",
        "ORD-2",
        None,
        lambda db: keep(db, an_operation("ORD-2", NOW)),
    ),
    (
        "payment-without-operation",
        ID,
        None,
        lambda db: db["payment_operations"].delete_one({}),
    ),
    (
        "version-missing",
        ID,
        None,
        lambda db: db["order_versions"].delete_one({"version": 1}),
    ),
    (
        "version-differs",
        ID,
        None,
        lambda db: db["orders"].update_one({}, {"$set": {"version": 3, "order.version": 3}}),
    ),
    (
        "events-without-order",
        ID,
        None,
        lambda db: db["orders"].delete_one({}),
    ),
    (
        "order-without-run",
        "ORD-2",
        None,
        lambda db: keep(
            db, OrderDocument(id="ORD-2", order=an_order_of("ORD-2", payments=[], reserved=ZERO))
        ),
    ),
    ("run-overdue", ID, None, a_late_run),
    (
        "timer-overdue",
        None,
        None,
        lambda db: db["timers"].insert_one({"_id": uuid4(), "at": LONG_AGO, "m": b""}),
    ),
    (
        "outbox-unsent",
        None,
        None,
        lambda db: db["workflow_outbox"].insert_one(
            {"_id": {"b": uuid4(), "n": 0}, "at": LONG_AGO, "m": b""}
        ),
    ),
    (
        "delivery-missing",
        ID,
        None,
        lambda db: db["webhook_deliveries"].delete_one({"sequence": 2}),
    ),
    (
        "delivery-repeated",
        ID,
        None,
        lambda db: keep(db, a_delivery(ID, 2, NOW, id="another")),
    ),
    (
        "delivery-failed",
        ID,
        None,
        lambda db: db["webhook_deliveries"].update_one(
            {"sequence": 2}, {"$set": {"state": "failed"}}
        ),
    ),
    (
        "delivery-pending",
        ID,
        None,
        lambda db: db["webhook_deliveries"].update_one(
            {"sequence": 2}, {"$set": {"state": "pending"}}
        ),
    ),
]


class TestBooksThatDoNotAgree:
    @pytest.mark.parametrize(
        ("kind", "order_id", "sku", "change"), DIFFERENCES, ids=[one[0] for one in DIFFERENCES]
    )
    async def test_differ_by_kind(
        self, books: Database, kind: str, order_id: str | None, sku: str | None, change: Change
    ) -> None:
        await change(books)

        differences = [one for one in await found(books) if one.kind == kind]

        assert [(one.order_id, one.sku) for one in differences] == [(order_id, sku)]
        assert differences[0].advice == ADVICE[kind]

    def test_have_a_case_for_every_kind(self) -> None:
        assert {one[0] for one in DIFFERENCES} == set(ADVICE)

    async def test_say_how_much_was_expected_and_found(self, books: Database) -> None:
        await books["stock"].update_one({}, {"$set": {"inventory": Decimal("9.5")}})

        differences = await found(books)

        assert [(one.kind, one.expected, one.found) for one in differences] == [
            ("stock-inventory", 10, 9.5)
        ]

    async def test_say_how_much_a_cancelled_order_may_keep(self, books: Database) -> None:
        await a_cancelled_order(books, credited=PRICE - TEN)
        await books["orders"].update_one({"_id": "ORD-2"}, {"$set": RETURNED_FOR_A_FEE})

        differences = await found(books)

        assert [(one.kind, one.order_id, one.expected, one.found) for one in differences] == [
            ("cancelled-order-keeps-money", "ORD-2", 2, 10)
        ]

    async def test_agree_if_a_second_look_finds_that_it_was_only_on_its_way(
        self, books: Database
    ) -> None:
        await books["payment_operations"].update_one({}, {"$set": {"amount": Decimal(1)}})
        steps: list[str] = []
        looking = asyncio.create_task(
            reconcile(
                books,
                configuration=DEFAULT,
                clock=Clock(),
                settle=1,
                progress=lambda what, _: steps.append(what),
            )
        )

        await until(lambda: "deliveries" in steps)
        await books["payment_operations"].update_one({}, {"$set": {"amount": PRICE}})

        assert (await looking).differences == []
        assert steps.count("deliveries") == 2


class TestReconcileRoute:
    async def test_answers_with_the_differences(self, books: Database, call: Caller) -> None:
        await books["webhook_deliveries"].update_one({"sequence": 2}, {"$set": {"state": "failed"}})

        said = await call("POST", "/api/reconcile")

        assert said.status == 200
        assert [one["kind"] for one in said.json["differences"]] == ["delivery-failed"]
        assert said.json["differences"][0]["orderId"] == ID
        assert said.json["checked"]["orders"] == 1

    async def test_is_for_the_owner_alone(self, database: Database, api: Api) -> None:
        await keep_client(database, "reader", "OrderAdmin", "AllStores", secret="s")
        reader = await Caller.signed_in(api.url, "reader", "s")

        said = await reader("POST", "/api/Reconcile")

        await reader.close()
        assert (said.status, said.problem) == (403, "forbidden")


class TestManyOrders:
    async def test_are_checked_batch_by_batch(self, books: Database) -> None:
        orders = 1_200
        held = Decimal(2) * orders
        documents: dict[str, list[dict[str, Any]]] = {}
        for number in range(orders):
            id_ = f"M-{number:06d}"
            operation = an_operation(id_, LONG_AGO)
            order = an_order_of(id_, payments=[shown(operation)])
            for document in (
                OrderDocument(id=id_, order=order, version=2),
                *versions(order, at=NOW),
                operation,
                a_reservation(id_),
                a_delivery(id_, 1, NOW),
                a_delivery(id_, 2, NOW),
                movement(f"m-{id_}", NOW, TransactionType.RESERVED, reserved=TWO),
            ):
                stored = {**document.to_bson(), "revision": 1}
                documents.setdefault(document.collection, []).append(stored)
        for name, many in documents.items():
            await books[name].insert_many(many, ordered=False)
        await books["stock"].update_one({}, {"$set": {"reservedInventory": held + TWO}})
        seen: list[tuple[str, int]] = []

        result = await reconcile(
            books,
            configuration=DEFAULT,
            clock=Clock(),
            progress=lambda what, number: seen.append((what, number)),
        )

        assert result.differences == []
        assert result.checked.orders == orders + 1
        assert ("orders", 1000) in seen
        assert await books["webhook_endpoints"].find_one({"_id": ENDPOINT})
