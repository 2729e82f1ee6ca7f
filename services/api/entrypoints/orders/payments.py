"""Payments of an order (S0, payments)."""

from typing import Final

from contracts.fields import ListOf
from contracts.messages.orders import AddPayments, PutPayments
from contracts.order import Order
from contracts.payment import Payment
from services.api.entrypoints.orders.change import CHANGES, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route

Payments = ListOf[Payment]


async def put_payments(request: Request, parts: Parts) -> Response:
    """Replace all payments of the order; returns the order."""
    parsed, raw = await request.parsed(Payments, strict=parts.strict)
    message = PutPayments(
        order_id=request.parameters["orderId"],
        payments=tuple(parsed.value),
        user=request.client.id,
        origin="PUT /api/Orders/{orderId}/PutPayments",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


async def add_payments(request: Request, parts: Parts) -> Response:
    """Add payments to the order; returns the order.

    A payment whose id is there already replaces that one; one without an id is always added. PUT
    is deprecated and does the same as POST.
    """
    parsed, raw = await request.parsed(Payments, strict=parts.strict)
    message = AddPayments(
        order_id=request.parameters["orderId"],
        payments=tuple(parsed.value),
        user=request.client.id,
        origin=f"{request.method} {request.path}",
        if_match=if_match(request),
    )
    return await change(message, request, parts, raw, ignored=parsed.ignored)


ROUTES: Final = (
    *(
        Route(
            method=method,
            path="/api/Orders/{orderId}/AddPayments",
            handler=add_payments,
            requires="OrderAdmin",
            body=Payments,
            answer=Order,
            problems=(*CHANGES, "amount-too-large", "too-many-entries"),
        )
        for method in ("POST", "PUT")
    ),
    Route(
        method="PUT",
        path="/api/Orders/{orderId}/PutPayments",
        handler=put_payments,
        requires="OrderAdmin",
        body=Payments,
        answer=Order,
        problems=(*CHANGES, "amount-too-large"),
    ),
)
