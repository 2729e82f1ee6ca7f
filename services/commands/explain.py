"""`kontor explain`: an order's story, and where it stands."""

from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table

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

SHOWN: Final = 100

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="Examples:\n\n`kontor explain ORD-2024-000001`\n\n"
    "`kontor explain ORD-2024-000001 --data /var/lib/kontor`"
)
def explain(  # noqa: PLR0913 - one parameter an option
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order's id.")],
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
    *,
    json: Annotated[bool, typer.Option("--json", help="Print all that is known, as JSON.")] = False,
) -> None:
    """Tell what happened to an order, what it waits for, and which steps are safe by hand.

    Of what happened the last hundred events are shown.
    """

    async def work(client: Client) -> tuple[Json, Json]:
        told = (await client.want("GET", path("Orders", order_id, "Explain"))).json
        begin = max(0, told["version"] - SHOWN)
        events = path("Orders", order_id, "Events") + f"?after={begin}&take={SHOWN}"
        return told, (await client.want("GET", events)).json["items"]

    told, events = call(place(data, url, client_id, client_secret), work)
    console = Console(highlight=False, markup=False)
    if json:
        console.print_json(data=told)
        return
    console.print(_history(events))
    for sentence in told["story"]:
        console.print(sentence)


def _history(events: list[Json]) -> Table:
    """Return the events of an order as a table."""
    table = Table(*(Column(head, overflow="fold") for head in ("", "at", "status", "what", "by")))
    for event in events:
        names = ("sequence", "timestamp", "status", "message", "user")
        table.add_row(*(str(event.get(name) or "") for name in names))
    return table
