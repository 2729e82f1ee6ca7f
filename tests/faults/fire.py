"""Kontor under load while its parts are killed, and what must hold afterwards.

Used in a short form by the tests and in a long one by `kontor bench recovery`.
"""

import asyncio
import json
import os
import random
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from pymongo import AsyncMongoClient
from standardwebhooks.webhooks import Webhook

from tests.builders import the_reference_body

Say = Callable[[str], None]
Json = dict[str, Any]  # Any: JSON, as it comes

SERVICES = ("workflow", "inventory", "payments", "notifications", "webhooks", "api")
TOPICS = (
    "orders.commands",
    "orders.events",
    "inventory.commands",
    "inventory.events",
    "payments.commands",
    "notifications.commands",
    "replies",
)
RETRIED = {429, 500, 502, 503, 504}


class Receiver:
    """A webhook receiver that verifies signatures and remembers what came, in which order."""

    def __init__(self) -> None:
        self.secret = ""
        self.events: dict[str, dict[int, str]] = defaultdict(dict)
        self.firsts: dict[str, list[int]] = defaultdict(list)
        self.forged = 0
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_post("/", self._receive)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}/"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not from Kontor
            self.forged += 1
            return web.Response(status=400)
        event = json.loads(body)
        order = event["data"]["objectId"]
        if event["sequence"] not in self.events[order]:
            self.firsts[order].append(event["sequence"])
        self.events[order][event["sequence"]] = request.headers["webhook-id"]
        return web.Response(text="ok")


@dataclass
class Client:
    """What the shop's systems saw: an order is acknowledged or refused, never both."""

    url: str
    token: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    answers: list[tuple[float, float]] = field(default_factory=list)

    async def place(self, session: aiohttp.ClientSession, body: Json, deadline: float) -> None:
        """Post the order until it is answered for good, under one Idempotency-Key."""
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "idempotency-key": f"key-{body['id']}",
        }
        raw = json.dumps(body).encode()
        while monotonic() < deadline:
            begun = monotonic()
            try:
                async with session.post(
                    f"{self.url}/api/Orders", data=raw, headers=headers
                ) as answer:
                    await answer.read()
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(0.3)
                continue
            if status in RETRIED:
                await asyncio.sleep(0.3)
                continue
            self.answers.append((begun, monotonic()))
            kept = self.acknowledged if status in {201, 202} else self.refused
            kept[body["id"]] = status
            return
        raise TimeoutError(f"no answer for {body['id']}")


