"""What a process does to stay small."""

import subprocess
import sys

import pytest

HASHING = """
from concurrent.futures import ThreadPoolExecutor
from argon2 import PasswordHasher
import psutil
from services.chassis.process import give_large_blocks_back
give_large_blocks_back()
hasher = PasswordHasher(time_cost=1, memory_cost=19_456, parallelism=1)
hasher.hash("in the thread that the process begins with")
before = psutil.Process().memory_info().rss
with ThreadPoolExecutor(1) as threads:
    for _ in range(3):
        threads.submit(hasher.hash, "in another one").result()
    print(psutil.Process().memory_info().rss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone keeps it")
def test_memory_of_hashes_returns_to_the_system() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HASHING], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 8 * 1024 * 1024


TIDYING = """
import asyncio, gc, weakref
from services.chassis import process
process.COLLECT_EVERY = 0.05

class Circle:
    def __init__(self):
        self.itself = self

async def main():
    process.settle_garbage_collector()
    circles = [Circle() for _ in range(process.WORTH_COLLECTING * 2)]
    left = weakref.ref(circles[0])
    del circles
    assert left() is not None
    async with asyncio.timeout(20):
        while left() is not None:
            await asyncio.sleep(0.05)

asyncio.run(main())
print("gone")
"""


def test_what_refers_to_itself_goes_now_and_then() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TIDYING], capture_output=True, text=True, check=True
    )

    assert done.stdout == "gone\n"
