import gzip
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.domain import Refusal
from services.api.entrypoints.limits import Figures, Kind, Limits, Slot
from services.api.entrypoints.request import Request

Headers = dict[str, str]


def a_request(
    *chunks: bytes,
    headers: Headers | None = None,
    limit: int = 1000,
    method: str = "POST",
    query: str = "",
) -> Request:
    waiting = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ] or [{"type": "http.request", "body": b""}]

    async def receive() -> dict[str, Any]:
        return waiting.pop(0)

    scope = {
        "method": method,
        "path": "/api/Orders",
        "query_string": query.encode(),
        "headers": [(name.encode(), text.encode()) for name, text in (headers or {}).items()],
    }
    return Request(scope, receive, path="/api/Orders", parameters={}, limit=limit)


class TestBody:
    async def test_is_put_together(self) -> None:
        request = a_request(b"a", b"", b"bc")

        assert await request.body() == b"abc"

    @pytest.mark.parametrize(
        "request_",
        [
            a_request(b"x", headers={"content-length": "1001"}),
            a_request(b"x" * 1001),
            a_request(b"x" * 600, b"x" * 600),
            a_request(gzip.compress(b"x" * 100_000), headers={"content-encoding": "gzip"}),
        ],
        ids=["announced", "at once", "in pieces", "compressed"],
    )
    async def test_is_refused_when_it_is_too_large(self, request_: Request) -> None:
        with pytest.raises(Refusal) as refused:
            await request_.body()

        assert refused.value.problem.slug == "too-large"

    async def test_that_would_unfold_endlessly_is_never_in_memory(self) -> None:
        request = a_request(
            gzip.compress(b"x" * 50_000_000), headers={"content-encoding": "gzip"}, limit=100_000
        )

        tracemalloc.start()
        with pytest.raises(Refusal):
            await request.body()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert most < 1_000_000

    async def test_may_be_compressed(self) -> None:
        request = a_request(gzip.compress(b"abc"), headers={"content-encoding": "gzip"})

        assert await request.body() == b"abc"

    @pytest.mark.parametrize(
        "raw", [b"abc", gzip.compress(b"abc", mtime=0)[:-3]], ids=["plain", "cut"]
    )
    async def test_is_refused_when_it_is_no_gzip(self, raw: bytes) -> None:
        with pytest.raises(Refusal) as refused:
            await a_request(raw, headers={"content-encoding": "gzip"}).body()

        assert refused.value.problem.status == 400

    async def test_is_refused_in_another_encoding(self) -> None:
        with pytest.raises(Refusal) as refused:
            await a_request(b"abc", headers={"content-encoding": "br"}).body()

        assert refused.value.problem.status == 415

    @pytest.mark.parametrize(
        "kind",
        [
            "application/json",
            "Application/JSON; charset=UTF-8",
            'application/json; charset= "utf-8"',
            "text/json",
            "application/json-patch+json",
            "application/vnd.kontor+json",
        ],
    )
    async def test_is_json_under_any_of_its_names(self, kind: str) -> None:
        assert await a_request(b"{}", headers={"content-type": kind}).json() == b"{}"

    @pytest.mark.parametrize(
        "kind",
        [
            "text/plain",
            "application/jsonx",
            "application/json; charset= latin1",
            "application/xml",
            "",
            "application/json; charset=utf-16",
            "jsonp/json",
        ],
    )
    async def test_is_refused_when_it_is_declared_as_something_else(self, kind: str) -> None:
        with pytest.raises(Refusal) as refused:
            await a_request(b"{}", headers={"content-type": kind}).json()

        assert refused.value.problem.status == 415


def a_slot(*, room: int) -> Slot:
    """A place among requests of which `room` may be under way."""
    most = room or 1
    figures = Figures(bucket=0, refill=1, refill_seconds=1, client=0, tenant=most, batch=0, reads=0)
    limits = Limits(figures)
    if not room:
        limits.slot(Kind.ORDINARY, "another", now=0).take()
    return limits.slot(Kind.ORDINARY, "a", now=0)


