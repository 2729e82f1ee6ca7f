"""Mail: written from templates, handed to a mail server over connections that stay open."""

import re
from dataclasses import dataclass
from decimal import Decimal
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, formataddr
from ipaddress import ip_address
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponseException,
)
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from contracts.messages.notifications import SendNotification
from contracts.model import LONGEST_TEXT
from services.chassis.calls import Attempt
from services.notifications.domain import (
    DEFAULT_TEMPLATE,
    MOST_HAND_OVERS,
    OCCASIONS,
    TEMPLATES,
    Delivery,
    Fate,
    Mail,
)
from services.notifications.queries import Ledger

CONNECTIONS: Final = 4
COMMAND_SECONDS: Final = 15.0
HAND_OVER_SECONDS: Final = 60.0
"""A server may take long over a mail, and giving up too early means sending it twice."""

_LONGEST_TEXT: Final = 200
_LONGEST_REASON: Final = 300
_TRANSIENT: Final = range(400, 500)
_PERMANENT: Final = range(500, 600)


# -- where to ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class MailServer:
    """Where mail goes. Has no repr: it may hold a password."""

    host: str
    port: int
    security: Literal["offered", "starttls", "tls"] = "offered"
    username: str | None = None
    password: str | None = None

    @classmethod
    def at(cls, url: str) -> "MailServer":
        """Read `smtp://`, `smtp+starttls://` or `smtps://`, user and password in front of the host.

        :raises ValueError: if it is none of these; the message never holds a part of the URL
        """
        schemes: dict[str, tuple[int, Literal["offered", "starttls", "tls"]]] = {
            "smtp": (25, "offered"),
            "smtp+starttls": (587, "starttls"),
            "smtps": (465, "tls"),
        }
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except ValueError:
            raise ValueError("expected a URL such as smtp://host:25") from None
        if parts.scheme not in schemes or not parts.hostname:
            raise ValueError("expected smtp://host, smtp+starttls://host or smtps://host")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("expected nothing behind host and port")
        usual, security = schemes[parts.scheme]
        if parts.username and security == "offered" and not _is_loopback(parts.hostname):
            raise ValueError("expected smtp+starttls:// or smtps:// where there is a password")
        return cls(
            host=parts.hostname,
            port=port or usual,
            security=security,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password or "") if parts.username else None,
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# -- what it says -----------------------------------------------------------------------------


