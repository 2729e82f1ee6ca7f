"""`kontor settings`: the configuration as files."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from contracts.settings import DOCUMENTS
from services.commands.client import (
    Client,
    ClientId,
    ClientSecret,
    Data,
    Json,
    Url,
    call,
    path,
    place,
)
from services.commands.directory import DEFAULT

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Export the configuration to a file and apply it from one.",
    epilog=f"The file is one JSON object with the members {', '.join(DOCUMENTS)}; whichever are "
    "missing stay as they are. A change is in force everywhere within a second.\n\n"
    "Examples:\n\n`kontor settings export > settings.json`\n\n"
    "`kontor settings apply settings.json`",
)


@app.command(
    epilog="Examples:\n\n`kontor settings export > settings.json`\n\n"
    "`kontor settings export --only OrderTypes --only Markets`"
)
def export(
    only: Annotated[
        list[str] | None, typer.Option(help="Only this document; may be repeated.")
    ] = None,
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Print the configuration in force as JSON."""
    names = only or list(DOCUMENTS)
    _refuse_unknown(names)

    async def work(client: Client) -> Json:
        return {name: (await client.want("GET", path("Settings", name))).json for name in names}

    found = call(place(data, url, client_id, client_secret), work)
    typer.echo(json.dumps(found, indent=2, ensure_ascii=False))


@app.command(
    epilog="Examples:\n\n`kontor settings apply settings.json`\n\n"
    "`kontor settings export | jq '.OrderSettings.rejectUnknownFields = true' > new.json && "
    "kontor settings apply new.json`"
)
def apply(
    file: Annotated[Path, typer.Argument(help="JSON as `kontor settings export` prints it.")],
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Replace the documents that the file has; a document with a fault is refused as a whole."""
    documents = _read(file)

    async def work(client: Client) -> None:
        for name, document in documents.items():
            answer = await client.want("PUT", path("Settings", name), document)
            typer.echo(f"{name} is stored.")
            stored = answer.json
            for warning in stored.get("warnings", ()) if isinstance(stored, dict) else ():
                typer.echo(f"  {warning}")

    call(place(data, url, client_id, client_secret), work)


def _read(file: Path) -> dict[str, Json]:
    try:
        documents = json.loads(file.read_text())
    except OSError as error:
        sys.exit(f"{file} cannot be read: {error.strerror}.")
    except ValueError as error:
        sys.exit(f"{file} is not JSON: {error}.")
    if not isinstance(documents, dict):
        sys.exit(f"{file} holds no JSON object; `kontor settings export` shows the form.")
    _refuse_unknown(list(documents))
    return documents


def _refuse_unknown(names: list[str]) -> None:
    unknown = [name for name in names if name not in DOCUMENTS]
    if unknown:
        sys.exit(f"There is no {', '.join(unknown)}; there are {', '.join(DOCUMENTS)}.")
