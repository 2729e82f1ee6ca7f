"""`kontor reconcile`: prove the books."""

import typer
from rich.console import Console
from rich.table import Column, Table

from services.commands.client import Client, ClientId, ClientSecret, Data, Json, Url, call, place
from services.commands.directory import DEFAULT

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="Examples:\n\n"
    "`kontor reconcile`\n\n"
    "`kontor reconcile || mail -s 'The books differ' operator@shop.example`"
)
def reconcile(
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Compare orders with stock, payments, events and deliveries; fail if anything differs.

    Every difference is listed with the order it concerns and with what to do about it.
    """

    async def work(client: Client) -> Json:
        return (await client.want("POST", "/api/Reconcile")).json

    found = call(place(data, url, client_id, client_secret), work)
    checked = ", ".join(f"{count} {what}" for what, count in found["checked"].items())
    console = Console(markup=False)
    if not found["differences"]:
        console.print(f"The books agree. Checked: {checked}.")
        return
    heads = ("kind", "order", "SKU", "expected", "found", "what to do")
    table = Table(*(Column(head, overflow="fold") for head in heads))
    for one in found["differences"]:
        names = ("kind", "orderId", "sku", "expected", "found", "advice")
        table.add_row(*(str(one.get(name, "")) for name in names))
    console.print(table)
    if found["omitted"]:
        console.print(f"{found['omitted']} more are not listed; see to these first.")
    console.print(f"{len(found['differences'])} differences listed. Checked: {checked}.")
    raise typer.Exit(1)
