"""Every service in this process on the real Kafka and MongoDB, and whoever deals with them.

The shop calls over HTTP, a receiver takes the webhooks, a mail server the mail, a provider the
money. A doubler puts every record of every topic there twice, so whatever a journey tells happens
although each message was delivered two times.
"""

import copy
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import ip_network
from typing import Any, Final
from uuid import uuid4

from pydantic import SecretStr

from contracts.message import Envelope
from contracts.messages import orders
from contracts.settings import DEFAULT
from services.api.app import Api
from services.api.app import service as api
from services.api.settings import Settings as ApiSettings
from services.chassis.clock import MovableClock
from services.chassis.mongo import Bson, Database
from services.chassis.service import Service
from services.chassis.settings import ChassisSettings
from services.inventory.app import service as inventory
from services.inventory.settings import Settings as InventorySettings
from services.notifications.app import service as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.payments.app import service as payments
from services.payments.settings import Settings as PaymentsSettings
from services.webhooks.app import service as webhooks
from services.webhooks.settings import Settings as WebhooksSettings
from services.workflow.app import service as workflow
from services.workflow.settings import Settings as WorkflowSettings
from tests.builders import the_reference_body
from tests.harness import Wire, database, running, until
from tests.integration.api.calling import Answer, Caller
from tests.journeys.doubler import Doubler
from tests.mail import Kept, MailServer, mail_server
from tests.provider import Provider
from tests.receiver import Got, Hook, Receiver

OWNER, OWNER_SECRET = "owner", "the owner's secret"
WAREHOUSE: Final = "WH1"
CARD: Final = "Card"
"""The payment method whose money the provider moves; Manual is only recorded."""

Json = Any
"""Any: JSON, for journeys to look into."""


