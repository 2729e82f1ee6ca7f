from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from services.commands import directory
from services.commands.client import Place, call, path, place


@contextmanager
def plain_server() -> Iterator[int]:
    """A server that answers plain HTTP, whatever it is asked."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


class TestPlace:
    def test_is_the_one_of_the_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("OWNER_CLIENT_ID", "OWNER_CLIENT_SECRET"):
            monkeypatch.delenv(f"KONTOR_{name}", raising=False)
        owner = directory.owner(tmp_path)
        directory.write(tmp_path / "stack.json", {"api": {"url": "http://127.0.0.1:9"}})

        found = place(tmp_path)

        assert found == Place("http://127.0.0.1:9", owner.client_id, owner.client_secret)

    def test_is_elsewhere_when_the_options_say_so(self, tmp_path: Path) -> None:
        found = place(tmp_path, "https://kontor.example/", "shop", "secret")

        assert found == Place("https://kontor.example", "shop", "secret")

    def test_needs_a_client_beside_a_url(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="--client-id and --client-secret"):
            place(tmp_path, "https://kontor.example")

    def test_needs_a_secret_beside_a_client(self, tmp_path: Path) -> None:
        with pytest.raises(SystemExit, match="belong together"):
            place(tmp_path, client_id="shop")


class TestPath:
    def test_keeps_a_segment_in_its_place_whatever_it_holds(self) -> None:
        assert path("Orders", "a/b c", "Explain") == "/api/Orders/a%2Fb%20c/Explain"

    @pytest.mark.parametrize("blank", ["", " "])
    def test_refuses_a_blank_id_which_would_mean_another_path(self, blank: str) -> None:
        with pytest.raises(SystemExit, match="The id is empty"):
            path("ApiClients", blank)


class TestCall:
    def test_says_so_when_nobody_answers(self) -> None:
        nobody = Place("http://127.0.0.1:1", "shop", "secret")

        with pytest.raises(SystemExit, match=r"Nothing answers at http://127\.0\.0\.1:1"):
            call(nobody, lambda client: client.token())

    def test_says_so_when_the_url_is_none(self) -> None:
        nowhere = Place("kontor.example", "shop", "secret")

        with pytest.raises(SystemExit, match=r"kontor\.example is no URL .* http://"):
            call(nowhere, lambda client: client.token())

    def test_says_so_when_no_tls_is_spoken(self) -> None:
        with plain_server() as port:
            plain = Place(f"https://127.0.0.1:{port}", "shop", "secret")

            with pytest.raises(SystemExit, match=r"Where no TLS is spoken .* http://"):
                call(plain, lambda client: client.token())
