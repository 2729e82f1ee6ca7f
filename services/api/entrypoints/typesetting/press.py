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
        self._templates = templates
        more: list[Path] = [fonts] if fonts else []
        self._compiler = typst.Compiler(
            root=templates,
            font_paths=typst.Fonts(include_system_fonts=False, font_paths=more),
            ignore_system_fonts=True,
        )

    def pdf(self, name: str, data: str, *, at: datetime) -> bytes:
        """Return the document of this name with this JSON."""
        made = self._compiler.compile(
            self._templates / f"{name}.typ",
            format="pdf",
            sys_inputs={"data": data},
            timestamp=int(at.timestamp()),
        )
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
