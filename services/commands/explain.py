"""`kontor explain`: an order's story, and where it stands."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

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

app = typer.Typer()


@app.command(
    epilog="Examples:\n\n`kontor explain ORD-2024-000001`\n\n"
    "`kontor explain ORD-2024-000001 --data /var/lib/kontor`"
)
def explain(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="The order's id.")],
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Tell what happened to an order, what it waits for, and which steps are safe by hand."""

    async def work(client: Client) -> tuple[str, Json]:
        told = await client.want("GET", path("Orders", order_id, "Explain"))
        events = await client.want("GET", path("Orders", order_id, "Events"))
        return told.text, events.json

    told, events = call(place(data, url, client_id, client_secret), work)
    console = Console()
    console.print(story(events))
    console.print_json(told)


def story(events: Json) -> Table:
    """Return the events of an order as a table."""
    table = Table("sequence", "at", "type", "status", "what", "by")
    for event in events["items"]:
        names = ("sequence", "timestamp", "type", "status", "message", "user")
        table.add_row(*(str(event.get(name) or "") for name in names))
    return table
