"""The configuration: what is read, what is refused, what is found, what is shipped."""

import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from contracts.faults import Invalid
from contracts.model import parse
from contracts.settings import (
    DEFAULT,
    DOCUMENTS,
    Configuration,
    Connector,
    Connectors,
    Market,
    NumberOption,
    OrderSettings,
    OrderStatus,
    OrderType,
    OrderTypes,
    PaymentOption,
    Store,
    Stores,
    UnknownConnector,
    WorkflowStep,
)

ONLINE_OF_THE_GUIDE = {
    "Name": "Online",
    "EnableEdit": True,
    "EnableCreateFromCart": True,
    "OrderStatuses": [
        {
            "Name": "New",
            "DisplayName": "New",
            "IsMainFilter": True,
            "Order": 1,
            "WorkflowSteps": [
                {
                    "Name": "Notification",
                    "Active": True,
                    "TranslateKey": "WorkflowStep_Notification",
                    "Properties": [{"Name": "Template", "Value": "Welcome"}],
                },
                {"Name": "GetOrCreateCustomerFromOrder", "Active": True},
            ],
        },
        {
            "Name": "Completed",
            "DisplayName": "Completed",
            "TranslateKey": "PickedUp",
            "IsMainFilter": True,
            "Order": 4,
            "Condition": "Pickup",
            "IsCanceledStatus": False,
            "WorkflowSteps": [],
        },
    ],
}


def faults(model_type: type[object], raw: object) -> dict[str, str]:
    """Read a body that is refused; give what was expected where."""
    with pytest.raises(Invalid) as refusal:
        parse(model_type, raw)
    return {error.path: error.message for error in refusal.value.errors}


def a_type(*statuses: dict[str, object]) -> dict[str, object]:
    return {"name": "Online", "orderStatuses": list(statuses)}


class TestReading:
    def test_takes_the_samples_of_the_guide(self) -> None:
        (online,) = parse(OrderTypes, [ONLINE_OF_THE_GUIDE]).value

        assert online.enable_create_from_cart
        new, completed = online.order_statuses
        assert [step.name for step in new.workflow_steps] == [
            "Notification",
            "GetOrCreateCustomerFromOrder",
        ]
        assert new.workflow_steps[0].property("template") == "Welcome"
        assert completed.condition == "Pickup"

    def test_needs_no_parse_for_any_case(self) -> None:
        kind = OrderType.model_validate(ONLINE_OF_THE_GUIDE)

        assert kind == OrderType.model_validate(kind.model_dump(mode="json"))

    def test_takes_null_for_the_default(self) -> None:
        settings = OrderSettings.model_validate(
            {
                "IncludedOrderTypesForRevenueStats": None,
                "UseOrderStatusLog": None,
                "ReturnSettings": None,
            }
        )

        assert settings == OrderSettings()
        assert settings.included_order_types_for_revenue_stats == ("Pos", "Online")

    def test_ignores_what_it_does_not_know(self) -> None:
        assert OrderSettings.model_validate({"somethingNew": 1}) == OrderSettings()

    def test_takes_both_spellings_of_a_default_property(self) -> None:
        guide, swagger = OrderSettings.model_validate(
            {
                "defaultProperties": [
                    {"Name": "A", "DataType": "String", "IsReadOnly": True},
                    {"key": "B", "valueType": "String", "readOnly": True},
                ]
            }
        ).default_properties

        assert swagger == guide.model_copy(update={"key": "B"})

    def test_writes_the_wire_names_of_the_public_api(self) -> None:
        written = OrderSettings().model_dump(mode="json")

        assert written["uneditableExternalIDs"] is False
        assert written["isOrderCalculatorRunOnImport"] is False
        assert written["returnSettings"]["isAutoCreditLowestShipmentCostOnFullReturn"] is False

    def test_keeps_fees_as_text(self) -> None:
        charge = {"Currency": "NOK", "Amount": "49.50"}
        settings = OrderSettings.model_validate(
            {"ReturnSettings": {"ReturnTypes": [{"Id": "x", "ReturnTypeCharges": [charge]}]}}
        )

        (kind,) = settings.return_settings.return_types
        assert kind.return_type_charges[0].amount == Decimal("49.5")
        assert kind.model_dump(mode="json")["returnTypeCharges"][0]["amount"] == "49.50"

    def test_survives_storage(self) -> None:
        assert Configuration.model_validate(DEFAULT.model_dump()) == DEFAULT
        assert Configuration.model_validate_json(DEFAULT.model_dump_json()) == DEFAULT

    @pytest.mark.parametrize("name", DOCUMENTS)
    def test_every_document_comes_back_as_it_was_shown(self, name: str) -> None:
        shown = DEFAULT.model_dump(mode="json")[name[0].lower() + name[1:]]

        read = parse(DOCUMENTS[name], json.dumps(shown).encode())

        assert read.ignored == []


