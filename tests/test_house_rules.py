"""What a machine can judge without running the code, and what belongs where in the repository."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

TOP_LEVEL = {
    "LICENSE",
    "README.md",
    "contracts",
    "deploy",
    "docker-compose.yml",
    "pyproject.toml",
    "services",
    "tests",
}
DRAWERS = re.compile(r"(utils?|commons?|helpers?|exceptions|constants|misc|base)\.py")

# Packages come from wherever a machine gets its packages; so no file says where that is. The dots
# stand apart, so that this file does not say it either.
REGISTRIES = [
    name.replace(" ", "")
    for name in (
        "pypi . org",
        "files . pythonhosted . org",
        "maven . org/maven2",
        "repo . maven . apache . org",
        "registry-1 . docker . io",
        "registry . npmjs . org",
    )
]
# Homes and working directories of whoever wrote it; paths inside an image or a server are none.
MACHINE = re.compile(r"(?<![\w.$~/-])/(?:root|home/\w+|Users/\w+|work)/")


def ran(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of the environment at the top of the repository."""
    return subprocess.run(
        (str(BIN / command[0]), *command[1:]),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def committed() -> list[str]:
    """Return every file that git keeps."""
    # The checkout may belong to somebody else, as in a container.
    git = ("git", "-c", f"safe.directory={ROOT}", "ls-files")
    listed = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def lines() -> Iterator[tuple[str, str]]:
    """Yield each line of each committed text file, with a name for the place."""
    for name in committed():
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue  # not text
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{name}:{number}", line


@pytest.mark.parametrize(
    "command",
    [("ruff", "format", "--check", "."), ("ruff", "check", "."), ("mypy",), ("lint-imports",)],
    ids=" ".join,
)
def test_has_nothing_to_say(command: tuple[str, ...]) -> None:
    judged = ran(*command)

    assert judged.returncode == 0, judged.stdout[-8000:] + judged.stderr[-2000:]


def test_the_top_level_is_the_agreed_one() -> None:
    found = {name.split("/")[0] for name in committed()}

    assert {name for name in found if not name.startswith(".")} == TOP_LEVEL


def test_no_file_is_a_drawer_for_odds_and_ends() -> None:
    drawers = [name for name in committed() if DRAWERS.fullmatch(Path(name).name)]

    assert drawers == []


def test_no_file_names_the_host_of_a_registry() -> None:
    places = [place for place, line in lines() if any(host in line for host in REGISTRIES)]

    assert places == []


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    own = f"{ROOT}/"

    places = [place for place, line in lines() if own in line or MACHINE.search(line)]

    assert places == []
