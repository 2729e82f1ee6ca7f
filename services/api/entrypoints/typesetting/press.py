"""Typst, for one thread: it may do one thing at a time."""

from datetime import datetime
from pathlib import Path
from typing import Final

import typst

_LONG: Final = 100_000
"""Characters of data from which on it matters how much memory a document leaves behind."""
_GENERATIONS: Final = 11


class Press:
    """Sets documents, one after the other, with what the first of them loaded."""

    def __init__(self, templates: Path, fonts: Path | None) -> None:
        more: list[Path] = [fonts] if fonts else []
        self._compiler = typst.Compiler(
            root=templates,
            font_paths=typst.Fonts(include_system_fonts=False, font_paths=more),
            ignore_system_fonts=True,
        )

    def pdf(self, name: str, data: str, *, at: datetime) -> bytes:
        """Return the document of this name with this JSON."""
        # Other `sys_inputs` would have typst evaluate the templates and lay out everything anew.
        source = f'#import "{name}.typ": document-of\n#document-of(json(bytes({_quoted(data)})))'
        made = self._compiler.compile(source.encode(), format="pdf", timestamp=int(at.timestamp()))
        if not isinstance(made, bytes):
            raise TypeError("a PDF is one file")
        if len(data) > _LONG:
            self._forget()
        return made

    def _forget(self) -> None:
        """Have typst let go of what it remembers of a long document.

        It keeps its work for ten documents; ten with a thousand lines each would be 600 MB.
        """
        for _ in range(_GENERATIONS):
            self._compiler.compile(b"", format="pdf")


def _quoted(text: str) -> str:
    """Return a text as typst writes one in its source."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
