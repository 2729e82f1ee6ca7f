"""One service as a process: started, watched, started again with back-off."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deploy.local.child import Child

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
HEALTHY_AFTER: Final = 30.0
LONGEST_LOG: Final = 64 * 1024 * 1024

Say = Callable[[str], None]


class BackOff:
    """How long to wait before something that died is started again."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE

    def after(self, *, seconds_of_life: float) -> float:
        """Return the pause: 0.5 s, doubling to 10 s, and 0.5 s again after 30 s of life."""
        if seconds_of_life > HEALTHY_AFTER:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(self._pause * 2, LONGEST_PAUSE)
        return pause


def shorten(log: Path, *, most: int) -> None:
    """Begin a log that has grown too long anew; what it said is then in `log` + ".1"."""
    if log.stat().st_size > most:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        # Its writer appends, so it goes on at the new end. A line written since may be lost.
        os.truncate(log, 0)


class Service:
    """One service process, called upon by `look` every now and then."""

    def __init__(self, name: str, *, logs: Path, environment: dict[str, str], say: Say) -> None:
        self.name = name
        self.child = Child(name, directory=logs, mark=name, progress=say)
        self.url: str | None = None
        self.deaths = 0
        self._environment = environment
        self._say = say
        self._back_off = BackOff()
        self._born = 0.0
        self._due = 0.0
        self._runs = False

    @property
    def pid(self) -> int | None:
        """The process id, None between two lives."""
        return self.child.pid if self._runs else None

    @property
    def is_starting(self) -> bool:
        """Whether it runs but does not serve yet."""
        return self._runs and self.url is None

    def look(self, *, may_start: bool) -> None:
        """Notice what happened to the process, and do what is due."""
        if not self._runs:
            if may_start and time.monotonic() >= self._due:
                self._start()
        elif self.child.exit_code is not None:
            self._bury(self.child.exit_code)
        elif self.url is None:
            self._find_url()
        else:
            shorten(self.child.log, most=LONGEST_LOG)

    def _start(self) -> None:
        self.child.start(
            [sys.executable, "-m", "services", "run", self.name], environment=self._environment
        )
        self._runs = True
        self._born = time.monotonic()

    def _bury(self, exit_code: int) -> None:
        now = time.monotonic()
        pause = self._back_off.after(seconds_of_life=now - self._born)
        self.deaths += 1
        self._say(f"{self.name} died (exit code {exit_code}): starting it again in {pause:g} s")
        self._runs, self.url = False, None
        self._due = now + pause

    def _find_url(self) -> None:
        for line in self.child.log.read_bytes().splitlines():
            if b'"service.ready"' in line and line.endswith(b"}"):
                self.url = json.loads(line)["url"]
                self._say(f"{self.name} {'is back' if self.deaths else 'serves'}")