@dataclass
class World:
    """What a journey can do and see."""

    shop: Caller
    db: Database
    wire: Wire
    clock: MovableClock
    hook: Hook
    mail: MailServer
    provider: Provider
    doubler: Doubler
    services: Mapping[str, Service]
    front: Api

    # -- what the shop does -----------------------------------------------------------------------

    async def place(self, body: Json, **headers: str) -> Answer:
        """POST the order."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["content-type"] = "application/json"
        data = json.dumps(body).encode()
        return await self.shop("POST", "/api/Orders", data=data, headers=named)

    async def placed(self, body: Json) -> Json:
        """POST an order, which must be created, and return it as answered."""
        answer = await self.place(body)
        assert answer.status == 201, answer.json
        return answer.json

    async def enter(self, order_id: str, status: str, **patch: object) -> Answer:
        """POST UpdateStatus."""
        path = f"/api/Orders/{order_id}/UpdateStatus"
        return await self.shop("POST", path, {"status": status, **patch})

    async def entered(self, order_id: str, status: str) -> Json:
        """POST UpdateStatus and return the result; every step of it must have succeeded."""
        answer = await self.enter(order_id, status)
        assert answer.status == 200, answer.json
        assert answer.json["workflowExecutionResult"]["isSuccessful"], answer.json
        return answer.json

    async def read(self, order_id: str) -> Json:
        """GET the order."""
        answer = await self.shop("GET", f"/api/Orders/{order_id}")
        assert answer.status == 200, answer.json
        return answer.json

    async def stock(
        self, inventory: int, *, sku: str | None = None, warehouse: str = WAREHOUSE
    ) -> str:
        """PUT so much of a SKU into the warehouse; returns the SKU."""
        sku = sku or f"SKU-{uuid4().hex[:8]}"
        item = {"sku": sku, "warehouseCode": warehouse, "inventory": inventory, "cost": 200}
        answer = await self.shop("PUT", "/api/inventory/UpdateMany", [item])
        assert answer.status == 200, answer.json
        return sku

    async def configure(self, document: str, value: object) -> None:
        """PUT a settings document and wait until every service knows it."""
        answer = await self.shop("PUT", f"/api/Settings/{document}", value)
        assert answer.status == 200, answer.json
        stored = await self.db["settings"].find_one({"_id": "configuration"}, {"version": 1})
        assert stored is not None
        await until(lambda: self.configured_everywhere(stored["version"]))

    def configured_everywhere(self, version: int) -> bool:
        """Say whether every service and the api has these settings."""
        watched = [self.front.watched, *(one.watched for one in self.services.values())]
        return all(one.current.version == version for one in watched)

    @asynccontextmanager
    async def every_second(self, task: str) -> AsyncIterator[None]:
        """Run a scheduled task every second for the length of the block."""
        before = (await self.shop("GET", "/api/Settings/ScheduledTasks")).json
        others = [one for one in before if one["name"] != task]
        await self.configure("ScheduledTasks", [*others, {"name": task, "intervalSeconds": 1}])
        yield
        await self.configure("ScheduledTasks", before)

    # -- what is to be seen -----------------------------------------------------------------------

    def events(self, order_id: str) -> list[Envelope]:
        """Return the events of the order on Kafka, each once, in the order in which they came."""
        seen = {one.id: one for one in self.wire.on(orders.EVENTS) if one.key == order_id}
        return list(seen.values())

    async def events_up_to(self, order_id: str, sequence: int) -> list[Envelope]:
        """Wait for the event of this sequence; return all, which must be in order without a gap."""
        await until(lambda: any(one.sequence == sequence for one in self.events(order_id)))
        found = self.events(order_id)
        assert [one.sequence for one in found] == list(range(1, len(found) + 1))
        return found

    async def hooks_up_to(self, order_id: str, sequence: int) -> list[Got]:
        """Wait for the webhook of this sequence; each must have come once, in order, signed."""
        await until(lambda: sequence in self.hook.sequences(order_id))
        taken = self.hook.taken(order_id)
        assert [got.json["sequence"] for got in taken] == list(range(1, len(taken) + 1))
        assert all(got.is_genuine for got in taken)
        return taken

    async def mails(self, recipient: str, count: int) -> list[Kept]:
        """Wait for so many mails to the recipient."""

        def found() -> list[Kept]:
            return [one for one in self.mail.kept if one.recipients == [recipient]]

        await until(lambda: len(found()) >= count)
        return found()

    async def quiet(self) -> None:
        """Wait until nothing is under way: whatever was to come twice has come twice."""
        await until(self._is_quiet, within=30)

    async def _is_quiet(self) -> bool:
        ends = await self.doubler.ends()
        for name, service in self.services.items():
            if await self.db[f"{name}_calls"].find_one({"owner": {"$ne": None}}) is not None:
                return False
            if await self.db[f"{name}_outbox"].find_one({}) is not None:
                return False
            taken = await self.doubler.committed(name)
            for place, end in ends.items():
                topic = place.topic.removeprefix(service.settings.topic_prefix)
                if topic in service.listens_to and taken.get(place, 0) < end:
                    return False
        # Nothing was added while we looked.
        return await self.doubler.has_doubled(ends) and await self.doubler.ends() == ends

    async def record(self, sku: str, warehouse: str = WAREHOUSE) -> Bson:
        """Return the stock record."""
        found = await self.db["stock"].find_one({"_id": f"{sku}@{warehouse}"})
        assert found is not None
        return found

    async def ledger(self, sku: str) -> list[Bson]:
        """Return the movements of the SKU's stock."""
        return await self.db["stock_transactions"].find({"variant": sku}).to_list(None)

    async def held(self, order_id: str) -> Decimal:
        """Return how many units the order holds."""
        found = await self.db["reservations"].find_one({"_id": order_id})
        return sum((line["quantity"] for line in (found or {}).get("lines", ())), Decimal(0))

    async def operations(self, order_id: str) -> list[tuple[str, str, int]]:
        """Return what payments did for the order: kind, state and amount, the oldest first."""
        query = self.db["payment_operations"].find({"orderId": order_id}).sort("created", 1)
        return [
            (one["kind"], one["state"], int(one["amount"])) for one in await query.to_list(None)
        ]


