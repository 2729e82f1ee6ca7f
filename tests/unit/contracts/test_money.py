import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.money import LARGEST, Amount

amounts = TypeAdapter(Amount)


class TestAmount:
    @given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 6))
    def test_survives_the_wire(self, digits: int, places: int) -> None:
        amount = Decimal(digits).scaleb(-places)

        assert amounts.validate_json(amounts.dump_json(amount)) == amount

    @pytest.mark.parametrize(
        ("raw", "value"),
        [
            ("499.00", "499"),
            ('"499.00"', "499"),
            ("49.5", "49.5"),
            ("1e3", "1000"),
            ("0.000001", "0.000001"),
            ("1.1000000", "1.1"),
            ("-0.0", "0"),
            ('"0e-999999999"', "0"),
            ("-1000000000000000", "-1e15"),
        ],
    )
    def test_is_read_from_numbers_and_texts(self, raw: str, value: str) -> None:
        assert amounts.validate_json(raw) == Decimal(value)

    @pytest.mark.parametrize(
        "raw",
        [
            "0.0000001",
            "1e-7",
            "1000000000000000.5",
            "1000000000000001",
            "1e400",
            "-1e16",
            '"1e999999999"',
            "NaN",
            "Infinity",
            '"NaN"',
            '"-Infinity"',
            "true",
            '""',
            '"ten"',
            "[1]",
        ],
    )
    def test_refuses_what_is_no_amount(self, raw: str) -> None:
        with pytest.raises(ValidationError):
            amounts.validate_json(raw)

    def test_is_a_number_on_the_wire_and_a_decimal_inside(self) -> None:
        amount = amounts.validate_python(Decimal("499.90"))

        assert amount == Decimal("499.90")
        assert json.loads(amounts.dump_json(amount)) == 499.9
        assert isinstance(amounts.dump_python(amount), Decimal)

    def test_is_plain_zero_when_it_is_zero(self) -> None:
        assert str(amounts.validate_json('"-0e-999999999"')) == "0"

    def test_may_be_as_large_as_its_bound(self) -> None:
        assert amounts.validate_python(LARGEST) == LARGEST
