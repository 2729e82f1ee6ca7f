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
