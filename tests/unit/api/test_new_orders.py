"""What the settings ask of a new order, and which service numbers it."""

from uuid import UUID

import pytest

from contracts.messages.orders import Numbering
from contracts.note import PropertyItem
from contracts.order import NewOrder
from contracts.settings import (
    DEFAULT,
    Configuration,
    DefaultProperty,
    Market,
    NumberOption,
    OrderLineSettings,
    OrderType,
)
from services.api.entrypoints.orders.number import following, number_option, unfit_number
from services.api.entrypoints.orders.validate import misfits
from tests.builders import a_form, a_line, a_shipment

COMMAND = UUID("11111111-1111-1111-1111-111111111111")
SEGMENT = DefaultProperty(key="Segment", is_required=True)
ORIGIN = DefaultProperty(key="Origin", is_required=True)


def an_order(**changes: object) -> NewOrder:
    return NewOrder.model_validate({"market_id": "NOR", "store_id": "Oslo"} | changes)


def with_settings(**changes: object) -> Configuration:
    settings = DEFAULT.order_settings.model_copy(update=changes)
    return DEFAULT.model_copy(update={"order_settings": settings})


class TestANewOrder:
    def test_may_name_places_that_nobody_knows(self) -> None:
        assert misfits(an_order(market_id="X", store_id="Y"), DEFAULT) == []

    def test_may_not_at_the_till_or_with_strict_references(self) -> None:
        order = an_order(market_id="X", store_id="Y")
        strict = with_settings(strict_references=True)

        refused = [
            misfits(order, DEFAULT, pos=True),
            misfits(order, strict),
            misfits(order, strict, imported=True),
        ]
        fine = misfits(an_order(store_id="oslo"), strict, pos=True)

        assert [[one.path for one in faults] for faults in refused] == [["marketId", "storeId"]] * 3
        assert fine == []

    def test_must_have_the_required_properties(self) -> None:
        lines = OrderLineSettings(default_properties=(ORIGIN,))
        settings = with_settings(default_properties=(SEGMENT,), order_line_settings=lines)
        here = PropertyItem(key="origin", value="NO")
        form = a_form(
            line_items=[a_line(properties=[here]), a_line(line_item_id="2")],
            shipments=[a_shipment(line_items=[a_line(), a_line(line_item_id="3")])],
        )
        order = an_order(order_form=form, properties=[PropertyItem(key="Segment", value=" ")])

        paths = [fault.path for fault in misfits(order, settings)]

        assert paths == [
            "properties",
            "orderForm.lineItems[1].properties",
            "orderForm.shipments[0].lineItems[1].properties",
        ]
        assert misfits(order, settings, imported=True) == []
        assert misfits(order, settings, pos=True) == []

    def test_lacks_nothing_that_has_a_default(self) -> None:
        settings = with_settings(default_properties=(SEGMENT.model_copy(update={"value": "all"}),))

        assert misfits(an_order(), settings) == []


def an_option(**changes: object) -> NumberOption:
    return NumberOption.model_validate({"number_type": "Order"} | changes)


class TestTheNumberService:
    def test_is_that_of_the_order_type(self) -> None:
        web = OrderType(name="Web", order_statuses=(), order_number_type="WebNumberOptions")
        other = OrderType(name="Other", order_statuses=(), order_number_type="None such")
        own, all_others = an_option(number_type="Web"), an_option()
        configuration = Configuration(
            order_types=(*DEFAULT.order_types, web, other), number_options=(all_others, own)
        )

        found = [
            number_option(an_order(order_type=name), configuration)
            for name in ("Web", "Online", None, "Other")
        ]

        assert found == [own, all_others, all_others, None]

    def test_is_that_of_the_market_then_of_its_group_then_of_all(self) -> None:
        options = {
            name: an_option(market_group_id=name) for name in ("NOR", "nordic", "baltic", None)
        }
        markets = (
            Market(market_id="NOR", market_group_id="Nordic"),
            Market(market_id="SWE", market_group_id="Nordic"),
            Market(market_id="DEU"),
        )
        everything = Configuration(markets=markets, number_options=tuple(options.values()))
        baltic = everything.model_copy(update={"number_options": (options["baltic"],)})

        found = [
            number_option(an_order(market_id=name), everything) for name in ("NOR", "SWE", "DEU")
        ]

        assert found == [options["NOR"], options["nordic"], options[None]]
        assert number_option(an_order(), baltic) == options["baltic"]
        assert number_option(an_order(), Configuration()) is None

    def test_makes_guids_that_a_repeat_makes_again(self) -> None:
        option = an_option(service="GuidNumberService", prefix="G-")

        bare = following(None, "NOR", command=COMMAND)
        own = following(option, "NOR", command=COMMAND)

        assert isinstance(bare, str)
        assert UUID(bare)
        assert own == f"G-{bare}"
        assert following(None, "NOR", command=COMMAND) == bare

    @pytest.mark.parametrize(
        ("changes", "sequence"),
        [
            ({}, "order"),
            ({"market_group_id": "Nordic"}, "order/nordic"),
            ({"service": "SequentialMarketNumberService"}, "order/nor"),
            ({"key": "Shared", "key_postfix": "2", "market_group_id": "Nordic"}, "shared2"),
        ],
    )
    def test_counts_in_a_sequence_of_its_own(
        self, changes: dict[str, object], sequence: str
    ) -> None:
        option = an_option(
            prefix="A", suffix="Z", start_sequence=5, increment_interval=2, **changes
        )

        found = following(option, "NOR", command=COMMAND)

        assert found == Numbering(sequence=sequence, prefix="A", suffix="Z", start=5, increment=2)

    def test_judges_a_number_that_the_order_brings(self) -> None:
        option = an_option(validation_regex=r"^\d+$")
        manual = an_option(is_auto_create_disabled=True)

        found = [
            [fault.path for fault in unfit_number(an_order(order_number=sent), given)]
            for sent, given in (
                ("12", option),
                ("twelve", option),
                (None, option),
                (None, manual),
                ("12", manual),
                ("twelve", None),
            )
        ]

        assert found == [[], ["orderNumber"], [], ["orderNumber"], [], []]
