"""Where the brokers of a test run come from."""

import asyncio
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from deploy.local.stack import Stack


@dataclass
class Brokers:
    """A Kafka and a MongoDB that tests may use, and the way to end them."""

    stop: Callable[[], None]


def started() -> Brokers:
    """Choose and start the brokers, and name them in the environment for every test process."""
    if "KONTOR_KAFKA_BOOTSTRAP" in os.environ and "KONTOR_MONGO_URL" in os.environ:
        return Brokers(stop=lambda: None)
    return _embedded()


def _embedded() -> Brokers:
    """Run the embedded stack on a loop of its own, in a directory that goes with it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="embedded-stack", daemon=True)
    thread.start()
    directory = tempfile.TemporaryDirectory(prefix="kontor-test-", ignore_cleanup_errors=True)
    stack = Stack(Path(directory.name), progress=print)
    asyncio.run_coroutine_threadsafe(stack.start(), loop).result(timeout=300)
    os.environ["KONTOR_KAFKA_BOOTSTRAP"] = stack.kafka_bootstrap
    os.environ["KONTOR_MONGO_URL"] = stack.mongo_url

    def stop() -> None:
        asyncio.run_coroutine_threadsafe(stack.stop(), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        directory.cleanup()

    return Brokers(stop=stop)