class TestRefusals:
    def test_duplicate_types(self) -> None:
        kind = a_type({"name": "New", "order": 1})

        assert faults(OrderTypes, [kind, kind | {"name": "ONLINE"}]) == {
            "[1].name": "expected a value that no entry before it has"
        }

    def test_duplicate_statuses(self) -> None:
        kind = a_type({"name": "New", "order": 1}, {"name": "new", "order": 2})

        assert list(faults(OrderTypes, [kind])) == ["[0].orderStatuses[1].name"]

    def test_available_steps_that_are_no_status(self) -> None:
        kind = a_type({"name": "New", "order": 1, "availableSteps": ["NEW", "Nowhere"]})

        assert faults(OrderTypes, [kind]) == {
            "[0].orderStatuses[0].availableSteps[1]": (
                "expected the name of a status of this order type"
            )
        }

    def test_wrong_types(self) -> None:
        kind = a_type({"name": "New", "order": "first", "isPicked": "yes", "workflowSteps": {}})

        assert faults(OrderTypes, [kind]) == {
            "[0].orderStatuses[0].order": "expected a whole number",
            "[0].orderStatuses[0].isPicked": "expected true or false",
            "[0].orderStatuses[0].workflowSteps": "expected a list",
        }

    @pytest.mark.parametrize("threshold", [0, 1, 101, 365, 729, -5])
    def test_threshold_that_is_neither_years_nor_days(self, threshold: int) -> None:
        found = faults(OrderSettings, {"DeleteOrdersThreshold": threshold})

        assert list(found) == ["deleteOrdersThreshold"]

    def test_words_that_are_not_among_the_allowed(self) -> None:
        automation = {"orderType": "a", "status": "b", "condition": "Someday", "newStatus": "c"}

        found = faults(
            OrderSettings, {"orderAutomationSettings": {"orderAutomations": [automation]}}
        )

        (path,) = found
        assert path == "orderAutomationSettings.orderAutomations[0].condition"
        assert "BackInStock" in found[path]

    def test_store_that_closes_before_it_opens(self) -> None:
        hours = {"day": "monday", "from": "18:00", "to": "09:00"}

        assert list(faults(Stores, [{"storeId": "a", "openingHours": [hours]}])) == [
            "[0].openingHours[0].to"
        ]

    @pytest.mark.parametrize("pattern", ["(", r"^(?=\d)", r"(a)\1"])
    def test_pattern_that_is_none(self, pattern: str) -> None:
        with pytest.raises(ValidationError, match="regular expression"):
            NumberOption(number_type="Order", validation_regex=pattern)


class TestWorkflowStep:
    @pytest.mark.parametrize(
        ("stop", "go_on", "expected"),
        [
            (None, None, None),
            (True, None, True),
            (None, True, False),
            (None, False, True),
            (False, False, False),
        ],
    )
    def test_stops_on_error_by_the_newer_word_first(
        self,
        stop: bool | None,
        go_on: bool | None,
        expected: bool | None,
    ) -> None:
        step = WorkflowStep(name="x", stop_on_error=stop, continue_on_error=go_on)

        assert step.stops_on_error() is expected

    def test_knows_only_its_own_properties(self) -> None:
        assert WorkflowStep(name="x").property("ToStatus") is None


