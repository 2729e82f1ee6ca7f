"""The toy service in a process of its own, which a test may kill, freeze and read."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from services.chassis.settings import ChassisSettings
from tests.harness import until

ROOT = Path(__file__).parents[3]

Line = dict[str, Any]  # Any: a log line has fields of every kind


class Process:
    """A toy, its log, its pages."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[Line] = []
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        out = self._process.stdout
        assert out is not None
        async for line in out:
            self.lines.append(json.loads(line))
            sys.stdout.write(line.decode())

    def said(self, event: str) -> list[Line]:
        """Return the log lines of this name."""
        return [line for line in self.lines if line["event"] == event]

    async def is_ready(self) -> None:
        """Wait until it serves and Kafka has given it partitions."""
        await until(lambda: self.said("service.ready") or self.has_died, within=30)
        async with aiohttp.ClientSession() as session:

            async def ready() -> bool:
                async with session.get(f"{self.url}/health/ready") as answer:
                    return answer.status == 200

            await until(ready, within=30)

    @property
    def url(self) -> str:
        """Where its pages are."""
        return str(self.said("service.ready")[0]["url"])

    @property
    def has_died(self) -> bool:
        return self._process.returncode is not None

    @property
    def is_frozen(self) -> bool:
        """Whether it has been stopped by a signal."""
        return bool(psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED)

    @property
    def memory(self) -> float:
        """Resident memory in MB."""
        return float(psutil.Process(self._process.pid).memory_info().rss) / 1e6

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def ends(self, *, within: float = 30.0) -> int:
        """Return the exit code; negative: by that signal."""
        async with asyncio.timeout(within):
            code = await self._process.wait()
            await self._reading
        return code

    async def end(self) -> None:
        """See to it that nothing is left of it."""
        if not self.has_died:
            self._process.kill()
        await self.ends()


@asynccontextmanager
async def process(
    settings: ChassisSettings, *, instance: str = "", **environment: str
) -> AsyncIterator[Process]:
    """Run a toy in a process of its own for the length of the block, at most."""
    toy = Process(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.toy",
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            limit=2**22,
            env={
                **os.environ,
                "KONTOR_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
                "KONTOR_MONGO_URL": settings.mongo_url,
                "KONTOR_MONGO_DATABASE": settings.mongo_database,
                "KONTOR_TOPIC_PREFIX": settings.topic_prefix,
                "KONTOR_PARTITIONS": str(settings.partitions),
                "KONTOR_INSTANCE": instance,
                **environment,
            },
        )
    )
    try:
        yield toy
    finally:
        await toy.end()
