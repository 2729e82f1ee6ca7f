import asyncio
import contextlib
import hashlib
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pymongo import AsyncMongoClient

from deploy.local import jars
from deploy.local.failure import StackFailed
from deploy.local.stack import Stack

ROOT = Path(__file__).parents[2]

# What another process does with a stack: starts it, says so, and waits to be killed.
HOLDER = """
import asyncio, sys
from pathlib import Path
from deploy.local.stack import Stack

async def hold():
    stack = Stack(Path(sys.argv[1]), progress=lambda line: None)
    await stack.start()
    print(stack.kafka_pid, stack.mongo_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the embedded stack runs on Linux only"
)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
async def running(
    tmp_path_factory: pytest.TempPathFactory, told: list[str]
) -> AsyncIterator[Stack]:
    running = Stack(tmp_path_factory.mktemp("stack"), progress=told.append)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with holder:
        yield holder
        holder.kill()


class TestStack:
    async def test_takes_messages_and_transactions(self, running: Stack) -> None:
        await keep(running, "hello")

        assert await kept(running) == (["hello"], ["hello"])

    async def test_starts_a_killed_kafka_again_with_its_data(
        self, running: Stack, told: list[str]
    ) -> None:
        await keep(running, "before the kill")
        before = await kept(running)
        bootstrap, pid = running.kafka_bootstrap, running.kafka_pid
        os.kill(pid, signal.SIGKILL)

        assert await restarted(running) == ["kafka"]

        assert any("kafka died (exit code -9)" in line for line in told)
        assert running.kafka_bootstrap == bootstrap
        assert running.kafka_pid != pid
        assert await kept(running) == before

    async def test_starts_a_killed_mongod_again_with_its_data(self, running: Stack) -> None:
        await keep(running, "before the other kill")
        before = await kept(running)
        pid = running.mongo_pid
        os.kill(pid, signal.SIGKILL)

        assert await restarted(running) == ["mongod"]

        assert await kept(running) == before

    async def test_leaves_what_is_alive_alone(self, running: Stack) -> None:
        pids = running.kafka_pid, running.mongo_pid

        assert await running.restart_dead() == []

        assert (running.kafka_pid, running.mongo_pid) == pids

    async def test_refuses_a_directory_that_another_stack_uses(self, running: Stack) -> None:
        second = Stack(running.kafka_log.parents[1], progress=lambda _: None)

        with pytest.raises(StackFailed, match="Another process runs a stack in"):
            await second.start()

        assert runs(running.kafka_pid)

    async def test_finds_ports_and_data_again(self, tmp_path: Path) -> None:
        first = Stack(tmp_path, progress=lambda _: None)
        await first.start()
        await keep(first, "for later")
        await first.stop()
        told: list[str] = []
        second = Stack(tmp_path, progress=told.append)

        await second.start()
        found = await kept(second)
        await second.stop()

        assert (first.kafka_bootstrap, first.mongo_url) == (
            second.kafka_bootstrap,
            second.mongo_url,
        )
        assert found == (["for later"], ["for later"])
        assert told == []

    async def test_takes_other_ports_when_its_own_are_in_use(self, tmp_path: Path) -> None:
        first = Stack(tmp_path, progress=lambda _: None)
        await first.start()
        await keep(first, "for later")
        await first.stop()
        told: list[str] = []
        second = Stack(tmp_path, progress=told.append)

        with listening(port(first.kafka_bootstrap)), listening(port(first.mongo_url)):
            await second.start()
            found = await kept(second)
            await second.stop()

        assert [line for line in told if "is in use: taking" in line] == told
        assert len(told) == 2
        assert found == (["for later"], ["for later"])

    async def test_refuses_a_wanted_port_that_is_in_use(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            taken = server.getsockname()[1]
            wanting = Stack(tmp_path, progress=lambda _: None, mongo_port=taken)

            with pytest.raises(StackFailed, match=f"Port {taken}, wanted for mongo, is in use"):
                await wanting.start()

    async def test_formats_a_half_formatted_directory_anew(self, tmp_path: Path) -> None:
        half = tmp_path / "kafka" / "data"
        half.mkdir(parents=True)
        (half / "meta.properties").write_text("version=1\n")
        told: list[str] = []
        starting = Stack(tmp_path, progress=told.append)

        await starting.start()
        await keep(starting, "works")
        found = await kept(starting)
        await starting.stop()

        assert "Kafka's directory was left half-formatted: formatting it anew" in told
        assert found == (["works"], ["works"])

    async def test_leaves_nothing_running_when_its_process_is_killed(
        self, holder: subprocess.Popen[str], tmp_path: Path
    ) -> None:
        pids = await started_by(holder)

        holder.kill()

        await comes_true(lambda: not any(runs(pid) for pid in pids))
        told: list[str] = []
        next_one = Stack(tmp_path, progress=told.append)
        await next_one.start()
        await next_one.stop()
        assert told == [
            "kafka was not stopped in order last time; it checks its files",
            "mongod was not stopped in order last time; it checks its files",
        ]

    async def test_ends_the_orphans_of_an_earlier_run(
        self, holder: subprocess.Popen[str], tmp_path: Path
    ) -> None:
        kafka, mongo = await started_by(holder)
        # Stopped servers cannot hear that their parent died: so they are orphans.
        os.kill(kafka, signal.SIGSTOP)
        os.kill(mongo, signal.SIGSTOP)
        holder.kill()
        holder.wait()
        told: list[str] = []
        next_one = Stack(tmp_path, progress=told.append)
        starting = asyncio.create_task(next_one.start())

        await comes_true(lambda: bool(told))
        os.kill(kafka, signal.SIGCONT)
        os.kill(mongo, signal.SIGCONT)
        await starting
        await next_one.stop()

        assert told[0] == f"kafka of an earlier run still runs (process {kafka}): ending it"
        assert not runs(kafka)
        assert not runs(mongo)

    async def test_says_what_to_do_on_another_system(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(platform, "system", lambda: "Plan9")

        with pytest.raises(StackFailed, match=r"docker compose up.*KONTOR_KAFKA_BOOTSTRAP"):
            await Stack(tmp_path, progress=lambda _: None).start()


class TestJars:
    def test_refuses_what_is_not_what_was_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = tmp_path / "jars.lock"
        lock.write_text(f"# a comment\norg.example:thing:1 {'0' * 64}\n")
        monkeypatch.setattr(jars, "_fetch", pretend_to_fetch)
        cache = tmp_path / "cache"

        with pytest.raises(StackFailed, match=r"thing-1\.jar does not have the SHA-256"):
            jars.jars(cache, progress=lambda _: None, lock=lock)

        assert list(cache.iterdir()) == []

    def test_fetches_again_what_was_damaged_in_the_cache(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = tmp_path / "jars.lock"
        lock.write_text(f"org.example:thing:1 {hashlib.sha256(b'fetched').hexdigest()}\n")
        monkeypatch.setattr(jars, "_fetch", pretend_to_fetch)
        told: list[str] = []
        directory = jars.jars(tmp_path / "cache", progress=told.append, lock=lock)
        (directory / "thing-1.jar").write_bytes(b"damaged")

        again = jars.jars(tmp_path / "cache", progress=told.append, lock=lock)

        assert again == directory
        assert (again / "thing-1.jar").read_bytes() == b"fetched"
        assert told == [f"{directory} is damaged (thing-1.jar): fetching Kafka again"]

    def test_keeps_one_of_two_fetches_at_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = tmp_path / "jars.lock"
        lock.write_text(f"org.example:thing:1 {hashlib.sha256(b'fetched').hexdigest()}\n")

        def fetch(locked: list[jars.Jar], to: Path, *, progress: Callable[[str], None]) -> None:
            pretend_to_fetch(locked, to, progress=progress)
            quicker = to.with_name("kept-by-another")
            pretend_to_fetch(locked, quicker, progress=progress)
            quicker.rename(kept_directory)

        monkeypatch.setattr(jars, "_fetch", pretend_to_fetch)
        kept_directory = jars.jars(tmp_path / "cache", progress=lambda _: None, lock=lock)
        shutil.rmtree(kept_directory)
        monkeypatch.setattr(jars, "_fetch", fetch)

        directory = jars.jars(tmp_path / "cache", progress=lambda _: None, lock=lock)

        assert directory == kept_directory
        assert [path.name for path in (tmp_path / "cache").iterdir()] == [directory.name]

    def test_names_no_host(self) -> None:
        assert "://" not in jars.LOCK.read_text()


def pretend_to_fetch(
    locked: list[jars.Jar], directory: Path, *, progress: Callable[[str], None]
) -> None:
    del progress
    directory.mkdir(parents=True)
    for jar in locked:
        (directory / jar.file_name).write_bytes(b"fetched")


async def keep(running: Stack, word: str) -> None:
    """Put the word on a topic and, in a transaction, into a collection."""
    admin = AIOKafkaAdminClient(bootstrap_servers=running.kafka_bootstrap)
    await admin.start()
    try:
        if "words" not in await admin.list_topics():
            await admin.create_topics([NewTopic("words", num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=running.kafka_bootstrap, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        await producer.send_and_wait("words", word.encode())
    finally:
        await producer.stop()
    async with (
        AsyncMongoClient[dict[str, str]](running.mongo_url) as client,
        client.start_session() as session,
        await session.start_transaction(),
    ):
        await client["test"]["words"].insert_one({"word": word}, session=session)


async def kept(running: Stack) -> tuple[list[str], list[str]]:
    """Read back every word from the topic and from the collection."""
    consumer = AIOKafkaConsumer(
        "words", bootstrap_servers=running.kafka_bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        (partition,) = consumer.assignment()
        (end,) = (await consumer.end_offsets([partition])).values()
        from_kafka: list[str] = []
        async with asyncio.timeout(30):
            while len(from_kafka) < end:
                from_kafka.append((await consumer.getone()).value.decode())
    finally:
        await consumer.stop()
    async with AsyncMongoClient[dict[str, str]](running.mongo_url) as client:
        found = await client["test"]["words"].find(sort={"_id": 1}).to_list()
    return from_kafka, [document["word"] for document in found]


async def started_by(holder: subprocess.Popen[str]) -> tuple[int, int]:
    """Wait until the other process has its stack; return the ids of Kafka and mongod."""
    assert holder.stdout is not None
    async with asyncio.timeout(60):
        line = await asyncio.to_thread(holder.stdout.readline)
    kafka, mongo = line.split()
    return int(kafka), int(mongo)


async def restarted(running: Stack) -> list[str]:
    """Wait until the stack has seen what died and has started it again; return the names."""
    async with asyncio.timeout(30):
        while not (names := await running.restart_dead()):
            await asyncio.sleep(0.02)
    return names


async def comes_true(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def port(address: str) -> int:
    return int(address.removeprefix("mongodb://").split("/")[0].rpartition(":")[2])


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield
