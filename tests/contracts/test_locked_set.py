import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKED = (ROOT / "deploy" / "requirements.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

REQUIRED = [
    *PROJECT["project"]["dependencies"],
    *PROJECT["build-system"]["requires"],
    *(line for group in PROJECT["dependency-groups"].values() for line in group),
]
# One entry: its name and version, perhaps a marker, and then its hashes.
ENTRY = re.compile(
    r"^(?P<pin>[^\s;]+==[^\s;]+)(?: ; (?P<marker>[^\\]+?))? \\\n"
    r"(?P<hashes>(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
PINNED = {
    canonicalize_name(name): Version(version)
    for name, version in (entry["pin"].split("==") for entry in ENTRY.finditer(LOCKED))
}


@pytest.mark.parametrize("line", REQUIRED)
def test_pins_what_the_project_asks_for(line: str) -> None:
    required = Requirement(line)

    pinned = PINNED.get(canonicalize_name(required.name))

    assert pinned is not None, f"{required.name} is not locked: run `poe lock`"
    assert pinned in required.specifier, f"{line}, but {pinned} is locked: run `poe lock`"


def test_holds_entries_with_hashes_and_nothing_else() -> None:
    assert not ENTRY.sub("", LOCKED)


def test_names_no_host() -> None:
    assert "://" not in LOCKED


def test_locks_the_tool_that_installs_it() -> None:
    assert "uv" in PINNED
