"""The checked-in schemas say what the code does, and real messages fit them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from contracts.message import SCHEMA_BASE, Envelope, Message
from contracts.messages.inventory import STOCK_EVENTS
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import ORDER_EVENTS, OrderEvent, PlaceOrder, StepFinished, StepStatus
from contracts.messages.replies import Reply
from contracts.problems import problem
from deploy import publish_schemas
from deploy.publish_schemas import ASYNCAPI, FOLDER, LISTENS, SPEAKS, message_types
from services.chassis.service import Service
from tests.builders import a_payment, the_reference_body, the_reference_order

ID = UUID("0198c0de-0000-7000-8000-000000000001")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

PUBLISHED = publish_schemas.published()
REGISTRY: Registry[Any] = Registry().with_resources(
    (str(schema["$id"]), Resource.from_contents(schema))
    for name, schema in PUBLISHED.items()
    if name != ASYNCAPI
)


def faults(type_: str, body: bytes) -> list[str]:
    """What is wrong with a body by its published schema."""
    schema = {"$ref": f"{SCHEMA_BASE}{type_}.json"}
    validator = Draft202012Validator(
        schema, registry=REGISTRY, format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [
        f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(json.loads(body))
    ]


def an_event(kind: type[OrderEvent]) -> bytes:
    """An order event with all members, as it leaves."""
    event = kind.model_validate(
        {
            "orderId": "1",
            "sequence": 3,
            "operationId": 100,
            "category": "Order",
            "timestamp": NOON,
            "message": "Status is Ship",
            "objectId": "1",
            "objectNumber": "ORD-1",
            "market": "NOR",
            "storeId": "Oslo",
            "user": "pos",
            "userId": "kari",
            "status": "Ship",
            "previousStatus": "New",
            "origin": "POST /api/Orders",
            "tags": ["gift"],
            "externalIds": [{"providerName": "erp", "id": "7"}],
            "properties": [{"key": "k", "value": "v"}],
            "changes": [{"path": "status", "from": "New", "to": "Ship"}, {"path": "tags[0]"}],
            "warehouses": ["WH1"],
        }
    )
    order = the_reference_order().model_dump_json(by_alias=True, exclude_none=True).encode()
    return event.carrying(order).sealed(ID)


def the_bodies() -> Iterator[tuple[str, bytes]]:
    """Bodies as services send them."""
    yield from ((kind.type, an_event(kind)) for kind in ORDER_EVENTS)
    for stock_event in STOCK_EVENTS:
        changed = stock_event.model_validate(
            {
                "sku": "SKU-001",
                "warehouseCode": "WH1",
                "sequence": 1,
                "timestamp": NOON,
                "inventory": 4,
                "reservedInventory": "1.5",
                "availableInventory": "2.5",
            }
        )
        yield changed.type, changed.sealed(ID)
    body = json.dumps(the_reference_body()).encode()
    yield (
        PlaceOrder.type,
        PlaceOrder.around(body, order_id="1", user="pos", origin="POST /api/Orders"),
    )
    finished = StepFinished(
        order_id="1",
        run_id="run",
        step=2,
        status=StepStatus.WARNING,
        reason="short",
        payments=(a_payment(),),
        reserved={"1": Decimal("1.5")},
        costs={"1": Decimal(10)},
    )
    yield finished.type, finished.data()
    notification = SendNotification.model_validate(
        {
            "orderId": "1",
            "runId": "run",
            "step": 1,
            "answer": True,
            "orderNumber": "ORD-1",
            "status": "New",
            "total": "998.50",
            "lines": [{"name": "Shoe", "quantity": 2, "total": "998.50"}],
        }
    )
    yield notification.type, notification.data()
    yield Reply.type, Reply(command_id="c", status_code=201).with_body(body)
    refusal = problem("order-locked", retry_after=1)
    yield Reply.type, Reply(command_id="c", status_code=409, problem=refusal).data()


class TestThePublishedSchemas:
    def test_are_those_of_the_code(self) -> None:
        found = publish_schemas.changes()

        assert not found, "\n" + "\n".join(str(one) for one in found)

    def test_are_written_by_the_task_and_by_nobody_else(self) -> None:
        wanted = publish_schemas.documents()

        written = {name: (FOLDER / f"{name}.json").read_text("utf-8") for name in PUBLISHED}

        stale = [
            name for name in wanted if written.get(name) != publish_schemas.text(wanted[name])
        ] + sorted(written.keys() - wanted.keys())
        assert not stale, f"run `poe schemas` and check in: {', '.join(stale)}"

    def test_cover_every_type_under_the_name_that_messages_carry(self) -> None:
        names = {kind.type: f"{SCHEMA_BASE}{kind.type}.json" for kind in message_types()}

        ids = {name: PUBLISHED[name]["$id"] for name in names}

        assert ids == names

    @pytest.mark.parametrize("name", sorted(PUBLISHED.keys() - {ASYNCAPI}))
    def test_are_schemas(self, name: str) -> None:
        schema = PUBLISHED[name]

        Draft202012Validator.check_schema(schema)

        assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]

    @pytest.mark.parametrize(("type_", "body"), list(the_bodies()))
    def test_let_real_messages_through(self, type_: str, body: bytes) -> None:
        found = faults(type_, body)

        assert found == []

    @pytest.mark.parametrize("member", ["id", "order", "sequence", "orderId"])
    def test_miss_what_every_order_event_has(self, member: str) -> None:
        body = json.loads(an_event(ORDER_EVENTS[0]))
        del body[member]

        found = faults("order.created", json.dumps(body).encode())

        assert found == [f"$: '{member}' is a required property"]

    def test_look_into_the_order_of_an_event(self) -> None:
        body = json.loads(an_event(ORDER_EVENTS[0]))
        body["order"]["orderForm"]["lineItems"] = "none"

        found = faults("order.created", json.dumps(body).encode())

        assert [fault.partition(":")[0] for fault in found] == ["$.order.orderForm"]


class TestWrite:
    def test_leaves_alone_what_is_not_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "ours.json").write_text(json.dumps({"$id": f"{SCHEMA_BASE}ours.json"}))
        (tmp_path / "theirs.json").write_text("{}")

        publish_schemas.write(tmp_path)

        names = {file.stem for file in tmp_path.iterdir()}
        assert names == {*publish_schemas.documents(), "theirs"}


class TestTheAsyncapiDocument:
    @pytest.fixture
    def document(self) -> dict[str, Any]:
        return PUBLISHED[ASYNCAPI]

    def test_has_what_asyncapi_3_demands(self, document: dict[str, Any]) -> None:
        operations = document["operations"].values()

        assert document["asyncapi"] == "3.0.0"
        assert {"title", "version"} <= document["info"].keys()
        assert {operation["action"] for operation in operations} == {"send", "receive"}
        assert all(server["protocol"] == "kafka" for server in document["servers"].values())
        assert all(channel["messages"] for channel in document["channels"].values())

    def test_refers_only_to_what_is_there(self, document: dict[str, Any]) -> None:
        refs = set(_refs(document))

        missing = {ref for ref in refs if not _leads_somewhere(ref, document)}

        assert len(refs) > len(PUBLISHED)
        assert missing == set()

    def test_puts_every_message_on_its_topic(self, document: dict[str, Any]) -> None:
        topics = {
            type_: topic
            for topic, channel in document["channels"].items()
            for type_ in channel["messages"]
        }

        assert topics == {kind.type: kind.topic for kind in message_types()}

    def test_names_a_sender_and_a_receiver_of_every_message(self, document: dict[str, Any]) -> None:
        operations = document["operations"].values()

        pairs = {(one["action"], one["channel"]["$ref"]) for one in operations}

        channels = {f"#/channels/{topic}" for topic in document["channels"]}
        heard_by_others = {"#/channels/webhooks.events"}
        assert {ref for action, ref in pairs if action == "send"} == channels
        assert {ref for action, ref in pairs if action == "receive"} == channels - heard_by_others

    @pytest.mark.parametrize("kind", message_types(), ids=lambda kind: kind.type)
    def test_describes_the_headers_that_a_message_has(
        self, document: dict[str, Any], kind: type[Message]
    ) -> None:
        envelope = Envelope(
            id=ID,
            type=kind.type,
            topic=kind.topic,
            key="1",
            data=b"{}",
            time=NOON,
            correlation_id=str(ID),
            causation_id=str(ID),
            sequence=3,
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            reply_to=3,
        )
        schema = {**document["components"]["messages"][kind.type]["headers"], **document}

        headers = {name: value.decode() for name, value in envelope.headers()}

        assert list(Draft202012Validator(schema).iter_errors(headers)) == []
        assert headers.keys() == document["components"]["schemas"]["headers"]["properties"].keys()

    @pytest.mark.parametrize("name", ["inventory", "notifications", "payments", "workflow"])
    async def test_says_of_each_service_what_it_listens_to_and_speaks_on(self, name: str) -> None:
        settings = import_module(f"services.{name}.settings").Settings
        environment = {"kafka_bootstrap": "nowhere:9092", "mongo_url": "mongodb://nowhere"}

        service = import_module(f"services.{name}.app").service(
            settings.model_validate(environment)
        )

        service.client.close()
        assert isinstance(service, Service)
        assert set(service.listens_to) == set(LISTENS[name])
        assert set(service.speaks_on) == set(SPEAKS[name])


def _refs(part: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a JSON document
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _refs(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _refs(inner)


def _leads_somewhere(ref: str, document: dict[str, Any]) -> bool:
    if not ref.startswith("#/"):
        return (FOLDER / ref).exists()
    found: Any = document  # Any: a step of the path may lead anywhere in the document
    for step in ref.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, dict) else None
    return found is not None
