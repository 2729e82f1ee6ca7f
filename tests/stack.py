"""Where the brokers of a test run come from: the environment, Docker, or the embedded stack."""

import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import ExecWaitStrategy, LogMessageWaitStrategy

from deploy.local.stack import Stack

KAFKA_IMAGE = "apache/kafka:4.3.1"
MONGO_IMAGE = "mongo:8"
DOCKER_SOCKET = Path("/var/run/docker.sock")
# Transactions need a replica set; it is founded by whoever asks first whether it takes writes.
TAKES_WRITES = """
try { rs.status() } catch (error) {
  rs.initiate({_id: "rs0", members: [{_id: 0, host: "127.0.0.1:27017"}]}) }
quit(db.hello().isWritablePrimary ? 0 : 1)
"""


@dataclass
class Brokers:
    """A Kafka and a MongoDB that tests may use, and the way to end them."""

    stop: Callable[[], None]


def started() -> Brokers:
    """Choose and start the brokers, and name them in the environment for every test process."""
    if "KONTOR_KAFKA_BOOTSTRAP" in os.environ and "KONTOR_MONGO_URL" in os.environ:
        return Brokers(stop=lambda: None)
    if _docker_answers():
        return _in_docker()
    return _embedded()


def _docker_answers() -> bool:
    """Say whether this user may talk to a Docker daemon, or has named one, which must answer."""
    if "DOCKER_HOST" in os.environ:
        return True
    if not DOCKER_SOCKET.exists():
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(DOCKER_SOCKET))
        except OSError:
            return False  # its daemon has ended, or it is not for this user
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _in_docker() -> Brokers:
    """Run the official images. The broker must know its port before it starts, so we choose it."""
    port, controller = _free_port(), 9093
    kafka = (
        DockerContainer(KAFKA_IMAGE)
        .with_bind_ports(9092, port)
        .with_env("KAFKA_NODE_ID", "1")
        .with_env("KAFKA_PROCESS_ROLES", "broker,controller")
        .with_env("KAFKA_LISTENERS", f"PLAINTEXT://:9092,CONTROLLER://:{controller}")
        .with_env("KAFKA_ADVERTISED_LISTENERS", f"PLAINTEXT://127.0.0.1:{port}")
        .with_env("KAFKA_CONTROLLER_LISTENER_NAMES", "CONTROLLER")
        .with_env("KAFKA_CONTROLLER_QUORUM_VOTERS", f"1@127.0.0.1:{controller}")
        .with_env("KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS", "8")
        .with_env("KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR", "1")
        .with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
        .with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        .with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        .with_env("KAFKA_MESSAGE_MAX_BYTES", str(10 * 1024 * 1024))
        .with_env("KAFKA_REPLICA_FETCH_MAX_BYTES", str(10 * 1024 * 1024))
        .with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
        .waiting_for(LogMessageWaitStrategy("Kafka Server started"))
    )
    mongo = (
        DockerContainer(MONGO_IMAGE)
        .with_exposed_ports(27017)
        .with_command(
            "--replSet rs0 --bind_ip_all --setParameter transactionLifetimeLimitSeconds=10"
            " --setParameter minSnapshotHistoryWindowInSeconds=900"
        )
        .waiting_for(ExecWaitStrategy(["mongosh", "--quiet", "--eval", TAKES_WRITES]))
    )
    containers = (kafka, mongo)

    def stop() -> None:
        for container in containers:
            container.stop()

    try:
        for container in containers:
            container.start()
    except BaseException:
        stop()
        raise
    os.environ["KONTOR_KAFKA_BOOTSTRAP"] = f"127.0.0.1:{port}"
    address = f"127.0.0.1:{mongo.get_exposed_port(27017)}"
    os.environ["KONTOR_MONGO_URL"] = f"mongodb://{address}/?directConnection=true"
    return Brokers(stop)


def _embedded() -> Brokers:
    """Run the embedded stack on a loop of its own, in a directory that goes with it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded-stack", daemon=True)
    thread.start()
    directory = tempfile.TemporaryDirectory(prefix="kontor-test-", ignore_cleanup_errors=True)
    stack = Stack(Path(directory.name), progress=print)

    def stop() -> None:
        asyncio.run_coroutine_threadsafe(stack.stop(), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()
        directory.cleanup()

    try:
        asyncio.run_coroutine_threadsafe(stack.start(), loop).result(timeout=300)
    except BaseException:
        stop()
        raise
    os.environ["KONTOR_KAFKA_BOOTSTRAP"] = stack.kafka_bootstrap
    os.environ["KONTOR_MONGO_URL"] = stack.mongo_url
    return Brokers(stop)
