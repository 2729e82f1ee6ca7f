"""What documents say: texts of an order in the language of its market."""

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.return_form import ReturnForm
from contracts.settings import DEFAULT, Configuration, ShippingOption
from services.api.entrypoints.documents.content import Sheet, UnknownShipment, sheet
from services.api.entrypoints.documents.content.hand import printed
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order

LOGO = "data:image/png;base64,iVBORw0KGgo="


def a_priced_line(**changes: object) -> OrderLine:
    """2 x 499.00 with 25 % of tax, calculated."""
    amounts = {
        "placed_price_excl_tax": Decimal("399.20"),
        "extended_price": Decimal("998.00"),
        "extended_price_excl_tax": Decimal("798.40"),
        "tax_total": Decimal("199.60"),
    }
    return a_line(**(amounts | changes))


def a_priced_order(**changes: object) -> Order:
    """The reference order, calculated: its line, and shipping for 100.00."""
    line = a_priced_line()
    shipment = a_shipment(
        line_items=[line],
        sub_total=Decimal(998),
        shipping_total=Decimal(100),
        shipping_tax=Decimal(20),
        tax_total=Decimal("219.60"),
        total=Decimal(1098),
    )
    form = a_form(
        line_items=[line],
        shipments=[shipment],
        sub_total=Decimal(998),
        sub_total_excl_tax=Decimal("798.40"),
        shipping_total=Decimal(100),
        tax_total=Decimal("219.60"),
        total=Decimal(1098),
        total_excl_tax=Decimal("878.40"),
        authorized_payment_total=Decimal(998),
    )
    return an_order(**({"order_form": form, "remaining_payment": Decimal(100)} | changes))


def english(**settings: object) -> Configuration:
    """The shipped configuration with a market that reads English, and these order settings."""
    markets = [market.model_copy(update={"language": "en"}) for market in DEFAULT.markets]
    order_settings = DEFAULT.order_settings.model_copy(update=settings)
    changes = {"markets": markets, "orderSettings": order_settings}
    return Configuration.model_validate(DEFAULT.model_dump() | changes)


def written(order: Order, **settings: object) -> Sheet:
    return sheet(order, english(**settings))


