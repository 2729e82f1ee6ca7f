"""Make this project's environment, then run a command in it: `bootstrap.py COMMAND [ARGUMENT…]`.

    python3 deploy/bootstrap.py kontor demo
    python3 deploy/bootstrap.py pytest tests/unit

Needs Python 3.11 or newer and nothing else. `.venv` gets what `deploy/requirements.txt` names,
compared with its hashes, and the project itself; when all that is in place the command starts at
once. An installation that was broken off is repaired by the next call.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "deploy" / "requirements.txt"
VENV = ROOT / ".venv"
BIN = VENV / "bin"
STAMP = VENV / "installed"  # says what is installed; empty while that is under way


def main() -> None:
    """Install what is missing, then become the given command."""
    if not _is_installed():
        _refuse_other_pythons()
        _install()
    if len(sys.argv) > 1:
        _become(sys.argv[1:])
    else:
        _say(f"{VENV} is ready; `python3 deploy/bootstrap.py kontor demo` shows what Kontor does")


def _wanted() -> str:
    inputs = REQUIREMENTS.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(inputs + str(ROOT).encode()).hexdigest()


def _is_installed() -> bool:
    return STAMP.exists() and STAMP.read_text() == _wanted()


def _refuse_other_pythons() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever has an older one reads this
        found = ".".join(str(number) for number in sys.version_info[:3])
        sys.exit(
            f"Kontor needs Python 3.11 or newer, and {sys.executable} is {found}. Call a newer one "
            f"by its name, for example: python3.12 {' '.join(sys.argv)}"
        )
    if os.name != "posix":
        sys.exit("Kontor is developed on Linux and macOS. Elsewhere use `docker compose up`.")
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian leaves it out
        import venv  # noqa: F401, PLC0415 - same
    except ImportError as error:
        sys.exit(
            f"{sys.executable} cannot make a virtual environment: it lacks the module "
            f"{error.name}. On Debian and Ubuntu `apt-get install python3-venv` brings it."
        )


def _install() -> None:
    import fcntl  # noqa: PLC0415 - not on the systems refused above

    # One call at a time; the system ends our turn when this process ends, however it ends.
    turn = os.open(ROOT / "deploy", os.O_RDONLY)
    fcntl.flock(turn, fcntl.LOCK_EX)
    if not _is_installed():
        was_broken_off = STAMP.exists() and not STAMP.read_text()
        if was_broken_off or not _works():
            _say(f"making {VENV}")
            _run(sys.executable, "-m", "venv", "--clear", str(VENV))
        STAMP.write_text("")
        _say("installing the locked packages")
        _install_uv()
        uv = (str(BIN / "uv"), "pip", "install", "--quiet", "--python", str(BIN / "python"))
        _run(*uv, "--require-hashes", "--no-build", "--requirement", str(REQUIREMENTS))
        # hatchling, which builds it, is one of the locked packages.
        _run(*uv, "--no-deps", "--no-build-isolation", "--offline", "--editable", str(ROOT))
        STAMP.write_text(_wanted())
    os.close(turn)


def _works() -> bool:
    """Say whether `.venv` is there and has a Python that we can build on."""
    check = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        done = subprocess.run([BIN / "python", "-c", check], check=False)  # noqa: S603
    except OSError:
        return False
    return done.returncode == 0


def _install_uv() -> None:
    """Put the locked uv into `.venv`: pip could install the rest too, twenty times slower."""
    lines = REQUIREMENTS.read_text().split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith("uv=="))
    last = next(number for number in range(first, len(lines)) if not lines[number].endswith("\\"))
    locked = VENV / "uv.txt"
    locked.write_text("\n".join(lines[first : last + 1]) + "\n")
    pip = (str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    _run(*pip, "--require-hashes", "--no-deps", "--requirement", str(locked))


def _run(*command: str) -> None:
    # Where the caller's environment points to another one, uv and pip would follow it.
    outside = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    environment = {name: value for name, value in os.environ.items() if name not in outside}
    done = subprocess.run(command, check=False, env=environment, cwd=ROOT)  # noqa: S603
    if done.returncode:
        sys.exit(f"`{' '.join(command)}` failed; what it said is above. Call this again to go on.")


def _become(command: list[str]) -> None:
    environment = {**os.environ, "VIRTUAL_ENV": str(VENV)}
    environment["PATH"] = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    program = shutil.which(command[0], path=environment["PATH"])
    if program is None:
        sys.exit(f"There is no command {command[0]} in {BIN} or on the PATH.")
    os.execve(program, command, environment)  # noqa: S606 - to become it is the point


def _say(line: str) -> None:
    sys.stderr.write(f"kontor: {line}\n")


if __name__ == "__main__":
    main()
