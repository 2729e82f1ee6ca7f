"""What single steps do to an order, as far as they need nobody else (domain 5.2)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from contracts.messages.orders import StepStatus
from contracts.note import ExternalId
from contracts.order import Order
from contracts.settings import DEFAULT, Configuration, Market, ShippingOption, Store, WorkflowStep
from services.workflow.domain.order import Run
from services.workflow.domain.plan import Planned
from services.workflow.domain.steps import Context, act
from services.workflow.domain.steps.step import Finished
from tests.builders import a_form, a_shipment, an_order
from tests.unit.workflow.kept import shipments_of

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def acting(
    order: Order,
    name: str,
    configuration: Configuration = DEFAULT,
    *,
    shipment: int | None = None,
    **properties: str,
) -> Finished:
    step = WorkflowStep.model_validate(
        {"name": name, "properties": [{"key": key, "value": properties[key]} for key in properties]}
    )
    run = Run(
        id="r", command_id="c", status="New", shipment=shipment, since=NOW, user="u", origin="o"
    )
    outcome = act(Context(order, run, step, NOW, configuration))
    assert isinstance(outcome, Finished)
    return outcome


def shipped_by(*methods: str, **form: object) -> Order:
    shipments = [
        a_shipment(shipment_id=str(place), shipping_method_name=method, warehouse_code="WebShop")
        for place, method in enumerate(methods, 1)
    ]
    return an_order(order_form=a_form(shipments=shipments, **form))


def sent_to(postal_code: str) -> Order:
    (shipment,) = shipments_of(shipped_by("Home"))
    assert shipment.address is not None
    address = shipment.address.model_copy(update={"postal_code": postal_code})
    shipment = shipment.model_copy(update={"address": address})
    return an_order(order_form=a_form(shipments=[shipment]))


def warehouses(finished: Finished) -> list[str | None]:
    assert finished.order is not None
    return [one.warehouse_code for one in shipments_of(finished.order)]


class TestAllocateToWarehouse:
    def test_leaves_shipments_alone_that_go_by_a_method_to_skip(self) -> None:
        order = shipped_by("Home", "PickUp", "Store")

        done = acting(
            order, "AllocateToWarehouse", WarehouseCode="WH1", SkipForShipment="home, Store"
        )

        assert warehouses(done) == ["WebShop", "WH1", "WebShop"]

    @pytest.mark.parametrize(
        ("cart_id", "skips", "is_moved"),
        [("cart-1", "true", False), ("cart-1", "false", True), (None, "True", True)],
    )
    def test_leaves_an_order_alone_that_was_a_cart_where_it_is_told_to(
        self, cart_id: str | None, skips: str, is_moved: bool
    ) -> None:
        order = shipped_by("Home", cart_id=cart_id)

        done = acting(order, "AllocateToWarehouse", WarehouseCode="WH1", SkipForManualOrder=skips)

        assert (done.order is not None) is is_moved


class TestSetWarehouseBasedOnZip:
    @pytest.mark.parametrize(
        ("postal_code", "warehouse", "status"),
        [
            ("0150", "North", StepStatus.SUCCESS),
            ("1299", "North", StepStatus.SUCCESS),
            ("13 00", "South", StepStatus.SUCCESS),
            ("9999", "WebShop", StepStatus.WARNING),
            ("013", "WebShop", StepStatus.WARNING),
        ],
    )
    def test_goes_by_the_ranges_of_the_stores(
        self, postal_code: str, warehouse: str, status: StepStatus
    ) -> None:
        ranges = {"North": ("0001", "1299"), "South": ("1300", "4999")}
        stores = tuple(
            Store.model_validate({"storeId": name, "zipRanges": [{"from": low, "to": high}]})
            for name, (low, high) in ranges.items()
        )
        configuration = DEFAULT.model_copy(update={"stores": stores})

        done = acting(sent_to(postal_code), "SetWarehouseBasedOnZip", configuration)

        assert warehouses(done) == [warehouse]
        assert done.status is status


def test_enrich_shipment_label_takes_the_markets_where_there_is_none() -> None:
    option = ShippingOption(shipping_method_name="Home", shipping_label="HOME-A")
    market = Market(market_id="NOR", shipping_options=(option,))
    configuration = DEFAULT.model_copy(update={"markets": (market,)})

    done = acting(shipped_by("home", "PickUp"), "EnrichShipmentLabel", configuration)

    assert done.order is not None
    assert [one.shipping_label for one in shipments_of(done.order)] == ["HOME-A", None]


def test_set_ready_for_pickup_date_says_until_when_the_goods_wait_where_they_are_collected() -> (
    None
):
    stores = (
        Store(store_id="WebShop", pickup_deadline_hours=1),
        Store(store_id="Bergen", pickup_deadline_hours=48),
        Store(store_id="Oslo"),
    )
    configuration = DEFAULT.model_copy(update={"stores": stores})
    (shipment,) = shipments_of(shipped_by("Store"))
    found = []

    for place in ("Bergen", "Oslo", None):
        collected = shipment.model_copy(update={"pick_up_warehouse_code": place})
        order = an_order(order_form=a_form(shipments=[collected]), store_id="WebShop")
        done = acting(order, "SetReadyForPickupDate", configuration)
        assert done.order is not None
        assert done.order.ready_for_pickup == NOW
        found.append(done.order.customer_pickup_deadline)

    assert found == [NOW.replace(day=22), None, NOW.replace(hour=16)]


@pytest.mark.parametrize(
    ("currency", "owed", "status"),
    [
        ("NOK", "0.004", StepStatus.SUCCESS),
        ("NOK", "0.005", StepStatus.ERROR),
        ("JPY", "0.4", StepStatus.SUCCESS),
        ("KWD", "0.004", StepStatus.ERROR),
        ("NOK", "-1", StepStatus.SUCCESS),
    ],
)
def test_verify_completely_paid_minds_no_rest_below_the_currencys_smallest_amount(
    currency: str, owed: str, status: StepStatus
) -> None:
    order = an_order(billing_currency=currency, remaining_payment=Decimal(owed))

    assert acting(order, "VerifyCompletelyPaid").status is status


@pytest.mark.parametrize(
    ("provider", "status"),
    [("erp", StepStatus.SUCCESS), ("shop", StepStatus.ERROR), (None, StepStatus.SUCCESS)],
)
def test_validate_default_external_id_wants_one_of_the_types_provider(
    provider: str | None, status: StepStatus
) -> None:
    (kind, *others) = DEFAULT.order_types
    kind = kind.model_copy(update={"default_external_id_provider": provider})
    configuration = DEFAULT.model_copy(update={"order_types": (kind, *others)})
    order = an_order(external_ids=[ExternalId(id="7", provider_name="erp")])

    assert acting(order, "ValidateDefaultExternalId", configuration).status is status


class TestStops:
    @pytest.mark.parametrize(
        ("members", "stops"),
        [
            ({}, False),
            ({"properties": [{"key": "RequireAll", "value": "True"}]}, True),
            ({"properties": [{"key": "RequireAll", "value": "no"}]}, False),
            (
                {"properties": [{"key": "RequireAll", "value": "true"}], "stop_on_error": False},
                False,
            ),
        ],
    )
    def test_a_reservation_of_all_or_nothing_cancels_unless_the_settings_say_otherwise(
        self, members: dict[str, object], stops: bool
    ) -> None:
        step = WorkflowStep.model_validate({"name": "IncreaseReservedInventory", **members})

        assert Planned(step).stops(StepStatus.ERROR) is stops
        assert not Planned(step).stops(StepStatus.WARNING)
