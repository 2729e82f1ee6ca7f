"""The only way out over HTTP: one client, one address filter, a small family of failures.

A URL comes from a client of ours, so it may name an address inside the house. The filter stands
where a name is resolved and again where a socket is made, because aiohttp asks no resolver about
an address written as such (decided 9). What the socket connects to is what was checked.
"""

import errno
import io
import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from time import perf_counter
from types import SimpleNamespace
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from services.chassis.settings import Network

LONGEST_ANSWER: Final = 65_536
_AT_ONE_GO: Final = 512 * 1024
_KEPT_ALIVE = 15.0
_NAMES_REMEMBERED = 5
_NAME: Final = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
_NAT64: Final = IPv6Network("64:ff9b::/96")
_NEVER_PUBLIC: Final = (ip_network("192.0.0.0/24"),)  # Python 3.11 counts some of it as public

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


class CallFailed(Exception):
    """No answer came. The text names the host at most: never a path, a query, a body or a header.

    Unless a subclass says otherwise, the request may or may not have reached the other side.
    """


class AddressNotAllowed(CallFailed):
    """Nothing was sent: the URL is no address that this system may call."""


class ConnectionRefused(CallFailed):
    """Nothing was sent: nobody listens there."""


class TimedOut(CallFailed):
    """The answer did not come in time."""


class ConnectionBroken(CallFailed):
    """The connection could not be made, or ended before the answer did."""


@dataclass(frozen=True, slots=True)
class Phases:
    """Where the time of a call went, in milliseconds; None where a phase was not needed.

    `connect` includes the handshake of TLS; both are None on a connection that was open already.
    """

    total: float
    first_byte: float | None = None
    dns: float | None = None
    connect: float | None = None

    def named(self) -> dict[str, float]:
        """Return the phases there were, under their names on the wire."""
        found = {
            "dns": self.dns,
            "connect": self.connect,
            "firstByte": self.first_byte,
            "total": self.total,
        }
        return {name: spent for name, spent in found.items() if spent is not None}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said; of its body the first `max_answer` bytes."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    phases: Phases

    def json(self) -> Any:  # noqa: ANN401 - whatever the other side sent
        """Return the body read as JSON.

        :raises ValueError: if it is none
        """
        return json.loads(self.body)


def is_allowed(address: str, allowed: tuple[Network, ...]) -> bool:
    """Say whether this address may be called: it is public, or in one of the allowed networks.

    An IPv6 address that stands for an IPv4 one counts as that.
    """
    found = _plain(ip_address(address))
    if any(found in network for network in allowed):
        return True
    return (
        found.is_global
        and not found.is_multicast
        and not found.is_reserved
        and not (isinstance(found, IPv6Address) and found.is_site_local)
        and not any(found in network for network in _NEVER_PUBLIC)
    )


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address


def forbidden_literal(url: str, allowed: tuple[Network, ...]) -> str | None:
    """Return why this URL can never be called, or None if that only its name's addresses tell.

    It must be http or https, without user info, with a host; and a host that is written as an
    address must be an allowed one (decided 9). A name is checked at every call.
    """
    try:
        parsed = URL(url)
    except ValueError:
        return "expected a URL such as https://example.com/hooks"
    if parsed.scheme not in {"http", "https"} or not parsed.raw_host:
        return "expected a URL such as https://example.com/hooks"
    if "@" in url.split("//", 1)[1].split("/", 1)[0]:
        return "expected a URL without user name and password"
    host = parsed.raw_host.removesuffix(".")
    try:
        literal = is_allowed(host.replace("%25", "%"), allowed)
    except ValueError:
        if not _NAME.fullmatch(host):
            return "expected a URL such as https://example.com/hooks"
        return _old_spelling(host)
    return None if literal else f"{host} is neither public nor in an allowed network"


def _old_spelling(host: str) -> str | None:
    # 2130706433, 0x7f.1 and 127.1 all mean 127.0.0.1 to the system, but to no filter.
    try:
        socket.inet_aton(host)
    except (OSError, ValueError):
        return None
    return f"{host} is an address; write it as four decimal numbers"


class _Forbidden(OSError):
    """The filter's veto, as an error that aiohttp passes on."""


class _Resolver(AbstractResolver):
    """Resolves names to the allowed ones of their addresses."""

    def __init__(self, allowed: tuple[Network, ...]) -> None:
        self._allowed = allowed
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        usable = [result for result in found if is_allowed(result["host"], self._allowed)]
        if not usable:
            raise _Forbidden(errno.EACCES, "no allowed address")
        return usable

    async def close(self) -> None:
        await self._system.close()


