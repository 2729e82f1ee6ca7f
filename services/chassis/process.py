"""A process: how it says that it serves, and how it is told to stop."""

import asyncio
import ctypes
import functools
import gc
import os
import signal
import sys
from collections.abc import Awaitable

from pydantic_core import to_json

COLLECT_EVERY = 30.0
WORTH_COLLECTING = 5_000
MOST_ALLOCATED = 500_000
"""Objects after which garbage is looked for at once, whatever goes on."""
LARGE = 1024 * 1024
_M_MMAP_THRESHOLD = -3  # malloc.h


def announce(name: str, url: str) -> None:
    """Tell whoever started this process that it serves and where, whatever the level of the log."""
    line = {"event": "service.ready", "service": name, "url": url, "pid": os.getpid()}
    sys.stdout.buffer.write(to_json(line) + b"\n")
    sys.stdout.flush()


def give_large_blocks_back() -> None:
    """See to it that memory of a megabyte and more returns to the system once it is free.

    glibc raises its own bound to the largest block that was ever freed: after the first secret was
    hashed, 19 MB stayed with every thread that hashes. Other libraries of C have no such bound.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE)


def settle_garbage_collector() -> None:
    """Freeze what start-up allocated, and look for garbage now and then, not while there is work.

    Freezing cut the p99 from 23 to 6 ms. A batch keeps tens of thousands of objects until it ends,
    which are no garbage: to look through them whenever so many were made took 7 % of an order. Only
    what refers to itself is found by looking, and there is little of it.

    Call it in the event loop, as long as which it lasts.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(MOST_ALLOCATED, 50, 100)
    _collect_now_and_then(asyncio.get_running_loop())


def _collect_now_and_then(loop: asyncio.AbstractEventLoop) -> None:
    allocated, *_ = gc.get_count()
    if allocated > WORTH_COLLECTING:
        gc.collect()
    loop.call_later(COLLECT_EVERY, _collect_now_and_then, loop)


def told_to_stop() -> asyncio.Event:
    """Return the event that SIGTERM and SIGINT set: one for all services of the process."""
    return _told(asyncio.get_running_loop())


@functools.cache
def _told(loop: asyncio.AbstractEventLoop) -> asyncio.Event:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    return told


async def until_told_to_stop(failure: Awaitable[None]) -> None:
    """Return on SIGTERM or SIGINT; raise what `failure` raises."""
    waiting = asyncio.create_task(told_to_stop().wait())
    failing = asyncio.ensure_future(failure)
    done, _ = await asyncio.wait({waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if failing in done:
        await failing
    failing.cancel()
