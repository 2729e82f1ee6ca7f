"""Shops: an endpoint that hears of one store's orders, at a hook of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypedDict
from uuid import UUID, uuid4

from pydantic_core import from_json, to_json

from contracts.history import version_key
from contracts.message import Envelope
from contracts.messages.orders import OrderCreated, OrderEvent, OrderStatusChanged
from contracts.messages.replies import REPLIES, Reply
from contracts.messages.webhooks import (
    CreateWebhookEndpoint,
    EndpointCommand,
    EndpointSettings,
)
from services.chassis.mongo import Bson, Database
from services.workflow.domain.versions import packed
from tests.builders import the_reference_body
from tests.harness import Wire, until
from tests.receiver import Hook, Receiver


def an_event(
    order_id: str,
    sequence: int,
    *,
    store: str,
    kind: type[OrderEvent] | None = None,
    **changes: object,
) -> OrderEvent:
    """An event of the reference order under another id."""
    chosen = kind or (OrderCreated if sequence == 1 else OrderStatusChanged)
    order = the_reference_body() | {"id": order_id, "orderNumber": order_id, "version": sequence}
    members: dict[str, object] = {
        "order_id": order_id,
        "sequence": sequence,
        "operation_id": 110106,
        "category": "Created",
        "timestamp": datetime.now(UTC),
        "message": "Something happened",
        "object_id": order_id,
        "sub_class_name": "Online",
        "status": "New",
        "market": "NOR",
        "store_id": store,
    }
    return chosen.model_validate(members | changes).carrying(to_json(order))


async def answer_to(wire: Wire, command: EndpointCommand) -> Reply:
    """Send a command and return its answer."""
    return Reply.model_validate_json((await envelope_to(wire, command)).data)


async def envelope_to(wire: Wire, command: EndpointCommand) -> Envelope:
    """Send a command and return the envelope of its answer."""
    id_ = await wire.send(command, reply_to=0)
    (envelope,) = await wire.wait_for(REPLIES, lambda found: found.key == str(id_), within=30)
    return envelope


class Own(TypedDict):
    """What every command about an endpoint says."""

    endpoint_id: str
    user: str


@dataclass
class Shop:
    """One store with one endpoint."""

    wire: Wire
    mongo: Database
    hook: Hook
    name: str = field(default_factory=lambda: f"store-{uuid4().hex[:8]}")
    endpoint_id: str = field(default_factory=lambda: str(uuid4()))

    @classmethod
    async def opened(
        cls, wire: Wire, mongo: Database, receiver: Receiver, **settings: object
    ) -> "Shop":
        """A shop whose endpoint has been answered with 201."""
        shop = cls(wire, mongo, receiver.hook(uuid4().hex))
        reply = await answer_to(wire, shop.creation(**settings))
        assert reply.status_code == 201
        return shop

    def creation(self, **settings: object) -> CreateWebhookEndpoint:
        """The command that makes its endpoint."""
        members = {"url": self.hook.url, "filters": {"stores": [self.name]}, **settings}
        return CreateWebhookEndpoint(
            endpoint_id=self.endpoint_id,
            settings=EndpointSettings.model_validate(members),
            secret=self.hook.secret,
            user="a client",
        )

    @property
    def own(self) -> "Own":
        """Which endpoint a command is about, and by whom."""
        return {"endpoint_id": self.endpoint_id, "user": "a client"}

    def an_order(self) -> str:
        """A fresh id."""
        return f"order-{uuid4().hex[:8]}"

    async def hears(
        self,
        order_id: str,
        *sequences: int,
        times: int = 1,
        kind: type[OrderEvent] | None = None,
        **changes: object,
    ) -> list[UUID]:
        """Let something happen to an order of the store; return the events' ids."""
        return [
            await self.wire.send(
                an_event(order_id, sequence, store=self.name, kind=kind, **changes), times=times
            )
            for sequence in sequences
        ]

    async def happens(
        self, order_id: str, *sequences: int, kind: type[OrderEvent] | None = None
    ) -> list[UUID]:
        """Let the store hear of something that is in the order's history."""
        ids = []
        for sequence in sequences:
            event, id_ = an_event(order_id, sequence, store=self.name, kind=kind), uuid4()
            whole = event.sealed(id_)
            await self.mongo["order_versions"].insert_one(
                {
                    "_id": version_key(order_id, sequence),
                    "orderId": order_id,
                    "version": sequence,
                    "event": packed(whole),
                    "orderAt": whole.index(b',"order":') + len(b',"order":'),
                }
            )
            ids.append(await self.wire.send(event, id=id_, times=2))
        return ids

    async def until_taken(
        self, order_id: str, sequences: Sequence[int], *, within: float = 30
    ) -> None:
        """Wait until exactly these were taken, in this order, repeats aside."""

        def taken() -> bool:
            return list(dict.fromkeys(self.hook.sequences(order_id))) == list(sequences)

        await until(taken, within=within)

    async def delivery(self, event_id: UUID, state: str, *, within: float = 30) -> Bson:
        """Return the record of an event's delivery as soon as it has this state."""

        async def found() -> Bson | None:
            return await self.mongo["webhook_deliveries"].find_one(
                {"endpointId": self.endpoint_id, "eventId": str(event_id), "state": state}
            )

        record = await until(found, within=within)
        assert record is not None
        return record

    async def endpoint(self) -> Bson | None:
        """Return the stored endpoint."""
        return await self.mongo["webhook_endpoints"].find_one({"_id": self.endpoint_id})


def body_of(envelope: Envelope) -> Any:  # noqa: ANN401 - JSON
    """Return what an answer carries."""
    return from_json(envelope.data)["body"]
