import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from contracts.order_id import OrderId

ids = TypeAdapter(OrderId)


class TestOrderId:
    @given(st.from_regex(r"[A-Za-z0-9:_~ÆØÅ-]{24,128}", fullmatch=True))
    def test_takes_printable_characters(self, text: str) -> None:
        assert ids.validate_python(text) == text

    @given(st.sampled_from("/\\?#%\t\n\0\x7f\x85\u200b"), st.integers(0, 3))
    def test_refuses_what_cannot_stand_in_a_url(self, character: str, at: int) -> None:
        with pytest.raises(ValidationError):
            ids.validate_python("ORD"[:at] + character + "ORD"[at:])

    @pytest.mark.parametrize("text", ["", "x" * 129, ".", "..", "search", "GETORDERS", "Carts"])
    def test_refuses_what_could_never_be_fetched(self, text: str) -> None:
        with pytest.raises(ValidationError):
            ids.validate_python(text)

    def test_may_begin_with_a_route(self) -> None:
        assert ids.validate_python("search-1") == "search-1"
