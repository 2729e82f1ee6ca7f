"""The sub-commands of `kontor`: one module each, imported only when it is called.

A module has an `app`, the typer application of its sub-command.
"""

from typing import Final

SERVICES: Final = ("api", "workflow", "payments", "inventory", "notifications", "webhooks")
