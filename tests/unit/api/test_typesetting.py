"""Documents are set: all templates, all their words, whatever the texts of an order hold."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from threading import Event

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic_core import to_json

from contracts.model import parse
from contracts.order import Order
from services.api.domain import Refusal
from services.api.entrypoints.documents.content import Sheet, sheet
from services.api.entrypoints.typesetting import (
    MOST_WAITING,
    NAMES,
    TEMPLATES,
    Typesetter,
    template,
)
from tests.journeys.filled import every_member
from tests.pdf import pages
from tests.unit.api.test_documents import a_priced_order, english

AT = datetime(2024, 11, 20, 12, tzinfo=UTC)
DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
TITLES = {
    "receipt": "Receipt",
    "order-confirmation": "Order confirmation",
    "invoice": "Invoice",
    "delivery-note": "Delivery note",
    "return-note": "Return note",
}
WORDS = {file.stem: json.loads(file.read_text()) for file in (TEMPLATES / "words").iterdir()}


@pytest.fixture(scope="module")
async def typesetter() -> AsyncIterator[Typesetter]:
    typesetter = Typesetter()
    yield typesetter
    typesetter.close()


def the_sheet() -> Sheet:
    """The reference order's, in English."""
    return sheet(
        a_priced_order(), english(is_invoice_original=True, default_exchange_terms="30 days")
    )


def a_full_sheet() -> Sheet:
    """Of an order of which every member is known."""
    body = every_member()
    return sheet(parse(Order, json.dumps(body).encode()).value, english())


async def printed(typesetter: Typesetter, name: str, said: Sheet) -> list[str]:
    return pages(await typesetter.pdf(name, lambda: to_json(said), at=AT))


class TestTemplate:
    @pytest.mark.parametrize(
        "name",
        [
            "OrderConfirmation",
            "order-confirmation",
            "ORDER_CONFIRMATION.html",
            "pdf/order confirmation.typ",
        ],
    )
    def test_is_found_however_it_is_written(self, name: str) -> None:
        assert template(name) == "order-confirmation"

    @pytest.mark.parametrize("name", ["", "layout", "../words/en", "receipts", "words/en.json"])
    def test_is_none_that_is_not_listed(self, name: str) -> None:
        assert template(name) is None

    def test_uses_words_that_every_language_has(self) -> None:
        templates = "".join(file.read_text() for file in TEMPLATES.glob("*.typ"))
        used = set(re.findall(r"words\.(?!at\b)(\w+)", templates)) - {"insert"}

        missing = {name: used - set(words) for name, words in WORDS.items()}

        assert used
        assert missing == {"en": set(), "nb": set()}
        assert set(WORDS["en"]) == set(WORDS["nb"])