class TestOrderType:
    KIND = OrderType(
        name="Online",
        order_statuses=(
            OrderStatus(name="Expired", order=9, is_canceled_status=True),
            OrderStatus(name="Canceled", order=8, is_canceled_status=True),
            OrderStatus(name="New", order=1),
        ),
    )

    def test_finds_a_status_in_any_case(self) -> None:
        found = self.KIND.status("NEW")

        assert found is not None
        assert found.name == "New"
        assert self.KIND.status("Ship") is None

    def test_goes_by_order_not_by_place(self) -> None:
        initial, cancelled = self.KIND.initial(), self.KIND.cancelled()

        assert initial is not None
        assert initial.name == "New"
        assert cancelled is not None
        assert cancelled.name == "Canceled"

    def test_may_be_empty(self) -> None:
        empty = OrderType(name="Empty", order_statuses=())

        assert empty.initial() is None
        assert empty.cancelled() is None


class TestConnector:
    CONNECTOR = Connector(connector_id="bank", host="https://bank.example", secret="hush")

    def test_shows_its_secret_to_nobody(self) -> None:
        assert "secret" not in self.CONNECTOR.public()
        assert "hush" not in json.dumps(self.CONNECTOR.public())
        assert "hush" not in repr(self.CONNECTOR)

    def test_stores_its_secret(self) -> None:
        stored = Connector.model_validate(self.CONNECTOR.model_dump(mode="json"))

        assert stored.secret == "hush"

    def test_keeps_its_secret_when_it_comes_back_without(self) -> None:
        (sent,) = parse(Connectors, [self.CONNECTOR.public()]).value

        assert sent.keeping(self.CONNECTOR) == self.CONNECTOR
        assert sent.keeping(None) is sent

    def test_takes_a_new_secret(self) -> None:
        sent = Connector(connector_id="bank", secret="new")

        assert sent.keeping(self.CONNECTOR).secret == "new"


class TestConfiguration:
    def test_takes_the_flagged_type_when_none_is_named(self) -> None:
        plain, flagged = (
            OrderType(name="A", order_statuses=()),
            OrderType(name="B", order_statuses=(), default_order_type=True),
        )

        assert Configuration(order_types=(plain, flagged)).order_type(None) is flagged
        assert Configuration(order_types=(plain,)).order_type(None) is plain
        assert Configuration().order_type(None) is None

    def test_knows_no_type_of_an_unknown_name(self) -> None:
        assert DEFAULT.order_type("Zebra") is None
        assert DEFAULT.order_type("online") is DEFAULT.order_types[0]

    def test_finds_markets_and_stores_in_any_case(self) -> None:
        assert DEFAULT.market("nor") is DEFAULT.markets[0]
        assert DEFAULT.store("wh1") is DEFAULT.stores[3]
        assert DEFAULT.market("USA") is None
        assert DEFAULT.store(None) is None

    def test_finds_connectors_by_id_before_name(self) -> None:
        named, meant = Connector(connector_id="1", name="bank"), Connector(connector_id="Bank")
        configuration = Configuration(connectors=(named, meant))

        assert configuration.connector("bank") is meant
        assert Configuration(connectors=(named,)).connector("BANK") is named

    def test_prefers_the_connector_of_the_market(self) -> None:
        everywhere = Connector(connector_id="a", implementations=("IPaymentProvider",))
        norway = everywhere.model_copy(update={"connector_id": "b", "markets": ("NOR",)})
        configuration = Configuration(connectors=(everywhere, norway))

        assert configuration.connector_with("ipaymentprovider", "nor") is norway
        assert configuration.connector_with("IPaymentProvider", "SWE") is everywhere
        assert configuration.connector_with("IPaymentProvider", None) is everywhere
        assert configuration.connector_with("IPrinter", "NOR") is None

    def test_finds_who_moves_the_money(self) -> None:
        bank = Connector(connector_id="bank")
        market = Market(
            market_id="NOR",
            payment_options=(
                PaymentOption(payment_method_name="Card", connector="BANK"),
                PaymentOption(payment_method_name="Manual"),
            ),
        )
        configuration = Configuration(markets=(market,), connectors=(bank,))

        assert configuration.connector_for("nor", "card") is bank
        assert configuration.connector_for("NOR", "Manual") is None
        assert configuration.connector_for("NOR", "Cheque") is None
        assert configuration.connector_for("SWE", "Card") is None

    def test_assumes_no_money_of_a_connector_that_is_missing(self) -> None:
        option = PaymentOption(payment_method_name="Card", connector="bank")
        market = Market(market_id="NOR", payment_options=(option,))

        with pytest.raises(UnknownConnector, match="bank"):
            Configuration(markets=(market,)).connector_for("NOR", "Card")

    def test_numbers_by_the_group_of_the_market_first(self) -> None:
        everywhere = NumberOption(number_type="OrderNumberOptions")
        nordic = NumberOption(number_type="Order", market_group_id="Nordic")
        configuration = Configuration(
            markets=(Market(market_id="NOR", market_group_id="nordic"), Market(market_id="USA")),
            number_options=(everywhere, nordic),
        )

        assert configuration.number_option("Order", "NOR") is nordic
        assert configuration.number_option("order", "USA") is everywhere
        assert configuration.number_option("Return", "USA") is None

    def test_taxes_nothing_in_a_market_it_does_not_know(self) -> None:
        assert DEFAULT.default_tax_rate("FIN") == Decimal("25.5")
        assert DEFAULT.default_tax_rate("USA") == 0
        assert DEFAULT.is_tax_excluded("USA") is False

    def test_looks_up_anew_after_a_copy(self) -> None:
        assert DEFAULT.market("NOR") is not None

        changed = DEFAULT.model_copy(update={"markets": (Market(market_id="USA"),)})

        assert changed.market("USA") is not None
        assert changed.market("NOR") is None

    def test_counts_the_years_of_the_threshold_in_days(self) -> None:
        kept = [OrderSettings(delete_orders_threshold=n).orders_kept_days() for n in (2, 1095)]

        assert kept == [730, 1095]
        assert OrderSettings().orders_kept_days() is None


