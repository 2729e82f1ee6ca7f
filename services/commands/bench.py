"""`kontor bench`: the benchmarks, which live beside the tests."""

import sys
from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="Examples:\n\n`kontor bench`\n\n`kontor bench flow hop`\n\n"
    "`kontor bench ingest --json > ingest.json`"
)
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Any of ingest, import, patch, read, search, pdf, flow, hop, webhooks, "
            "growth, recovery; all if none is named.",
        ),
    ] = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure Kontor on this machine, each benchmark beside its floor in the same run."""
    try:
        # Installations for production leave the tests out.
        from tests.bench.__main__ import run  # noqa: PLC0415
    except ModuleNotFoundError as error:
        sys.exit(
            f"The benchmarks are not installed here ({error.name} is missing). Run this in a "
            "checkout of the project: python3 deploy/bootstrap.py kontor bench"
        )
    raise typer.Exit(run(names or [], json=json))
