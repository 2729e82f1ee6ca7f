"""Amounts and quantities: exact decimals inside, JSON numbers on the wire."""

from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

LARGEST: Final = Decimal(10) ** 15
_ZERO: Final = Decimal(0)
_SMALLEST_STEP: Final = Decimal("0.000001")


def _at_most_six_decimals(number: Decimal) -> Decimal:
    # pydantic's own decimal_places costs twice as much; the bounds have been checked before.
    if not number:
        return _ZERO  # not -0, and not 0E-999999999, which MongoDB cannot keep
    if number.quantize(_SMALLEST_STEP) != number:
        raise ValueError("expected a number with at most 6 decimals")
    return number


# JSON has one kind of number and nearly every reader makes a double of it, so 15 significant
# digits survive the wire.
Amount = Annotated[
    Decimal,
    Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False),
    AfterValidator(_at_most_six_decimals),
    PlainSerializer(float, return_type=float, when_used="json"),
    WithJsonSchema({"type": "number", "minimum": -1e15, "maximum": 1e15}),
]
"""A price, a total, a rate in percent: at most 6 decimals, no more than 10^15 either way.

Read from a JSON number or a text that is one, written as a JSON number.
"""

Quantity = Amount
"""How much of something, in the line's unit; whole or not. Its sign is the line's business."""

# ISO 4217; every currency that is not here has two decimals.
_WITHOUT_DECIMALS: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"}
    | {"RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_WITH_THREE: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_WITH_FOUR: Final = frozenset({"CLF", "UYW"})


def exponent(currency: str | None) -> int:
    """How many decimals the currency has by ISO 4217; 2 where it is not known."""
    code = (currency or "").upper()
    if code in _WITHOUT_DECIMALS:
        return 0
    if code in _WITH_THREE:
        return 3
    return 4 if code in _WITH_FOUR else 2