class TestDefault:
    def test_has_what_a_fresh_system_has(self) -> None:
        assert [(market.market_id, market.currency) for market in DEFAULT.markets] == [
            ("NOR", "NOK"),
            ("SWE", "SEK"),
            ("DNK", "DKK"),
            ("FIN", "EUR"),
        ]
        assert [store.store_id for store in DEFAULT.stores] == [
            "WebShop",
            "Oslo",
            "Bergen",
            "WH1",
            "WH2",
        ]
        order = DEFAULT.number_option("Order", "NOR")
        assert order is not None
        assert (order.prefix, order.start_sequence) == ("ORD-", 10_000)
        assert DEFAULT.connector_for("NOR", "Card") is None

    def test_has_no_step_twice_in_a_status(self) -> None:
        for kind in DEFAULT.order_types:
            for status in kind.order_statuses:
                names = [step.name for step in status.workflow_steps]
                assert len(names) == len(set(names)), (kind.name, status.name)

    def test_lets_an_online_order_go_from_new_to_completed(self) -> None:
        online = DEFAULT.order_type("Online")
        assert online is not None

        way, status = [], online.initial()
        while status is not None:
            way.append(status.name)
            if status.is_delivered_status:
                break
            status = online.status(status.available_steps[0])

        assert way == ["New", "InProgress", "PackedAndReady", "Ship", "Completed"]

    def test_lets_an_order_be_collected(self) -> None:
        kind = DEFAULT.order_type("ClickAndCollect")
        assert kind is not None

        cancelled = kind.cancelled()

        assert cancelled is not None
        assert cancelled.name == "OrderCanceled"
        assert kind.status("NotCollected") is not None

    def test_does_not_let_a_new_order_wait_for_the_mail_server(self) -> None:
        online = DEFAULT.order_type("Online")
        new = online.initial() if online else None
        assert new is not None

        steps = {step.name: step for step in new.workflow_steps if step.active}

        assert list(steps) == ["IncreaseReservedInventory", "AuthorizePayment", "Notification"]
        assert steps["AuthorizePayment"].stops_on_error()
        assert steps["Notification"].run_after_order_is_saved

    def test_sells_at_the_till_at_once(self) -> None:
        till = DEFAULT.order_type("Pos")
        status = till.initial() if till else None

        assert status is not None
        assert status.name == "Completed"
        assert status.workflow_steps == ()

    def test_has_one_main_warehouse(self) -> None:
        main: list[Store] = [store for store in DEFAULT.stores if store.is_main_warehouse]

        assert [store.store_id for store in main] == ["WH1"]
