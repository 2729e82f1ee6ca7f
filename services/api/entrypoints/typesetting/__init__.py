"""Documents as PDF, set by typst from the templates beside this file (design 7).

What is printed goes in as JSON and is a value there, so no text of an order is ever read as markup.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final

from services.api.domain import refusal

TEMPLATES: Final = Path(__file__).with_name("templates")
NAMES: Final = ("receipt", "order-confirmation", "invoice", "delivery-note", "return-note")
"""The documents there are; each is a file in `templates/`."""

AT_ONCE: Final = 2
"""Documents set at the same time; typst holds no lock of Python's meanwhile."""
MOST_WAITING: Final = 64
"""Documents in hand; a request beyond them is refused (S0: 429), so that none waits for long."""

_BY_NAME: Final = {name.replace("-", ""): name for name in NAMES}


def template(name: str) -> str | None:
    """Return the template that is meant, such as by `OrderConfirmation` or `receipt.typ`."""
    stem = name.rpartition("/")[2].partition(".")[0]
    return _BY_NAME.get("".join(letter for letter in stem.casefold() if letter.isalnum()))


class Typesetter:
    """Sets documents in threads of its own, beside the event loop.

    :param fonts: a directory of more fonts. What typst brings along has Latin, Greek, Cyrillic,
        Hebrew and Arabic letters; other scripts need fonts of their own
    """

    def __init__(self, fonts: Path | None = None) -> None:
        self._fonts = fonts
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="typesetter")
        self._own = threading.local()
        self._in_hand = 0

    async def pdf(self, name: str, write: Callable[[], bytes], *, at: datetime) -> bytes:
        """Return the document of this name.

        :param write: makes the JSON that the template reads; called in a thread
        :param at: when it was made, by its own word
        :raises Refusal: too-many-requests, if too many are in hand already
        """
        if self._in_hand >= MOST_WAITING:
            raise refusal("too-many-requests", "Too many documents are being made; try again.")
        self._in_hand += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._set, name, write, at)
        finally:
            self._in_hand -= 1

    def close(self) -> None:
        """Make nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _set(self, name: str, write: Callable[[], bytes], at: datetime) -> bytes:
        # Typst is 7 MB, which only those processes pay that print.
        from services.api.entrypoints.typesetting.press import Press  # noqa: PLC0415

        press: Press | None = getattr(self._own, "press", None)
        if press is None:
            press = self._own.press = Press(TEMPLATES, self._fonts)
        return press.pdf(name, write().decode(), at=at)
