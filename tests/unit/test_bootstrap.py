"""The way in: it says what a machine lacks, and gets out of the way where nothing is missing."""

import ast
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bootstrap(tmp_path: Path) -> Path:
    """The file, in a project of its own that has nothing installed."""
    for name in ("deploy/bootstrap.py", "deploy/requirements.txt", "pyproject.toml"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy)
    return tmp_path / "deploy" / "bootstrap.py"


def called(bootstrap: Path, *arguments: str, where: str = "") -> subprocess.CompletedProcess[str]:
    """Call it with the Python of this machine, made another one by `where`."""
    argv = [str(bootstrap), *arguments]
    code = f"import runpy, sys; {where or 'pass'}; sys.argv = {argv}; "
    code += "runpy.run_path(sys.argv[0], None, '__main__')"
    return subprocess.run(
        (sys.executable, "-c", code), capture_output=True, text=True, check=False, timeout=60
    )


def test_needs_nothing_but_the_standard_library(bootstrap: Path) -> None:
    nodes = list(ast.walk(ast.parse(bootstrap.read_text())))

    imported = {
        one.name.split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import)
        for one in node.names
    }
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}

    assert imported
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("sys.version_info = (3, 10, 2)", "Kontor needs Python 3.11 or newer, and"),
        ("sys.modules['ensurepip'] = None", "it lacks the module ensurepip"),
        ("sys.modules['venv'] = None", "it lacks the module venv"),
    ],
)
def test_says_what_python_lacks_and_leaves_nothing(bootstrap: Path, where: str, said: str) -> None:
    done = called(bootstrap, "kontor", "demo", where=where)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (bootstrap.parents[1] / ".venv").exists()


def test_becomes_the_command_where_all_is_in_place(bootstrap: Path) -> None:
    environment = bootstrap.parents[1] / ".venv"
    tool = environment / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text('#!/bin/sh\necho "$VIRTUAL_ENV" "$@"\nexit 7\n')
    tool.chmod(0o755)
    (environment / "installed").write_text(runpy.run_path(str(bootstrap))["_wanted"]())

    done = called(bootstrap, "tool", "one", "two words")
    unknown = called(bootstrap, "no-such-tool")

    assert (done.returncode, done.stdout) == (7, f"{environment} one two words\n")
    assert unknown.returncode == 1
    assert "There is no command no-such-tool" in unknown.stderr
