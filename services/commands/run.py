"""`kontor run`: named services in this process, for containers and for `kontor up`."""

import asyncio
import importlib
import os
import sys
from typing import Annotated, Final

import structlog
import typer

from services.chassis import logging
from services.chassis.process import give_large_blocks_back, told_to_stop
from services.chassis.settings import ChassisSettings
from services.commands import SERVICES

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

STOPS_WITHIN: Final = 15.0

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
log = structlog.get_logger()


@app.command(
    epilog="Examples:\n\n"
    "`kontor run workflow`\n\n"
    "`kontor run payments inventory notifications`\n\n"
    "`KONTOR_LOG_LEVEL=WARNING kontor run api`"
)
def run(
    names: Annotated[
        list[str], typer.Argument(metavar="SERVICE", help=f"Any of {', '.join(SERVICES)}.")
    ],
) -> None:
    """Run the named services in this process until SIGTERM or Ctrl-C.

    Everything they need to know is in the environment: `KONTOR_KAFKA_BOOTSTRAP` and
    `KONTOR_MONGO_URL` at least. They log JSON lines; `service.ready` says that one serves, and
    where its health pages are. Of several services the first takes `KONTOR_HEALTH_PORT`, the next
    one the port after it, and so on; 0 means free ports.
    """
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        raise typer.BadParameter(
            f"there is no service {', '.join(unknown)}; there are {', '.join(SERVICES)}"
        )
    chosen = {name: _settings(name, place) for place, name in enumerate(dict.fromkeys(names))}
    give_large_blocks_back()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        if not runner.run(_run(chosen)):
            raise typer.Exit(1)


def _settings(name: str, place: int) -> ChassisSettings:
    found: type[ChassisSettings] = importlib.import_module(f"services.{name}.settings").Settings
    settings = found.from_environment()
    if not place or not settings.health_port:
        return settings
    return settings.model_copy(update={"health_port": settings.health_port + place})


async def _run(chosen: dict[str, ChassisSettings]) -> bool:
    """Run all of them; says whether every one ended in order."""
    leaving = asyncio.create_task(_leave())
    try:
        async with asyncio.TaskGroup() as group:
            for name, settings in chosen.items():
                logging.set_up(service=name, level=settings.log_level)
                service = importlib.import_module(f"services.{name}.app").service(settings)
                group.create_task(service.run(), name=name)
    except ExceptionGroup as failures:
        for failure in failures.exceptions:
            log.critical("service.failed", exc_info=failure)
        return False
    finally:
        leaving.cancel()
    return True


async def _leave() -> None:
    """See to it that a service that cannot stop, its brokers being gone, does not stay."""
    await told_to_stop().wait()
    await asyncio.sleep(STOPS_WITHIN)
    log.error("service.stopped_by_force", seconds=STOPS_WITHIN)
    os._exit(1)
