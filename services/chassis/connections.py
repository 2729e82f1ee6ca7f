"""Connections that get nowhere are closed, so that nobody can hold many of them for long.

uvicorn waits without an end for headers, for a body, and for an answer to be taken. Here every
connection notes how far its request has come, and all are looked at once a second.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import (
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from contracts.problems import problem

PATIENCE: Final = 20.0
"""Seconds that headers may take, and that a body may pause."""
SLOWEST: Final = 16 * 1024
"""Bytes a second; a body that comes slower counts as pausing for what is missing of them."""
FOR_ANSWERS: Final = 3
"""Times the patience that an answer may wait to be taken on: over a slow line the system's own
buffer is filled up in steps."""
LONGEST_HEAD: Final = 64 * 1024
_LEFT_TO_UVICORN: Final = frozenset({b"connection", b"transfer-encoding"})

Message = dict[str, Any]
"""A message of ASGI, whose own types are dictionaries of anything."""


class Phase(Enum):
    """How far a request has come, as the parser sees it."""

    NONE = "nothing of it"
    HEAD = "a part of its headers"
    BODY = "its headers"
    ALL = "all of it"


class Exchange(RequestResponseCycle):
    """uvicorn's request and answer, of which head and body leave in one write where they can.

    uvicorn writes the head as soon as it has it, where ASGI says to wait for the body: that is one
    system call more, and wakes the client twice.
    """

    _head: Any = None  # Any: a message of ASGI

    async def send(self, message: Any) -> None:  # noqa: ANN401 - uvicorn's own signature
        """Keep the head until the body comes, or its first piece."""
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await super().send(message)
        elif not self._sent_whole(head, message):
            await super().send(head)
            await super().send(message)

    def _sent_whole(self, head: Message, message: Message) -> bool:
        """Send an answer of known length; False, with nothing sent, if that is not all there is."""
        body: bytes = message.get("body", b"")
        is_whole = not message.get("more_body") and self.scope["method"] != "HEAD"
        if not is_whole or self.flow.write_paused or self.disconnected:
            return False
        length = None
        lines = [STATUS_LINE[head["status"]]]
        for name, value in (*self.default_headers, *head["headers"]):
            if name in _LEFT_TO_UVICORN or HEADER_VALUE_RE.search(value):
                return False
            if name == b"content-length":
                length = int(value)
            lines += (name, b": ", value, b"\r\n")
        if length != len(body):
            return False
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.writelines((b"".join(lines), body))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which says how far its newest request has come."""

    phase = Phase.NONE
    requests = 0
    received = 0
    _head = 0

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the headers have become too long."""
        self.received += len(data)
        if self.phase is Phase.HEAD:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.refuse("headers-too-large")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """Note that a request begins."""
        self.phase = Phase.HEAD
        self.requests += 1
        self._head = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after the body is none (RFC 9110 6.5.1), and may be endless."""
        if self.phase is Phase.HEAD:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Note that only the body is missing.

        :raises ValueError: unless one Host is named, as HTTP/1.1 has it (RFC 9112 3.2)
        """
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise ValueError("expected one Host")
        self.phase = Phase.BODY
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that nothing is missing."""
        self.phase = Phase.ALL
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - ASGI
        # uvicorn makes it in the midst of a long method, so it becomes ours where it is begun.
        cycle.__class__ = Exchange
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as everything is answered, with a problem."""
        del msg  # the parser's words
        self.refuse("malformed-request")

    def refuse(self, slug: str) -> None:
        """Say why and close; only close, where another answer is under way."""
        if self.may_answer and not self.transport.is_closing():
            found = problem(slug)
            body = to_json(found, by_alias=True, exclude_none=True)
            self.transport.write(
                STATUS_LINE[found.status] + b"content-type: application/problem+json\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(body), body)
            )
        self.transport.close()

    @property
    def may_answer(self) -> bool:
        """Whether no other answer is due, or on its way, before one to what comes just now."""
        cycle = self.cycle
        if cycle is None:
            return True
        if self.phase is Phase.BODY:
            return not cycle.response_started and not self.pipeline
        return cycle.response_complete

    @property
    def unsent(self) -> int:
        """Bytes of answers that the other side has not taken yet."""
        return self.transport.get_write_buffer_size()

    @property
    def is_awaited(self) -> bool:
        """Whether it is the other side that has to go on."""
        if self.phase is Phase.HEAD:
            return self.cycle is None or self.cycle.response_complete
        if self.phase is Phase.BODY:
            return not self.flow.read_paused
        return self.phase is Phase.NONE


@dataclass(slots=True)
class _Look:
    """How a connection was seen last, and for how many seconds it has been so."""

    state: tuple[int, Phase, int, bool]
    at: float
    received: int
    waited: float = 0.0


class Watch:
    """Closes connections whose other side does not go on.

    What is idle between two requests is closed by uvicorn itself.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._looks: dict[Connection, _Look] = {}

    def look(self, connections: Iterable[Connection], now: float) -> None:
        """Look at all of them; to be called every now and then."""
        looks = {one: self._look(one, now) for one in tuple(connections)}
        self._looks = looks
        for one, look in looks.items():
            if one.unsent:
                if look.waited > FOR_ANSWERS * self._patience:
                    one.transport.abort()
            elif one.is_awaited and look.waited > self._patience:
                one.refuse("request-timeout")

    def _look(self, one: Connection, now: float) -> _Look:
        look = _Look((one.requests, one.phase, one.unsent, one.is_awaited), now, one.received)
        before = self._looks.get(one)
        if before is not None and before.state == look.state:
            look.waited = before.waited + now - before.at
            if one.phase is Phase.BODY:
                look.waited -= (one.received - before.received) / SLOWEST
            look.waited = max(0.0, look.waited)
        return look
