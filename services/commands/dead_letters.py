"""`kontor dead-letters`: what could not be handled, and what to do with it."""

from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.console import Console

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
    help="Read, redrive and discard messages that could not be handled.",
    epilog="A message that fails is tried five times within half a minute; then it is put aside "
    "here, with its raw bytes and the reason, and its order goes on. Mend the reason, then "
    "redrive.\n\n"
    "Examples:\n\n`kontor dead-letters list`\n\n"
    "`kontor dead-letters redrive 0b6cf9e2-6d5f-5f0a-b7a4-1a0e2c1f9a77`",
)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `kontor dead-letters list` shows it.")]


@app.command(
    "list",
    epilog="Examples:\n\n`kontor dead-letters list`\n\n`kontor dead-letters list --page 2`",
)
def list_(
    page: Annotated[int, typer.Option(min=1, help="Which page; the newest are on the first.")] = 1,
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """List what waits for a decision, the newest first."""

    async def work(client: Client) -> Json:
        return (await client.want("GET", f"/api/DeadLetters?page={page}")).json

    found = call(place(data, url, client_id, client_secret), work)
    console = Console()
    if not found["items"]:
        console.print("There are no dead letters." if page == 1 else "There are no more.")
        return
    # Not a table: an id has to stand whole in any width, to be copied from there.
    names = ("id", "at", "service", "type", "orderId")
    for one in found["items"]:
        typer.echo("  ".join(one[name] for name in names if one.get(name)))
        typer.echo(f"    after {one['attempts']} attempts: {one['reason']}")
    console.print(f"{found['totalCount']} in all. `kontor dead-letters show ID` shows one whole.")


@app.command(epilog="Example:\n\n`kontor dead-letters show 0b6cf9e2-6d5f-5f0a-b7a4-1a0e2c1f9a77`")
def show(
    id_: Id,
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Show one dead letter whole: where it came from, why it failed, and its data."""

    async def work(client: Client) -> Json:
        return (await client.want("GET", path("DeadLetters", id_))).text

    Console().print_json(call(place(data, url, client_id, client_secret), work))


@app.command(
    epilog="Example:\n\n`kontor dead-letters redrive 0b6cf9e2-6d5f-5f0a-b7a4-1a0e2c1f9a77`"
)
def redrive(
    ids: Annotated[list[str], typer.Argument(metavar="ID", help="One or more of the list.")],
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Put messages back, each at the end of its order's line."""

    async def work(client: Client) -> None:
        for id_ in ids:
            await client.want("POST", path("DeadLetters", id_, "Redrive"))
            typer.echo(f"{id_} is on its way again.")

    call(place(data, url, client_id, client_secret), work)


@app.command(
    epilog="Example:\n\n`kontor dead-letters discard 0b6cf9e2-6d5f-5f0a-b7a4-1a0e2c1f9a77 "
    "--why 'a test of ours, no order of that name'`"
)
def discard(  # noqa: PLR0913, PLR0917 - one parameter an option
    id_: Id,
    why: Annotated[str, typer.Option(help="Why nobody needs it; it is kept in the api's log.")],
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Remove a message for good. There is no way back."""

    async def work(client: Client) -> None:
        await client.want("DELETE", path("DeadLetters", id_) + f"?{urlencode({'why': why})}")

    call(place(data, url, client_id, client_secret), work)
    typer.echo(f"{id_} is gone.")
