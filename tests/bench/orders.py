"""Many different orders, as the workflow service stores them, for benchmarks that read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from contracts.note import ExternalId, PropertyItem
from contracts.order import Order
from services.workflow.domain.calculate import Pricing, calculate
from services.workflow.domain.order import OrderDocument
from tests.bench.client import BODY

BEGIN: Final = datetime(2025, 1, 1, tzinfo=UTC)
APART: Final = timedelta(minutes=2)
CUSTOMERS: Final = 20_000
_FIRST: Final = ("Ola", "Kari", "Åse", "Søren", "Nora", "Emil", "Ida", "Lars", "Maja", "Jon")
_LAST: Final = tuple(f"{name}{end}" for name in ("Nord", "Berg", "Lie", "Dal") for end in range(99))
_STATUSES: Final = ("Completed",) * 12 + ("Ship", "Ship", "InProgress", "New", "OrderCanceled")
_TYPES: Final = ("Online",) * 6 + ("ClickAndCollect", "Pos")
_STORES: Final = ("WebShop",) * 8 + ("Oslo", "Bergen")
_TAGS: Final = ("web", "priority", "gift", "b2b")


def created(number: int) -> datetime:
    """Return when the order of this number was created."""
    return BEGIN + number * APART


def documents(start: int, end: int) -> Iterator[dict[str, Any]]:
    """Yield the documents of the orders with these numbers; the same ones each time."""
    template = calculate(Order.model_validate_json(BODY), Pricing(Decimal(25)))
    for number in range(start, end):
        order = _order(template, number)
        document = OrderDocument(id=order.id, order=order, version=1)
        yield {**document.to_bson(), "revision": 1}


def _order(template: Order, number: int) -> Order:
    random = Random(number)  # noqa: S311 - nothing here is secret
    customer = f"customer{random.randrange(CUSTOMERS)}@example.com"
    form = template.order_form
    assert form is not None
    lines = [
        line.model_copy(
            update={
                "code": f"SKU-{random.randrange(20_000):05}",
                "display_name": f"Product {random.randrange(500)} with a readable name",
            }
        )
        for line in form.line_items or ()
    ]
    shipments = [
        shipment.model_copy(update={"line_items": lines}) for shipment in form.shipments or ()
    ]
    return template.model_copy(
        update={
            "id": f"ORD-{number:07}",
            "order_number": f"ORD-{number:07}",
            "customer_id": customer,
            "customer_number": customer,
            "customer_email": customer,
            "customer_name": f"{random.choice(_FIRST)} {random.choice(_LAST)}",
            "customer_phone": f"+47{random.randrange(10**7, 10**8)}",
            "status": random.choice(_STATUSES),
            "order_type": random.choice(_TYPES),
            "store_id": random.choice(_STORES),
            "market_id": random.choice(("NOR", "NOR", "SWE")),
            "tags": sorted(random.sample(_TAGS, random.randrange(3))),
            "created": created(number),
            "modified": created(number) + timedelta(seconds=random.randrange(3600)),
            "properties": [
                PropertyItem(key="ErpReference", value=f"SAP-{number:07}"),
                PropertyItem(key="Campaign", value=random.choice(("autumn", "winter"))),
            ],
            "external_ids": [ExternalId(id=f"SHOP-{number:07}", provider_name="Shopify")],
            "order_form": form.model_copy(update={"line_items": lines, "shipments": shipments}),
        }
    )
