"""`kontor bench`: run benchmarks and print their tables."""

import asyncio
import importlib
import json as to_text
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench import machine

NAMES = (
    "hop",
    "ingest",
    "import",
    "patch",
    "read",
    "search",
    "pdf",
    "flow",
    "webhooks",
    "growth",
    "recovery",
)
_FILES = {"import": "import_many"}  # a module cannot be called import


def run(names: Sequence[str], json: bool = False) -> int:
    """Run the named benchmarks, or all; tables to standard output, progress to standard error.

    Returns 2 for a name that does not exist, else 0: a ratio is for people to judge.
    """
    unknown = set(names) - set(NAMES)
    if unknown:
        there_are = f"there are {', '.join(NAMES)}"
        print(f"no benchmark {', '.join(sorted(unknown))}; {there_are}", file=sys.stderr)
        return 2
    progress = Console(stderr=True)
    found = []
    for name in names or NAMES:
        module = importlib.import_module(f"tests.bench.{_FILES.get(name, name)}")

        def say(line: str, name: str = name) -> None:
            progress.print(f"{name}: {line}", style="dim")

        found.append(asyncio.run(module.run(say)))
    if json:
        print(to_text.dumps({"machine": machine.description(), "results": found}, indent=2))
        return 0
    console = Console()
    console.print(machine.description())
    for result in found:
        console.print(table(result))
        for extra in ("memory_mb", "idle_cores", "index_mb"):
            if extra in result:
                console.print(extra, result[extra])
    return 0


def table(result: dict[str, Any]) -> Table:
    """Return a benchmark's rows: what was loaded, the floor, Kontor, and the ratio."""
    made = Table(title=result["benchmark"])
    for column in ("load", "floor", "kontor", "ratio"):
        made.add_column(column)
    for row in result["rows"]:
        made.add_row(row["load"], _listed(row["floor"]), _listed(row["kontor"]), str(row["ratio"]))
    return made


def _listed(values: dict[str, Any]) -> str:
    return "\n".join(f"{name} {value}" for name, value in values.items() if value is not None)


if __name__ == "__main__":
    sys.exit(run([one for one in sys.argv[1:] if one != "--json"], json="--json" in sys.argv))
