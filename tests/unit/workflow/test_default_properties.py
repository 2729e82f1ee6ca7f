"""Properties that new orders and lines have by default."""

from contracts.note import PropertyItem
from contracts.settings import DEFAULT, DefaultProperty, OrderLineSettings, OrderSettings
from services.workflow.domain.default_properties import with_default_properties
from tests.builders import a_form, a_line, a_shipment, an_order

CHANNEL = DefaultProperty(key="Channel", value="web", data_type="String")
ENGRAVING = DefaultProperty(key="Engraving", key_group="Gift", value="none")
SETTINGS = OrderSettings(
    default_properties=(CHANNEL,),
    order_line_settings=OrderLineSettings(default_properties=(ENGRAVING,)),
)


class TestDefaultProperties:
    def test_are_added_to_the_order_and_to_each_line(self) -> None:
        order = an_order(order_form=a_form(shipments=[a_shipment(line_items=[a_line()])]))

        found = with_default_properties(order, SETTINGS)

        [item] = found.properties or []
        assert (item.key, item.value, item.value_type) == ("Channel", "web", "String")
        form = found.order_form
        assert form is not None
        [shipment] = form.shipments or []
        for line in (*(form.line_items or ()), *(shipment.line_items or ())):
            [own] = line.properties or []
            assert (own.key, own.key_group, own.value) == ("Engraving", "Gift", "none")

    def test_never_replace_what_was_sent(self) -> None:
        sent = PropertyItem(key="CHANNEL", value="phone")
        other = PropertyItem(key="Engraving", value="of another group")
        order = an_order(
            properties=[sent], order_form=a_form(line_items=[a_line(properties=[other])])
        )

        found = with_default_properties(order, SETTINGS)

        assert found.properties == [sent]
        assert found.order_form is not None
        [line] = found.order_form.line_items or []
        assert [item.value for item in line.properties or ()] == ["of another group", "none"]

    def test_do_not_make_a_list_longer_than_it_may_be(self) -> None:
        full = [PropertyItem(key=str(number)) for number in range(250)]

        found = with_default_properties(an_order(properties=full), SETTINGS)

        assert found.properties == full

    def test_are_none_where_none_are_configured(self) -> None:
        order = an_order()

        assert with_default_properties(order, DEFAULT.order_settings) is order
