from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.terms import (
    asked_words,
    fold,
    moment_term,
    name_term,
    phone_number,
    term,
    words,
)


class TestWords:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Ola Nordmann", ["ola", "nordmann"]),
            ("ORD-2024-17", ["ord-2024-17", "2024-17", "17"]),
            ("Søren Ærø-Åberg", ["soren", "aero-aberg", "aberg"]),
            ("kari.li@shop.example", ["kari.li@shop.example", "li@shop.example", "shop.example"]),
            ("a@b", ["a@b", "b"]),
            ("(Nike)  AIR,", ["nike)", "air,"]),
            ("ola OLA", ["ola"]),
            ("-- &", []),
        ],
    )
    def test_begin_after_each_space_and_sign(self, text: str, expected: list[str]) -> None:
        assert list(words(text)) == expected

    @given(st.text(max_size=300))
    def test_are_found_by_what_they_were_made_of(self, text: str) -> None:
        asked = asked_words(text)

        assert all(any(one.startswith(word) for one in words(text)) for word in asked)

    @given(st.text(max_size=300))
    def test_are_never_mistaken_for_terms(self, text: str) -> None:
        assert not any(one.startswith(("#", "~", " ")) for one in words(text))

    def test_that_are_asked_for_have_no_signs_around_them(self) -> None:
        assert asked_words('  "Nordmann",  (Ola) +47 ---') == ["nordmann", "ola", "47"]

    def test_are_those_of_the_beginning_of_a_long_text(self) -> None:
        assert len(words("ab " * 10_000 + "cd")) == 1
        assert [len(one) for one in words("x" * 1000)] == [64]


class TestTerm:
    def test_of_a_name_is_the_same_in_any_case(self) -> None:
        assert name_term("store", "WebShop") == name_term("store", "webSHOP") == "#store webshop"

    @given(st.text(min_size=150, max_size=400), st.text(min_size=150, max_size=400))
    def test_of_different_values_differs_however_long_they_are(self, one: str, other: str) -> None:
        assert (term("k", one) == term("k", other)) == (one == other)

    def test_of_a_long_value_is_short(self) -> None:
        assert len(term("k", "v" * 32_768)) < 200

    @given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
    def test_of_a_time_sorts_as_the_time(self, one: datetime, other: datetime) -> None:
        earlier, later = (
            at.replace(microsecond=at.microsecond // 1000 * 1000) for at in sorted([one, other])
        )

        assert moment_term("k", earlier) <= moment_term("k", later)
        assert (moment_term("k", earlier) == moment_term("k", later)) == (earlier == later)


class TestFold:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [("ÅSE", "ase"), ("Straße", "strasse"), ("Łódź", "lodz"), ("مريم", "مريم")],
    )
    def test_leaves_case_and_accents_out(self, text: str, expected: str) -> None:
        assert fold(text) == expected

    @given(st.text(alphabet=st.characters(codec="ascii"), max_size=50))
    def test_folds_plain_letters_to_lower_case(self, text: str) -> None:
        assert fold(text) == text.lower()


class TestPhoneNumber:
    @pytest.mark.parametrize("text", ["+47 400 00 000", "0047 40000000", "+47-400.00.000"])
    def test_is_the_same_however_it_is_written(self, text: str) -> None:
        assert phone_number(text) == "+4740000000"
