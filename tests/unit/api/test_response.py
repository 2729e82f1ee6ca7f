import gzip
import zlib
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
import zstandard

from services.api.domain import Refusal
from services.api.entrypoints.cors import Cors
from services.api.entrypoints.limits import Figures, Kind, Limits
from services.api.entrypoints.response import (
    COMPRESSED_FROM,
    Response,
    Streamed,
    etag,
    preferred_coding,
)

LONG = b'{"a": "' + b"x" * COMPRESSED_FROM + b'"}'


class TestPreferredCoding:
    @pytest.mark.parametrize(
        ("accepted", "coding"),
        [
            (b"", None),
            (b"identity", None),
            (b"br", None),
            (b"gzip", b"gzip"),
            (b"GZip", b"gzip"),
            (b"x-gzip", b"gzip"),
            (b"gzip, deflate", b"gzip"),
            (b"*", b"gzip"),
            (b"gzip;q=0", None),
            (b"*;q=0", None),
            (b"gzip; q=0.5", b"gzip"),
            (b"gzip;q=0.5, identity", None),
            (b"gzip;q=much", None),
            (b"zstd", b"zstd"),
            (b"gzip, deflate, br, zstd", b"zstd"),
            (b"zstd;q=0.5, gzip", b"gzip"),
            (b"zstd, gzip;q=0.8", b"zstd"),
            (b"zstd;q=0, gzip;q=0.1", b"gzip"),
            (b",;,", None),
        ],
    )
    def test_is_what_the_client_likes_best(self, accepted: bytes, coding: bytes | None) -> None:
        assert preferred_coding(accepted) == coding


class TestCompression:
    @pytest.mark.parametrize("body", [LONG, LONG * 1000], ids=["short", "long"])
    async def test_shrinks_a_body_and_says_how(self, body: bytes) -> None:
        zipped, packed = Response(200, body), Response(200, body)

        await zipped.compress(b"gzip")
        await packed.compress(b"zstd")

        assert gzip.decompress(zipped.body) == body
        assert zstandard.decompress(packed.body) == body
        assert list(zipped.headers) == [
            (b"vary", b"accept-encoding"),
            (b"content-encoding", b"gzip"),
        ]

    async def test_leaves_the_etag_as_it_is(self) -> None:
        response = Response(200, LONG, (etag(5),))

        await response.compress(b"gzip")

        assert (b"etag", b'"5"') in response.headers

    async def test_that_is_not_wanted_is_told_to_caches_all_the_same(self) -> None:
        response = Response(200, LONG, ((b"vary", b"accept"),))

        await response.compress(b"")

        assert response.body == LONG
        assert list(response.headers) == [(b"vary", b"accept, accept-encoding")]

    @pytest.mark.parametrize(
        "response",
        [Response(200, LONG[: COMPRESSED_FROM - 1]), Response(200, LONG, (), b"application/pdf")],
        ids=["short", "compressed already"],
    )
    async def test_is_left_alone_where_it_gains_nothing(self, response: Response) -> None:
        before = response.body

        await response.compress(b"gzip")

        assert response.body == before
        assert list(response.headers) == []

    async def test_makes_the_same_of_the_same(self) -> None:
        first, second = Response(200, LONG), Response(200, LONG)

        await first.compress(b"gzip")
        await second.compress(b"gzip")

        assert first.body == second.body == zlib.compress(LONG, 1, zlib.MAX_WBITS | 16)


class TestStreamed:
    @pytest.mark.parametrize("fails", [False, True])
    async def test_is_under_way_until_all_of_it_is_sent(self, *, fails: bool) -> None:
        figures = Figures(
            bucket=0, refill=1, refill_seconds=1, client=1, tenant=0, batch=0, reads=0
        )
        limits = Limits(figures)
        refused: list[str] = []

        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"a"
            try:
                limits.slot(Kind.ORDINARY, "c", now=0).take()
            except Refusal as refusal:
                refused.append(refusal.problem.slug)
            if fails:
                raise ConnectionError

        async def send(_: dict[str, Any]) -> None:
            """Take it."""

        response = Streamed(200, pieces=pieces(), slot=limits.slot(Kind.ORDINARY, "c", now=0))
        assert response.slot is not None
        response.slot.take()

        with suppress(ConnectionError):
            await response.send(send)

        assert refused == ["too-many-requests"]
        limits.slot(Kind.ORDINARY, "c", now=0).take()


class TestCors:
    def test_lets_a_page_of_a_known_origin_read_the_answer(self) -> None:
        response = Response(200, b"{}")

        Cors(["https://shop.example"]).allow({b"origin": b"https://shop.example"}, response)

        found = dict(response.headers)
        assert found[b"access-control-allow-origin"] == b"https://shop.example"
        assert b"etag" in found[b"access-control-expose-headers"]
        assert found[b"vary"] == b"origin"

    @pytest.mark.parametrize("sent", [{}, {b"origin": b"https://elsewhere.example"}])
    def test_says_nothing_to_others(self, sent: dict[bytes, bytes]) -> None:
        response = Response(200, b"{}")

        Cors(["https://shop.example"]).allow(sent, response)

        assert list(response.headers) == [(b"vary", b"origin")]

    def test_answers_what_a_browser_asks_beforehand(self) -> None:
        response = Response(204, headers=((b"allow", b"OPTIONS, POST"),))
        sent = {b"origin": b"http://localhost:3000", b"access-control-request-method": b"POST"}

        Cors(["*"]).allow(sent, response)

        found = dict(response.headers)
        assert found[b"access-control-allow-origin"] == b"http://localhost:3000"
        assert found[b"access-control-allow-methods"] == b"OPTIONS, POST"
        assert b"authorization" in found[b"access-control-allow-headers"]
