"""What became of the events sent to endpoints (design 10, decided 12)."""

from typing import Annotated, Final

from pydantic import Field

from contracts.moment import Moment
from services.api.domain import refusal
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.query import Paging, query_of
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response, model_response
from services.api.entrypoints.routing import Route
from services.api.queries.webhooks import Delivery, DeliveryFilter, DeliveryPage, DeliveryState

DELIVERIES: Final = "/api/Webhooks/Deliveries"


class DeliveriesQuery(Paging):
    """Which deliveries are wanted."""

    endpoint_id: str | None = None
    """Only those to this endpoint."""
    order_id: str | None = None
    """Only those about this order."""
    state: DeliveryState | None = None
    """Only those in this state."""
    from_: Annotated[Moment, Field(alias="from")] = None
    """When they were made, at the earliest."""
    to: Moment = None
    """When they were made, at the latest."""


async def list_deliveries(request: Request, parts: Parts) -> Response:
    """Return the deliveries that fit, the newest first."""
    query = query_of(request, DeliveriesQuery)
    wanted = DeliveryFilter(
        endpoint_id=query.endpoint_id,
        order_id=query.order_id,
        state=query.state,
        since=query.from_,
        until=query.to,
    )
    found = await parts.webhooks.deliveries(
        wanted, request.client, page=query.page, page_size=query.page_size
    )
    return model_response(found)


async def get_delivery(request: Request, parts: Parts) -> Response:
    """Return one delivery with its attempts."""
    found = await parts.webhooks.delivery(request.parameters["id"], request.client)
    if found is None:
        raise refusal("not-found")
    return model_response(found)


ROUTES: Final = (
    Route(
        method="GET",
        path=DELIVERIES,
        handler=list_deliveries,
        requires="SettingsRead",
        query=DeliveriesQuery,
        answer=DeliveryPage,
        problems=("validation-failed",),
    ),
    Route(
        method="GET",
        path=f"{DELIVERIES}/{{id}}",
        handler=get_delivery,
        requires="SettingsRead",
        answer=Delivery,
        problems=("not-found",),
    ),
)
