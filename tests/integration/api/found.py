"""Orders that searches are to find, stored as the workflow service stores them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from contracts.order import Order
from services.api.domain import Client
from services.chassis.mongo import Bson, Database
from services.workflow.domain.calculate import Pricing, calculate
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.versions import secret_key_hash
from tests.builders import the_reference_body

NOW: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
EVERYTHING: Final = Client("owner", frozenset({"OrderRead"}), None, None, 1)


def days(number: float) -> str:
    """Return the time so many days from now."""
    return (NOW + timedelta(days=number)).isoformat()


def a_body(id_: str, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the reference order with other members; those of its form are merged in."""
    body: dict[str, Any] = the_reference_body() | {
        "id": id_,
        "orderNumber": id_,
        "created": days(-10),
        "modified": days(-10),
    }
    changes = dict(changes or {})
    form = dict(changes.pop("orderForm", {}))
    line, shipment, payment = (form.pop(name, {}) for name in ("line", "shipment", "payment"))
    body["orderForm"] = body["orderForm"] | form
    for place, change in (("lineItems", line), ("shipments", shipment), ("payments", payment)):
        if body["orderForm"][place]:
            body["orderForm"][place] = [body["orderForm"][place][0] | change]
    return body | changes


def stored(body: dict[str, Any]) -> Bson:
    """Return the document of an order."""
    order = calculate(Order.model_validate(body), Pricing(Decimal(25)))
    document = OrderDocument(
        id=order.id, order=order, version=1, secret_key_hash=secret_key_hash(order)
    )
    return {**document.to_bson(), "revision": 1}


async def keep(database: Database, *bodies: dict[str, Any]) -> None:
    """Store orders."""
    await database["orders"].insert_many([stored(body) for body in bodies])
