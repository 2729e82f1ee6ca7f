"""The outbound client against real sockets on loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from services.chassis.http import (
    AddressNotAllowed,
    CallFailed,
    ConnectionBroken,
    ConnectionRefused,
    Outbound,
    TimedOut,
    forbidden_literal,
    is_allowed,
)
from services.chassis.settings import Network
from tests.harness import served

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_client(allowed: tuple[Network, ...] = LOOPBACK) -> AsyncIterator[Outbound]:
    client = Outbound(allowed)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def a_server(answer: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner, address = await served(app)
    try:
        yield address
    finally:
        await runner.cleanup()


@asynccontextmanager
async def a_socket(talk: Talk) -> AsyncIterator[str]:
    """Serve whatever bytes `talk` writes, for answers that no HTTP server would give."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def a_certificate(folder: Path) -> Path:
    """Write a key and a certificate of its own, which nobody has to trust."""
    key = ed25519.Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = made.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, None)
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + signed.public_bytes(Encoding.PEM)
    )
    return file


async def fine(request: web.BaseRequest) -> web.Response:
    return web.Response(body=await request.read(), status=201, headers={"X-Seen": request.method})


class TestIsAllowed:
    @pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
    def test_lets_public_addresses_through(self, address: str) -> None:
        assert is_allowed(address, ())

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",  # noqa: S104 - not bound to, kept out
            "192.0.0.8",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fe80::1",
            "fe80::1%eth0",
            "fec0::1",
            "ff0e::1",
        ],
    )
    def test_keeps_every_other_address_out(self, address: str) -> None:
        assert not is_allowed(address, ())

    def test_lets_an_allowed_network_through_however_it_is_written(self) -> None:
        allowed: tuple[Network, ...] = (ip_network("10.0.0.0/8"),)

        assert is_allowed("10.1.2.3", allowed)
        assert is_allowed("::ffff:10.1.2.3", allowed)
        assert not is_allowed("192.168.0.1", allowed)


class TestForbiddenLiteral:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com/hooks?a=b",
            "http://8.8.8.8:8080/",
            "https://[2606:4700::1111]/",
            "http://name-that-may-be-private.internal/",
        ],
    )
    def test_has_nothing_against_names_and_public_addresses(self, url: str) -> None:
        assert forbidden_literal(url, ()) is None

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "example.com",
            "//example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http:///hooks",
            "http://exa mple.com/",
            "http://*.example.com/",
            "http://example.com:99999/",
            "https://user:secret@example.com/",
            "https://@example.com/",
            "http://127.0.0.1/",
            "http://127.0.0.1./",
            "http://127.0.0.1../",
            "http://example..com/",
            "http://.example.com/",
            "http://example.com../",
            f"http://{'a' * 64}.com/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://017700000001/",
            "http://①②⑦.⓪.⓪.①/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fe80::1%25eth0]/",
            "http://169.254.169.254/latest/meta-data/",
        ],
    )
    def test_says_why_others_can_never_be_called(self, url: str) -> None:
        reason = forbidden_literal(url, ())

        assert reason
        assert "secret" not in reason

    def test_lets_an_allowed_network_through(self) -> None:
        assert forbidden_literal("http://127.0.0.1:8080/", LOOPBACK) is None
        assert forbidden_literal("http://[::ffff:127.0.0.1]:8080/", LOOPBACK) is None


