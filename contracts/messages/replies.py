"""The answer to a command, on its way to the api process that waits for it."""

from typing import ClassVar

from contracts.message import Message
from contracts.problems import Problem

REPLIES = "replies"


class Reply(Message):
    """What became of a command.

    `status_code` is the HTTP status of the answer. The body of a success follows as `body` where it
    fits at once; a repeated answer has none, and the reader fetches `version` of the order instead.
    """

    type: ClassVar[str] = "reply"
    topic: ClassVar[str] = REPLIES

    command_id: str
    status_code: int
    problem: Problem | None = None
    order_id: str | None = None
    version: int | None = None

    @property
    def key(self) -> str:
        """The command that is answered."""
        return self.command_id

    def with_body(self, body: bytes) -> bytes:
        """Return the JSON of this reply with `body`, which is JSON already, as a member."""
        return self.data()[:-1] + b',"body":' + body + b"}"
