"""Every process of a Kontor on one machine: started, watched, started again, stopped in order."""

import asyncio
import http.client
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

from deploy.local.child import free_ports, is_free
from deploy.local.failure import StackFailed
from deploy.local.stack import Stack
from services.commands import SERVICES
from services.commands import directory as kept
from services.commands.service import BackOff, Say, Service

if sys.platform != "win32":
    import fcntl

DEATHS_WHILE_STARTING: Final = 3
READY_WITHIN: Final = 90.0
API_STOPS_WITHIN: Final = 4.0
OTHERS_STOP_WITHIN: Final = 12.0
POLL: Final = 0.1
WATCH: Final = 0.25


class Supervisor:
    """Kafka, MongoDB and the services of one directory.

    `say` gets one line for whatever takes time or is out of order. `environment` is what the
    services get besides the addresses of their brokers; what it says of those is left alone.
    """

    def __init__(
        self, directory: Path, *, port: int, environment: Mapping[str, str], say: Say
    ) -> None:
        self.directory = directory.absolute()
        self._wanted_port = port
        self._environment = dict(environment)
        self._say = say
        self._stack: Stack | None = None
        self._services: list[Service] = []
        self._written: kept.Stack = {}
        self._watching: list[asyncio.Task[None]] = []
        self._lock: IO[str] | None = None

    @property
    def environment(self) -> Mapping[str, str]:
        """What the services are told, the addresses of their brokers included."""
        return self._environment

    @property
    def url(self) -> str:
        """Where the api answers, once all is ready."""
        host = self._environment.get("KONTOR_API_HOST", "127.0.0.1")
        # 0.0.0.0 is where to listen, not where to call.
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - a comparison
        return f"http://{shown}:{self._environment['KONTOR_API_PORT']}"

    async def start(self) -> None:
        """Start everything and return when all of it is ready; from then on it is kept running.

        :raises StackFailed: if that does not come about; nothing is left running then
        """
        logs = self.directory / "log"
        logs.mkdir(parents=True, exist_ok=True)
        self._lock_directory()
        (self.directory / kept.STACK).unlink(missing_ok=True)
        try:
            self._services = [
                Service(name, logs=logs, environment=self._environment, say=self._say)
                for name in SERVICES
            ]
            await asyncio.gather(*(one.child.end_orphan() for one in self._services))
            self._environment["KONTOR_API_PORT"] = str(self._choose_port())
            await self._start_brokers()
            self._say("starting the services")
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise
        self._watching = [
            asyncio.create_task(self._watch_services()),
            asyncio.create_task(self._watch_brokers()),
        ]

    async def stop(self) -> None:
        """End everything in order: the api, the other services, the brokers."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for one in self._services[:1]:
            await one.child.stop(within=API_STOPS_WITHIN)
        await asyncio.gather(
            *(one.child.stop(within=OTHERS_STOP_WITHIN) for one in self._services[1:])
        )
        if self._stack is not None:
            await self._stack.stop()
        (self.directory / kept.STACK).unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()

    # -- starting -------------------------------------------------------------------------------

    def _lock_directory(self) -> None:
        """Keep a second Kontor off this directory; the system lifts the lock when we die."""
        lock = (self.directory / "up.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackFailed(
                f"Another `kontor up` runs in {self.directory}. Stop it first, or choose another "
                "directory with --data."
            ) from None
        self._lock = lock

    async def _start_brokers(self) -> None:
        given = [
            name
            for name in ("KONTOR_KAFKA_BOOTSTRAP", "KONTOR_MONGO_URL")
            if self._environment.get(name)
        ]
        if len(given) == 1:
            raise StackFailed(
                f"{given[0]} is set alone. Set both KONTOR_KAFKA_BOOTSTRAP and KONTOR_MONGO_URL, "
                "to use servers that run already, or neither."
            )
        if given:
            self._say("using the Kafka and the MongoDB that the environment names")
            return
        self._say("starting Kafka and MongoDB")
        self._stack = Stack(self.directory, progress=self._say)
        await self._stack.start()
        self._environment["KONTOR_KAFKA_BOOTSTRAP"] = self._stack.kafka_bootstrap
        self._environment["KONTOR_MONGO_URL"] = self._stack.mongo_url

    def _choose_port(self) -> int:
        if self._wanted_port == 0:
            return next(free_ports(self.directory / "api"))
        if not is_free(self._wanted_port):
            raise StackFailed(
                f"Port {self._wanted_port} is in use. Choose another one with --port, or let "
                "--port 0 find a free one."
            )
        return self._wanted_port

    async def _until_ready(self) -> None:
        """Start as many at a time as there are cores, and wait until every one takes work."""
        deadline = time.monotonic() + READY_WITHIN
        waiting = list(self._services)
        while waiting:
            self._look()
            for one in waiting:
                if one.deaths >= DEATHS_WHILE_STARTING:
                    raise StackFailed(
                        f"{one.name} cannot start. Its log, {one.child.log}, ends with:\n"
                        f"{one.child.last_words()}"
                    )
            if time.monotonic() > deadline:
                names = ", ".join(one.name for one in waiting)
                raise StackFailed(
                    f"Not ready after {READY_WITHIN:.0f} s: {names}. Their logs are in "
                    f"{self.directory / 'log'}."
                )
            if not any(one.url is None for one in waiting):
                answers = await asyncio.gather(*(_is_ready(one.url or "") for one in waiting))
                waiting = [one for one, ready in zip(waiting, answers, strict=True) if not ready]
            await asyncio.sleep(POLL)

    # -- watching -------------------------------------------------------------------------------

    def _look(self) -> None:
        cores = os.cpu_count() or 1
        for one in self._services:
            starting = sum(other.is_starting for other in self._services)
            one.look(may_start=starting < max(cores, 2))
        self._write()

    async def _watch_services(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            self._look()

    async def _watch_brokers(self) -> None:
        if self._stack is None:
            return
        back_off, born = BackOff(), time.monotonic()
        while True:
            await asyncio.sleep(WATCH)
            try:
                back = await self._stack.restart_dead()
            except StackFailed as failure:
                self._say(str(failure))
                back = []
            else:
                if not back:
                    continue
                self._say(f"{' and '.join(back)} run{'s' * (len(back) == 1)} again")
            await asyncio.sleep(back_off.after(seconds_of_life=time.monotonic() - born))
            born = time.monotonic()

    def _write(self) -> None:
        """Keep `stack.json` current."""
        api = self._services[0]
        brokers = self._stack
        content: kept.Stack = {
            "api": {"url": self.url, "pid": api.pid, "log": str(api.child.log)},
            "kafka": {
                "bootstrap": self._environment["KONTOR_KAFKA_BOOTSTRAP"],
                "pid": brokers.kafka_pid if brokers else None,
                "log": str(brokers.kafka_log) if brokers else None,
            },
            "mongo": {
                "url": self._environment["KONTOR_MONGO_URL"],
                "pid": brokers.mongo_pid if brokers else None,
                "log": str(brokers.mongo_log) if brokers else None,
            },
            "services": {
                one.name: {"pid": one.pid, "url": one.url, "log": str(one.child.log)}
                for one in self._services
            },
        }
        if content != self._written:
            kept.write(self.directory / kept.STACK, content)
            self._written = content


async def _is_ready(url: str) -> bool:
    """Ask a service whether its brokers and its consumers are ready."""
    return await asyncio.to_thread(_ask, url)


def _ask(url: str) -> bool:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=5)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
