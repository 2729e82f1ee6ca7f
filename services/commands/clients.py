"""`kontor clients`: who may call the API, and what each of them may do."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from services.commands import directory
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

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Make, change and remove clients of the API.",
    epilog="Roles are those of the developer guide: ApiOwner, CommerceUser, ApiUser, PosWriter, "
    "and for Order, Product, Customer, Cart, Inventory, Promotion, Store, Project, Supplier, "
    "PurchaseOrder, Settings and User each XRead and XAdmin. AllStores, AllMarkets, store-x and "
    "market-y say whose orders a client sees. You give only what you have yourself.\n\n"
    "Examples:\n\n`kontor clients list`\n\n"
    "`kontor clients create --id webshop --role OrderAdmin --store WebShop`",
)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `kontor clients list` shows it.")]
Roles = Annotated[list[str] | None, typer.Option("--role", help="A role; may be repeated.")]
Stores = Annotated[list[str] | None, typer.Option("--store", help="A store's id; may be repeated.")]
Markets = Annotated[
    list[str] | None, typer.Option("--market", help="A market's id; may be repeated.")
]
IsActive = Annotated[
    bool | None, typer.Option("--active/--inactive", help="Whether it may call at all.")
]


@app.command("list", epilog="Examples:\n\n`kontor clients list`\n\n`kontor clients list --page 2`")
def list_(
    page: Annotated[int, typer.Option(min=1, help="Which page; the oldest are on the first.")] = 1,
    data: Data = directory.DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """List the clients, the oldest first."""

    async def work(client: Client) -> Json:
        return (await client.want("GET", f"/api/ApiClients?page={page}")).json

    found = call(place(data, url, client_id, client_secret), work)
    names = ("clientId", "name", "roles", "stores", "markets", "active")
    table = Table(*(Column(name, overflow="fold") for name in names))
    for one in found["items"]:
        lists = (", ".join(one[name]) for name in ("roles", "stores", "markets"))
        table.add_row(one["clientId"], one["name"], *lists, "yes" if one["isActive"] else "no")
    console = Console(markup=False)
    console.print(table)
    console.print(f"{found['totalCount']} in all.")


@app.command(epilog="Example:\n\n`kontor clients show erp-sync`")
def show(
    id_: Id,
    data: Data = directory.DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Show one client; never its secret."""

    async def work(client: Client) -> Json:
        return (await client.want("GET", path("ApiClients", id_))).text

    Console().print_json(call(place(data, url, client_id, client_secret), work))


@app.command(
    epilog="Examples:\n\n"
    "`kontor clients create --id erp-sync --name 'ERP Sync' --role OrderRead --role ProductAdmin "
    "--role InventoryAdmin --role AllStores --role AllMarkets`\n\n"
    "`kontor clients create --role OrderAdmin --store WebShop | jq -r .clientSecret`"
)
def create(  # noqa: PLR0913 - one parameter an option
    *,
    roles: Annotated[list[str], typer.Option("--role", help="A role; may be repeated.")],
    id_: Annotated[str | None, typer.Option("--id", help="Made up, if absent.")] = None,
    name: Annotated[str | None, typer.Option(help="For people; the id, if absent.")] = None,
    stores: Stores = None,
    markets: Markets = None,
    is_active: IsActive = None,
    data: Data = directory.DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Make a client and print it with its secret, which nothing shows again."""
    body = _given(
        clientId=id_, name=name, roles=roles, stores=stores, markets=markets, isActive=is_active
    )

    async def work(client: Client) -> Json:
        return (await client.want("POST", path("ApiClients"), body)).text

    Console().print_json(call(place(data, url, client_id, client_secret), work))


@app.command(
    epilog="Examples:\n\n"
    "`kontor clients update erp-sync --role OrderRead --role AllStores --role AllMarkets`\n\n"
    "`kontor clients update erp-sync --inactive`"
)
def update(  # noqa: PLR0913 - one parameter an option
    id_: Id,
    *,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    roles: Roles = None,
    stores: Stores = None,
    no_stores: Annotated[bool, typer.Option("--no-stores", help="It names no stores.")] = False,
    markets: Markets = None,
    no_markets: Annotated[bool, typer.Option("--no-markets", help="It names no markets.")] = False,
    is_active: IsActive = None,
    data: Data = directory.DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Change a client; what is not named stays, roles, stores and markets are replaced whole.

    It is in force everywhere within five seconds.
    """
    body = _given(
        name=name,
        roles=roles,
        stores=[] if no_stores else stores,
        markets=[] if no_markets else markets,
        isActive=is_active,
    )
    if not body:
        raise typer.BadParameter("say what changes; `kontor clients update --help` has the options")

    async def work(client: Client) -> Json:
        return (await client.want("PATCH", path("ApiClients", id_), body)).text

    Console().print_json(call(place(data, url, client_id, client_secret), work))


@app.command(epilog="Example:\n\n`kontor clients rotate erp-sync`")
def rotate(
    id_: Id,
    data: Data = directory.DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Give a client a new secret and print it; the old one and its tokens end within five seconds.

    That of the owner of a `kontor up` is also kept in its directory, for the other commands.
    """

    async def work(client: Client) -> Json:
        return await client.want("POST", path("ApiClients", id_, "RotateSecret"))

    answer = call(place(data, url, client_id, client_secret), work)
    if url is None:
        directory.renew(data, id_, answer.json["clientSecret"])
    Console().print_json(answer.text)


@app.command(epilog="Example:\n\n`kontor clients remove erp-sync`")
def remove(
    id_: Id,
    data: Data = directory.DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Remove a client; its tokens end within five seconds. There is no way back."""

    async def work(client: Client) -> None:
        await client.want("DELETE", path("ApiClients", id_))

    call(place(data, url, client_id, client_secret), work)
    typer.echo(f"{id_} is gone.")


def _given(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}
