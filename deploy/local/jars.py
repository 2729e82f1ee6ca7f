"""Kafka's jars: fetched once for each user, compared with `jars.lock` at every start."""

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from deploy.local.failure import StackFailed

LOCK = Path(__file__).with_name("jars.lock")

_TRIES = 3


class Jar(NamedTuple):
    """One line of the lock: what to fetch, and what it must be."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name under which the jar is kept."""
        return f"{self.artifact}-{self.version}.jar"


def jars(cache: Path, *, progress: Callable[[str], None], lock: Path = LOCK) -> Path:
    """Return the directory that holds exactly the jars of the lock.

    What the cache has is compared with the lock every time; what differs is fetched again. Any
    number of processes may call this at once.

    :raises StackFailed: if a jar cannot be fetched, or is not the one that was locked
    """
    locked = _read(lock)
    kept = cache / f"kafka-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if kept.exists():
        broken = _differing(locked, kept)
        if not broken:
            return kept
        progress(f"{kept} is damaged ({', '.join(broken)}): fetching Kafka again")
        shutil.rmtree(kept)
    cache.mkdir(parents=True, exist_ok=True)
    _forget_dead_fetches(cache)
    fetched = cache / f"fetching-{os.getpid()}"
    try:
        _fetch(locked, fetched, progress=progress)
        broken = _differing(locked, fetched)
        if broken:
            raise StackFailed(
                f"What the package registry sent for {', '.join(broken)} does not have the "
                f"SHA-256 that {lock.name} names. Nothing of it was run or kept. Try again later "
                "or from another network; if it stays so, somebody may have changed these files."
            )
        _keep(fetched, kept)
    finally:
        shutil.rmtree(fetched, ignore_errors=True)
    return kept


def cache_directory() -> Path:
    """Return the directory where this user's downloads are kept from run to run."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kontor"


def _read(lock: Path) -> list[Jar]:
    lines = (line.split() for line in lock.read_text().splitlines() if not line.startswith("#"))
    return [Jar._make([*coordinates.split(":"), sha256]) for coordinates, sha256 in lines]


def _differing(locked: list[Jar], directory: Path) -> list[str]:
    """Name the jars that are missing from the directory or are not what was locked."""
    return [
        jar.file_name
        for jar in locked
        if not (path := directory / jar.file_name).is_file()
        or hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256
    ]


def _fetch(locked: list[Jar], directory: Path, *, progress: Callable[[str], None]) -> None:
    # Only a first start needs these, and production images do not have them.
    from jgo.config import GlobalSettings  # noqa: PLC0415
    from jgo.constants import MAVEN_CENTRAL_URL  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    # A mirror in the user's jgo.conf comes first.
    repositories = GlobalSettings.load().repositories | {"central": MAVEN_CENTRAL_URL}
    maven = MavenContext(
        repo_cache=directory / "repository", local_repos=[], remote_repos=repositories, timeout=30
    )

    def fetch(jar: Jar) -> None:
        artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
        for tries_left in reversed(range(_TRIES)):
            try:
                path = artifact.resolve()
            except (OSError, RequestException, RuntimeError) as error:
                if not tries_left:
                    raise StackFailed(
                        f"{jar.file_name}, a part of Kafka, could not be fetched. The first start "
                        "needs Maven Central; later ones do not."
                    ) from error
                # jgo would take the half of a file for the whole next time.
                for half in (directory / "repository").rglob(jar.file_name):
                    half.unlink()
            else:
                path.replace(directory / jar.file_name)
                return

    progress(f"fetching Kafka: {len(locked)} files, about 43 MB, this once")
    directory.mkdir(parents=True)
    with ThreadPoolExecutor(max_workers=6) as pool:
        for done, _ in enumerate(pool.map(fetch, locked), start=1):
            if done % 10 == 0 or done == len(locked):
                progress(f"fetching Kafka: {done} of {len(locked)} files")
    shutil.rmtree(directory / "repository")


def _keep(fetched: Path, kept: Path) -> None:
    """Move what was fetched to where it is kept, unless another process was quicker."""
    try:
        fetched.rename(kept)
    except OSError:
        if not kept.is_dir():
            raise


def _forget_dead_fetches(cache: Path) -> None:
    """Remove what processes that died while fetching left behind."""
    for leftover in cache.glob("fetching-*"):
        try:
            os.kill(int(leftover.name.removeprefix("fetching-")), 0)
        except ProcessLookupError:
            shutil.rmtree(leftover, ignore_errors=True)
        except (PermissionError, ValueError):
            continue  # somebody else's; not ours to judge


if __name__ == "__main__":
    # `python -m deploy.local.jars` fills the cache, for machines that go offline afterwards.
    sys.stdout.write(f"{jars(cache_directory(), progress=print)}\n")
