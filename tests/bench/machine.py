"""What the machine was doing besides: a benchmark on a busy machine says so."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import psutil


@dataclass(frozen=True)
class Busy:
    """Cores in use between two looks: by us, and by others."""

    ours: float
    others: float
    seconds: float

    @property
    def disturbed(self) -> bool:
        """Whether others had more than a tenth of the machine."""
        return self.others > 0.1 * (os.cpu_count() or 1)


def cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its ended children; 0 for one that is gone."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return times.user + times.system


def resident(pid: int) -> int:
    """Return the resident memory of a process in MB."""
    return int(psutil.Process(pid).memory_info().rss / 1024 / 1024)


class Watch:
    """Measures processor time from its making to `look`."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = [*pids, os.getpid()]
        self._own = {pid: cpu_seconds(pid) for pid in self._pids}
        self._all = _used()
        self._since = monotonic()

    def spent(self, pid: int) -> float:
        """Return the seconds of processor time that one process has used since."""
        return cpu_seconds(pid) - self._own.get(pid, 0.0)

    def look(self) -> Busy:
        """Return who used the cores since."""
        seconds = monotonic() - self._since
        ours = sum(self.spent(pid) for pid in self._pids) / seconds
        everything = (_used() - self._all) / seconds
        return Busy(ours, max(0.0, everything - ours), seconds)


def _used() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + getattr(times, "softirq", 0.0))


def description() -> str:
    """Return the machine in a line."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}"
    )
