"""What may and may not stand in an order."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.discount import Discount
from contracts.model import Invalid, parse
from contracts.note import EntityError, PropertyItem
from contracts.order import NewOrder, Order, OrderForm, PosOrder
from contracts.order_line import OrderLine
from contracts.order_patch import OrderPatch, OrderUpdate
from contracts.payment import Payment
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order, the_reference_body

TILL = {"pos": True}


def faults(
    model: type[Any], body: object, context: Mapping[str, object] | None = None
) -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        parse(model, json.dumps(body).encode(), context=context)
    return {error.path: error.message for error in caught.value.errors}


class TestAnOrder:
    def test_needs_an_id_only_where_a_client_must_give_one(self) -> None:
        body = the_reference_body()
        del body["id"], body["status"], body["orderType"]

        assert parse(NewOrder, json.dumps(body).encode()).value.id is None
        assert faults(Order, body) == {"id": "is required"}

    def test_from_the_till_needs_its_number(self) -> None:
        assert faults(PosOrder, {"marketId": "NOR", "storeId": "Oslo"}) == {
            "orderNumber": "is required"
        }

    @pytest.mark.parametrize("blank", ["", "  "])
    def test_takes_no_blank_for_what_it_needs(self, blank: str) -> None:
        line = {"lineItemId": blank, "quantity": 1}
        body = the_reference_body() | {"marketId": blank, "storeId": blank}

        found = faults(Order, body | {"orderForm": {"lineItems": [line]}})

        assert found == dict.fromkeys(
            ["marketId", "storeId", "orderForm.lineItems[0].lineItemId"],
            "expected text that is not blank",
        )

    @pytest.mark.parametrize("blank", ["", "  "])
    def test_takes_a_blank_id_or_number_for_none_where_it_needs_none(self, blank: str) -> None:
        body = the_reference_body() | {"id": blank, "orderNumber": blank}

        order = parse(NewOrder, json.dumps(body).encode()).value

        assert order.id is None
        assert order.order_number is None
        assert set(faults(Order, body)) == {"id"}
        assert set(faults(PosOrder, body)) == {"orderNumber"}
        assert set(faults(OrderUpdate, body)) == {"id"}

    def test_that_is_stored_already_is_read_whatever_its_id(self) -> None:
        stored = the_reference_body() | {"id": " ", "orderNumber": " "}

        order = Order.model_validate(stored)

        assert order.id == " "

    @pytest.mark.parametrize("blank", ["", "  "])
    def test_takes_a_blank_status_or_type_for_none(self, blank: str) -> None:
        body = the_reference_body() | {"status": blank, "orderType": blank}

        order = parse(Order, json.dumps(body).encode()).value

        assert (order.status, order.order_type) == (None, None)

    @pytest.mark.parametrize("name", ["marketId", "storeId", "status", "orderType"])
    def test_is_not_left_without_what_it_needs_by_an_update(self, name: str) -> None:
        assert faults(OrderUpdate, {"id": "1", name: ""}) == {
            name: "expected text, since an order always has it"
        }

    def test_is_not_changed_in_place(self) -> None:
        with pytest.raises(ValueError, match="frozen"):
            an_order().status = "Ship"  # type: ignore[misc] # that is the point

    def test_is_read_by_newer_and_older_parts_alike(self) -> None:
        message = json.dumps(the_reference_body() | {"newMember": {"deep": [1]}})

        assert Order.model_validate_json(message) == an_order()

    def test_leaves_out_what_it_has_not(self) -> None:
        assert json.loads(an_order().model_dump_json(exclude_none=True)) == the_reference_body()


class TestLists:
    @pytest.mark.parametrize(
        ("model", "name", "limit", "entry"),
        [
            (OrderForm, "lineItems", 1000, {"lineItemId": "1"}),
            (OrderForm, "shipments", 250, {}),
            (OrderForm, "couponCodes", 250, "WELCOME"),
            (OrderLine, "properties", 250, {"key": "a"}),
            (OrderLine, "gtins", 250, "7038010009457"),
        ],
    )
    def test_end_at_their_limit(
        self, model: type[Any], name: str, limit: int, entry: object
    ) -> None:
        body: dict[str, object] = {"lineItemId": "1"} if model is OrderLine else {}
        unique = {"lineItemId"} if name == "lineItems" else set()
        entries = [
            {**entry, **{key: str(i) for key in unique}} if isinstance(entry, dict) else entry
            for i in range(limit + 1)
        ]

        assert parse(model, body | {name: entries[:limit]}).ignored == []
        assert faults(model, body | {name: entries}) == {
            name: f"expected at most {limit} entries in the list {name}"
        }


class TestTexts:
    def test_end_at_their_limit(self) -> None:
        assert parse(OrderLine, {"lineItemId": "x" * 32_768}).value.line_item_id
        assert faults(OrderLine, {"lineItemId": "x" * 32_769}) == {
            "lineItemId": "expected at most 32768 characters"
        }
        assert faults(PropertyItem, {"key": "x" * 257}) == {
            "key": "expected at most 256 characters"
        }

    @pytest.mark.parametrize("bad", ["a\0b", "\ud800", "\udfff x"])
    def test_hold_no_nul_and_no_lone_surrogate(self, bad: str) -> None:
        body = the_reference_body()
        body["customerName"] = bad
        body["orderForm"]["lineItems"][0]["comment"] = bad

        assert set(faults(Order, body)) == {"customerName", "orderForm.lineItems[0].comment"}

    def test_may_speak_of_a_nul(self) -> None:
        assert parse(PropertyItem, b'{"value": "\\\\u0000"}').value.value == "\\u0000"

    def test_may_hold_any_other_character(self) -> None:
        raw = '{"key": "a.b$c", "value": "\\ud83d\\ude00 \u00e6\u2028"}'

        assert parse(PropertyItem, raw.encode()).value.value == "\U0001f600 \u00e6\u2028"


class TestEnumerations:
    @pytest.mark.parametrize(
        ("sent", "kept"),
        [("Captured", "Capture"), ("capture", "Capture"), ("SettlementFee", "SettlementFee")],
    )
    def test_of_transactions_take_other_spellings(self, sent: str, kept: str) -> None:
        payment = a_payment(transaction_type=sent)

        assert payment.transaction_type == kept

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            (0, "None"),
            (2, "Order"),
            ("3", "Shipping"),
            ("lineitem", "LineItem"),
            (5, "BonusPoints"),
        ],
    )
    def test_of_discounts_take_numbers_and_give_words(self, sent: int | str, kept: str) -> None:
        discount = Discount.model_validate({"discountType": sent})

        assert json.loads(discount.model_dump_json(exclude_none=True)) == {"discountType": kept}

    def test_of_rewards_take_numbers(self) -> None:
        assert [Discount.model_validate({"rewardType": n}).reward_type for n in range(8)] == [
            "None",
            "Money",
            "Percentage",
            "Free",
            "FixedPrice",
            "Gift",
            "MultiBuys",
            "Kit",
        ]

    @pytest.mark.parametrize("sent", [True, 9, "Discount", {}, [], 2.5])
    def test_name_their_words_when_they_refuse(self, sent: object) -> None:
        refused = faults(Discount, {"discountType": sent})

        assert "'LineItem', 'Order', 'Shipping'" in refused["discountType"]


class TestQuantities:
    @given(st.integers(0, 9), st.integers(-3, 12), st.integers(-3, 12), st.sampled_from([1, -1]))
    def test_fit_into_the_line(
        self, ordered: int, delivered: int, canceled: int, sign: int
    ) -> None:
        body = {
            "lineItemId": "1",
            "quantity": ordered * sign,
            "deliveredQuantity": delivered * sign,
            "canceledQuantity": canceled * sign,
        }
        fits = delivered >= 0 and canceled >= 0 and delivered + canceled <= ordered

        if fits:
            line = parse(OrderLine, body, context=TILL).value
            assert line.canceled_quantity == canceled * sign
        else:
            refused = set(faults(OrderLine, body, TILL))
            assert refused
            assert refused <= {"deliveredQuantity", "canceledQuantity"}

    @given(st.integers(1, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 12))
    def test_that_came_back_were_delivered_or_are_open(
        self, ordered: int, delivered: int, canceled: int, returned: int
    ) -> None:
        assume(delivered + canceled <= ordered)
        line = {
            "lineItemId": "1",
            "quantity": ordered,
            "deliveredQuantity": delivered,
            "canceledQuantity": canceled,
            "returnQuantity": returned,
        }
        body = {"lineItems": [line], "shipments": [{"lineItems": [line | {"quantity": ordered}]}]}

        if returned <= (delivered or ordered - canceled):
            assert parse(OrderForm, body).value.line_items
        else:
            assert list(faults(OrderForm, body)) == ["lineItems[0].returnQuantity"]

    def test_that_came_back_are_told_in_whole_on_every_part_of_a_line(self) -> None:
        line = {"lineItemId": "1", "quantity": 3, "deliveredQuantity": 3, "returnQuantity": 2}
        part = {"lineItemId": "1", "quantity": 1, "deliveredQuantity": 1, "returnQuantity": 2}

        form = parse(OrderForm, {"lineItems": [line], "shipments": [{"lineItems": [part]}]}).value

        assert [one.return_quantity for one in form.line_items or ()] == [2]

    def test_are_negative_only_at_the_till(self) -> None:
        body = {"lineItemId": "1", "quantity": -1}

        assert parse(OrderLine, body, context=TILL).value.quantity == -1
        assert faults(OrderLine, body) == {"quantity": "expected 0 or more"}

    def test_of_our_own_messages_are_not_judged_again(self) -> None:
        line = a_line(quantity=-1, canceled_quantity=-1)

        assert OrderLine.model_validate_json(line.model_dump_json()) == line


class TestIds:
    def test_of_lines_shipments_and_payments_are_unique(self) -> None:
        form = a_form(
            line_items=[a_line(), a_line(line_item_id="2"), a_line()],
            shipments=[a_shipment(), a_shipment(), a_shipment(shipment_id=None)],
            payments=[a_payment(id="p"), a_payment(id=""), a_payment(id=""), a_payment(id="p")],
        )

        assert faults(OrderForm, json.loads(form.model_dump_json(exclude_none=True))) == {
            "lineItems[0].lineItemId": "expected an id of its own, but lineItems[2] has it too",
            "lineItems[2].lineItemId": "expected an id of its own, but lineItems[0] has it too",
            "shipments[0].shipmentId": "expected an id of its own, but shipments[1] has it too",
            "shipments[1].shipmentId": "expected an id of its own, but shipments[0] has it too",
            "payments[0].id": "expected an id of its own, but payments[3] has it too",
            "payments[3].id": "expected an id of its own, but payments[0] has it too",
        }

    def test_of_shipments_may_be_missing(self) -> None:
        assert parse(OrderForm, {"shipments": [{}, {}]}).value.shipments is not None


class TestObjectsNobodyDescribed:
    def test_are_kept_as_sent(self) -> None:
        raw = b'{"promotionMultiBuyReward": {"conditionalPricing": {"Any Name": [1, {"x": null}]}}}'

        parsed = parse(Discount, raw)

        assert parsed.ignored == []
        assert json.loads(parsed.value.model_dump_json(exclude_none=True)) == json.loads(raw)

    @pytest.mark.parametrize(
        "inside",
        ['"a\\u0000"', "NaN", '{"\\u0000": 1}', "[" * 40 + "]" * 40, '"' + "x" * 32_769 + '"'],
    )
    def test_keep_to_the_limits(self, inside: str) -> None:
        raw = f'{{"promotionMultiBuyReward": {{"conditionalPricing": {{"a": {inside}}}}}}}'

        with pytest.raises(Invalid):
            parse(Discount, raw.encode())


class TestPatch:
    def test_tells_what_was_left_out_from_what_becomes_null(self) -> None:
        patch = parse(
            OrderPatch, b'{"status": null, "orderForm": {"payments": [{"id": "1"}]}}'
        ).value

        assert patch.model_fields_set == {"status", "order_form"}
        assert patch.order_form is not None
        assert patch.order_form.payments is not None
        assert patch.order_form.payments[0].model_fields_set == {"id"}

    def test_requires_what_names_the_line(self) -> None:
        assert faults(OrderPatch, {"orderForm": {"lineItems": [{"quantity": 1}]}}) == {
            "orderForm.lineItems[0].lineItemId": "is required"
        }


class TestWholeNumbers:
    @pytest.mark.parametrize("number", [2**31 - 1, -(2**31), "30", 30.0])
    def test_have_32_bits_where_the_documents_say_int(self, number: object) -> None:
        order = parse(Order, the_reference_body() | {"paymentTermsNet": number}).value

        assert order.payment_terms_net == int(str(number).removesuffix(".0"))

    @pytest.mark.parametrize("number", [2**31, -(2**31) - 1, 1.5, True])
    def test_that_no_reader_of_an_int_could_hold_are_refused(self, number: object) -> None:
        discount = {"priority": number, "promotionFixedPriceReward": {"fixedPriceQuantity": number}}
        package = {"dimensions": dict.fromkeys(["heightInCm", "widthInCm", "lengthInCm"], number)}
        form = {"discounts": [discount], "shipments": [{"packages": [package]}]}
        body = {"paymentTermsNet": number, "orderForm": form, "assets": [{"sortOrder": number}]}

        found = faults(Order, the_reference_body() | body)

        assert {path.rpartition(".")[2] for path in found} == {
            *("paymentTermsNet", "sortOrder", "priority", "fixedPriceQuantity"),
            *("heightInCm", "widthInCm", "lengthInCm"),
        }

    def test_of_centimetres_are_answered_without_a_point(self) -> None:
        package = {"dimensions": {"heightInCm": 10}}

        order = parse(
            Order, the_reference_body() | {"orderForm": {"shipments": [{"packages": [package]}]}}
        )

        assert '"heightInCm":10}' in order.value.model_dump_json(by_alias=True, exclude_none=True)


class TestPayment:
    def test_needs_a_method_that_has_a_name(self) -> None:
        sent = {"amount": 1, "transactionId": "", "transactionType": "Sale", "status": "Paid"}

        found = faults(Payment, sent | {"paymentMethodName": " "})

        assert found == {"paymentMethodName": "expected text that is not blank"}

    def test_needs_its_five_members(self) -> None:
        assert set(faults(Payment, {"id": "1"})) == {
            "amount",
            "paymentMethodName",
            "status",
            "transactionId",
            "transactionType",
        }


class TestEntityErrors:
    def test_are_read_in_both_spellings(self) -> None:
        raw = b'{"occured": "2024-01-15T10:30:00Z"}'

        parsed = parse(EntityError, raw)

        assert parsed.ignored == []
        assert parsed.value.occurred is not None
