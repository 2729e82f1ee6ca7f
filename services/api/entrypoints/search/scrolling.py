"""Scrolls: all orders that fit, as they are at one moment, some at a time (decided 4.3)."""

from contracts.order_search import OrderScroll
from contracts.problems import FieldProblem
from services.api.domain import refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, ignored_fields
from services.api.entrypoints.search.answer import scrolled_response
from services.api.queries.search import TooLong, TooMany


async def scroll_orders(request: Request, parts: Parts) -> Response:
    """Begin to read all orders that fit, as they are at this moment, up to 100 at a time.

    Go on with `GET /api/Orders/Scroll/{scrollId}` until the list is empty: orders that change, come
    or go meanwhile are answered as they were. A scroll waits five minutes for its next call, and a
    client has ten open at most.
    """
    parsed, _ = await request.parsed(OrderScroll, strict=parts.strict)
    try:
        scrolled = await parts.searches.scroll(
            parsed.value,
            request.client,
            now=parts.clock.now(),
            configuration=parts.configuration(),
            most=parts.open_scrolls,
        )
    except TooMany as error:
        raise refusal(
            "too-many-requests",
            f"You have {parts.open_scrolls} scrolls open: read one to its end, or wait.",
            retry_after=error.seconds,
        ) from error
    except TooLong as error:
        fault = FieldProblem(path="$", message="is too long for a scroll; ask for fewer values")
        raise refusal("validation-failed", errors=[fault]) from error
    return scrolled_response(scrolled, parts, ignored_fields(parsed.ignored))


async def scroll_on(request: Request, parts: Parts) -> Response:
    """Return the next orders of a scroll; none are left when the list is empty.

    The same id returns the same orders again; go on with the new one.
    """
    scrolled = await parts.searches.go_on(
        request.parameters["scrollId"],
        request.client,
        now=parts.clock.now(),
        configuration=parts.configuration(),
    )
    if scrolled is None:
        raise refusal("scroll-not-found")
    return scrolled_response(scrolled, parts, ())
