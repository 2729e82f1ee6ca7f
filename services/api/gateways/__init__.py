"""What the api asks of Kafka: commands out, answers in."""

from services.api.gateways.commands import Accepted, Answered, Commands
from services.api.gateways.replies import Replies

__all__ = ["Accepted", "Answered", "Commands", "Replies"]
