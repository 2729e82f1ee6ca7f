"""`POST /api/Reconcile`: proves the books (design 10, decided 7.4)."""

from typing import Final

from services.api.domain import OWNER
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, model_response
from services.api.entrypoints.routing import Route
from services.api.queries.reconcile import ADVICE, Reconciliation, reconcile


async def prove_books(_: Request, parts: Parts) -> Response:
    """Compare stock, reservations, payments, events and deliveries with the orders.

    Lists every difference with the order or SKU and what to do about it. It reads and changes
    nothing, and takes no body. While orders are handled, what it finds at first is looked at again
    after two seconds, so that nothing that was on its way counts. An order whose run is in hand is
    compared when that has ended; a run that is late is a difference itself.

    An order in a cancelled status, or one whose first run was aborted, keeps no captured money but
    what it has earned: the price of goods that were delivered, with shipping, less what its returns
    give back. Payments that a client brought along are not judged, but its own credits count.
    """
    result = await reconcile(parts.database, configuration=parts.configuration(), clock=parts.clock)
    return model_response(result)


# The description of the API lists the kinds, so that clients may tell them apart.
prove_books.__doc__ = f"{prove_books.__doc__}\n\nKinds of differences: {', '.join(ADVICE)}."

ROUTES: Final = (
    Route(
        method="POST",
        path="/api/Reconcile",
        handler=prove_books,
        requires=OWNER,
        answer=Reconciliation,
    ),
)