class TestPdf:
    @pytest.mark.parametrize("name", NAMES)
    async def test_says_whose_order_it_is_and_what_it_is(
        self, typesetter: Typesetter, name: str
    ) -> None:
        (page,) = await printed(typesetter, name, the_sheet())

        lines = page.splitlines()
        assert TITLES[name] in lines
        assert {"ORD-2024-000001", "SKU-001", "Product A", "Page 1 / 1"} <= set(lines)

    async def test_of_a_receipt_has_amounts_taxes_and_terms(self, typesetter: Typesetter) -> None:
        (page,) = await printed(typesetter, "receipt", the_sheet())

        assert {"499.00", "998.00", "NOK 1,098.00", "25 %", "878.40", "219.60", "30 days"} <= set(
            page.splitlines()
        )

    async def test_of_an_invoice_says_that_it_is_the_original(self, typesetter: Typesetter) -> None:
        original, copy = the_sheet(), replace(the_sheet(), original=False)

        said = [await printed(typesetter, "invoice", one) for one in (original, copy)]

        assert ["ORIGINAL" in page for (page,) in said] == [True, False]

    async def test_of_a_delivery_note_has_no_prices(self, typesetter: Typesetter) -> None:
        (page,) = await printed(typesetter, "delivery-note", the_sheet())

        assert "Shipment 1" in page
        assert "99" not in page

    @pytest.mark.parametrize("name", NAMES)
    async def test_is_made_of_whatever_an_order_may_have(
        self, typesetter: Typesetter, name: str
    ) -> None:
        for language in WORDS:
            said = replace(a_full_sheet(), language=language, logo=DOT)

            found = await printed(typesetter, name, said)

            assert "\N{REPLACEMENT CHARACTER}" not in "".join(found)

    @pytest.mark.parametrize("name", NAMES)
    async def test_takes_no_text_for_markup(self, typesetter: Typesetter, name: str) -> None:
        trap = '#panic() *x* $y$ @z <a> // c "\\'
        line = replace(the_sheet().lines[0], name=trap, code="#read()")
        part = replace(the_sheet().shipments[0], lines=[line])
        said = replace(the_sheet(), number=trap, seller=[trap], lines=[line], shipments=[part])

        (page,) = await printed(typesetter, name, said)

        assert page.count(trap) >= 2
        assert "#read()" in page.splitlines()

    @pytest.mark.parametrize("name", NAMES)
    async def test_repeats_the_header_of_the_table_on_every_page(
        self, typesetter: Typesetter, name: str
    ) -> None:
        lines = [replace(the_sheet().lines[0], code=f"SKU-{place:03}") for place in range(100)]
        part = replace(the_sheet().shipments[0], lines=lines)
        said = replace(the_sheet(), lines=lines, shipments=[part])

        found = await printed(typesetter, name, said)

        count = len(found)
        assert count > 1
        for number, page in enumerate(found, 1):
            shown = page.splitlines()
            assert f"Page {number} / {count}" in shown
            assert ("Description" in shown) is ("SKU-" in page)
            assert number == 1 or f"{TITLES[name]} ORD-2024-000001" in shown
        assert all(f"SKU-{place:03}" in "".join(found) for place in range(100))

    @pytest.mark.parametrize("text", ["قميص", "חולצה", "Ελλάδα", "Привет", "Łódź æøå"])
    async def test_has_the_letters_of_other_scripts(
        self, typesetter: Typesetter, text: str
    ) -> None:
        said = replace(the_sheet(), billing=[text])

        (page,) = await printed(typesetter, "invoice", said)

        assert text in page.splitlines()

    async def test_wraps_long_names(self, typesetter: Typesetter) -> None:
        words = " ".join(f"word{place}" for place in range(150))
        line = replace(the_sheet().lines[0], name=words)

        found = await printed(typesetter, "receipt", replace(the_sheet(), lines=[line]))

        shown = [one for page in found for one in page.splitlines() if one.startswith("word")]
        assert " ".join(" ".join(shown).split()) == words
        assert max(map(len, shown)) < 100

    async def test_has_a_logo(self, typesetter: Typesetter) -> None:
        said = [replace(the_sheet(), logo=logo) for logo in (None, DOT, DOT[:60])]

        found = [await typesetter.pdf("receipt", partial(to_json, one), at=AT) for one in said]

        assert [b"/Subtype/Image" in pdf for pdf in found] == [False, True, False]

    async def test_is_the_same_whenever_it_is_made_of_the_same(
        self, typesetter: Typesetter
    ) -> None:
        twice = [await typesetter.pdf("receipt", lambda: to_json(the_sheet()), at=AT) for _ in "ab"]

        assert twice[0] == twice[1]

    async def test_of_a_thousand_lines_is_made(self, typesetter: Typesetter) -> None:
        lines = [replace(the_sheet().lines[0], code=f"SKU-{place:04}") for place in range(1_000)]

        found = await printed(typesetter, "invoice", replace(the_sheet(), lines=lines))

        assert "SKU-0999" in "".join(found)

    @given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
    @hypothesis_settings(
        max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    async def test_is_made_of_any_text(self, typesetter: Typesetter, text: str) -> None:
        line = replace(the_sheet().lines[0], name=text, notes=[text])
        said = replace(the_sheet(), number=text, seller=[text], lines=[line])

        made = await typesetter.pdf("receipt", lambda: to_json(said), at=AT)

        assert made.startswith(b"%PDF-")

    async def test_is_made_beside_the_event_loop(self, typesetter: Typesetter) -> None:
        go_on, went_on = Event(), []

        def write() -> bytes:
            went_on.append(go_on.wait(5))
            return to_json(the_sheet())

        making = asyncio.ensure_future(typesetter.pdf("receipt", write, at=AT))
        await asyncio.sleep(0)
        go_on.set()

        await making
        assert went_on == [True]

    async def test_is_refused_while_too_many_are_made(self) -> None:
        typesetter, go_on = Typesetter(), Event()

        def write() -> bytes:
            go_on.wait(5)
            return to_json(the_sheet())

        waiting = [
            asyncio.ensure_future(typesetter.pdf("receipt", write, at=AT))
            for _ in range(MOST_WAITING)
        ]
        await asyncio.sleep(0)

        with pytest.raises(Refusal) as refused:
            await typesetter.pdf("receipt", write, at=AT)

        go_on.set()
        made = await asyncio.gather(*waiting)
        again = await typesetter.pdf("receipt", write, at=AT)
        typesetter.close()
        assert refused.value.problem.slug == "too-many-requests"
        assert {len(pdf) for pdf in made} == {len(again)}
