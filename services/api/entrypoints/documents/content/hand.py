"""How numbers, dates, names and addresses are written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.party import Address

LONGEST: Final = 1_000
"""Characters of one text that are printed; the rest would only cost pages."""
LONGEST_OF_LINE: Final = 250
"""The same of a text of a line, of which there may be a thousand."""
# Half away from zero (domain 6.9); more digits than any two amounts can multiply to.
_ROUNDING: Final = Context(prec=60, rounding=ROUND_HALF_UP)
_LONG_WORD: Final = re.compile(r"\S{20}(?=\S)")
_LONG_CODE: Final = re.compile(r"\S{10}(?=\S)")
_MAY_BREAK: Final = "\\g<0>\N{ZERO WIDTH SPACE}"


@dataclass(frozen=True, slots=True)
class Language:
    """How numbers and dates are written; `code` names the file of its words."""

    code: str
    thousands: str
    point: str
    date: str


_ENGLISH: Final = Language("en", ",", ".", "%Y-%m-%d")
_NORWEGIAN: Final = Language("nb", "\N{NO-BREAK SPACE}", ",", "%d.%m.%Y")
_LANGUAGES: Final[Mapping[str, Language]] = {
    "nb": _NORWEGIAN,
    "nn": _NORWEGIAN,
    "no": _NORWEGIAN,
}


def language(name: str | None) -> Language:
    """Return a market's language, such as `nb` or `nb-NO`; English if its words are not known."""
    return _LANGUAGES.get((name or "")[:2].casefold(), _ENGLISH)


@dataclass(frozen=True, slots=True)
class Hand:
    """Writes for one order: in its language, its currency's decimals and its store's time."""

    language: Language
    places: int
    zone: tzinfo

    def rounded(self, amount: Decimal) -> Decimal:
        """Round to the currency's decimals."""
        return _ROUNDING.quantize(amount, Decimal(1).scaleb(-self.places))

    def amount(self, amount: Decimal | None) -> str:
        """Write an amount; nothing if it is not known."""
        return "" if amount is None else self.number(amount, self.places)

    def number(self, number: Decimal, places: int = 0) -> str:
        """Write a number with this many decimals, or with more if it has more."""
        exponent = number.normalize().as_tuple().exponent
        own = -exponent if isinstance(exponent, int) else 0
        plain = f"{number:,.{max(places, own)}f}"
        signs = {",": self.language.thousands, ".": self.language.point}
        return "".join(signs.get(sign, sign) for sign in plain)

    def date(self, moment: datetime | None) -> str | None:
        """Write the day on which something was where the store is."""
        if moment is None:
            return None
        try:
            there = moment.astimezone(self.zone)
        except OverflowError:
            there = moment  # the last day that there is, where it is tomorrow already
        return there.strftime(self.language.date)


def printed(text: str, longest: int = LONGEST) -> str:
    """Return the text as it may be set: not endless, and no word too long to be broken."""
    short = text if len(text) <= longest else text[: longest - 1] + "…"
    return _LONG_WORD.sub(_MAY_BREAK, short)


def code(text: str) -> str:
    """Return a code that stands in a narrow column."""
    return _LONG_CODE.sub(_MAY_BREAK, text[:LONGEST_OF_LINE])


def address(found: Address | None, name: str | None = None) -> list[str]:
    """Return the lines of an address; `name` is whose it is if it does not say."""
    found = found or Address()
    person = " ".join(filter(None, (found.first_name, found.last_name)))
    lines = (
        found.organization,
        found.name or person or name,
        " ".join(filter(None, (found.line1, found.street_number, found.apartment_number))),
        found.line2,
        " ".join(filter(None, (found.postal_code, found.city))),
        found.state or found.region_name,
        found.country_name or found.country_code,
    )
    return [printed(line) for line in dict.fromkeys(filter(None, lines))]


@lru_cache(maxsize=256)
def zone(name: str | None) -> tzinfo:
    """Return a time zone such as Europe/Oslo; UTC if this machine does not know it."""
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