class TestSheet:
    def test_says_what_the_example_of_the_order_reference_says(self) -> None:
        said = written(a_priced_order())

        (line,) = said.lines
        assert (line.code, line.name) == ("SKU-001", "Product A")
        assert (line.quantity, line.price, line.tax, line.amount) == ("2", "499.00", "25", "998.00")
        assert line.discount == ""
        assert said.totals == [
            ("subTotal", "998.00"),
            ("shippingTotal", "100.00"),
            ("total", "1,098.00"),
            ("includedTax", "219.60"),
        ]
        assert [(one.rate, one.net, one.tax, one.gross) for one in said.taxes] == [
            ("25", "878.40", "219.60", "1,098.00")
        ]
        assert said.payments == [("authorized", "998.00"), ("remaining", "100.00")]
        assert dict(said.facts)["order"] == "ORD-2024-000001"
        assert dict(said.facts)["paymentMethod"] == "Klarna"
        assert said.delivery == ["Ola Nordmann", "Storgata 1", "0159 Oslo", "NO"]

    def test_is_written_as_the_market_writes_and_dated_as_the_store_dates(self) -> None:
        late = datetime(2024, 11, 20, 23, 30, tzinfo=UTC)
        order = a_priced_order(market_id="NOR", store_id="Oslo", created=late)

        said = sheet(order, DEFAULT)

        assert said.language == "nb"
        assert dict(said.totals)["total"] == "1\N{NO-BREAK SPACE}098,00"
        assert dict(said.facts)["date"] == "21.11.2024"

    def test_is_english_where_the_words_of_the_market_are_not_known(self) -> None:
        said = [sheet(a_priced_order(market_id=id_), DEFAULT).language for id_ in ("FIN", "XYZ")]

        assert said == ["en", "en"]

    def test_has_the_decimals_of_the_currency(self) -> None:
        line = a_priced_line(placed_price=Decimal("499.125"), extended_price=Decimal(998))
        form = a_form(line_items=[line], total=Decimal(998))

        said = written(an_order(order_form=form, billing_currency="JPY"))

        assert dict(said.totals)["total"] == "998"
        assert (said.lines[0].price, said.lines[0].discount) == ("499.125", "0")

    def test_leaves_out_what_was_cancelled(self) -> None:
        some = a_priced_line(line_item_id="1", canceled_quantity=Decimal(1))
        gone = a_priced_line(line_item_id="2", canceled_quantity=Decimal(2))

        said = written(an_order(order_form=a_form(line_items=[some, gone])))

        assert [line.quantity for line in said.lines] == ["1"]

    def test_shows_what_a_line_is_cheaper_by(self) -> None:
        line = a_priced_line(extended_price=Decimal("898.20"))

        said = written(an_order(order_form=a_form(line_items=[line])))

        assert (said.lines[0].discount, said.lines[0].amount) == ("99.80", "898.20")

    @pytest.mark.parametrize(
        ("hidden", "notes"), [(False, ["T-skjorte", "Blue, M"]), (True, ["Blue, M"])]
    )
    def test_hides_alternative_names_and_tags_if_the_settings_say_so(
        self, hidden: bool, notes: list[str]
    ) -> None:
        line = a_priced_line(alternative_product_name="T-skjorte", color="Blue", size="M")
        order = an_order(order_form=a_form(line_items=[line]), tags=["vip"])

        said = written(
            order,
            is_alternative_name_hidden_on_receipts=hidden,
            is_tags_hidden_on_receipts=hidden,
        )

        assert said.lines[0].notes == notes
        assert ("tags" in dict(said.facts)) is not hidden

    def test_is_without_tax_if_the_settings_say_so(self) -> None:
        said = written(
            a_priced_order(), show_order_lines_ex_tax=True, show_order_totals_ex_tax=True
        )

        assert (said.net, said.lines[0].price, said.lines[0].amount) == (True, "399.20", "798.40")
        assert said.totals == [
            ("subTotal", "798.40"),
            ("shippingTotal", "80.00"),
            ("totalNet", "878.40"),
            ("taxTotal", "219.60"),
            ("total", "1,098.00"),
        ]

    def test_has_no_tax_table_where_there_is_no_tax(self) -> None:
        line = a_priced_line(tax_rate=None, tax_total=Decimal(0))
        market = {"marketId": "NOR", "defaultTaxRate": 25, "isTaxExcluded": True}
        order = an_order(order_form=a_form(line_items=[line], shipments=[]), market_id="NOR")

        said = sheet(order, Configuration.model_validate({"markets": [market]}))

        assert (said.taxes, said.lines[0].tax) == ([], "0")

    def test_is_about_one_shipment_alone_if_it_is_asked_for(self) -> None:
        said = sheet(a_priced_order(), english(), "1")

        assert [line.code for line in said.lines] == ["SKU-001"]
        assert dict(said.totals)["total"] == "1,098.00"
        assert said.payments == []

    def test_knows_no_shipment_that_is_not_there(self) -> None:
        with pytest.raises(UnknownShipment):
            sheet(a_priced_order(), english(), "7")

    def test_dates_an_invoice_by_the_payment_that_names_it(self) -> None:
        created = datetime(2024, 11, 20, tzinfo=UTC)
        paid = a_payment(invoice_id="F-17", created=created)
        order = a_priced_order(
            order_form=a_form(payments=[paid]), payment_terms_net=14, invoice_comment="Thanks"
        )

        said = written(order, is_invoice_original=True)

        assert said.invoice == [
            ("invoiceNumber", "F-17"),
            ("invoiceDate", "2024-11-20"),
            ("dueDate", "2024-12-04"),
        ]
        assert (said.original, said.comment) == (True, "Thanks")

    @pytest.mark.parametrize("days", [2**31 - 1, -(2**31)])
    def test_has_no_due_date_that_no_calendar_has(self, days: int) -> None:
        order = a_priced_order(
            created=datetime(9999, 12, 31, 23, 59, tzinfo=UTC), payment_terms_net=days
        )

        said = sheet(order.model_copy(update={"store_id": "Oslo"}), english())

        assert "dueDate" not in dict(said.invoice)
        assert dict(said.facts)["date"] == "9999-12-31"

    def test_says_what_came_back(self) -> None:
        line = a_priced_line(return_quantity=Decimal(1), return_reason="Too small")
        back = ReturnForm.model_validate(
            {"return_id": "R-1", "line_items": [line], "total": 499, "credit_amount": 450}
        )

        said = written(a_priced_order(return_order_forms=[back], net_total=Decimal(599)))

        (one,) = said.returns
        assert [(line.quantity, line.reason) for line in one.lines] == [("1", "Too small")]
        assert one.totals == [("total", "499.00"), ("creditAmount", "450.00")]
        assert dict(said.totals)["returnedTotal"] == "-499.00"
        assert dict(said.totals)["netTotal"] == "599.00"

    @pytest.mark.parametrize(
        ("store", "market", "shown"), [(LOGO, None, LOGO), (None, LOGO, LOGO), (None, None, None)]
    )
    def test_has_the_logo_of_the_store_or_else_of_the_market(
        self, store: str | None, market: str | None, shown: str | None
    ) -> None:
        members: dict[str, Any] = {
            "stores": [{"storeId": "Oslo", "logo": store}],
            "markets": [{"marketId": "NOR", "logo": market}],
        }
        order = a_priced_order(store_id="Oslo", market_id="NOR")

        said = sheet(order, Configuration.model_validate(members))

        assert said.logo == shown

    def test_survives_an_order_of_which_nothing_is_known(self) -> None:
        said = written(Order(id="1", market_id="", store_id="Nowhere"))

        assert (said.lines, said.taxes, said.payments) == ([], [], [])
        assert said.seller == ["Nowhere"]


