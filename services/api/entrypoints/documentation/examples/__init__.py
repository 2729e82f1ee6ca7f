"""Example bodies, the documents' own where they have one; one JSON file a route."""

import re
from importlib.resources import files
from typing import Any

from pydantic_core import from_json


def example_of(method: str, path: str) -> Any:  # noqa: ANN401 - whatever JSON it is
    """Return the example body of a route, None where there is none."""
    words = [word for word in re.split(r"\W+", path) if word]
    file = files(__package__) / f"{'_'.join((method, *words)).lower()}.json"
    return from_json(file.read_bytes()) if file.is_file() else None
