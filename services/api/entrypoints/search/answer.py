"""Pages of orders as JSON, under the names that the settings say (domain 3 no. 1)."""

from collections.abc import Mapping, Sequence
from typing import Final

from pydantic_core import to_json

from services.api.entrypoints.parts import Parts
from services.api.entrypoints.response import OK, Header, Response
from services.api.queries.search import Found, Scrolled

# Which names an answer has, by the setting searchWrapper: the reference's (S0), the guide's (S1).
_NAMES: Final[Mapping[str, tuple[Sequence[str], Sequence[str]]]] = {
    "both": (("items", "result"), ("totalCount", "totalHits")),
    "reference": (("items",), ("totalCount",)),
    "guide": (("result",), ("totalHits",)),
}


def found_response(
    found: Found, number: int, take: int, parts: Parts, headers: Sequence[Header]
) -> Response:
    """Return the page in the wrapper of the settings."""
    facets = [one.model_dump(by_alias=True) for one in found.facets or ()]
    rest = {"page": number, "pageSize": take, "facets": facets, "scrollId": None}
    return Response(OK, _wrapped(found.orders, found.total, rest, parts), headers)


def scrolled_response(scrolled: Scrolled, parts: Parts, headers: Sequence[Header]) -> Response:
    """Return the next orders of a scroll in the wrapper of the settings."""
    rest = {"scrollId": scrolled.scroll_id}
    return Response(OK, _wrapped(scrolled.orders, scrolled.total, rest, parts), headers)


def _wrapped(
    orders: Sequence[bytes], total: int, rest: Mapping[str, object], parts: Parts
) -> bytes:
    """Return the orders as JSON under their names (domain 3 no. 1)."""
    lists, totals = _NAMES[parts.configuration().order_settings.search_wrapper]
    body = b",".join(orders)
    listed = b"".join(b'"%s":[%s],' % (name.encode(), body) for name in lists)
    return b"{" + listed + to_json({**dict.fromkeys(totals, total), **rest})[1:]