class Injector:
    """Sends copies of earlier records again, later and out of order, on every topic."""

    def __init__(self, bootstrap: str, prefix: str, *, share: float = 0.2) -> None:
        self._bootstrap, self._prefix, self._share = bootstrap, prefix, share
        self.copies = 0

    async def run(self) -> None:
        """Go on until cancelled; a broker that is away is waited for."""
        held: list[Any] = []  # Any: aiokafka's records carry no types
        while True:
            consumer = AIOKafkaConsumer(
                *(self._prefix + topic for topic in TOPICS),
                bootstrap_servers=self._bootstrap,
                group_id=None,
                auto_offset_reset="latest",
            )
            producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap)
            try:
                await consumer.start()
                await producer.start()
                while True:
                    for records in (await consumer.getmany(timeout_ms=200)).values():
                        held += [one for one in records if random.random() < self._share]  # noqa: S311
                    random.shuffle(held)
                    again, held = held[: len(held) // 2], held[len(held) // 2 :]
                    for record in again:
                        if any(name == "injected" for name, _ in record.headers):
                            continue
                        await producer.send_and_wait(
                            record.topic,
                            record.value,
                            key=record.key,
                            partition=record.partition,
                            headers=[*record.headers, ("injected", b"1")],
                        )
                        self.copies += 1
            except Exception:  # noqa: BLE001 - the broker dies on purpose; connect again
                held.clear()
                await asyncio.sleep(0.5)
            finally:
                for part in (consumer, producer):
                    try:
                        async with asyncio.timeout(2):
                            await part.stop()
                    except Exception:  # noqa: BLE001, S110 - it may never have started
                        pass


@dataclass
class Fire:
    """A running Kontor, its clients and receivers."""

    directory: Path
    url: str
    token: str
    receivers: list[Receiver]
    client: Client
    say: Say
    blows: list[int] = field(default_factory=list)
    """How many orders were acknowledged at each blow."""
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    """Set at the last blow, before which a part of the orders is not placed."""

    def stack(self) -> Json:
        """Return stack.json as it is now."""
        found: Json = json.loads((self.directory / "stack.json").read_text())
        return found

    def pid(self, name: str) -> int:
        """Return the present process id of a part."""
        stack = self.stack()
        found = stack[name] if name in {"api", "kafka", "mongo"} else stack["services"][name]
        return int(found["pid"])

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part; one that is just being started again is left alone."""
        self.say(f"{number.name} {name}")
        self.blows.append(len(self.client.acknowledged))
        try:
            os.kill(self.pid(name), number)
        except ProcessLookupError:
            self.say(f"{name} was down already")

    async def post(self, path: str, body: object = None, *, method: str = "POST") -> Any:  # noqa: ANN401 - JSON
        """Call the API as the owner; retries while a part is away."""
        headers = {"authorization": f"Bearer {self.token}"}
        deadline = monotonic() + 60
        async with aiohttp.ClientSession(headers=headers) as session:
            while True:
                try:
                    async with session.request(method, self.url + path, json=body) as answer:
                        if answer.status < 400:
                            return await answer.json()
                        text = await answer.text()
                        if answer.status not in RETRIED or monotonic() > deadline:
                            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]}")
                except (aiohttp.ClientError, OSError):
                    if monotonic() > deadline:
                        raise
                await asyncio.sleep(0.5)


@asynccontextmanager
async def burning(directory: Path, say: Say, *, receivers: int = 2) -> AsyncIterator[Fire]:
    """Run `kontor up` on a directory of its own, with stock and endpoints in place."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"KONTOR_KAFKA_BOOTSTRAP", "KONTOR_MONGO_URL"}
    }
    # The shops post at full speed: the limits of decided 13.2 are lifted.
    lifted = dict.fromkeys(
        ("KONTOR_RATE_BUCKET", "KONTOR_CONCURRENT_CLIENT", "KONTOR_CONCURRENT_TENANT"), "0"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services", "up", "--data", str(directory), "--port", "0"),
        *("--allow-network", "127.0.0.0/8"),
        env={**environment, **lifted},
        stdout=asyncio.subprocess.DEVNULL,
    )
    hooks = [Receiver() for _ in range(receivers)]
    try:
        for hook in hooks:
            await hook.start()
        url, token = await _ready(directory, process)
        fire = Fire(directory, url, token, hooks, Client(url, token), say)
        for hook in hooks:
            endpoint = {
                "url": hook.url,
                "eventTypes": ["order.*"],
                "retrySchedule": [1, 2, 3, 5, 8, 13, 21, 34],
            }
            hook.secret = (await fire.post("/api/Webhooks/Endpoints", endpoint))["secret"]
        yield fire
    finally:
        for hook in hooks:
            await hook.stop()
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(30):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


async def _ready(directory: Path, process: asyncio.subprocess.Process) -> tuple[str, str]:
    deadline = monotonic() + 120
    async with aiohttp.ClientSession() as session:
        while monotonic() < deadline:
            if process.returncode is not None:
                raise RuntimeError(f"kontor up ended with {process.returncode}")
            try:
                stack = json.loads((directory / "stack.json").read_text())
                url = stack["api"]["url"]
                if not all(service["url"] for service in stack["services"].values()):
                    await asyncio.sleep(0.2)
                    continue
                owner = json.loads((directory / "owner.json").read_text())
                async with session.get(f"{url}/health/ready") as answer:
                    answer.raise_for_status()
                given = {"clientId": owner["clientId"], "clientSecret": owner["clientSecret"]}
                async with session.post(f"{url}/api/token", json=given) as answer:
                    return url, (await answer.text()).strip().strip('"')
            except (OSError, ValueError, KeyError, aiohttp.ClientError):
                await asyncio.sleep(0.2)
    raise TimeoutError("kontor up was not ready within 120 s")


def an_order(number: int, run: str) -> Json:
    """Return the reference order under its own id; every third has money to be authorized."""
    body: Json = the_reference_body()
    body["id"] = f"{run}-{number:06d}"
    if number % 3 == 0:
        payment = body["orderForm"]["payments"][0]
        payment.update(paymentMethodName="Manual", status="Pending")
    return body


