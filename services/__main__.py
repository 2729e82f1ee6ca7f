"""`kontor`: one command for everything. `python -m services` is the same.

Only the module of the sub-command that was asked for is imported: a service process should not
carry the demonstration about with it.
"""

import importlib
from typing import Any, Final, cast

import typer
from typer.core import TyperGroup

COMMANDS: Final = (
    "up",
    "run",
    "demo",
    "token",
    "clients",
    "explain",
    "reconcile",
    "dead-letters",
    "settings",
    "bench",
)


class _Commands(TyperGroup):
    """Finds each sub-command in the module of `services.commands` that has its name."""

    # Any, in each: the context and the commands of typer are of classes private to it; its
    # signatures are taken over whole, with a context that nothing here needs.
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"services.commands.{cmd_name.replace('-', '_')}")
        command = typer.main.get_command(cast("typer.Typer", module.app))
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(
    epilog="`kontor demo` shows what it does; `kontor up` is for work. "
    "`kontor COMMAND --help` has examples."
)
def kontor() -> None:
    """Run, show, measure and repair an order-management backend on Kafka and MongoDB."""


def main() -> None:
    """Run the command that the arguments name."""
    app(prog_name="kontor")


if __name__ == "__main__":
    main()
