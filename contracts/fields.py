"""The kinds of members that models share: lists, flags, whole numbers, closed enumerations."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, ValidationInfo

from contracts.model import LONGEST_TEXT
from contracts.reading import DEEPEST

LONGEST_KEY: Final = 256
"""Characters that the key of a custom property may have."""

LONGEST_LIST: Final = 250
"""Entries that a list may have, the lines of an order (1,000) aside."""

Item = TypeVar("Item")
ListOf = Annotated[list[Item], Field(max_length=LONGEST_LIST)]
"""A list of at most 250 entries."""

Flag = Annotated[bool, Field(strict=True)]
"""true or false, not a word or number that might mean one of them."""


def _unless_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


UNLESS_BLANK: Final = BeforeValidator(_unless_blank)
Sent = Annotated[str | None, UNLESS_BLANK]
"""A text that says nothing while it is blank: as good as left out."""


def _no_blank(value: str, info: ValidationInfo) -> str:
    if info.context is not None and not value.strip():
        raise ValueError("expected text that is not blank")
    return value


NOT_BLANK: Final = AfterValidator(_no_blank)
Said = Annotated[str, NOT_BLANK]
"""A text that a body from outside must have, and not blank."""


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("expected a whole number")  # noqa: TRY004 - pydantic wants ValueError
    return value


Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1), BeforeValidator(_no_flag)]
"""A whole number of at most 64 bits, which is what MongoDB keeps: a long of the documents."""

Int = Annotated[int, Field(ge=-(2**31), le=2**31 - 1), BeforeValidator(_no_flag)]
"""A whole number of at most 32 bits: an int of the documents, whose readers hold no more."""


def spelled(words: Iterable[str], **others: str | int) -> BeforeValidator:
    """Let a closed enumeration be written in any case, and under other names or numbers.

    :param words: the allowed words, as they are written out
    :param others: word = its other spelling or its number
    """
    table: dict[str, str] = {word.casefold(): word for word in words}
    numbers: dict[int, str] = {}
    for word, other in others.items():
        table[str(other).casefold()] = word
        if isinstance(other, int):
            numbers[other] = word

    def read(value: object) -> object:
        if isinstance(value, str):
            return table.get(value.casefold(), value)
        if isinstance(value, int) and not isinstance(value, bool):
            return numbers.get(value, value)
        return value

    return BeforeValidator(read)


MOST_HEADERS: Final = 20
"""Headers of their own that calls to somebody may have."""

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,4096}")


def check_headers(headers: Mapping[str, str | None]) -> None:
    """Refuse what HTTP cannot send, a line break above all (RFC 9110 5.5); None is as good as "".

    :raises ValueError: if a name or a value is no header's
    """
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text or ""):
            raise ValueError("expected names and values as HTTP headers have them, in ASCII")


def _plain(value: JsonValue, level: int = 0) -> JsonValue:
    """Hold what nobody has described to the same limits as everything else."""
    if isinstance(value, str) and ("\0" in value or len(value) > LONGEST_TEXT):
        raise ValueError(f"expected texts of at most {LONGEST_TEXT} characters without NUL")
    if isinstance(value, float) and value - value != 0:
        raise ValueError("expected finite numbers")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("expected whole numbers of at most 64 bits")
    if isinstance(value, dict | list):
        if level > DEEPEST // 2:
            raise ValueError(f"expected at most {DEEPEST // 2} levels of objects and lists")
        for inner in value.values() if isinstance(value, dict) else value:
            _plain(inner, level + 1)
        for key in value if isinstance(value, dict) else ():
            if "\0" in key or len(key) > LONGEST_KEY:
                raise ValueError(f"expected names of at most {LONGEST_KEY} characters without NUL")
    return value


OpenObject = Annotated[dict[str, JsonValue], AfterValidator(_plain)]
"""An object whose members the documents do not describe: kept and answered as sent."""
