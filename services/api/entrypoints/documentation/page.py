"""The same for people: pages of plain HTML, made on this side and complete in themselves."""

from collections.abc import Sequence
from typing import Any, Final

from jinja2 import Environment, PackageLoader, select_autoescape

from contracts.problems import PROBLEM_BASE, Problem
from services.api.entrypoints.documentation.open_points import TITLE, open_points
from services.api.entrypoints.documentation.openapi import INTRODUCTION, SEGMENTS
from services.api.entrypoints.documentation.parameters import Json

BASE: Final = "/documentation"

_LINKS: Final = [
    ("Everything", BASE),
    *((segment.capitalize(), f"{BASE}/{segment}") for segment in SEGMENTS),
    ("Problems", PROBLEM_BASE.rstrip("/")),
]
_WORDS: Final = {
    "default": "default",
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
    "minLength": "characters at least",
    "maxLength": "characters at most",
    "minItems": "entries at least",
    "maxItems": "entries at most",
    "pattern": "pattern",
}


class Pages:
    """Renders the templates that stand beside this file."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader(__package__, ""),
            autoescape=select_autoescape(["j2"], default=True),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.policies["json.dumps_kwargs"] = {"sort_keys": False, "ensure_ascii": False}

    def api(self, document: Json, segment: str | None = None) -> bytes:
        """Return an OpenAPI document, of one segment or of all, as a page."""
        return self._page(
            "api.html.j2",
            title=document["info"]["title"],
            document=document,
            introduction=INTRODUCTION,
            points_title=TITLE,
            points=open_points(segment),
            examples=document["components"]["examples"],
            words=_WORDS,
            problem_base=PROBLEM_BASE,
        )

    def problems(self, problems: Sequence[Problem], title: str = "Problems") -> bytes:
        """Return a page about these problems."""
        return self._page("problems.html.j2", title=title, problems=problems)

    def _page(self, template: str, **values: Any) -> bytes:  # noqa: ANN401 - as the template needs
        return self._templates.get_template(template).render(links=_LINKS, **values).encode()
