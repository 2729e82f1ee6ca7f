"""`kontor demo`: the example order of the order reference, from its POST to its webhook."""

import asyncio
import contextlib
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from aiohttp import ClientError

from deploy.local.failure import StackFailed
from services.commands.client import Client, place
from services.commands.demo.listener import Listener
from services.commands.demo.receiver import Receiver
from services.commands.demo.screen import Screen
from services.commands.demo.story import Failed, Story
from services.commands.supervisor import Supervisor
from services.commands.up import environment

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command(
    epilog="Examples:\n\n`kontor demo`\n\n"
    "`kontor demo --keep` leaves everything running, to go on by hand"
)
def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running until Ctrl-C.")] = False,
) -> None:
    """Show the story of one order: posted, reserved, shipped, told to Kafka and to a webhook.

    Everything runs for real, in a temporary directory, and is stopped and removed afterwards. Every
    step is checked; the demonstration fails if one of them does not hold.
    """
    directory = Path(tempfile.mkdtemp(prefix="kontor-demo-"))
    screen = Screen()
    try:
        asyncio.run(_demo(directory, screen, keep=keep))
    except (Failed, StackFailed, ClientError, TimeoutError) as failure:
        screen.line(f"The demonstration failed. {failure or type(failure).__name__}")
        screen.line(f"What each process said is in {directory / 'log'}.")
        sys.exit(1)
    except asyncio.CancelledError:
        shutil.rmtree(directory, ignore_errors=True)
        sys.exit("Stopped before the end of the story.")
    shutil.rmtree(directory, ignore_errors=True)


async def _demo(directory: Path, screen: Screen, *, keep: bool) -> None:
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, me.cancel if me else loop.stop)
    told = environment(directory, ["127.0.0.0/8"])
    is_guest = "KONTOR_KAFKA_BOOTSTRAP" in told
    if is_guest:
        # Somebody else's servers: leave what they hold alone, and take ours away again.
        name = f"kontor-demo-{secrets.token_hex(4)}"
        told |= {"KONTOR_MONGO_DATABASE": name, "KONTOR_TOPIC_PREFIX": f"{name}."}
    supervisor = Supervisor(directory, port=0, environment=told, say=screen.progress)
    screen.chapter("Start everything", "kontor up --port 0 --allow-network 127.0.0.0/8")
    await supervisor.start()
    listener = Listener(supervisor.environment, screen)
    try:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(listener)
            receiver = await stack.enter_async_context(Receiver(screen))
            client = await stack.enter_async_context(Client(place(directory)))
            await Story(directory, screen, client, listener, receiver).tell()
            if keep:
                screen.line(f"It all keeps running at {supervisor.url} until Ctrl-C.")
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
    finally:
        screen.progress("stopping")
        await supervisor.stop()
        if is_guest:
            await listener.clean_up()
        screen.progress("stopped")
