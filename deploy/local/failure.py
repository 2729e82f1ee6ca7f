"""The one way in which the embedded stack says no."""

ELSEWHERE = (
    "Use `docker compose up` instead, or set KONTOR_KAFKA_BOOTSTRAP and KONTOR_MONGO_URL to "
    "servers that run already."
)


class StackFailed(Exception):
    """The stack cannot run; the message is a whole sentence for the person at the terminal."""
