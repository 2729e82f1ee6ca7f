"""Where the api hands things over: commands to the services, orders to connectors."""

from services.api.gateways.commands import Accepted, Answered, Build, Commands
from services.api.gateways.connectors import Connectors

__all__ = ["Accepted", "Answered", "Build", "Commands", "Connectors"]