class TestArrival:
    async def test_is_of_the_whole_body(self) -> None:
        request = a_request(b"a", b"bc", headers={"content-length": "3"})

        await request.arrive(a_slot(room=1))

        assert await request.body() == b"abc"
        assert await request.body() == b"abc"

    async def test_waits_for_no_body_where_none_is_announced(self) -> None:
        request = a_request()

        await request.arrive(a_slot(room=1))

        assert await request.body() == b""

    @pytest.mark.parametrize("headers", [{}, {"content-length": "1"}])
    async def test_is_refused_when_too_many_are_under_way(self, headers: Headers) -> None:
        request = a_request(b"x", headers=headers)

        with pytest.raises(Refusal) as refused:
            await request.arrive(a_slot(room=0))

        assert refused.value.problem.slug == "too-many-requests"

    async def test_of_a_long_body_is_refused_before_its_end(self) -> None:
        long, never = b"x" * 70_000, b"the rest"
        request = a_request(long, never, headers={"content-length": "70008"}, limit=100_000)

        with pytest.raises(Refusal) as refused:
            await request.arrive(a_slot(room=0))

        assert refused.value.problem.slug == "too-many-requests"
        assert (await request.body()) == never  # it was never asked for

    @pytest.mark.parametrize("chunks", [(), (b"a",)], ids=["no byte", "half of it"])
    async def test_fails_when_the_connection_ends_before_the_body(
        self, chunks: tuple[bytes, ...]
    ) -> None:
        messages: list[dict[str, Any]] = [
            *({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks),
            {"type": "http.disconnect"},
        ]

        async def receive() -> dict[str, Any]:
            return messages.pop(0)

        scope = {"method": "POST", "query_string": b"", "headers": [(b"content-length", b"2")]}
        request = Request(scope, receive, path="/api/Orders", parameters={}, limit=1000)

        with pytest.raises(Refusal) as refused:
            await request.arrive(a_slot(room=1))

        assert refused.value.problem.slug == "malformed-json"


class TestFingerprint:
    @given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False) | st.text()))
    def test_is_the_same_however_the_body_is_laid_out(self, body: dict[str, object]) -> None:
        turned = dict(reversed(body.items()))

        first = _fingerprint(json.dumps(body).encode())
        second = _fingerprint(json.dumps(turned, indent=2, ensure_ascii=False).encode())

        assert first == second

    def test_is_the_same_for_equal_numbers(self) -> None:
        assert _fingerprint(b'{"a": 2}') == _fingerprint(b'{"a": 2.00}')

    @pytest.mark.parametrize("other", [b'{"a": 3}', b'{"b": 2}', b'{"a": "2"}', b"[]", b""])
    def test_differs_for_another_body(self, other: bytes) -> None:
        assert _fingerprint(b'{"a": 2}') != _fingerprint(other)

    def test_differs_for_another_query_and_method(self) -> None:
        assert _fingerprint(b"") != _fingerprint(b"", query="a=1")
        assert _fingerprint(b"") != _fingerprint(b"", method="PUT")


class TestOrigin:
    @pytest.mark.parametrize("key", ["", "x" * 256, "kæy"])
    def test_refuses_a_key_that_cannot_be_one(self, key: str) -> None:
        with pytest.raises(Refusal) as refused:
            a_request(headers={"idempotency-key": key}).origin(b"")

        assert refused.value.problem.errors is not None
        assert refused.value.problem.errors[0].path == "Idempotency-Key"

    @pytest.mark.parametrize(
        "sent",
        [
            "respond-async",
            "Respond-Async; x=1",
            "wait=5, respond-async",
            "return=minimal,respond-async",
        ],
    )
    def test_of_one_who_would_rather_not_wait(self, sent: str) -> None:
        assert a_request(headers={"prefer": sent}).origin(b"").respond_async

    @pytest.mark.parametrize(
        "sent", ["", "wait=5", "return=minimal; respond-async", "not-respond-async"]
    )
    def test_of_one_who_waits(self, sent: str) -> None:
        assert not a_request(headers={"prefer": sent}).origin(b"").respond_async

    def test_passes_a_trace_on(self) -> None:
        sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

        assert a_request(headers={"traceparent": sent}).origin(b"").traceparent == sent

    @pytest.mark.parametrize("sent", ["x", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
    def test_begins_a_trace_where_there_is_none(self, sent: str) -> None:
        made = a_request(headers={"traceparent": sent}).origin(b"").traceparent

        assert made != sent
        assert a_request(headers={"traceparent": made}).origin(b"").traceparent == made


def _fingerprint(raw: bytes, *, method: str = "POST", query: str = "") -> bytes:
    request = a_request(headers={"idempotency-key": "k"}, method=method, query=query)
    return request.origin(raw).fingerprint
