"""`kontor up`: everything on this machine, kept running until it is told to stop."""

import asyncio
import importlib
import os
import signal
import socket
import sys
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from deploy.local.failure import StackFailed
from services.chassis.settings import ChassisSettings
from services.commands import SERVICES, directory
from services.commands.supervisor import Supervisor

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="Examples:\n\n"
    "`kontor up`\n\n"
    "`kontor up --data /var/lib/kontor --port 9000`\n\n"
    "`kontor up --allow-network 127.0.0.0/8` lets webhooks go to receivers on this machine\n\n"
    "`KONTOR_KAFKA_BOOTSTRAP=… KONTOR_MONGO_URL=… kontor up` uses servers that run already\n\n"
    "Limits of the HTTP API, from the environment; 0 is none, and what goes beyond one is refused "
    "with 429:\n\n"
    "`KONTOR_RATE_BUCKET` 12000: requests that a client may send in one go\n\n"
    "`KONTOR_RATE_REFILL` 1000: requests that it may send again every\n\n"
    "`KONTOR_RATE_REFILL_SECONDS` 10: seconds\n\n"
    "`KONTOR_CONCURRENT_CLIENT` 20: requests of a client under way at a time\n\n"
    "`KONTOR_CONCURRENT_TENANT` 40: requests of all clients under way at a time\n\n"
    "`KONTOR_CONCURRENT_BATCH` 4: batches of a client under way at a time\n\n"
    "`KONTOR_CONCURRENT_READS` 150: reads of products and stock under way at a time\n\n"
    "`KONTOR_OPEN_SCROLLS` 10: scrolls that a client may have open\n\n"
    "`KONTOR_GUEST_RATE` 30: requests a minute of one address without a token, to orders by "
    "secret key\n\n"
    "`KONTOR_GUEST_RATE_TOGETHER` 600: the same of all addresses together\n\n"
    "Signing in, health, metrics and the documentation have no limits.",
)
def up(
    data: Annotated[
        Path, typer.Option(help="Where data, logs and secrets are kept.")
    ] = directory.DEFAULT,
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            envvar="KONTOR_API_PORT",
            help="Port of the HTTP API; 0 takes a free one.",
        ),
    ] = 8080,
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            help="A network (CIDR) that webhooks may go to besides public addresses; may be "
            "repeated. KONTOR_WEBHOOKS_ALLOWED_NETWORKS comes first."
        ),
    ] = None,
) -> None:
    """Run Kafka, MongoDB and every service on this machine until Ctrl-C or SIGTERM.

    Whatever dies is started again. A second start on the same directory finds all data again.
    `stack.json` in the directory says what runs where, `owner.json` has the first client's id and
    secret, and `log/` what each process says.
    """
    try:
        say = teller(data / "log" / "up.log")
        told = environment(data, allow_network or [])
        refuse_malformed(told)
        supervisor = Supervisor(data, port=port, environment=told, say=say)
        asyncio.run(_until_told(supervisor, say, data))
    except StackFailed as failure:
        sys.exit(f"Kontor cannot start. {failure}")
    except OSError as failure:
        sys.exit(
            f"Kontor cannot start: {failure.strerror or failure}. {data} has to be a directory "
            "with room, or a name for a new one, where you may write; --data names another."
        )


def environment(data: Path, allow_network: list[str]) -> dict[str, str]:
    """Return what the services of this directory get told."""
    owner = directory.owner(data)
    # A checkout that was not installed works too.
    path = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    found = {
        **os.environ,
        "KONTOR_OWNER_CLIENT_ID": owner.client_id,
        "KONTOR_OWNER_CLIENT_SECRET": owner.client_secret,
        "KONTOR_TOKEN_SECRET": owner.token_secret,
        "KONTOR_HEALTH_PORT": "0",  # each takes a free one
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONUNBUFFERED": "1",
    }
    # Of every service there is one process, which keeps its place in Kafka's groups.
    place = f"{socket.gethostname()}{data.absolute()}".encode()
    found.setdefault("KONTOR_INSTANCE", f"up-{zlib.crc32(place):08x}")
    # Six processes import the same modules: compiled once, they start in half the time.
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    if allow_network:
        found.setdefault("KONTOR_WEBHOOKS_ALLOWED_NETWORKS", ",".join(allow_network))
    return found


def refuse_malformed(told: Mapping[str, str]) -> None:
    """Refuse at once what would stop a service later, before anything is started (design 9).

    :raises SystemExit: naming each variable that is malformed
    """
    given = {
        "kafka_bootstrap": "127.0.0.1:9092",  # ours are not known yet
        "mongo_url": "mongodb://127.0.0.1",
    } | {
        name.removeprefix("KONTOR_").lower(): value
        for name, value in told.items()
        if name.startswith("KONTOR_") and value
    }
    for name in SERVICES:
        found: type[ChassisSettings] = importlib.import_module(f"services.{name}.settings").Settings
        found.from_environment(**given)


def teller(log: Path) -> Callable[[str], None]:
    """Return what says a line to the person at the terminal, and to the log for later."""
    began = time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - began:6.1f} s  {line}\n")
        sys.stdout.flush()
        with log.open("a") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line}\n")

    return say


async def _until_told(supervisor: Supervisor, say: Callable[[str], None], data: Path) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    starting = asyncio.create_task(supervisor.start())
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        say("stopping before all was ready")
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return
    await starting
    try:
        say(
            f"ready: {supervisor.url}, described at {supervisor.url}/documentation; logs in "
            f"{data / 'log'}; Ctrl-C stops"
        )
        await waiting
        say("stopping")
    finally:
        waiting.cancel()
        await supervisor.stop()
    say("stopped")
