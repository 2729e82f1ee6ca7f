"""The README says what is so: its shell examples run, its tables agree with the code."""

import asyncio
import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from services.chassis.mongo import connect
from services.commands import SERVICES
from tests.journeys.up import ROOT, Up, environment

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `(KONTOR_[A-Z_]+)` \| ?(.*?) \| (.*?) \| .+ \|$", re.MULTILINE)


@pytest.fixture(scope="module")
async def up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Up]:
    """A `kontor up` in `.kontor` of an empty directory, on the brokers of this run."""
    name = f"readme-{uuid4().hex[:8]}"
    own = {"KONTOR_MONGO_DATABASE": name, "KONTOR_TOPIC_PREFIX": f"{name}."}
    up = Up(tmp_path_factory.mktemp("readme") / ".kontor", environment(embedded=False) | own)
    await up.start()
    yield up
    await up.stop()
    client = connect(os.environ["KONTOR_MONGO_URL"])
    await client.drop_database(name)
    client.close()


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def as_a_script(blocks: list[str], *, api: str) -> str:
    """Join the blocks: only ports and ways of this machine are changed, all else stays as it is."""
    text = "\n".join(blocks)
    for written, here in (
        (". .venv/bin/activate\n", ""),
        ("http://127.0.0.1:8080", api),
        ("HOOKS=9000", f"HOOKS={a_free_port()}"),
    ):
        assert written in text
        text = text.replace(written, here)
    # A subshell, so that the receiver in the background ends with the script.
    return f"set -eu\ntrap 'kill $(jobs -p)' EXIT\n{text}"


async def test_its_ten_minutes_as_a_user_work_as_written(up: Up) -> None:
    here = up.data.parent
    tools = here / "bin"
    tools.mkdir()
    for name, module in (("kontor", "-m services"), ("python", "")):
        tool = tools / name
        tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module} "$@"\n')
        tool.chmod(0o755)
    first, *others = BLOCKS

    done = await asyncio.to_thread(
        subprocess.run,
        ("bash", "-c", as_a_script(others, api=up.stack["api"]["url"])),
        cwd=here,
        env=environment(embedded=False) | {"PATH": f"{tools}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    said = done.stdout
    assert "kontor up --allow-network 127.0.0.0/8" in first
    assert done.returncode == 0, said + done.stderr
    assert said.count("HTTP/1.1 201 Created") == 2
    assert "idempotency-replayed: true" in said.lower()
    assert "order.created sequence 1" in said
    assert '"actionType":"CapturePayments","actionStatus":"Success"' in said
    assert "The books agree." in said
    assert "There are no dead letters." in said


def documented() -> dict[str, tuple[str, str]]:
    return {name: (default, readers) for name, default, readers in ROW.findall(README)}


def actual() -> dict[str, tuple[str, str]]:
    """Return every variable with its default and its readers, as the table writes them."""
    defaults: dict[str, str] = {}
    readers: dict[str, list[str]] = {}
    for service in SERVICES:
        settings = importlib.import_module(f"services.{service}.settings").Settings
        for name, field in settings.model_fields.items():
            variable = f"KONTOR_{name.upper()}"
            value = field.get_default()
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            shown = "" if plain in (None, "", ()) else f"`{plain}`"
            defaults[variable] = "required" if field.is_required() else shown
            readers.setdefault(variable, []).append(service)
    return {
        name: (
            default,
            "all" if len(readers[name]) == len(SERVICES) else ", ".join(readers[name]),
        )
        for name, default in defaults.items()
    }


def test_its_configuration_table_is_that_of_the_settings() -> None:
    written = documented()

    assert written == actual()


def test_its_tasks_exist() -> None:
    named = re.findall(r"^poe (\w+)", README, re.MULTILINE)

    tasks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["poe"]["tasks"]

    assert named
    assert set(named) <= set(tasks)


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    missing = [link for link in links if not Path(ROOT, link).exists()]

    assert links
    assert missing == []
