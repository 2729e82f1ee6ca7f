"""The two systems that are measured, on the same brokers: the floor and Kontor."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.stack import Stack
from tests.bench.floor import ROLES, TOPICS

PARTITIONS = 4  # of every topic, the floor's and Kontor's
SKUS = ("SKU-00001", "SKU-00002", "SKU-00003")
Say = Callable[[str], None]


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def brokers(say: Say) -> AsyncIterator[Stack]:
    """Run a Kafka and a MongoDB for the length of the block."""
    with tempfile.TemporaryDirectory(
        prefix="kontor-bench-", ignore_cleanup_errors=True
    ) as directory:
        stack = Stack(Path(directory), progress=say)
        await stack.start()
        try:
            yield stack
        finally:
            await stack.stop()


@contextmanager
def receiver() -> Iterator[str]:
    """Run a webhook receiver in a process of its own; yields its address."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.receiver", str(port)])
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def wait_for_port(port: int) -> None:
    """Return as soon as somebody listens there.

    :raises TimeoutError: after 30 seconds
    """
    deadline = monotonic() + 30
    while monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise TimeoutError(f"nothing listens on port {port}")


@dataclass
class Place:
    """A system under test: where to post, as whom, and its processes by name."""

    name: str
    orders: str
    token: str = ""
    pids: Mapping[str, int] = field(default_factory=dict)
    api: str = ""
    database: str = ""


@asynccontextmanager
async def floor(
    stack: Stack, hook: str = "", *, roles: Sequence[str] = ROLES
) -> AsyncIterator[Place]:
    """Run the floor's roles, or some of them."""
    run = "floor" + uuid4().hex[:6]
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(f"{run}.{topic}", PARTITIONS, 1) for topic in TOPICS])
    await admin.close()
    port = free_port()
    environment = {
        **os.environ,
        "FLOOR_KAFKA": stack.kafka_bootstrap,
        "FLOOR_MONGO": stack.mongo_url,
        "FLOOR_RECEIVER": hook + "/",
        "FLOOR_PORT": str(port),
    }
    processes = {
        role: await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.floor",
            role,
            run,
            env=environment,
            stdout=subprocess.PIPE,
        )
        for role in roles
    }
    try:
        for process in processes.values():
            if process.stdout is not None:
                async with asyncio.timeout(60):
                    await process.stdout.readline()
        pids = {role: process.pid for role, process in processes.items()}
        yield Place("floor", f"http://127.0.0.1:{port}/api/Orders", pids=pids, database=run)
    finally:
        for process in processes.values():
            if process.returncode is None:
                process.kill()
        await asyncio.gather(*(process.wait() for process in processes.values()))


@asynccontextmanager
async def kontor(
    stack: Stack, hooks: list[str], *, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Place]:
    """Run Kontor with stock for the bench's order and an endpoint for each of `hooks`."""
    name = "bench" + uuid4().hex[:6]
    with tempfile.TemporaryDirectory(
        prefix="kontor-bench-", ignore_cleanup_errors=True
    ) as directory:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "services", "up", "--data", directory, "--port", "0"),
            *("--allow-network", "127.0.0.0/8"),
            env={
                **os.environ,
                **_where(stack),
                "KONTOR_MONGO_DATABASE": name,
                "KONTOR_TOPIC_PREFIX": f"{name}.",
                # Benchmarks lift the limits of decided 13.2.
                **dict.fromkeys(
                    (
                        "KONTOR_RATE_BUCKET",
                        "KONTOR_CONCURRENT_CLIENT",
                        "KONTOR_CONCURRENT_TENANT",
                        "KONTOR_CONCURRENT_BATCH",
                        "KONTOR_CONCURRENT_READS",
                    ),
                    "0",
                ),
                **(environment or {}),
            },
            stdout=subprocess.DEVNULL,
        )
        try:
            place = await _ready(Path(directory), process)
            await _set_up(place, hooks)
            yield place
        finally:
            await _stopped(process)


@asynccontextmanager
async def one_more(
    service: str, stack: Stack, environment: Mapping[str, str]
) -> AsyncIterator[int]:
    """Run another process of a service beside a place with this environment; yields its pid."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "run", service),
        env={**os.environ, **_where(stack), "KONTOR_HEALTH_PORT": str(port), **environment},
        stdout=subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while not await _is_ready(session, f"http://127.0.0.1:{port}"):
                await asyncio.sleep(0.2)
        yield process.pid
    finally:
        await _stopped(process)


def _where(stack: Stack) -> dict[str, str]:
    return {
        "KONTOR_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "KONTOR_MONGO_URL": stack.mongo_url,
        "KONTOR_PARTITIONS": str(PARTITIONS),
    }


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/health/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _stopped(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(30):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _ready(directory: Path, process: asyncio.subprocess.Process) -> Place:
    deadline = monotonic() + 90
    stack: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        while monotonic() < deadline:
            if process.returncode is not None:
                raise RuntimeError(f"kontor up ended with {process.returncode}")
            try:
                stack = json.loads((directory / "stack.json").read_text())
                serving = all(service["url"] for service in stack["services"].values())
                async with session.get(stack["api"]["url"] + "/health/ready") as answer:
                    if serving and answer.status == 200:
                        break
            except (OSError, ValueError, KeyError, aiohttp.ClientError):
                pass  # not there yet: the deadline decides
            await asyncio.sleep(0.2)
        else:
            raise TimeoutError("kontor up was not ready within 90 s")
        owner = json.loads((directory / "owner.json").read_text())
        api = stack["api"]["url"]
        credentials = {"clientId": owner["clientId"], "clientSecret": owner["clientSecret"]}
        async with session.post(f"{api}/api/token", json=credentials) as answer:
            token = (await answer.text()).strip().strip('"')
    pids = {name: service["pid"] for name, service in stack["services"].items()}
    pids["api"] = stack["api"]["pid"]
    return Place("kontor", f"{api}/api/Orders", token=token, pids=pids, api=api)


async def _set_up(place: Place, hooks: list[str]) -> None:
    headers = {"authorization": f"Bearer {place.token}"}
    items = [{"sku": sku, "warehouseCode": "MainWarehouse", "inventory": 10**9} for sku in SKUS]
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.put(f"{place.api}/api/inventory/UpdateMany", json=items) as answer:
            if answer.status != 200:
                raise RuntimeError(await answer.text())
        for hook in hooks:
            endpoint = {"url": hook, "eventTypes": ["order.*"]}
            url = f"{place.api}/api/Webhooks/Endpoints"
            async with session.post(url, json=endpoint) as answer:
                if answer.status != 201:
                    raise RuntimeError(await answer.text())
