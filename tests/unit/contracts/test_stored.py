import json
from datetime import UTC, datetime
from decimal import Decimal

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.order import Order
from contracts.order_form import OrderForm
from contracts.order_line import OrderLine
from contracts.shipment import Shipment
from contracts.stored import order_document, order_json, order_model
from services.chassis.mongo import CODEC
from tests.builders import a_form, a_line, a_shipment, an_order, the_reference_order

maybe_text = st.none() | st.sampled_from(["", "a", "å"])
amounts = st.none() | st.decimals(-1000, 1000, places=2) | st.decimals(0, 1, places=6)
moments = st.none() | st.datetimes(
    min_value=datetime(2, 1, 2),  # noqa: DTZ001 - hypothesis adds the offset
    timezones=st.just(UTC),
)


@st.composite
def lines(draw: st.DrawFn, ids: st.SearchStrategy[str]) -> OrderLine:
    return OrderLine(
        line_item_id=draw(ids),
        code=draw(maybe_text),
        comment=draw(maybe_text),
        placed_price=draw(amounts),
        extended_price=draw(amounts),
        quantity=draw(amounts),
        is_gift=draw(st.none() | st.booleans()),
        delivered_date=draw(moments),
        gtins=draw(st.none() | st.lists(st.just("7038010009457"), max_size=2)),
    )


@st.composite
def forms(draw: st.DrawFn) -> OrderForm:
    own = draw(st.none() | st.lists(lines(st.sampled_from("123")), max_size=3))
    shipped = lines(st.sampled_from("1234"))
    if own:
        shipped = shipped | st.sampled_from(own)
    shipments = st.builds(
        Shipment, line_items=st.none() | st.lists(shipped, max_size=3), shipping_sub_total=amounts
    )
    return OrderForm(
        line_items=own,
        shipments=draw(st.none() | st.lists(shipments, max_size=3)),
        total=draw(amounts),
    )


orders = st.builds(
    Order,
    id=st.just("1"),
    market_id=st.just("NOR"),
    store_id=st.just("1"),
    created=moments,
    is_read_only=st.none() | st.booleans(),
    order_form=st.none() | forms(),
)


def through_mongo(order: Order) -> dict[str, object]:
    raw = bson.encode(order_document(order), codec_options=CODEC)
    return bson.decode(raw, codec_options=CODEC)


class TestOrderDocument:
    @settings(deadline=None)
    @given(orders)
    def test_is_read_back_as_the_same_order(self, order: Order) -> None:
        stored = through_mongo(order)

        assert order_model(stored) == order

    @settings(deadline=None)
    @given(orders)
    def test_is_answered_as_the_order_itself_would_be(self, order: Order) -> None:
        stored = through_mongo(order)

        assert json.loads(order_json(stored)) == json.loads(
            order.model_dump_json(exclude_none=True)
        )

    def test_keeps_a_whole_copy_as_a_reference(self) -> None:
        form = the_reference_order().order_form
        assert form is not None
        assert form.line_items
        whole = a_shipment(line_items=form.line_items)

        stored = order_document(an_order(order_form=a_form(shipments=[whole])))

        assert stored["orderForm"]["shipments"][0]["lineItems"] == [
            {"lineItemId": "1", "quantity": Decimal(2)}
        ]

    def test_keeps_with_a_part_what_differs_from_the_line(self) -> None:
        line = a_line(quantity=2, extended_price=Decimal("9.99"), comment="fragile")
        part = line.model_copy(
            update={"quantity": Decimal(1), "extended_price": Decimal("5.00"), "comment": None}
        )
        form = a_form(line_items=[line], shipments=[a_shipment(line_items=[part])])

        stored = order_document(an_order(order_form=form))

        assert stored["orderForm"]["shipments"][0]["lineItems"] == [
            {
                "lineItemId": "1",
                "quantity": Decimal(1),
                "extendedPrice": Decimal("5.00"),
                "comment": None,
            }
        ]

    def test_shares_a_whole_copy_with_the_form_when_it_is_read(self) -> None:
        line = a_line()
        form = a_form(line_items=[line], shipments=[a_shipment(line_items=[line])])

        read = order_model(order_document(an_order(order_form=form))).order_form

        assert read is not None
        assert read.shipments
        assert read.line_items
        assert (read.shipments[0].line_items or [])[0] is read.line_items[0]
