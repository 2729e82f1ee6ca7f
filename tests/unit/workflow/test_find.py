"""By what an order is found; that searches find it so is tested on the real MongoDB."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from contracts.order import Order
from contracts.order_form import OrderForm
from services.workflow.domain.calculate import Pricing, calculate
from services.workflow.domain.find import MOST_WORDS, found_by, inventory_state, payment_state
from services.workflow.domain.order import OrderDocument, Run
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order
from tests.unit.workflow.test_run import NOW


def calculated(order: Order, **pricing: Any) -> Order:  # noqa: ANN401 - members of Pricing
    return calculate(order, Pricing(Decimal(25), **pricing))


class TestFoundBy:
    def test_is_what_the_order_says(self) -> None:
        order = calculated(an_order(tags=["Vip"], customer_email="Kari@Shop.example"))

        found = found_by(order)

        assert {"#live", "#store webshop", "#status new", "#tag vip", "#paid Paid"} <= set(
            found["groups"]
        )
        assert {"nordmann", "sku-001", "#email kari@shop.example", "#sku SKU-001"} <= set(
            found["keys"]
        )
        assert found["name"] == "ola nordmann"
        assert "tags\x1fVip" in found["facets"].split("\x1e")

    def test_is_where_its_shipments_leave_from(self) -> None:
        shipments = [
            a_shipment(shipment_id=str(at), line_items=[], warehouse_code=code)
            for at, code in enumerate(["Oslo", "oslo", None, "WH1"])
        ]

        found = found_by(an_order(order_form=a_form(shipments=shipments)))

        places = [one for one in found["groups"] if one.startswith("#warehouse ")]
        assert sorted(places) == ["#warehouse oslo", "#warehouse wh1"]

    def test_is_until_when_its_money_is_held_whether_it_was_calculated_or_not(self) -> None:
        payment = a_payment(authorization_expires=datetime(2026, 11, 30, tzinfo=UTC))
        imported = an_order(order_form=a_form(payments=[payment]))

        found = [found_by(imported), found_by(calculated(imported))]

        held = "#authorizedUntil 2026-11-30T00:00:00.000"
        assert [held in one["keys"] for one in found] == [True, True]

    def test_has_nothing_twice(self) -> None:
        line = a_line(code="A")
        order = an_order(tags=["a", "A"], order_form=a_form(line_items=[line, line]))

        found = found_by(order)

        assert len(found["groups"]) == len(set(found["groups"]))
        assert len(found["keys"]) == len(set(found["keys"]))

    def test_counts_a_value_once_whatever_characters_it_has(self) -> None:
        order = an_order(tags=["a\x1emarket\x1fNOR"], store_id="S\x1estatus\x1fNew")

        counted = found_by(order)["facets"].split("\x1e")

        assert [one for one in counted if one.startswith(("market", "status"))] == [
            "status\x1fNew",
            "market\x1fNOR",
        ]

    def test_is_apart_for_a_deleted_order(self) -> None:
        found = found_by(an_order(status="Deleted"))

        assert all(one.startswith("~") for one in (*found["groups"], *found["keys"]))
        assert found["facets"] >= "~"
        assert found_by(an_order(status="New"))["facets"] < "~"

    def test_has_so_many_words_but_every_product_number(self) -> None:
        lines = [
            a_line(line_item_id=str(n), code=f"S{n}", display_name=f"left{n} right{n}")
            for n in range(1000)
        ]

        keys = found_by(an_order(order_form=a_form(line_items=lines, shipments=[])))["keys"]

        assert len([key for key in keys if key.startswith("#sku ")]) == 1000
        assert 100 < len([key for key in keys if not key.startswith("#")]) <= MOST_WORDS

    def test_is_written_when_a_run_ends_not_while_it_waits(self) -> None:
        run = Run(id="r", command_id="c", status="New", since=NOW, user="u", origin="o")
        waiting = OrderDocument(id="1", order=an_order(), run=run)
        ended = waiting.model_copy(update={"run": None})

        assert "groups" in waiting.to_bson()
        assert "groups" not in waiting.to_bson({"order", "run"})
        assert "groups" in ended.to_bson({"order", "run"})
        assert "groups" not in ended.to_bson({"run"})


class TestPaymentState:
    @pytest.mark.parametrize(
        ("amount", "expected"),
        [(998, "Paid"), (999, "OverPaid"), (1, "PartiallyPaid"), (0, "NotPaid")],
    )
    @pytest.mark.parametrize(
        "pricing", [{}, {"credit_reduces_remaining": True}, {"legacy_sign": True}]
    )
    def test_is_how_much_of_the_total_is_authorized(
        self, amount: int, expected: str, pricing: dict[str, bool]
    ) -> None:
        form = a_form(payments=[a_payment(amount=Decimal(amount))])

        order = calculated(an_order(order_form=form), **pricing)

        assert order.order_form is not None
        assert payment_state(order, order.order_form) == expected

    @pytest.mark.parametrize(
        ("amounts", "expected"),
        [([998], "Paid"), ([500, 499], "OverPaid"), ([997], "PartiallyPaid"), ([], "NotPaid")],
    )
    def test_is_told_by_the_payments_of_an_import_without_their_totals(
        self, amounts: list[int], expected: str
    ) -> None:
        payments = [a_payment(amount=Decimal(one)) for one in amounts]

        form = a_form(total=Decimal(998), payments=payments)

        assert payment_state(an_order(order_form=form), form) == expected

    def test_is_told_by_the_totals_that_an_import_brings(self) -> None:
        form = a_form(total=Decimal(998), authorized_payment_total=Decimal(0))

        found = payment_state(an_order(order_form=form), form)

        assert found == "NotPaid"

    def test_is_never_paid_without_an_authorization(self) -> None:
        form = a_form(line_items=[], shipments=[], payments=[])

        order = calculated(an_order(order_form=form))

        assert order.order_form is not None
        assert payment_state(order, order.order_form) == "PartiallyPaid"


class TestInventoryState:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            ([], "InStock"),
            ([{"reserved_inventory_quantity": 2}], "InStock"),
            ([{"reserved_inventory_quantity": 1}], "PartiallyInStock"),
            ([{}], "NotInStock"),
            ([{}, {"reserved_inventory_quantity": 2}], "PartiallyInStock"),
            ([{"delivered_quantity": 2}], "InStock"),
            ([{"canceled_quantity": 1, "reserved_inventory_quantity": 1}], "InStock"),
            ([{"is_virtual_product": True}, {}], "PartiallyInStock"),
        ],
    )
    def test_is_for_how_many_lines_there_is_stock(
        self, lines: list[dict[str, Any]], expected: str
    ) -> None:
        form = OrderForm(line_items=[a_line(line_item_id=str(n), **x) for n, x in enumerate(lines)])

        assert inventory_state(form) == expected

    def test_is_no_question_for_what_has_left(self) -> None:
        assert inventory_state(a_form()) == "NotInStock"
        assert inventory_state(a_form(shipments=[a_shipment(status="Released")])) == "InStock"