async def load(fire: Fire, run: str, orders: int, *, together: int, seconds: float) -> None:
    """Place the orders with retrying clients; every twentieth is malformed and must be refused.

    The last tenth waits for the last blow, so that there is a load however fast the machine is.
    """
    deadline = monotonic() + seconds
    numbers = iter(range(orders))
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def customer() -> None:
            for number in numbers:
                if number >= orders * 9 // 10:
                    await fire.struck.wait()
                body = an_order(number, run)
                if number % 20 == 19:
                    body["orderForm"]["lineItems"][0]["quantity"] = "a few"
                await fire.client.place(session, body, deadline)

        await asyncio.gather(*(customer() for _ in range(together)))


async def chaos(fire: Fire, *, pause: float, stopped: float) -> None:
    """Kill each service, then Kafka, then mongod; then stop one service for a while."""
    try:
        for name in SERVICES:
            await asyncio.sleep(pause)
            fire.kill(name)
        for name in ("kafka", "mongo"):
            await asyncio.sleep(pause)
            fire.kill(name)
            await asyncio.sleep(pause)
        pid = fire.pid("inventory")
        fire.say(f"SIGSTOP inventory for {stopped:.0f} s")
        fire.blows.append(len(fire.client.acknowledged))
        os.kill(pid, signal.SIGSTOP)
    finally:
        fire.struck.set()
    try:
        await asyncio.sleep(stopped)
    finally:
        os.kill(pid, signal.SIGCONT)


async def ordeal(
    fire: Fire, *, orders: int, together: int, pause: float, stopped: float, seconds: float
) -> Json:
    """Run the load with everything going wrong at once; return what was found afterwards.

    The findings: what the clients were told, what is stored, what each receiver saw, and what
    Reconcile says. Waits until every run has ended and every webhook has arrived.
    """
    run = "FIRE-" + uuid4().hex[:6]
    stock = [{"sku": "SKU-001", "warehouseCode": "MainWarehouse", "inventory": orders}]
    await fire.post("/api/inventory/UpdateMany", stock, method="PUT")
    stack = fire.stack()
    injector = Injector(stack["kafka"]["bootstrap"], "kontor.")
    injecting = asyncio.create_task(injector.run())
    wrecking = asyncio.create_task(chaos(fire, pause=pause, stopped=stopped))
    begun = monotonic()
    try:
        await load(fire, run, orders, together=together, seconds=seconds)
        await wrecking
    finally:
        for task in (wrecking, injecting):
            task.cancel()
        await asyncio.gather(wrecking, injecting, return_exceptions=True)
    fire.say(f"{orders} orders placed in {monotonic() - begun:.0f} s, {injector.copies} copies")
    client: AsyncMongoClient[Json] = AsyncMongoClient(fire.stack()["mongo"]["url"])
    try:
        await _settled(fire, client, run, within=seconds)
        stored = {
            one["_id"]: one
            async for one in client["kontor"].orders.find({"_id": {"$regex": f"^{run}"}})
        }
        record = await client["kontor"].stock.find_one({"_id": "SKU-001@MainWarehouse"})
    finally:
        await client.close()
    return {
        "run": run,
        "stored": stored,
        "stock": record,
        "copies": injector.copies,
        "reconcile": await fire.post("/api/Reconcile"),
    }


async def _settled(fire: Fire, client: AsyncMongoClient[Json], run: str, *, within: float) -> None:
    """Wait until no run waits and every receiver has every version of every order."""
    deadline = monotonic() + within
    missing: object = None
    while monotonic() < deadline:
        try:
            missing = await _missing(fire, client, run)
        except Exception as error:  # noqa: BLE001 - mongod may just be coming back
            missing = repr(error)
        if not missing:
            return
        await asyncio.sleep(0.5)
    raise TimeoutError(f"not settled after {within} s: {missing}")


async def _missing(fire: Fire, client: AsyncMongoClient[Json], run: str) -> object:
    waiting: list[str] = []
    behind: list[str] = []
    cursor = client["kontor"].orders.find(
        {"_id": {"$regex": f"^{run}"}}, {"version": 1, "run.waitingFor": 1}
    )
    stored: set[str] = set()
    async for one in cursor:
        stored.add(one["_id"])
        if one.get("run"):
            waiting.append(one["_id"])
        wanted = set(range(1, one["version"] + 1))
        behind += [
            one["_id"] for hook in fire.receivers if not wanted <= set(hook.events[one["_id"]])
        ]
    unseen = [id_ for id_ in fire.client.acknowledged if id_ not in stored]
    if waiting or behind or unseen:
        return {
            "runs": (len(waiting), waiting[:3]),
            "webhooks": (len(behind), behind[:3]),
            "not stored": (len(unseen), unseen[:3]),
        }
    return None
