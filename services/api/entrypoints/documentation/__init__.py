"""`/documentation`: the description of the API, as OpenAPI or as a page (decided 13.6)."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from pydantic_core import to_json

from contracts.problems import CATALOGUE, PROBLEM_BASE, Problem, problem
from services.api.domain import PUBLIC, refusal
from services.api.entrypoints.documentation.openapi import SEGMENTS, document
from services.api.entrypoints.documentation.page import BASE, Pages
from services.api.entrypoints.documentation.parameters import Json
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import JSON, OK, Response
from services.api.entrypoints.routing import Handler, Route

__all__ = ["document", "routes"]

HTML: Final = b"text/html; charset=utf-8"
_PROBLEMS: Final = PROBLEM_BASE.rstrip("/")


def routes(described: Sequence[Route]) -> tuple[Route, ...]:
    """Return the routes that describe these routes."""
    pages = Pages()
    return (
        _public(BASE, _describes(described, None, pages)),
        *(_public(f"{BASE}/{one}", _describes(described, one, pages)) for one in SEGMENTS),
        _public(_PROBLEMS, _lists_problems(pages)),
        _public(f"{_PROBLEMS}/{{slug}}", _explains_problem(pages)),
    )


def _public(path: str, handler: Handler) -> Route:
    return Route(method="GET", path=path, handler=handler, requires=PUBLIC)


def _describes(described: Sequence[Route], segment: str | None, pages: Pages) -> Handler:
    @cache
    def made() -> Json:
        return document(described, segment)

    # Made when first asked for: it takes a good part of a second.
    as_json, as_page = cache(lambda: to_json(made())), cache(lambda: pages.api(made(), segment))

    async def describe(request: Request, _: Parts) -> Response:
        """Return the OpenAPI document, or a page where the client prefers HTML."""
        return _preferred(request, as_json, as_page)

    return describe


def _lists_problems(pages: Pages) -> Handler:
    def known() -> list[Problem]:
        return [problem(slug) for slug in CATALOGUE]

    async def list_problems(request: Request, _: Parts) -> Response:
        """Return every type of problem, with what to do about it."""
        return _preferred(
            request,
            lambda: to_json([one.model_dump(by_alias=True, exclude_none=True) for one in known()]),
            lambda: pages.problems(known()),
        )

    return list_problems


def _explains_problem(pages: Pages) -> Handler:
    async def explain_problem(request: Request, _: Parts) -> Response:
        """Return what a type of problem means and what to do about it."""
        slug = request.parameters["slug"].casefold()
        if slug not in CATALOGUE:
            raise refusal("not-found", f"All types of problems are listed at {_PROBLEMS}.")
        found = problem(slug)
        return _preferred(
            request,
            lambda: to_json(found.model_dump(by_alias=True, exclude_none=True)),
            lambda: pages.problems([found], found.title),
        )

    return explain_problem


def _preferred(
    request: Request, as_json: Callable[[], bytes], as_page: Callable[[], bytes]
) -> Response:
    vary = ((b"vary", b"accept"),)
    if prefers_html(request.header("accept") or "*/*"):
        return Response(OK, as_page(), vary, HTML)
    return Response(OK, as_json(), vary, JSON)


def prefers_html(accept: str) -> bool:
    """Tell whether an Accept header wants HTML more than JSON."""
    weights: dict[str, float] = {}
    for one in accept.split(","):
        media, *parameters = (part.strip() for part in one.casefold().split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[media] = float(quality)
        except ValueError:
            weights[media] = 0.0
    return _weight(weights, "text/html") > _weight(weights, "application/json")


def _weight(weights: dict[str, float], media: str) -> float:
    kind = media.partition("/")[0]
    return next((weights[one] for one in (media, f"{kind}/*", "*/*") if one in weights), 0.0)
