"""Ready-made orders: valid and complete, so that a test names only what matters to it."""

import json
from pathlib import Path
from typing import Any

from contracts.order import Order
from contracts.order_form import OrderForm
from contracts.order_line import OrderLine
from contracts.payment import Payment
from contracts.shipment import Shipment

_EXAMPLES = Path(__file__).parent / "contracts" / "examples"


def the_reference_body() -> Any:  # noqa: ANN401 - JSON, for tests to reach into and change
    """The example body of POST /api/Orders in the order reference."""
    return json.loads((_EXAMPLES / "create_order.json").read_bytes())


def the_reference_order() -> Order:
    """The same as a model: ORD-2024-000001, one line of 2 x 499.00, authorized with Klarna."""
    return Order.model_validate_json((_EXAMPLES / "create_order.json").read_bytes())


def an_order(**changes: object) -> Order:
    """The reference order with other members: `an_order(status="Ship", order_form=a_form(...))`."""
    return Order.model_validate(_members(the_reference_order()) | changes)


def a_form(**changes: object) -> OrderForm:
    """The reference order's form with other members."""
    form = the_reference_order().order_form
    assert form is not None
    return OrderForm.model_validate(_members(form) | changes)


def a_line(**changes: object) -> OrderLine:
    """Line 1: 2 x SKU-001 at 499.00, tax 25 %."""
    line = (a_form().line_items or [])[0]
    return OrderLine.model_validate(_members(line) | changes)


def a_shipment(**changes: object) -> Shipment:
    """Shipment 1: all of line 1 from MainWarehouse."""
    shipment = (a_form().shipments or [])[0]
    return Shipment.model_validate(_members(shipment) | changes)


def a_payment(**changes: object) -> Payment:
    """An authorization of 998.00 with Klarna."""
    payment = (a_form().payments or [])[0]
    return Payment.model_validate(_members(payment) | changes)


def _members(model: Order | OrderForm | OrderLine | Shipment | Payment) -> dict[str, object]:
    return {name: getattr(model, name) for name in model.model_fields_set}
