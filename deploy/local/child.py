"""A server as a child process: started, watched, stopped, and found again after an accident."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import zlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from deploy.local.failure import StackFailed

_LAUNCHER = Path(__file__).with_name("launch.py")
_STOPS_WITHIN = 20.0
_PAUSE = 0.02

# Below the ports that systems hand out to outgoing connections, so that a remembered one is
# seldom taken at the next start.
_FIRST_PORT, _PORTS = 20_000, 10_000


class Child:
    """One server process, at work in `directory`.

    It dies with the process that started it (Linux), does not hear that one's Ctrl-C, and writes
    all it says to `log`; what the run before had said is then in `log` + ".1". `mark` is an
    argument that only this server's command line holds: by it and the recorded process id an
    orphan of an earlier run is recognised.
    """

    def __init__(
        self, name: str, *, directory: Path, mark: str, progress: Callable[[str], None]
    ) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._directory = directory
        self._record = directory / f"{name}.pid"
        self._mark = mark
        self._progress = progress
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """How the process ended (negative: by that signal), None while it runs."""
        return self._process.poll() if self._process else None

    def start(self, command: list[str], *, environment: dict[str, str] | None = None) -> None:
        """Start the server, in this process's environment or in another; returns at once."""
        if self.log.exists():
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed program, no shell
                tied(command),
                cwd=self._directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._record.write_text(f"{self._process.pid}\n")

    async def stop(self, *, within: float = _STOPS_WITHIN) -> None:
        """End the server gently, after `within` seconds by force; says so if force was needed."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            if not await _comes_true(lambda: self.exit_code is not None, within=within):
                self._progress(f"{self.name} did not stop within {within:.0f} s: killed it")
                self._process.kill()
                self._process.wait()
        self._record.unlink(missing_ok=True)

    async def end_orphan(self) -> bool:
        """End what an earlier run left running on the same directory.

        Says whether that run had no time to stop the server.
        """
        try:
            pid = int(self._record.read_text())
        except (FileNotFoundError, ValueError):
            return False  # it was stopped, or killed before the id was written: then it died too
        if self._is_ours(pid):
            self._progress(f"{self.name} of an earlier run still runs (process {pid}): ending it")
            _signal(pid, signal.SIGTERM)
            if not await _comes_true(lambda: not self._is_ours(pid), within=_STOPS_WITHIN):
                self._progress(f"{self.name} (process {pid}) did not stop: killed it")
                _signal(pid, signal.SIGKILL)
                await _comes_true(lambda: not self._is_ours(pid), within=_STOPS_WITHIN)
        self._record.unlink(missing_ok=True)
        return True

    def last_words(self) -> str:
        """Return the end of the log, for a message about a server that died."""
        return self.log.read_text(errors="replace")[-1500:].strip()

    def _is_ours(self, pid: int) -> bool:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        # A process that is dead but not buried yet has an empty command line.
        return os.fsencode(self._mark) in command.split(b"\0")


async def until_ready(
    child: Child, is_ready: Callable[[], Awaitable[bool]], *, within: float
) -> None:
    """Wait until the server answers as it should.

    :raises StackFailed: if it dies instead, or does not answer in time; with the end of its log
    """
    deadline = asyncio.get_running_loop().time() + within
    while not await is_ready():
        if child.exit_code is not None:
            raise StackFailed(
                f"{child.name} died while starting (exit code {child.exit_code}). Its log, "
                f"{child.log}, ends with:\n{child.last_words()}"
            )
        if asyncio.get_running_loop().time() > deadline:
            raise StackFailed(
                f"{child.name} was not ready after {within:.0f} s. Its log, {child.log}, ends "
                f"with:\n{child.last_words()}"
            )
        await asyncio.sleep(_PAUSE)


def tied(command: list[str]) -> list[str]:
    """Return the command in a form that ends when this process, or the thread it is used in, does.

    On other systems than Linux it only runs.
    """
    return [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *command]


def free_ports(directory: Path) -> Iterator[int]:
    """Yield ports on which nobody listens now, the same first ones each time for a directory."""
    first = zlib.crc32(str(directory).encode())
    for offset in range(_PORTS):
        port = _FIRST_PORT + (first + offset) % _PORTS
        if is_free(port):
            yield port
    raise StackFailed(f"Every port from {_FIRST_PORT} to {_FIRST_PORT + _PORTS} is in use.")


def is_free(port: int) -> bool:
    """Say whether a server could listen on this port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


async def is_free_again(port: int) -> bool:
    """Say the same, but give a server that was just killed a second to let go of it."""
    deadline = asyncio.get_running_loop().time() + 1.0
    while not is_free(port):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it went by itself meanwhile, which is what was wanted


async def _comes_true(condition: Callable[[], bool], *, within: float) -> bool:
    """Wait for the condition; False if it did not come true in time."""
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(_PAUSE)
    return True
