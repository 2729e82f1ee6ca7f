"""What the demonstration prints. Readable without colours, and when it is not a terminal."""

import json
import shlex
import time
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.text import Text

_WIDE: Final = 100


class Screen:
    """Prints lines, each kind in a form of its own."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()
        self._chapter = 0

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line as it is."""
        self._console.print(Text(text, style=style))

    def chapter(self, title: str, command: str) -> None:
        """Begin a part of the story; `command` is what a person would type for it."""
        self._chapter += 1
        self.line()
        self.line(f"{self._chapter}. {title}", "bold")
        self.line(f"   $ {command}", "cyan")

    def curl(
        self,
        title: str,
        method: str,
        path: str,
        *,
        data: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Begin a part of the story that is one request; $KONTOR and $TOKEN stand in for ours."""
        parts = ["curl -s"]
        if method != "GET":
            parts.append(f"-X {method}")
        parts.append(f'"$KONTOR{path}" -H "Authorization: Bearer $TOKEN"')
        parts += [
            f"-H {shlex.quote(f'{name}: {value}')}" for name, value in (headers or {}).items()
        ]
        if data:
            parts.append(f"-H 'Content-Type: application/json' -d {data}")
        self.chapter(title, " ".join(parts))

    def progress(self, text: str) -> None:
        """Say what takes time."""
        self.line(f"   {time.monotonic() - self._began:5.1f} s  {text}", "dim")

    def seen(self, where: str, what: str) -> None:
        """Say what passed by itself, on Kafka or at the webhook receiver."""
        self.line(f"     {time.monotonic() - self._began:6.2f} s  {where:<22} {what}", "blue")

    def show(self, **facts: object) -> None:
        """Print facts of an answer, one line each."""
        width = max(len(name) for name in facts)
        for name, value in facts.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            self.line(f"     {name:<{width}}  {_short(text)}")

    def holds(self, sentence: str) -> None:
        """Say what was checked and is true."""
        self.line(f"   ✓ {sentence}", "green")


def _short(text: str) -> str:
    return text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"


def picked(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return these members of a JSON object, as far as it has them."""
    return {name: document[name] for name in names if name in document}
