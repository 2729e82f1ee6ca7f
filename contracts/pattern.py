"""Regular expressions that settings bring.

They are those that can be judged in a time that grows with the text alone, without looking ahead or
back: Python's own would let a few signs in the settings hold up a service for ever.
"""

from functools import lru_cache

from pydantic_core import SchemaError, SchemaValidator, core_schema


def regular_expression(text: str) -> str:
    """Return the text.

    :raises ValueError: if it is no such expression
    """
    try:
        _judge(text)
    except SchemaError:
        raise ValueError(
            "expected a regular expression without look-around and back references"
        ) from None
    return text


def fits(text: str, pattern: str) -> bool:
    """Say whether the pattern is found anywhere in the text."""
    return _judge(pattern).isinstance_python(text)


@lru_cache(maxsize=100)
def _judge(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
