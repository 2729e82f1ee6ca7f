"""What an aborted run, and an order that is deleted, write of what they give back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from contracts.messages.inventory import ReleaseStock
from contracts.order import Order
from contracts.payment import Payment
from services.workflow.domain.order import Undo
from services.workflow.domain.undo import deleted, undone, unreserved
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def holding() -> Order:
    """Return an order that holds 5 of line 1, 2 and 3 in a shipment each, and 4 of line 2."""
    one, two = (a_line(quantity=units) for units in (2, 3))
    other = a_line(line_item_id="2", quantity=4)
    lines = [
        a_line(quantity=5, reserved_inventory_quantity=5, reserved_inventory=True),
        other.model_copy(
            update={"reserved_inventory_quantity": Decimal(4), "reserved_inventory": True}
        ),
    ]
    shipments = [
        a_shipment(shipment_id="1", line_items=[one]),
        a_shipment(shipment_id="2", line_items=[two, other]),
    ]
    return an_order(order_form=a_form(line_items=lines, shipments=shipments))


def held(order: Order) -> list[tuple[int, bool | None]]:
    assert order.order_form is not None
    return [
        (int(line.reserved_inventory_quantity or 0), line.reserved_inventory)
        for line in order.order_form.line_items or ()
    ]


def payments_of(order: Order) -> list[Payment]:
    assert order.order_form is not None
    return list(order.order_form.payments or ())


class TestUnreserved:
    @pytest.mark.parametrize(
        ("shipment", "left"),
        [
            (None, [(0, False), (0, False)]),
            (0, [(3, False), (4, True)]),
            (1, [(2, False), (0, False)]),
        ],
    )
    def test_holds_no_more_than_the_other_shipments_need(
        self, shipment: int | None, left: list[tuple[int, bool | None]]
    ) -> None:
        assert held(unreserved(holding(), shipment)) == left


class TestDeleted:
    def test_gives_all_stock_back_once(self) -> None:
        before = holding()
        after = before.model_copy(update={"status": "Deleted"})

        order, messages = deleted(before, after)

        assert held(order) == [(0, False), (0, False)]
        assert messages == [ReleaseStock(order_id=before.id)]
        assert deleted(after, after) == (after, ())
        assert deleted(before, before) == (before, ())


class TestUndone:
    def test_voids_what_was_held_and_fails_what_waited_of_its_own_payments_alone(self) -> None:
        entries = [
            a_payment(id="held", transaction_type="Authorization", status="Processed"),
            a_payment(id="waits", transaction_type="Authorization", status="Pending"),
            a_payment(id="failed", transaction_type="Authorization", status="Failed"),
            a_payment(id="sold", transaction_type="Sale", status="Processed"),
            a_payment(id="other", transaction_type="Authorization", status="Processed"),
        ]
        order = an_order(order_form=a_form(payments=entries))
        undo = Undo(
            step="AuthorizePayment", position=0, payment_ids=("held", "waits", "failed", "sold")
        )

        after = undone(order, undo, None, NOW + timedelta(hours=1))

        first, waiting, *rest = entries
        void = {
            "id": "held-void",
            "transaction_type": "Void",
            "created": NOW + timedelta(hours=1),
            "reason": "the run was aborted",
        }
        assert payments_of(after) == [
            first,
            first.model_copy(update=void),
            waiting.model_copy(update={"status": "Failed"}),
            *rest,
        ]

    def test_of_a_reservation_gives_the_shipment_of_the_run_back(self) -> None:
        undo = Undo(step="IncreaseReservedInventory", position=0)

        assert held(undone(holding(), undo, 0, NOW)) == [(3, False), (4, True)]
