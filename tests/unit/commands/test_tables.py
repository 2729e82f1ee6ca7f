"""What the commands print has to be of use in a narrow terminal too, whatever an order says."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

import services.__main__ as kontor

ID = "0b6cf9e2-6d5f-5f0a-b7a4-1a0e2c1f9a77"
LONG = "an-order-with-an-id-that-is-wider-than-its-column[/bold]"
ANSWERS: dict[str, Any] = {  # Any: JSON
    "/api/DeadLetters": {
        "items": [
            {
                "id": ID,
                "service": "workflow",
                "type": "orders.create_order",
                "orderId": LONG,
                "at": "2026-11-20T20:00:00Z",
                "attempts": 5,
                "reason": "it fails",
            }
        ],
        "totalCount": 1,
    },
    "/api/Reconcile": {
        "differences": [{"kind": "version-missing", "orderId": LONG, "advice": "Look."}],
        "omitted": 7,
        "checked": {"orders": 1},
    },
    "/api/Orders/ORD-1/Explain": {"version": 250, "story": ["It waits for nothing."]},
    "/api/Orders/ORD-1/Events?after=150&take=100": {
        "items": [{"sequence": 250, "message": "The order was updated"}]
    },
}


class _Api(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer a token, or what is known of the path."""
        answer = ANSWERS.get(self.path) or ANSWERS.get(self.path.partition("?")[0])
        body = (json.dumps(answer) if answer else "token").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 - the name of the standard library


@pytest.fixture
def url() -> Iterator[str]:
    """Where an api answers that knows one dead letter and one difference."""
    server = HTTPServer(("127.0.0.1", 0), _Api)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def printed(url: str, *command: str) -> str:
    options = ["--url", url, "--client-id", "owner", "--client-secret", "secret"]
    return CliRunner().invoke(kontor.app, [*command, *options], env={"COLUMNS": "80"}).output


def test_a_dead_letter_is_listed_with_its_whole_id(url: str) -> None:
    shown = printed(url, "dead-letters", "list")

    assert f"{ID}  2026-11-20T20:00:00Z  workflow  orders.create_order  {LONG}" in shown
    assert "after 5 attempts: it fails" in shown


def test_a_difference_is_listed_with_the_whole_order_id(url: str) -> None:
    shown = printed(url, "reconcile")

    column = (line.split("│")[2].strip() for line in shown.splitlines() if line.count("│") == 7)
    assert "".join(column) == LONG


def test_differences_that_are_not_listed_are_counted(url: str) -> None:
    shown = printed(url, "reconcile")

    assert "7 more are not listed" in shown
    assert "1 differences listed" in shown


def test_an_order_with_many_events_is_explained_by_its_last_ones(url: str) -> None:
    shown = printed(url, "explain", "ORD-1")

    assert "250" in shown
    assert "The order was updated" in shown
    assert "It waits for nothing." in shown