class Outbound:
    """The HTTP client of a service. One a process; many calls at once.

    Follows no redirects, keeps no cookies, knows no proxies. How many calls are in flight, and to
    whom, the chassis decides (`calls.py`), not this client.
    """

    def __init__(self, allowed: tuple[Network, ...] = ()) -> None:
        self._allowed = allowed
        self._session: aiohttp.ClientSession | None = None
        self._checked = lru_cache(maxsize=1024)(self._check)

    async def start(self) -> None:
        """Open the client."""
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=0,
            keepalive_timeout=_KEPT_ALIVE,
            ttl_dns_cache=_NAMES_REMEMBERED,
            resolver=_Resolver(self._allowed),
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "Kontor", "Accept-Encoding": "identity"},
            trace_configs=[_tracing()],
            auto_decompress=False,
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(  # noqa: PLR0913 - what a request consists of
        self,
        method: str,
        url: str,
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float,
        max_answer: int = LONGEST_ANSWER,
    ) -> Answer:
        """Make one request and return its answer, whatever its status.

        :raises CallFailed: if no answer came, with the reason as subclass and cause
        """
        session = self._session
        if session is None:
            raise RuntimeError("the client was not started")
        target = self._checked(url)
        marks = SimpleNamespace()
        began = perf_counter()
        try:
            async with session.request(
                method,
                target,
                data=_body(data),
                headers=headers,
                allow_redirects=False,
                timeout=_timeout(timeout_seconds),
                trace_request_ctx=marks,
            ) as response:
                first = perf_counter()
                body = await _read(response, max_answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failure, cause = _failure(error, target.raw_host or "")
            raise failure from cause
        return Answer(
            status=response.status,
            headers=response.headers,
            body=body,
            phases=Phases(
                total=_ms(began, perf_counter()),
                first_byte=_ms(began, first),
                dns=_spent(marks, "dns"),
                connect=_spent(marks, "connect"),
            ),
        )

    def _check(self, url: str) -> URL:
        reason = forbidden_literal(url, self._allowed)
        if reason is not None:
            raise AddressNotAllowed(reason)
        return URL(url)

    def _socket(self, info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_allowed(address[0], self._allowed):
            raise _Forbidden(errno.EACCES, "the address is not allowed")
        return socket.socket(family, kind, protocol)


def _body(data: bytes | None) -> bytes | io.BytesIO | None:
    """Return what to hand to aiohttp, which sends large bytes at one go and warns of it."""
    return data if data is None or len(data) <= _AT_ONE_GO else io.BytesIO(data)


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the first `most` bytes; a connection with more to say is closed, not drained."""
    parts: list[bytes] = []
    size = 0
    while size <= most:
        part = await response.content.read(most + 1 - size)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
    response.close()
    return b"".join(parts)[:most]


def _failure(error: Exception, host: str) -> tuple[CallFailed, BaseException | None]:
    """Return our failure for aiohttp's, and what may be kept as its cause."""
    if isinstance(error, TimeoutError):
        return TimedOut(f"{host} did not answer in time"), error
    if isinstance(error, aiohttp.ClientConnectorError):
        return _not_connected(error, host), error
    if isinstance(error, aiohttp.ClientResponseError):
        # Its text has the whole URL; what it was made from has not.
        return ConnectionBroken(f"{host} does not speak HTTP"), error.__cause__
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return AddressNotAllowed(f"{host} is no address"), None
    return ConnectionBroken(f"the connection to {host} broke"), error


def _not_connected(error: aiohttp.ClientConnectorError, host: str) -> CallFailed:
    if isinstance(error.os_error, _Forbidden):
        return AddressNotAllowed(f"{host} is neither public nor in an allowed network")
    if error.os_error.errno == errno.ECONNREFUSED:
        return ConnectionRefused(f"{host} refuses connections")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ConnectionBroken(f"{host} does not resolve")
    if isinstance(error.os_error, ssl.SSLCertVerificationError):
        why = error.os_error.verify_message
        return ConnectionBroken(f"the certificate of {host} is not trusted: {why}")
    if isinstance(error, aiohttp.ClientSSLError):
        return ConnectionBroken(f"{host} does not speak TLS as it should")
    return ConnectionBroken(f"no connection to {host}")


@lru_cache(maxsize=64)
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    # The threshold keeps aiohttp from rounding long ones up to a whole second.
    return aiohttp.ClientTimeout(total=seconds, ceil_threshold=seconds + 1)


def _tracing() -> aiohttp.TraceConfig:
    def noting(name: str) -> Any:  # noqa: ANN401 - aiohttp has a type for each signal
        async def note(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
            setattr(context.trace_request_ctx, name, perf_counter())

        return note

    tracing = aiohttp.TraceConfig()
    tracing.on_dns_resolvehost_start.append(noting("dns_began"))
    tracing.on_dns_resolvehost_end.append(noting("dns_ended"))
    tracing.on_connection_create_start.append(noting("connect_began"))
    tracing.on_connection_create_end.append(noting("connect_ended"))
    return tracing


def _spent(marks: SimpleNamespace, phase: str) -> float | None:
    began = getattr(marks, f"{phase}_began", None)
    ended = getattr(marks, f"{phase}_ended", None)
    return _ms(began, ended) if began is not None and ended is not None else None


def _ms(began: float, ended: float) -> float:
    return round((ended - began) * 1000, 2)
