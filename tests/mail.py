"""A real SMTP server that keeps what it got, and that can behave badly when told to."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Kept:
    """A mail that the server took: its envelope, its bytes, and the mail in them."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def mail(self) -> EmailMessage:
        found = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(found, EmailMessage)
        return found

    def part(self, kind: str) -> str:
        """The text of the part of this kind, `plain` or `html`."""
        found = self.mail.get_body((kind,))
        assert found is not None
        content = found.get_content()
        assert isinstance(content, str)
        return content


@dataclass
class MailServer:
    """What happened at the server, and how it answers.

    `refusals` are given to recipients and `data_refusals` to bodies, one a mail, the first first;
    `hangs` says nothing after a body, `dies_after_taking` closes the connection instead of saying
    that it took the mail. Each of the latter counts down to 0.
    """

    port: int = 0
    kept: list[Kept] = field(default_factory=list)
    connections: int = 0
    users: list[tuple[str, str]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    data_refusals: list[str] = field(default_factory=list)
    hangs: int = 0
    dies_after_taking: int = 0
    secured: bool = False
    transports: list[asyncio.BaseTransport] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def hang_up(self) -> None:
        """Close every connection, as a server does that is tired of idle clients."""
        for transport in self.transports:
            transport.close()
        self.transports.clear()

    # aiosmtpd calls these by name.

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, __: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self.data_refusals:
            return self.data_refusals.pop(0)
        assert isinstance(envelope.content, bytes)
        self.secured = session.ssl is not None
        self.kept.append(Kept(envelope.mail_from or "", envelope.rcpt_tos, envelope.content))
        if self.hangs:
            self.hangs -= 1
            await asyncio.Event().wait()
        if self.dies_after_taking:
            self.dies_after_taking -= 1
            session_over = server.transport
            assert session_over is not None
            session_over.close()
        return "250 taken"

    def authenticate(
        self, _: SMTP, __: Session, ___: Envelope, ____: str, data: LoginPassword
    ) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        return AuthResult(success=given in self.users, handled=False)


class _Session(SMTP):
    """Counts itself, and lets the test close it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        first = self.transport is None
        super().connection_made(transport)
        if first:
            self.event_handler.connections += 1
            self.event_handler.transports.append(transport)


@asynccontextmanager
async def mail_server(
    *,
    port: int = 0,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    users: list[tuple[str, str]] | None = None,
) -> AsyncIterator[MailServer]:
    """Run a mail server for the length of the block."""
    kept = MailServer(users=users or [])
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return _Session(
            kept,
            loop=loop,
            hostname="mail.test",
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=kept.authenticate if users else None,
            auth_require_tls=False,
        )

    listener = await loop.create_server(session, "127.0.0.1", port, ssl=tls)
    kept.port = listener.sockets[0].getsockname()[1]
    try:
        yield kept
    finally:
        listener.close()
        kept.hang_up()
        await listener.wait_closed()
