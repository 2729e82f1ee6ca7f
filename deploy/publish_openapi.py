"""Writes `contracts/schemas/openapi.json`: the description of the HTTP API as it is served."""

import json
import sys
from pathlib import Path
from typing import Final

from services.api.entrypoints import DESCRIBED
from services.api.entrypoints.documentation import document

FILE: Final = Path(__file__).parent.parent / "contracts" / "schemas" / "openapi.json"


def text() -> str:
    """Return the document as it is checked in."""
    return json.dumps(document(DESCRIBED), indent=2, ensure_ascii=False) + "\n"


def write() -> None:
    """Make the file say what the routes do."""
    FILE.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    write()
    sys.stdout.write(f"{FILE.name} is written.\n")
