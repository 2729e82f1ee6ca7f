"""The documents' own examples and their lists of members fit the models."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.discount import BonusPoints, Discount, FixedPriceReward, LineDiscount, MultiBuyReward
from contracts.model import Model, parse
from contracts.note import Asset, Comment, EntityError, ExternalId, PropertyItem
from contracts.order import NewOrder, Order, OrderForm, OrderGroup, PosOrder
from contracts.order_line import Component, OrderLine
from contracts.order_patch import OrderLinePatch, OrderPatch
from contracts.party import Address, ContactPerson
from contracts.payment import Payment, PaymentLineReference
from contracts.return_form import ReturnCharge, ReturnForm
from contracts.shipment import PickUpPoint, Shipment, StatusLogItem

HERE = Path(__file__).parent
DOCUMENTED: dict[str, list[str]] = {
    model: words.split() for model, words in json.loads((HERE / "members.json").read_text()).items()
}
MODELS: dict[str, type[Model]] = {
    "Address": Address,
    "OmniumAsset": Asset,
    "OmniumComment": Comment,
    "OmniumContactPerson": ContactPerson,
    "OmniumDiscount": Discount,
    "OmniumEntityError": EntityError,
    "OmniumExternalId": ExternalId,
    "OmniumOrderGroup": OrderGroup,
    "OmniumOrderLineBonusPoints": BonusPoints,
    "OmniumOrderLineDiscount": LineDiscount,
    "OmniumOrderStatusLogItem": StatusLogItem,
    "OmniumPaymentOrderLineReference": PaymentLineReference,
    "OmniumProductComponent": Component,
    "OmniumPromotionFixedPriceReward": FixedPriceReward,
    "OmniumPromotionMultiBuyReward": MultiBuyReward,
    "OmniumPropertyItem": PropertyItem,
    "OmniumReturnCharge": ReturnCharge,
    "OmniumReturnOrderForm": ReturnForm,
    "OmniumShipment": Shipment,
    "Order": Order,
    "Order form": OrderForm,
    "Order line": OrderLine,
    "Payment": Payment,
}


def wire_names(model: type[Model]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


class TestExample:
    @pytest.mark.parametrize(
        ("name", "model"),
        [
            ("create_order", Order),
            ("create_order", NewOrder),
            ("add_order_line", OrderLine),
            ("add_payments", list[Payment]),
            ("patch_order", OrderPatch),
            ("patch_order_lines", list[OrderLinePatch]),
            ("pick_up_point", PickUpPoint),
            ("shipment_status_log", OrderForm),
        ],
    )
    def test_is_read_without_loss(self, name: str, model: type[Any]) -> None:
        raw = (HERE / "examples" / f"{name}.json").read_bytes()

        parsed = parse(model, raw)

        assert parsed.ignored == []
        values = parsed.value if isinstance(parsed.value, list) else [parsed.value]
        written = [json.loads(value.model_dump_json(exclude_unset=True)) for value in values]
        sent = json.loads(raw)
        assert written == (sent if isinstance(sent, list) else [sent])


class TestMembers:
    @pytest.mark.parametrize("name", sorted(MODELS))
    def test_have_their_documented_names(self, name: str) -> None:
        ours = {"Order": {"version"}}.get(name, set())

        assert wire_names(MODELS[name]) == set(DOCUMENTED[name]) | ours

    def test_are_all_listed_once(self) -> None:
        assert all(len(names) == len(set(names)) for names in DOCUMENTED.values())
        assert set(DOCUMENTED) == set(MODELS)

    def test_of_a_patch_are_those_of_the_order_and_more(self) -> None:
        assert wire_names(OrderPatch) - wire_names(Order) == {
            "customerGroups",
            "forceUpdate",
            "ignorePromotions",
            "keepExistingCustomProperties",
            "keepExistingListItems",
            "propertiesRemovalConditions",
        }


class TestRequiredMembers:
    @pytest.mark.parametrize(
        ("model", "required"),
        [
            (Order, {"id", "marketId", "storeId"}),
            (NewOrder, {"marketId", "storeId"}),
            (PosOrder, {"marketId", "storeId", "orderNumber"}),
            (OrderPatch, set()),
            (OrderForm, set()),
            (OrderLine, {"lineItemId"}),
            (Shipment, set()),
            (
                Payment,
                {"amount", "paymentMethodName", "transactionId", "transactionType", "status"},
            ),
        ],
    )
    def test_are_the_documented_ones(self, model: type[Model], required: set[str]) -> None:
        fields = model.model_fields.items()

        assert {field.alias or name for name, field in fields if field.is_required()} == required


class TestSchema:
    def test_is_one_for_what_comes_in_and_what_goes_out(self) -> None:
        assert Order.model_json_schema() == Order.model_json_schema(mode="serialization")

    def test_shows_decimals_as_numbers(self) -> None:
        price = OrderLine.model_json_schema()["properties"]["placedPrice"]

        assert [option["type"] for option in price["anyOf"]] == ["number", "null"]