class TestRequest:
    async def test_returns_status_headers_body_and_phases(self) -> None:
        async with a_client() as client, a_server(fine) as url:
            answer = await client.request("POST", url, data=b'{"a":1}', timeout_seconds=5)
            again = await client.request("POST", url, data=b'{"a":1}', timeout_seconds=5)

        assert (answer.status, answer.headers["X-Seen"]) == (201, "POST")
        assert answer.json() == {"a": 1}
        assert set(answer.phases.named()) == {"connect", "firstByte", "total"}
        assert set(again.phases.named()) == {"firstByte", "total"}

    async def test_reads_no_more_of_the_answer_than_asked(self) -> None:
        async with a_client() as client, a_server(fine) as url:
            answer = await client.request(
                "POST", url, data=b"x" * 500_000, timeout_seconds=5, max_answer=1000
            )
            exact = await client.request(
                "POST", url, data=b"x" * 1000, timeout_seconds=5, max_answer=1000
            )

        assert answer.body == b"x" * 1000
        assert exact.body == b"x" * 1000

    async def test_follows_no_redirect_and_keeps_no_cookie(self) -> None:
        seen: list[str | None] = []

        async def elsewhere(request: web.Request) -> web.Response:
            seen.append(request.headers.get("Cookie"))
            answer = web.Response(status=302, headers={"Location": "/secret"})
            answer.set_cookie("a", "b")
            return answer

        async with a_client() as client, a_server(elsewhere) as url:
            first = await client.request("GET", url, timeout_seconds=5)
            await client.request("GET", url, timeout_seconds=5)

        assert first.status == 302
        assert seen == [None, None]

    async def test_knows_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

        async with a_client() as client, a_server(fine) as url:
            answer = await client.request("GET", url, timeout_seconds=5)

        assert answer.status == 201

    async def test_refuses_a_forbidden_literal_before_anything_is_sent(self) -> None:
        async with a_client(()) as client, a_server(fine) as url:
            with pytest.raises(AddressNotAllowed):
                await client.request("GET", url, timeout_seconds=5)

    async def test_takes_a_name_that_no_idna_knows_for_one_that_does_not_resolve(self) -> None:
        async with a_client(()) as client:
            with pytest.raises(ConnectionBroken):
                await client.request("GET", "http://xn--a/", timeout_seconds=30)

    async def test_refuses_a_name_whose_addresses_are_all_forbidden(self) -> None:
        async with a_client(()) as client, a_server(fine) as url:
            with pytest.raises(AddressNotAllowed) as caught:
                await client.request(
                    "GET", url.replace("127.0.0.1", "localhost"), timeout_seconds=5
                )

        assert isinstance(caught.value.__cause__, OSError)

    async def test_uses_those_addresses_of_a_name_that_are_allowed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = a_name_server("10.0.0.1", "127.0.0.1")
        monkeypatch.setattr(aiohttp.ThreadedResolver, "resolve", server)

        async with a_client((ip_network("127.0.0.1/32"),)) as client, a_server(fine) as url:
            answer = await client.request(
                "GET", url.replace("127.0.0.1", "shop.example"), timeout_seconds=5
            )

        assert answer.status == 201
        assert "dns" in answer.phases.named()

    async def test_tells_a_refused_connection_from_a_broken_one(self) -> None:
        async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with a_server(fine) as url:
            closed = url
        async with a_client() as client, a_socket(hang_up) as broken:
            with pytest.raises(ConnectionRefused):
                await client.request("POST", closed, timeout_seconds=5)
            with pytest.raises(ConnectionBroken):
                await client.request("POST", broken, timeout_seconds=5)

    async def test_calls_an_answer_cut_short_a_broken_connection(self) -> None:
        async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            await writer.drain()

        async with a_client() as client, a_socket(cut) as url:
            with pytest.raises(ConnectionBroken):
                await client.request("POST", url, timeout_seconds=5)

    async def test_says_what_is_wrong_with_tls(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(a_certificate(tmp_path))
        runner = web.ServerRunner(web.Server(fine))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        secure = f"https://127.0.0.1:{runner.addresses[0][1]}"

        async with a_client() as client, a_server(fine) as plain:
            with pytest.raises(ConnectionBroken) as untrusted:
                await client.request("POST", secure, timeout_seconds=30)
            with pytest.raises(ConnectionBroken) as unspoken:
                await client.request("POST", plain.replace("http", "https"), timeout_seconds=30)

        await runner.cleanup()
        assert str(untrusted.value).startswith("the certificate of 127.0.0.1 is not trusted: self")
        assert str(unspoken.value) == "127.0.0.1 does not speak TLS as it should"

    @pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"])
    async def test_gives_up_in_time_before_and_after_the_head(self, head: bytes) -> None:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            await reader.read()

        async with a_client() as client, a_socket(hang) as url:
            with pytest.raises(TimedOut):
                await client.request("POST", url, timeout_seconds=0.1)

    @pytest.mark.parametrize(
        "url",
        [
            "{broken}/hidden/path?token=hidden",
            "http://127.0.0.1:1/hidden?token=hidden",
            "http://name.invalid/hidden?token=hidden",
            "http://10.0.0.1/hidden?token=hidden",
            "http://hidden:hidden@example.com/",
        ],
    )
    async def test_says_nothing_secret_when_it_fails(self, url: str) -> None:
        async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"this is not HTTP\r\n\r\n")
            await writer.drain()

        async with a_client() as client, a_socket(babble) as broken:
            with pytest.raises(CallFailed) as caught:
                await client.request(
                    "POST",
                    url.format(broken=broken),
                    data=b"hidden",
                    headers={"Authorization": "Bearer hidden"},
                    timeout_seconds=5,
                )

        told = "".join(
            str(error) for error in (caught.value, caught.value.__cause__) if error is not None
        )
        assert "hidden" not in told


def a_name_server(*addresses: str) -> Callable[..., Awaitable[list[ResolveResult]]]:
    async def resolve(
        _: aiohttp.ThreadedResolver, host: str, port: int, family: socket.AddressFamily
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=family,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    return resolve
