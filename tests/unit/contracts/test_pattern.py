"""Regular expressions from settings find what they should, however they are meant."""

import pytest

from contracts.pattern import fits


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^\d+$", "12", True),
        (r"^\d+$", "W12", False),
        (r"\d", "W12", True),
        (r"^[A-Z]{2}-\d{4}$", "NO-2026", True),
        (r"^ab$", "ab\n", False),
    ],
)
def test_a_pattern_is_looked_for_anywhere_in_the_text(
    pattern: str, text: str, expected: bool
) -> None:
    found = fits(text, pattern)

    assert found == expected


def test_a_pattern_that_would_take_python_years_is_judged_at_once() -> None:
    found = fits("a" * 128 + "!", r"^(a+)+$")

    assert not found
