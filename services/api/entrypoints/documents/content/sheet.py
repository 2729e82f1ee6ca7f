"""The data that the templates are given, under the names that they use."""

from dataclasses import dataclass

Fact = tuple[str, str]
"""A word of templates/words, and what it is here."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table; what is not known is empty."""

    code: str
    name: str
    notes: list[str]
    quantity: str
    unit: str
    location: str
    reason: str
    price: str
    discount: str
    tax: str
    """The rate in percent."""
    amount: str


@dataclass(frozen=True, slots=True)
class Part:
    """One shipment."""

    id: str
    facts: list[Fact]
    address: list[str]
    lines: list[Line]


@dataclass(frozen=True, slots=True)
class Return:
    """One return: what came back, and what it is worth."""

    id: str
    facts: list[Fact]
    lines: list[Line]
    totals: list[Fact]


@dataclass(frozen=True, slots=True)
class Tax:
    """What is taxed at one rate; without a rate it is the tax on the order as a whole."""

    rate: str | None
    net: str
    tax: str
    gross: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """All that the templates may print."""

    language: str
    number: str
    currency: str
    logo: str | None
    """A data URI."""
    seller: list[str]
    billing: list[str]
    delivery: list[str]
    facts: list[Fact]
    invoice: list[Fact]
    original: bool
    """Whether an invoice says that it is the original (S2: IsInvoiceOriginal)."""
    net: bool
    """Whether prices and amounts of lines are without tax (S2: ShowOrderLinesExTax)."""
    comment: str | None
    terms: str | None
    lines: list[Line]
    shipments: list[Part]
    returns: list[Return]
    totals: list[Fact]
    taxes: list[Tax]
    payments: list[Fact]