def an_order(
    *,
    sku: str = "SKU-001",
    quantity: int = 2,
    method: str = "Manual",
    paid: bool = False,
    **changes: object,
) -> Json:
    """Return the body of an order of its own: like the reference's, to be sent from WH1.

    Its money waits for an authorization unless it is `paid`.
    """
    body = copy.deepcopy(the_reference_body())
    body["id"] = f"ORD-{uuid4().hex[:10]}"
    body["customerEmail"] = body["customerId"] = f"{body['id'].lower()}@example.com"
    form = body["orderForm"]
    for line in (*form["lineItems"], *form["shipments"][0]["lineItems"]):
        line |= {"code": sku, "quantity": quantity}
    form["shipments"][0]["warehouseCode"] = WAREHOUSE
    form["payments"][0] |= {
        "amount": 499 * quantity,
        "paymentMethodName": method,
        "status": "Processed" if paid else "Pending",
        "transactionId": f"tx-{body['id']}",
    }
    return body | changes


def with_provider(url: str, **connector: object) -> tuple[list[Json], list[Json]]:
    """Return the connectors and the markets by which the provider moves the money of cards."""
    psp = {
        "connectorId": "psp",
        "host": url,
        "implementations": ["IPaymentProvider"],
        "timeOut": 1,
        **connector,
    }
    markets = [market.model_dump(mode="json", by_alias=True) for market in DEFAULT.markets]
    for market in markets:
        for option in market["paymentOptions"]:
            if option["paymentMethodName"] == CARD:
                option["connector"] = "psp"
    return [psp], markets


@asynccontextmanager
async def the_world(settings: ChassisSettings) -> AsyncIterator[World]:
    """Start everything, and stop it in the opposite order."""
    clock = MovableClock()
    local = {"allowed_networks": (ip_network("127.0.0.0/8"),)}
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        db = await enter(database(settings))
        receiver = await enter(Receiver())
        mail = await enter(mail_server())
        provider = await enter(Provider())
        wire = await enter(running(Wire(settings)))
        doubler = await enter(running(Doubler(settings)))

        def its(kind: Callable[..., Any], **more: object) -> Any:  # noqa: ANN401 - any settings
            return kind(**{**settings.model_dump(), **local, **more})

        # The shop must find everybody else there.
        everybody = {
            "inventory": inventory(its(InventorySettings), clock=clock),
            "payments": payments(its(PaymentsSettings), clock=clock),
            "notifications": notifications(
                its(NotificationsSettings, smtp_url=mail.url, smtp_sender="shop@shop.example"),
                clock=clock,
            ),
            "webhooks": webhooks(its(WebhooksSettings), clock=clock),
            "workflow": workflow(its(WorkflowSettings), clock=clock),
        }
        for service in everybody.values():
            await enter(running(service))
        front = await enter(
            running(
                api(
                    its(
                        ApiSettings,
                        api_port=0,
                        token_secret=SecretStr("t" * 32),
                        owner_client_id=OWNER,
                        owner_client_secret=SecretStr(OWNER_SECRET),
                        answer_seconds=30,
                        # Journeys post many orders at once: the limits of decided 13.2 are lifted.
                        rate_bucket=0,
                        concurrent_client=0,
                        concurrent_tenant=0,
                        concurrent_batch=0,
                    ),
                    clock=clock,
                )
            )
        )
        shop = await Caller.signed_in(front.url, OWNER, OWNER_SECRET)
        stack.push_async_callback(shop.close)
        hook = receiver.hook("shop")
        endpoint = {"url": hook.url, "eventTypes": ["order.*"]}
        made = await shop("POST", "/api/Webhooks/Endpoints", endpoint)
        assert made.status == 201, made.json
        hook.secret = made.json["secret"]
        yield World(shop, db, wire, clock, hook, mail, provider, doubler, everybody, front)
