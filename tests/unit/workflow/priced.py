"""Orders to be priced, and a look at what came out."""

from collections.abc import Mapping
from decimal import Decimal

from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.shipment import Shipment
from services.workflow.domain.calculate import Pricing

PRICING = Pricing(default_tax_rate=Decimal(25))
Members = Mapping[str, object]


def an_order(*lines: Members, **form: object) -> Order:
    numbered = [
        {"lineItemId": str(number), "code": f"SKU{number}", "quantity": 1, **line}
        for number, line in enumerate(lines, 1)
    ]
    return Order.model_validate(
        {
            "id": "1",
            "marketId": "NOR",
            "storeId": "WebShop",
            "status": "New",
            "orderType": "Online",
            "orderForm": {"lineItems": numbered, **form},
        }
    )


def a_discount(kind: str, reward: str, value: object = None, **others: object) -> dict[str, object]:
    return {"discountType": kind, "rewardType": reward, "discountValue": value, **others}


def a_payment(kind: str, amount: object, **others: object) -> dict[str, object]:
    return {
        "amount": amount,
        "paymentMethodName": "Card",
        "transactionId": "t1",
        "transactionType": kind,
        "status": "Processed",
        **others,
    }


def form_of(order: Order) -> OrderForm:
    assert order.order_form is not None
    return order.order_form


def lines_of(order: Order) -> list[OrderLine]:
    return form_of(order).line_items or []


def shipments_of(order: Order) -> list[Shipment]:
    return form_of(order).shipments or []


def prices(order: Order) -> list[float]:
    return [float(line.discounted_price or 0) for line in lines_of(order)]


def amounts(model: object, *names: str) -> list[float | None]:
    found = [getattr(model, name) for name in names]
    return [None if amount is None else float(amount) for amount in found]
