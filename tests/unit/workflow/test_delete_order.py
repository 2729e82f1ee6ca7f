"""Deleting: what an order keeps, what it gives back, and what nobody may read any more."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from contracts.messages.inventory import ForgetReservation, ReleaseStock
from contracts.messages.notifications import ForgetNotifications
from contracts.messages.orders import DeleteOrder, EraseOrder
from contracts.messages.payments import ForgetOrder, VoidPayment
from contracts.messages.webhooks import ForgetDeliveries
from contracts.settings import DEFAULT
from services.workflow.domain.delete_order import Erased, delete_order, erase_order
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAUSE = Cause(UUID(int=5), str(UUID(int=5)), 3, size=200)


def imported() -> OrderDocument:
    """Return an order whose totals are not those that its lines add up to, with goods and money."""
    line = a_line(reserved_inventory_quantity=2)
    form = a_form(
        line_items=[line],
        shipments=[a_shipment(line_items=[line])],
        payments=[a_payment(id="held"), a_payment(id="taken", transaction_type="Sale")],
        total=7,
    )
    order = an_order(
        order_form=form, order_number="N-1", order_type="Online", status="Ship", is_read_only=True
    )
    return OrderDocument(id=order.id, order=order, version=4)


def deleted(document: OrderDocument) -> Progress:
    command = DeleteOrder(order_id=document.id, user="shop", origin="DELETE …")
    return delete_order(document, command, CAUSE, now=NOW, configuration=DEFAULT)


def erased(document: OrderDocument) -> Erased:
    command = EraseOrder(order_id=document.id, user="shop", origin="DELETE …")
    return erase_order(document, command, CAUSE, now=NOW, configuration=DEFAULT)


def body_of(found: Erased) -> Any:  # noqa: ANN401 - JSON
    return from_json(found.event.sealed(UUID(int=1)))


class TestDelete:
    def test_hides_the_order_and_gives_its_stock_back_and_nothing_else(self) -> None:
        document = imported()

        progress = deleted(document)

        order = progress.document.order
        assert order.status == "Deleted"
        assert order.order_form is not None
        assert order.order_form.total == 7
        assert order.order_form.line_items is not None
        (line,) = order.order_form.line_items
        assert line.reserved_inventory_quantity == Decimal(0)
        assert [type(one) for one in progress.messages] == [ReleaseStock]

    def test_twice_is_the_same_as_once(self) -> None:
        once = deleted(imported())

        twice = deleted(once.document)

        assert (once.is_unchanged, twice.is_unchanged) == (False, True)
        assert twice.document == once.document


class TestErase:
    def test_tells_the_others_to_forget_and_gives_up_money_that_is_only_held(self) -> None:
        found = erased(imported())

        kinds = {type(one) for one in found.messages}
        assert kinds == {
            ForgetReservation,
            ForgetNotifications,
            ForgetDeliveries,
            ForgetOrder,
            VoidPayment,
        }
        (void,) = (one for one in found.messages if isinstance(one, VoidPayment))
        assert [one.payment_id for one in void.operations] == ["held"]

    def test_leaves_a_trace_that_names_no_customer(self) -> None:
        document = imported()
        known = document.order

        found = erased(document)

        body = body_of(found)
        assert (body["sequence"], body["operationId"]) == (5, 110110)
        assert (body["status"], body["previousStatus"]) == ("Deleted", "Ship")
        assert body["order"] == {
            "id": known.id,
            "orderNumber": "N-1",
            "marketId": known.market_id,
            "storeId": known.store_id,
            "status": "Deleted",
            "orderType": "Online",
            "modified": "2026-11-21T12:00:00Z",
            "modifiedBy": "shop",
            "version": 5,
        }
        text = str(body) + repr(found.deletion)
        for secret in (known.customer_email, known.customer_name, known.customer_id):
            assert secret is not None
            assert secret not in text
