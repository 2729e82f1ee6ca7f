"""`kontor up` on the embedded stack: what it promises of its processes and of its directory."""

import asyncio
import json
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from http import HTTPStatus
from time import monotonic

import pytest
from aiohttp import ClientConnectionError, ClientSession

from services.commands import SERVICES
from tests.builders import the_reference_body
from tests.harness import until
from tests.journeys.up import ROOT, Up, alive, environment

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the embedded stack runs on Linux only"
)


@pytest.fixture(scope="module")
async def one(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    one = Up(tmp_path_factory.mktemp("up") / "data", environment(embedded=True))
    yield one
    await one.stop()


@pytest.fixture
async def up(one: Up) -> Up:
    """The Kontor of this module, running; a test may have stopped it."""
    await one.start()
    return one


async def posted(up: Up, order_id: str, *, within: float = 60) -> int:
    """Post the reference order under this id, as a client that tries again; return the status."""
    body = {**the_reference_body(), "id": order_id}
    headers = {"Idempotency-Key": order_id}

    async def answer() -> int:
        async with up.client() as client:
            try:
                status = (await client.ask("POST", "/api/Orders", body, headers)).status
            except (ClientConnectionError, TimeoutError, SystemExit):
                return 0
        return status if status < HTTPStatus.INTERNAL_SERVER_ERROR else 0

    return await until(answer, within=within)


async def is_ready(url: str) -> bool:
    async with ClientSession() as session, session.get(f"{url}/health/ready") as response:
        return response.status == HTTPStatus.OK


async def test_says_what_runs_where(up: Up) -> None:
    stack = up.stack

    ready = await asyncio.gather(*(is_ready(part["url"]) for part in stack["services"].values()))

    assert set(stack) == {"api", "kafka", "mongo", "services"}
    assert set(stack["api"]) == {"url", "pid", "log"}
    assert set(stack["kafka"]) == {"bootstrap", "pid", "log"}
    assert set(stack["mongo"]) == {"url", "pid", "log"}
    assert set(stack["services"]) == set(SERVICES)
    assert all(set(part) == {"pid", "url", "log"} for part in stack["services"].values())
    assert alive(up.pids()) == up.pids()
    assert all(ready)
    assert up.said.count("ready: ") == 1
    assert f"ready: {stack['api']['url']}" in up.said


async def test_keeps_its_secrets_for_its_owner(up: Up) -> None:
    files = [up.data / "stack.json", up.data / "owner.json"]

    modes = [stat.S_IMODE(file.stat().st_mode) for file in files]

    assert modes == [0o600, 0o600]
    assert json.loads(files[1].read_text())["clientSecret"] not in up.said


async def test_a_second_one_on_the_directory_is_refused_and_does_no_harm(up: Up) -> None:
    before = up.stack

    second = await asyncio.to_thread(
        subprocess.run,
        (sys.executable, "-m", "services", "up", "--data", str(up.data), "--port", "0"),
        env=environment(embedded=True),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert second.returncode == 1
    assert "Another `kontor up` runs in" in second.stderr
    assert up.stack == before
    assert alive(up.pids()) == up.pids()


async def test_a_service_that_dies_is_started_again(up: Up) -> None:
    old = up.stack["services"]["workflow"]["pid"]

    alive_until_now = alive({old})
    await asyncio.to_thread(subprocess.run, ("kill", "-9", str(old)), check=True)
    new = await until(lambda: up.stack["services"]["workflow"]["url"] and up.stack, within=30)

    assert alive_until_now
    assert await until(lambda: "workflow is back" in up.said, within=30)
    assert "workflow died (exit code -9): starting it again in 0.5 s" in up.said
    assert "workflow died" in (up.data / "log" / "up.log").read_text()
    assert new["api"] == up.stack["api"]
    assert await posted(up, "AFTER-WORKFLOW") == HTTPStatus.CREATED


async def test_brokers_that_die_are_started_again_and_nothing_is_lost(up: Up) -> None:
    await posted(up, "BEFORE-BROKERS")
    old = {up.stack["kafka"]["pid"], up.stack["mongo"]["pid"]}

    await asyncio.to_thread(subprocess.run, ("kill", "-9", *map(str, old)), check=True)
    status = await posted(up, "AFTER-BROKERS", within=120)

    async with up.client() as client:
        kept = await client.ask("GET", "/api/Orders/BEFORE-BROKERS")
    assert status == HTTPStatus.CREATED
    assert kept.status == HTTPStatus.OK
    assert "kafka died" in up.said
    assert "mongod died" in up.said
    assert not old & {up.stack["kafka"]["pid"], up.stack["mongo"]["pid"]}


async def test_settings_can_be_taken_out_and_put_back(up: Up) -> None:
    command = (sys.executable, "-m", "services", "settings")
    where = ("--data", str(up.data))
    file = up.data.with_name("settings.json")

    exported = await asyncio.to_thread(
        subprocess.run, (*command, "export", *where), cwd=ROOT, capture_output=True, check=True
    )
    file.write_bytes(exported.stdout)
    applied = await asyncio.to_thread(
        subprocess.run,
        (*command, "apply", str(file), *where),
        cwd=ROOT,
        capture_output=True,
        check=True,
    )

    assert json.loads(exported.stdout)["OrderSettings"]
    assert b"OrderTypes is stored." in applied.stdout


async def test_a_second_start_finds_all_data_and_the_owner(up: Up) -> None:
    await posted(up, "KEPT")
    pids, owner = up.pids(), (up.data / "owner.json").read_text()

    began = monotonic()
    exit_code = await up.stop()
    took = monotonic() - began
    left, told = alive(pids), (up.data / "stack.json").exists()
    await up.start()

    async with up.client() as client:
        kept = await client.ask("GET", "/api/Orders/KEPT")
    assert exit_code == 0
    assert took < 20
    assert not left
    assert not told
    assert kept.status == HTTPStatus.OK
    assert (up.data / "owner.json").read_text() == owner


async def test_nothing_is_left_running_when_it_is_killed(up: Up) -> None:
    pids = up.pids()

    await up.stop(signal.SIGKILL)

    assert await until(lambda: not alive(pids), within=20)
