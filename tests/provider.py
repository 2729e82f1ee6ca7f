"""A payment provider on loopback that keeps the contract, and breaks it when told to.

async with Provider() as provider:
    connector = Connector(connector_id="psp", host=provider.url, ...)
    with provider.acting("die_after", times=1): ...
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from aiohttp import web
from jsonschema import Draft202012Validator
from openapi_spec_validator.readers import read_from_filename

from tests.harness import served

DOCUMENT: Final = (
    Path(__file__).parents[1] / "contracts" / "schemas" / "payment-provider.openapi.yaml"
)

Behaviour = Literal[
    "normal", "decline", "refuse", "fail_before", "die_after", "hang", "garbage", "nul", "slow"
]
"""How the next requests are met.

`decline` 402, `refuse` 422, `fail_before` 500 and nothing is done, `die_after` does the work and
breaks the connection, `hang` does nothing and never answers, `garbage` does the work and answers
what is no JSON, `nul` does it and names a transaction that no order may have, `slow` is `pending`
for `delay` seconds and then does the work.
"""

KINDS: Final = {
    "authorizations": "authorize",
    "captures": "capture",
    "voids": "void",
    "credits": "credit",
}


@cache
def document() -> Any:  # noqa: ANN401 - JSON, for tests to reach into
    """Return the OpenAPI document."""
    return read_from_filename(str(DOCUMENT))[0]


def faults(schema: str, body: object) -> list[str]:
    """Return where a body differs from a schema of the document."""
    validator = Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": document()["components"]}
    )
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(body)]


@dataclass
class Entry:
    """What was done, or not, under one key."""

    kind: str
    body: dict[str, Any]
    status: str
    transaction_id: str | None = None
    reason: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def amount(self) -> Decimal:
        return Decimal(str(self.body["amount"]))


class Provider:
    """Keeps the contract; `ledger` is what it did, `received` every request by kind."""

    def __init__(self) -> None:
        self.ledger: dict[str, Entry] = {}
        self.received: Counter[str] = Counter()
        self.faults: list[str] = []
        self.delay = 0.3
        self._behaviour: Behaviour = "normal"
        self._times: int | None = None
        self._only: str | None = None
        self._runner: web.AppRunner | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    # -- life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{what:authorizations|captures|voids|credits}", self._do)
        app.router.add_get("/operations/{key}", self._say)
        port = int(self.url.rpartition(":")[2] or 0)
        self._runner, self.url = await served(app, port=port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- what a test may say and ask ------------------------------------------------------------

    def behave(
        self, behaviour: Behaviour, *, times: int | None = None, only: str | None = None
    ) -> None:
        """Meet the next requests like this: `times` of them, or all until told otherwise.

        :param only: the kind it is about, such as `capture`, or `operation` for the question what
            became of one; else all kinds but that question
        """
        self._behaviour, self._times, self._only = behaviour, times, only

    def done(self, kind: str, *, order_id: str | None = None) -> list[Entry]:
        """Return what succeeded, the oldest first."""
        return [
            entry
            for entry in self.ledger.values()
            if entry.kind == kind
            and entry.status == "succeeded"
            and order_id in {None, entry.body["orderId"]}
        ]

    def total(self, kind: str, *, order_id: str | None = None) -> Decimal:
        """Return the sum of what succeeded."""
        return sum((entry.amount for entry in self.done(kind, order_id=order_id)), Decimal(0))

    def held(self, order_id: str) -> Decimal:
        """Return what is authorized and neither charged nor given up."""
        kinds = ("capture", "void")
        return self.total("authorize", order_id=order_id) - sum(
            (self.total(kind, order_id=order_id) for kind in kinds), Decimal(0)
        )

    def taken(self, order_id: str) -> Decimal:
        """Return what is charged and not given back."""
        return self.total("capture", order_id=order_id) - self.total("credit", order_id=order_id)

    # -- HTTP -------------------------------------------------------------------------------------

    async def _do(self, request: web.Request) -> web.StreamResponse:
        kind = KINDS[request.match_info["what"]]
        self.received[kind] += 1
        behaviour = self._next(kind)
        if behaviour == "fail_before":
            return web.json_response({}, status=500)
        if behaviour == "hang":
            await asyncio.Event().wait()
        key, body = request.headers.get("Idempotency-Key", ""), await request.json()
        objection = self._misunderstood(kind, key, body, behaviour)
        if objection is not None:
            return objection
        if key not in self.ledger:
            await self._work(key, kind, body, request, behaviour)
        if behaviour == "die_after" and request.transport is not None:
            request.transport.abort()
        if behaviour == "garbage":
            return web.Response(body=b"<html>", status=200, content_type="text/html")
        if behaviour == "nul":
            return web.json_response({"transactionId": "a\0b", "status": "succeeded"})
        return self._answer(self.ledger[key])

    def _misunderstood(
        self, kind: str, key: str, body: dict[str, Any], behaviour: Behaviour
    ) -> web.Response | None:
        schema = "AuthorizationRequest" if kind == "authorize" else "OperationRequest"
        wrong = faults("Key", key) + faults(schema, body)
        known = self.ledger.get(key)
        if known is not None and (known.kind, known.body) != (kind, body):
            wrong.append(f"{key}: another request under the same key")
        self.faults += wrong
        if wrong or (behaviour == "refuse" and known is None):
            reason = "; ".join(wrong) or "no such currency"
            return web.json_response({"reason": reason}, status=422)
        return None

    async def _say(self, request: web.Request) -> web.StreamResponse:
        self.received["operation"] += 1
        behaviour = self._next("operation")
        if behaviour == "hang":
            await asyncio.Event().wait()
        if behaviour in {"fail_before", "die_after"}:
            return web.json_response({}, status=500)
        entry = self.ledger.get(request.match_info["key"])
        if entry is None:
            return web.json_response({"reason": "unknown key"}, status=404)
        return web.json_response(self._outcome(entry))

    def _next(self, kind: str) -> Behaviour:
        concerned = kind == self._only if self._only else kind != "operation"
        if not concerned or self._behaviour == "normal":
            return "normal"
        if self._times is not None:
            if self._times == 0:
                return "normal"
            self._times -= 1
        return self._behaviour

    # -- the work ---------------------------------------------------------------------------------

    async def _work(
        self,
        key: str,
        kind: str,
        body: dict[str, Any],
        request: web.Request,
        behaviour: Behaviour,
    ) -> None:
        entry = self.ledger[key] = Entry(kind, body, "pending", headers=dict(request.headers))
        reason = "insufficient funds" if behaviour == "decline" else self._objection(entry)
        if reason is not None:
            entry.status, entry.reason = "declined", reason
        elif behaviour == "slow":
            # Goes on though the one who asked has hung up.
            task = asyncio.create_task(self._finish_later(entry))
            self._tasks.add(task)
            await asyncio.shield(task)
        else:
            self._finish(entry)

    def _objection(self, entry: Entry) -> str | None:
        order_id = entry.body["orderId"]
        if entry.kind in {"capture", "void"} and entry.amount > self.held(order_id):
            return "more than is held"
        if entry.kind == "credit" and entry.amount > self.taken(order_id):
            return "more than was captured"
        return None

    def _finish(self, entry: Entry) -> None:
        entry.status, entry.transaction_id = "succeeded", f"psp-{len(self.ledger)}"

    async def _finish_later(self, entry: Entry) -> None:
        await asyncio.sleep(self.delay)
        self._finish(entry)

    def _answer(self, entry: Entry) -> web.Response:
        if entry.status == "pending":
            return web.json_response({}, status=503)
        if entry.status == "declined":
            return web.json_response({"reason": entry.reason}, status=402)
        return web.json_response(self._outcome(entry), status=201)

    def _outcome(self, entry: Entry) -> dict[str, str]:
        known = {
            "transactionId": entry.transaction_id,
            "status": entry.status,
            "reason": entry.reason,
        }
        found = {name: value for name, value in known.items() if value is not None}
        self.faults += faults("Outcome", json.loads(json.dumps(found)))
        return found
