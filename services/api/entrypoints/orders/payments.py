"""Payments of an order (S0, payments)."""

from typing import Annotated, Final

from pydantic import AfterValidator

from contracts.faults import Path, RuleBroken
from contracts.fields import ListOf
from contracts.messages.orders import AddPayments, PutPayments
from contracts.order import Order
from contracts.order_form import repeated
from contracts.payment import Payment
from services.api.entrypoints.orders.change import CHANGES, change, if_match
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route


def _apart(payments: list[Payment]) -> list[Payment]:
    faults: list[tuple[Path, str]] = [
        ((place, "id"), f"expected an id of its own, but [{twin}] has it too")
        for place, twin in repeated([payment.id for payment in payments])
    ]
    if faults:
        raise RuleBroken(faults)
    return payments


Payments = ListOf[Payment]
AllPayments = Annotated[Payments, AfterValidator(_apart)]


async def put_payments(request: Request, parts: Parts) -> Response:
    """Replace all payments of the order; returns the order."""
    parsed, raw = await request.parsed(AllPayments, strict=parts.strict)
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
        body=AllPayments,
        answer=Order,
        problems=(*CHANGES, "amount-too-large"),
    ),
)
