"""An order as PDF (S0, domain 3 no. 23)."""

from typing import Annotated, Final

from pydantic import Field
from pydantic_core import to_json

from contracts.model import Model
from contracts.stored import order_model
from services.api.domain import refusal
from services.api.entrypoints.documents.content import UnknownShipment, sheet
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import OK, Response, file_name
from services.api.entrypoints.routing import Route
from services.api.entrypoints.typesetting import NAMES, template

PDF: Final = "application/pdf"
RECEIPT: Final = "receipt"


class Paper(Model):
    """Which document, and of what."""

    template_file: Annotated[str, Field(max_length=256)] = RECEIPT
    """receipt, order-confirmation, invoice, delivery-note or return-note, in any case, with or
    without hyphens and an extension."""
    shipment_id: str | None = None
    """One shipment alone."""


async def get_pdf(request: Request, parts: Parts) -> Response:
    """Return a document about an order as PDF, in the language of its market.

    It prints the amounts that are stored, with taxes by rate, the logo of the store or else of the
    market, and over as many pages as it takes. The delivery note has no prices; the return note
    shows what came back, or is a slip to fill in as long as nothing did.
    """
    query = query_of(request, Paper)
    name = template(query.template_file or RECEIPT)
    if name is None:
        raise refusal("template-not-found", f"The templates are {', '.join(NAMES)}.")
    id_ = request.parameters["orderId"]
    stored = await parts.exports.order(id_, request.client)
    if stored is None:
        raise refusal("order-not-found")
    configuration = parts.configuration()

    def write() -> bytes:
        return to_json(sheet(order_model(stored), configuration, query.shipment_id or None))

    try:
        made = await parts.typesetter.pdf(name, write, at=parts.clock.now())
    except UnknownShipment as error:
        raise refusal("not-found", f"The order has no shipment {query.shipment_id}.") from error
    return Response(OK, made, (file_name(f"{name}-{id_}.pdf", shown=True),), PDF.encode())


ROUTES: Final = tuple(
    Route(
        method="GET",
        path=f"/api/Orders/{word}/{{orderId}}",
        handler=get_pdf,
        requires="OrderRead",
        files=(PDF,),
        query=Paper,
        problems=("validation-failed", "order-not-found", "template-not-found", "not-found"),
    )
    for word in ("GetOrderAsPdf", "GetAsPdf")
)
"""The path of the order reference, and the one of the public API."""
