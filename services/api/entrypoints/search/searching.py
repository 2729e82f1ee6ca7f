"""Searches, whole and among the orders of a customer (domain 1.3)."""

from collections.abc import Sequence

from contracts.order_search import USUAL_PAGE, OrderSearch
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Header, Response, ignored_fields
from services.api.entrypoints.search.answer import found_response
from services.api.queries.search import Page


async def search_orders(request: Request, parts: Parts) -> Response:
    """Return a page of the orders that fit, how many there are, and their facets.

    Pages hold up to 100 orders, and `take` * `page` is at most 10,000; use Scroll for more. The
    pages of a search by `modifiedFrom` are those of the moment of its first one, if they follow
    within five minutes, so nothing is missed between them.
    """
    parsed, _ = await request.parsed(OrderSearch, strict=parts.strict)
    headers = ignored_fields(parsed.ignored)
    return await _search(parsed.value, request, parts, headers)


async def search_customer_orders(request: Request, parts: Parts) -> Response:
    """Return a page of those of a customer's orders that fit, as Search does."""
    parsed, _ = await request.parsed(OrderSearch, strict=parts.strict)
    search, customer = parsed.value, request.parameters["customerId"]
    if search.customer_id is not None and search.customer_id != customer:
        search = search.model_copy(update={"customer_ids": [search.customer_id]})
    search = search.model_copy(update={"customer_id": customer})
    return await _search(search, request, parts, ignored_fields(parsed.ignored))


async def _search(
    search: OrderSearch, request: Request, parts: Parts, headers: Sequence[Header]
) -> Response:
    configuration = parts.configuration()
    first = configuration.order_settings.search_page_base
    take = search.take or USUAL_PAGE
    number = first if search.page is None else search.page
    found = await parts.searches.find(
        search,
        Page(max(0, number - first) * take, take, request.token),
        request.client,
        now=parts.clock.now(),
        configuration=configuration,
    )
    return found_response(found, number, take, parts, headers)