class Letters:
    """Writes mails: one template a status or occasion, with subject and message, in two layouts."""

    def __init__(self) -> None:
        self._text = self._templates(html=False)
        self._html = self._templates(html=True)

    def _templates(self, *, html: bool) -> dict[str, Template]:
        environment = Environment(
            loader=PackageLoader("services.notifications"),
            autoescape=html,  # noqa: S701 - the other half is plain text
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["amount"] = _amount
        environment.globals["line_break"] = "<br>\n" if html else "\n"
        return {
            name: environment.get_template(f"{name}.jinja")
            for name in (DEFAULT_TEMPLATE, *TEMPLATES, *OCCASIONS)
        }

    def write(self, mail: Mail, *, sender: str, attempt: Attempt) -> bytes:
        """Return the mail. Every attempt writes the same one, byte for byte.

        Its Message-ID and date derive from the call, so a repeat is recognisable, and no value of
        the order can add a header: none has a line break (`_tidy`).
        """
        facts = _facts(mail.command)
        text, html = self._text[mail.template], self._html[mail.template]
        subject = _tidy("".join(text.blocks["subject"](text.new_context(facts))))
        # The older half of the standard library's e-mail package: the newer one takes a
        # millisecond a mail, five times as long.
        message = MIMEMultipart("alternative", boundary=f"={attempt.key}=")
        name = _tidy(mail.command.sender_name or "")
        message["From"] = formataddr((name, mail.sender or sender))
        if mail.sender is not None:
            message["Sender"] = sender  # who sends for somebody else (RFC 5322, 3.6.2)
        message["To"] = formataddr((facts["name"], mail.recipient))
        if mail.copies:
            message["Cc"] = ", ".join(mail.copies)
        message["Subject"] = Header(subject, "utf-8" if not subject.isascii() else "ascii").encode()
        message["Date"] = format_datetime(attempt.promised)
        message["Message-ID"] = f"<{attempt.key}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # keeps holiday replies away (RFC 3834)
        message.attach(MIMEText(text.render(facts, layout="layout.txt"), "plain", "utf-8"))
        message.attach(MIMEText(html.render(facts, layout="layout.html"), "html", "utf-8"))
        return message.as_bytes()


def _facts(command: SendNotification) -> dict[str, Any]:
    """Return what templates may use. No text of it has a line break or a control character."""
    return {
        "subject": _tidy(command.subject or ""),
        "paragraphs": [_tidy(line, LONGEST_TEXT) for line in (command.text or "").splitlines()],
        "name": _tidy(command.recipient_name or ""),
        "order_number": _tidy(command.order_number),
        "status": _tidy(command.status),
        "currency": _tidy(command.currency or ""),
        "total": command.total,
        "lines": [(line.quantity, _tidy(line.name), line.total) for line in command.lines],
    }


def _tidy(text: str, longest: int = _LONGEST_TEXT) -> str:
    """Return the text on one line, of characters that can be seen."""
    return "".join(mark for mark in " ".join(text.split()) if mark.isprintable())[:longest]


def _amount(value: Decimal) -> str:
    """Write an amount as people do: 998 or 998.50, but never 998.5 or 9.98E+2."""
    plain = f"{value.normalize():f}"
    whole, point, decimals = plain.partition(".")
    return f"{whole}.{decimals:0<2}" if point else whole


# -- how it gets there ------------------------------------------------------------------------


class Mailer:
    """Hands mails to the mail server.

    SMTP knows no idempotency key: when a connection breaks, or this process dies, after the mail
    was handed over and before the answer came, nobody can say whether it was taken. The ledger
    notes every hand-over before it happens, so such a mail is repeated once, with the same
    Message-ID, and never a third time. All other mails arrive once.
    """

    def __init__(
        self,
        server: MailServer | None,
        *,
        sender: str,
        ledger: Ledger,
        command_seconds: float = COMMAND_SECONDS,
        hand_over_seconds: float = HAND_OVER_SECONDS,
    ) -> None:
        self._server = server
        self._sender = sender
        self._ledger = ledger
        self._command_seconds = command_seconds
        self._hand_over_seconds = hand_over_seconds
        self._letters = Letters()
        self._idle: list[SMTP] = []

    async def send(self, mail: Mail, attempt: Attempt) -> Delivery:
        """Hand the mail over, and say how that ended."""
        if self._server is None:
            return Delivery(fate=Fate.NOWHERE)
        letter = self._letters.write(mail, sender=self._sender, attempt=attempt)
        try:
            connection = await self._connected(self._server)
        except SMTPAuthenticationError as error:
            reason = f"the mail server takes neither user name nor password ({error.code})"
            return Delivery(fate=Fate.UNREACHABLE, reason=reason)
        except (SMTPException, OSError) as error:
            reason = _tidy(f"no mail server answers: {_said(error)}", _LONGEST_REASON)
            return Delivery(fate=Fate.UNREACHABLE, reason=reason)
        delivery = None
        try:
            delivery = await self._converse(connection, mail, letter)
        finally:
            healthy = delivery is not None and not delivery.is_trouble and connection.is_connected
            self._idle.append(connection) if healthy else connection.close()
        return delivery

    async def close(self) -> None:
        """Take leave of the mail server."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.quit(timeout=1)
            except SMTPException:
                connection.close()

    async def _connected(self, server: MailServer) -> SMTP:
        """Return an open connection: an idle one that still answers, or else a new one."""
        while self._idle:
            connection = self._idle.pop()
            try:
                await connection.rset()
            except SMTPException:
                connection.close()
            else:
                return connection
        connection = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.security == "tls",
            start_tls={"offered": None, "starttls": True, "tls": False}[server.security],
            # The default asks the resolver for our own name, which may take its time.
            local_hostname=self._sender.rpartition("@")[2],
            timeout=self._command_seconds,
        )
        await connection.connect()
        return connection

    async def _converse(self, connection: SMTP, mail: Mail, letter: bytes) -> Delivery:
        handed_over = False
        try:
            await connection.mail(self._sender)
            for address in _recipients(mail):
                await connection.rcpt(address)
            if await self._ledger.hand_over(mail.notification_id) > MOST_HAND_OVERS:
                return Delivery(fate=Fate.UNKNOWN, reason="the mail server never says how it ends")
            handed_over = True
            await connection.data(letter, timeout=self._hand_over_seconds)
        except SMTPResponseException as error:
            fate = _fate(error.code, handed_over=handed_over)
            reason = f"the mail server said {error.code} {error.message}"
        except SMTPException as error:
            fate = Fate.UNKNOWN if handed_over else Fate.UNREACHABLE
            reason = f"the mail server broke off: {_said(error)}"
        except LookupError:
            return Delivery(fate=Fate.FORGOTTEN)
        else:
            return Delivery(fate=Fate.ACCEPTED, handed_over=True)
        # Servers repeat the address, and a reason is shown in more places than an address may be.
        for address in _recipients(mail):
            reason = re.sub(re.escape(address), "recipient", reason, flags=re.IGNORECASE)
        reason = _tidy(reason, _LONGEST_REASON)
        return Delivery(fate=fate, reason=reason, handed_over=handed_over)


def _recipients(mail: Mail) -> tuple[str, ...]:
    return mail.recipient, *mail.copies, *mail.blind_copies


def _fate(code: int, *, handed_over: bool) -> Fate:
    if code in _PERMANENT:
        return Fate.REFUSED
    if code in _TRANSIENT:
        return Fate.BUSY
    return Fate.UNKNOWN if handed_over else Fate.UNREACHABLE


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
