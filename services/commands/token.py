"""`kontor token`: sign in."""

import typer

from services.commands.client import ClientId, ClientSecret, Data, Url, call, place
from services.commands.directory import DEFAULT

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="Examples:\n\n"
    "`TOKEN=$(kontor token)`\n\n"
    '`curl -H "Authorization: Bearer $(kontor token)" http://127.0.0.1:8080/api/Orders/ORD-1`\n\n'
    "`KONTOR_CLIENT_SECRET=… kontor token --url https://kontor.example --client-id shop`"
)
def token(
    data: Data = DEFAULT,
    url: Url = None,
    client_id: ClientId = None,
    client_secret: ClientSecret = None,
) -> None:
    """Print a token for the HTTP API, good for ten days, and nothing else."""
    typer.echo(call(place(data, url, client_id, client_secret), lambda client: client.token()))
