"""The story, chapter by chapter; each says what it promises and checks it."""

import asyncio
import json
import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

from services.commands.client import Answer, Client, path
from services.commands.demo.listener import Listener, Seen
from services.commands.demo.receiver import Receiver
from services.commands.demo.screen import Screen, picked

EXAMPLE: Final = Path(__file__).with_name("example_order.json")
IN_STOCK: Final = 10
PATIENCE: Final = 20.0
HEADERS_SHOWN: Final = (
    "ce_id",
    "ce_type",
    "ce_subject",
    "ce_sequence",
    "ce_time",
    "ce_source",
    "ce_correlationid",
    "ce_causationid",
    "ce_dataschema",
)

Found = TypeVar("Found")


class Failed(Exception):
    """Something that was promised did not hold; the message says what."""


class Story:
    """One order, told to the end."""

    def __init__(
        self,
        directory: Path,
        screen: Screen,
        client: Client,
        listener: Listener,
        receiver: Receiver,
    ) -> None:
        self._directory = directory
        self._screen = screen
        self._client = client
        self._listener = listener
        self._receiver = receiver
        self._order: dict[str, Any] = json.loads(EXAMPLE.read_text())
        self._id: str = self._order["id"]
        self._key = f"demo-{self._id}"
        self._line: dict[str, Any] = self._order["orderForm"]["shipments"][0]["lineItems"][0]
        self._warehouse: str = self._order["orderForm"]["shipments"][0]["warehouseCode"]

    async def tell(self) -> None:
        """Tell it.

        :raises Failed: at the first thing that does not hold
        """
        await self._sign_in()
        await self._put_stock()
        await self._subscribe()
        created = await self._post_order()
        await self._see_it_leave("order.created", 1)
        await self._repeat(created)
        await self._move_on("InProgress", 2)
        await self._patch(3)
        await self._move_on("Ship", 4)
        await self._print_receipt()
        await self._look_back()
        await self._prove_the_books()

    async def _sign_in(self) -> None:
        where = self._client.where
        self._screen.chapter("Sign in", f"export KONTOR={where.url}")
        self._screen.line(
            f'   $ export TOKEN=$(curl -s "$KONTOR/api/token" -d clientId={where.client_id} '
            f"-d clientSecret={where.client_secret})",
            "cyan",
        )
        token = await self._client.token()
        self._check(token.count(".") == 2, "A token came back, good for ten days")  # noqa: PLR2004 - three parts

    async def _put_stock(self) -> None:
        sku = self._line["code"]
        body = [{"sku": sku, "warehouseCode": self._warehouse, "inventory": IN_STOCK}]
        self._screen.curl(
            "Put goods in stock", "PUT", "/api/inventory/UpdateMany", data=f"'{json.dumps(body)}'"
        )
        answer = await self._client.ask("PUT", "/api/inventory/UpdateMany", body)
        self._screen.show(answer=answer.text)
        self._check(answer.status == HTTPStatus.OK, f"{IN_STOCK} {sku} are in {self._warehouse}")

    async def _subscribe(self) -> None:
        body = {"url": self._receiver.url, "eventTypes": ["order.*"]}
        target = "/api/Webhooks/Endpoints"
        self._screen.curl("Subscribe a webhook", "POST", target, data=f"'{json.dumps(body)}'")
        answer = await self._client.ask("POST", target, body)
        if answer.status != HTTPStatus.CREATED:
            raise Failed(f"the endpoint was answered with {answer.status}: {answer.text}")
        self._receiver.secret = answer.json["secret"]
        self._screen.show(**picked(answer.json, "id", "url", "eventTypes", "signature"))
        self._check(
            self._receiver.secret.startswith("whsec_"),
            "The endpoint has a secret, shown this once, to verify with",
        )

    async def _post_order(self) -> Answer:
        self._screen.curl(
            "Post the example order of the order reference",
            "POST",
            "/api/Orders",
            data=f"@{_near(EXAMPLE)}",
            headers={"Idempotency-Key": self._key},
        )
        answer = await self._client.ask(
            "POST", "/api/Orders", self._order, {"Idempotency-Key": self._key}
        )
        if answer.status != HTTPStatus.CREATED:
            raise Failed(f"the order was answered with {answer.status}: {answer.text}")
        order = answer.json
        self._screen.show(
            status=f"{answer.status} Created, Location {answer.headers.get('Location')}",
            **picked(order, "id", "orderNumber", "orderType", "marketId"),
            orderStatus=order["status"],
            **picked(order["orderForm"], "subTotal", "taxTotal", "shippingSubTotal", "total"),
            version=order.get("version"),
        )
        self._check(order["id"] == self._id, "The order is stored: 201 means written to disk")
        return answer

    async def _see_it_leave(self, kind: str, sequence: int) -> None:
        """Wait for the event with this sequence, on Kafka and at the receiver."""
        event = await self._until(
            lambda: _with_sequence(self._listener.of("orders.events", self._id), sequence),
            f"{kind} on Kafka",
        )
        delivery = await self._until(
            lambda: next(
                (d for d in self._receiver.of(self._id) if d.body["sequence"] == sequence), None
            ),
            f"the webhook of {kind}",
        )
        if sequence == 1:
            self._screen.line("     The event's headers on Kafka (CloudEvents, binary mode):")
            headers = {name: event.headers[name] for name in HEADERS_SHOWN if name in event.headers}
            self._screen.show(**headers)
        self._check(event.type == kind, f"Kafka has {kind}, sequence {sequence}")
        self._check(
            delivery.id == event.headers["ce_id"] and delivery.body["type"] == kind,
            "The webhook has the same id and type, and its signature is right",
        )

    async def _repeat(self, first: Answer) -> None:
        headers = {"Idempotency-Key": self._key}
        data = f"@{_near(EXAMPLE)}"
        self._screen.curl(
            "Post it again with the same key", "POST", "/api/Orders", data=data, headers=headers
        )
        again = await self._client.ask("POST", "/api/Orders", self._order, headers)
        replayed = again.headers.get("Idempotency-Replayed")
        self._screen.show(status=str(again.status), idempotencyReplayed=replayed)
        self._check(
            again.status == first.status and replayed == "true" and again.json == first.json,
            "The first answer came back, and nothing happened twice",
        )
        self._screen.curl("Post it again without the key", "POST", "/api/Orders", data=data)
        refused = await self._client.ask("POST", "/api/Orders", self._order)
        self._screen.show(**picked(refused.json, "status", "type", "title", "detail"))
        self._check(
            refused.status == HTTPStatus.CONFLICT,
            "The id is taken: 409, with the reason and advice",
        )

    async def _move_on(self, status: str, sequence: int) -> None:
        target = path("Orders", self._id, "UpdateStatus")
        body = {"status": status}
        self._screen.curl(f"Move it on to {status}", "POST", target, data=f"'{json.dumps(body)}'")
        answer = await self._client.ask("POST", target, body)
        if answer.status != HTTPStatus.OK:
            raise Failed(f"{status} was answered with {answer.status}: {answer.text}")
        result = answer.json
        for step in result["orderActionExecutionResults"]:
            reason = f": {step['errorReason']}" if step.get("errorReason") else ""
            self._screen.line(f"     step {step['actionType']}: {step['actionStatus']}{reason}")
        self._check(
            result["order"]["status"] == status and not result["isAborted"],
            f"The order is in {status}, and its run was not aborted",
        )
        await self._see_it_leave("order.status_changed", sequence)

    async def _patch(self, sequence: int) -> None:
        target = path("Orders", self._id, "PatchOrder")
        body = {"tags": ["vip"], "keepExistingListItems": True}
        self._screen.curl("Patch it", "PATCH", target, data=f"'{json.dumps(body)}'")
        answer = await self._client.ask("PATCH", target, body)
        if answer.status != HTTPStatus.OK:
            raise Failed(f"the patch was answered with {answer.status}: {answer.text}")
        patched = answer.json
        self._screen.show(
            **picked(patched, "isSuccessful", "isModified"), tags=patched["order"]["tags"]
        )
        self._check("vip" in patched["order"]["tags"], "The order has the tag beside its others")
        await self._see_it_leave("order.updated", sequence)

    async def _print_receipt(self) -> None:
        target = f"{path('Orders', 'GetOrderAsPdf', self._id)}?templateFile=receipt"
        file = self._directory / f"receipt-{self._id}.pdf"
        self._screen.chapter(
            "Print the receipt",
            f'curl -s -o receipt.pdf "$KONTOR{target}" -H "Authorization: Bearer $TOKEN"',
        )
        answer = await self._client.ask("GET", target)
        if answer.status != HTTPStatus.OK:
            raise Failed(f"the receipt was answered with {answer.status}: {answer.text}")
        await asyncio.to_thread(file.write_bytes, answer.body)
        self._screen.line(f"     file  {file}")  # whole, so that it can be opened
        self._screen.show(size=f"{len(answer.body)} bytes")
        self._check(answer.body.startswith(b"%PDF-"), "The receipt is a PDF")

    async def _look_back(self) -> None:
        target = path("Orders", self._id, "Explain")
        self._screen.curl("Ask where the order stands, and why", "GET", target)
        answer = await self._client.ask("GET", target)
        if answer.status != HTTPStatus.OK:
            raise Failed(f"Explain was answered with {answer.status}: {answer.text}")
        for sentence in answer.json["story"]:
            self._screen.line(f"     {sentence}")
        self._screen.line(f"   $ kontor explain {self._id} --data {self._directory}", "cyan")
        self._check(answer.json["run"] is None, "No run is in hand, so it waits for nothing")

    async def _prove_the_books(self) -> None:
        self._screen.curl("Prove the books", "POST", "/api/Reconcile")
        answer = await self._client.ask("POST", "/api/Reconcile")
        if answer.status != HTTPStatus.OK:
            raise Failed(f"Reconcile was answered with {answer.status}: {answer.text}")
        self._screen.show(**answer.json)
        self._check(not answer.json["differences"], "Stock, payments, events and deliveries agree")
        sequences = [delivery.body["sequence"] for delivery in self._receiver.of(self._id)]
        self._check(
            sequences == list(range(1, len(sequences) + 1)) and not self._receiver.refused,
            f"The receiver saw sequence {sequences}: no gap, none twice, every signature right",
        )

    def _check(self, holds: bool, sentence: str) -> None:  # noqa: FBT001 - what is checked
        if not holds:
            raise Failed(f"This does not hold: {sentence}.")
        self._screen.holds(sentence)

    async def _until(self, find: Callable[[], Found | None], what: str) -> Found:
        """Wait for something that comes by itself."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            found = find()
            if found is not None:
                return found
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"{what} did not come within {PATIENCE:.0f} s")
            await asyncio.sleep(0.02)


def _with_sequence(events: list[Seen], sequence: int) -> Seen | None:
    wanted = str(sequence)
    return next((one for one in events if one.headers.get("ce_sequence") == wanted), None)


def _near(file: Path) -> str:
    """Return the shortest path by which a person in this directory can name the file."""
    near = os.path.relpath(file)
    return str(file) if near.startswith("..") else near
