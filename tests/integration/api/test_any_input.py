"""Whatever is sent, the api answers, and never with a fault of its own."""

import re

import pytest

from services.api.entrypoints import ROUTES
from services.api.entrypoints.routing import Route
from tests.integration.api.calling import Caller

BODIES = (
    b"",
    b"null",
    b"[]",
    b"{}",
    b'"x"',
    b"1e999",
    b'{"id": "\\ud800"}',
    b'{"id": "a\\u0000"}',
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b'{"id": 1' + b"0" * 5000 + b"}",
    b"\xff\xfe\x00",
    b"[null]",
    b'[{"sku": []}]',
    b'{"status": {}, "url": [], "productCodes": [null], "lastModified": 5}',
    b'{"status": "x", "url": "http://[::1", "productCodes": ["\\"$where"], "id": "a/b"}',
)
QUERIES = ("", "?page=0&pageSize=-1", "?a=%ff%00&page=%F0%9F&state[$ne]=1&from=5", "?" + "a&" * 999)
VALUES = ("x", "%00", "%ff", "..%2f", "æ", "$where", "a" * 3000)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
async def test_is_answered_without_a_fault(call: Caller, route: Route) -> None:
    headers = {"content-type": "application/json", "Prefer": "respond-async"}
    paths = [re.sub(r"\{\w+\}", value, route.path) for value in VALUES]

    said = [
        await call(route.method, path + query, data=body, headers=headers)
        for path, query, body in (
            *((path, "", b"{}") for path in dict.fromkeys(paths)),
            *((paths[0], query, b"{}") for query in QUERIES),
            *((paths[0], "", body) for body in BODIES),
        )
    ]

    assert [(one.status, one.body) for one in said if one.status >= 500] == []
    assert {
        one.headers["content-type"]
        for one in said
        if one.status >= 400 and one.headers.get("content-length") != "0"
    } <= {"application/problem+json"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Basic !!!"},
        {"authorization": "Bearer " + "a" * 20_000},
        {"authorization": "Bearer \xff"},
        {"Idempotency-Key": ""},
        {"Idempotency-Key": "x" * 300},
        {"traceparent": "00-" + "z" * 100},
        {"content-encoding": "gzip, gzip"},
        {"content-type": "\xff/json"},
        {"if-none-match": "\xff"},
        {"Prefer": "wait=5, respond-async=\xff"},
    ],
)
async def test_of_a_header_is_answered_without_a_fault(
    call: Caller, headers: dict[str, str]
) -> None:
    said = await call("POST", "/api/Orders", data=b'{"id": 5}', headers=headers)

    assert 400 <= said.status < 500