CENTS = st.decimals(-100_000, 100_000, places=2)


@st.composite
def taxed_lines(draw: st.DrawFn) -> list[OrderLine]:
    rates = draw(st.lists(st.sampled_from([None, 0, 12, 15, Decimal("25.5")]), max_size=8))
    return [
        a_priced_line(
            line_item_id=str(place),
            tax_rate=rate,
            extended_price=draw(CENTS),
            tax_total=draw(CENTS),
        )
        for place, rate in enumerate(rates)
    ]


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


class TestTaxTable:
    def test_has_shipping_at_the_rate_of_its_method(self) -> None:
        home = ShippingOption(shipping_method_name="Home", tax_rate=Decimal(12))
        configuration = english()
        markets = tuple(
            one.model_copy(update={"shipping_options": (home,)}) for one in configuration.markets
        )
        configuration = configuration.model_copy(update={"markets": markets})
        shipment = a_shipment(
            shipping_method_name="home", shipping_total=Decimal(112), shipping_tax=Decimal(12)
        )
        form = a_form(line_items=[], shipments=[shipment])

        (row,) = sheet(an_order(order_form=form), configuration).taxes

        assert (row.rate, row.net, row.tax, row.gross) == ("12", "100.00", "12.00", "112.00")

    @hypothesis_settings(deadline=None)
    @given(lines=taxed_lines(), handling=CENTS, order_tax=CENTS)
    def test_adds_up_to_what_is_paid(
        self, lines: list[OrderLine], handling: Decimal, order_tax: Decimal
    ) -> None:
        form = a_form(
            line_items=lines, shipments=[], handling_total=handling, order_level_tax=order_tax
        )

        rows = written(an_order(order_form=form)).taxes

        gross = sum((line.extended_price or Decimal(0) for line in lines), handling + order_tax)
        tax = sum((line.tax_total or Decimal(0) for line in lines), order_tax)
        by_rate: defaultdict[Decimal | None, Decimal] = defaultdict(Decimal)
        for line in lines:
            by_rate[line.tax_rate or None] += line.tax_total or Decimal(0)
        is_taxed = order_tax or any(by_rate.values())
        told = [sum(number(row.gross) for row in rows), sum(number(row.tax) for row in rows)]
        assert told == ([gross, tax] if is_taxed else [0, 0])
        for row in rows:
            assert number(row.net) + number(row.tax) == number(row.gross)
        assert len({row.rate for row in rows}) == len(rows)


class TestLogo:
    @pytest.mark.parametrize(
        "logo",
        [
            "https://example.com/logo.png",
            "data:text/html;base64,AAAA",
            f"{LOGO}'/><script>",
            LOGO[:22],
        ],
    )
    def test_is_an_image_that_the_settings_themselves_hold(self, logo: str) -> None:
        with pytest.raises(ValidationError):
            Configuration.model_validate({"markets": [{"marketId": "NOR", "logo": logo}]})


class TestText:
    def test_may_be_broken_inside_a_word_that_is_too_long(self) -> None:
        word = printed("W" * 50)

        assert max(map(len, word.split("\N{ZERO WIDTH SPACE}"))) <= 20
        assert word.replace("\N{ZERO WIDTH SPACE}", "") == "W" * 50

    def test_is_not_endless(self) -> None:
        assert len(printed("a b " * 8_000)) == 1_000
