"""`kontor up` as people run it: a process of its own, seen through what it says and writes."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from services.commands.client import Client, place
from tests.harness import until

ROOT = Path(__file__).parents[2]
BROKERS = ("KONTOR_KAFKA_BOOTSTRAP", "KONTOR_MONGO_URL")


def environment(*, embedded: bool) -> dict[str, str]:
    """Return an environment for our own programs, with or without the brokers of this run."""
    found = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    for name in BROKERS if embedded else ():
        found.pop(name, None)
    return found


class Up:
    """One directory, and the `kontor up` that runs on it or not."""

    def __init__(self, data: Path, told: Mapping[str, str]) -> None:
        self.data = data
        self._told = dict(told)
        self._output = data.with_name(f"{data.name}.out")
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it, if it does not run, and wait until it is ready."""
        if self._process is None:
            command = (sys.executable, "-m", "services", "up", "--data", str(self.data))
            options = ("--port", "0", "--allow-network", "127.0.0.0/8")
            with self._output.open("wb") as output:
                self._process = subprocess.Popen(  # noqa: ASYNC220 - it outlives this call
                    (*command, *options), env=self._told, stdout=output, stderr=output
                )
        running = self._process
        await until(lambda: "ready: " in self.said or running.poll() is not None, within=120)
        assert running.poll() is None, self.said

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it the signal and return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return await asyncio.to_thread(process.wait, 30)

    @property
    def said(self) -> str:
        """What it has said since its start."""
        return self._output.read_text()

    @property
    def stack(self) -> dict[str, Any]:
        """What it wrote of its processes."""
        found: dict[str, Any] = json.loads((self.data / "stack.json").read_text())
        return found

    def pids(self) -> set[int]:
        """Return the ids of all its processes, its own left out."""
        stack = self.stack
        brokers = {stack["kafka"]["pid"], stack["mongo"]["pid"]}
        return {one["pid"] for one in stack["services"].values()} | brokers

    def client(self) -> Client:
        """Return a client of its api."""
        return Client(place(self.data))


def alive(pids: set[int]) -> set[int]:
    """Return those that run; a dead one that nobody has buried yet does not."""
    return {
        pid
        for pid in pids
        if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    }
