"""From an order to its sheet."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from contracts.money import exponent
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.party import Address
from contracts.payment import Payment
from contracts.return_form import ReturnForm
from contracts.settings import Configuration, Market
from contracts.shipment import Shipment
from services.api.entrypoints.documents.content.amounts import payments, some, taxes, totals
from services.api.entrypoints.documents.content.extent import extent
from services.api.entrypoints.documents.content.hand import (
    LONGEST_OF_LINE,
    Hand,
    address,
    code,
    language,
    printed,
    zone,
)
from services.api.entrypoints.documents.content.sheet import Fact, Line, Part, Return, Sheet

ZERO: Final = Decimal(0)
_NARROW: Final = 40
"""Characters of what stands in a column that is as wide as what is in it."""
_NO_MARKET: Final = Market(market_id="none")
"""Stands in for a market that is not configured: no tax, no language, no names."""
_COUNTED: Final = frozenset({"Processed", "Paid", "Approved"})
"""Statuses of the payments that count (domain 6.4)."""


def sheet(order: Order, configuration: Configuration, shipment_id: str | None = None) -> Sheet:
    """Return what documents say about this order, or about one shipment of it.

    :raises UnknownShipment: if the order has no such shipment
    """
    return _Writer(order, configuration, shipment_id).sheet()


class _Writer:
    """Knows the order's market, its store and the settings."""

    def __init__(self, order: Order, configuration: Configuration, shipment: str | None) -> None:
        self._order = order
        self._configuration = configuration
        self._settings = configuration.order_settings
        self._market = configuration.market(order.market_id) or _NO_MARKET
        self._store = store = configuration.store(order.store_id)
        self._currency = order.billing_currency or self._market.currency or ""
        self._hand = Hand(
            language(self._market.language),
            exponent(self._currency),
            zone(store.time_zone if store else None),
        )
        self._extent = extent(order.order_form or OrderForm(), shipment)

    def sheet(self) -> Sheet:
        order, settings, about, hand = self._order, self._settings, self._extent, self._hand
        store = self._store
        billing = address(order.billing_address, order.customer_name)
        others = (address(one.address) for one in about.shipments if one.address)
        return Sheet(
            language=hand.language.code,
            number=printed(order.order_number or order.id),
            currency=self._currency,
            logo=(store.logo if store else None) or self._market.logo,
            seller=self._seller(),
            billing=billing,
            delivery=next(others, billing),
            facts=list(self._facts()),
            invoice=list(self._invoice()),
            original=settings.is_invoice_original,
            net=settings.show_order_lines_ex_tax,
            comment=printed(order.invoice_comment) if order.invoice_comment else None,
            terms=(
                printed(settings.default_exchange_terms)
                if settings.default_exchange_terms
                else None
            ),
            lines=self._lines(about.lines),
            shipments=[self._part(one) for one in about.shipments],
            returns=[self._return(one) for one in order.return_order_forms or ()],
            totals=list(totals(order, about, hand, net=settings.show_order_totals_ex_tax)),
            taxes=taxes(about, self._rate, self._market.shipping_tax_rates, hand),
            payments=list(payments(order, about, hand)),
        )

    def _seller(self) -> list[str]:
        store = self._store
        if store is None:
            return [printed(self._order.store_id)]
        found = store.address or Address()
        contact = (found.organizational_number, found.email, found.daytime_phone_number)
        lines = (store.name or store.store_id, *address(found), *filter(None, contact))
        return [printed(line) for line in dict.fromkeys(lines)]

    def _facts(self) -> Iterator[Fact]:
        order, about = self._order, self._extent
        tags = () if self._settings.is_tags_hidden_on_receipts else order.tags or ()
        paid = (one for one in about.form.payments or () if one.status in _COUNTED)
        methods = (self._shipping_name(one) for one in about.shipments)
        return _known(
            ("order", order.order_number or order.id),
            ("date", self._hand.date(order.created)),
            ("customer", order.customer_name),
            ("customerNumber", order.customer_number or order.customer_id),
            ("customerReference", order.customer_reference),
            ("requisition", order.customer_requisition),
            ("salesPerson", order.sales_person_name),
            ("paymentMethod", ", ".join(dict.fromkeys(map(self._payment_name, paid)))),
            ("shippingMethod", ", ".join(dict.fromkeys(filter(None, methods)))),
            ("requestedDelivery", self._hand.date(order.requested_delivery_date)),
            ("tags", ", ".join(tags)),
        )

    def _invoice(self) -> Iterator[Fact]:
        """Return number, date and due date: those of the payment that names an invoice, if any."""
        order = self._order
        paid = self._extent.form.payments or ()
        invoiced = next((one for one in paid if one.invoice_id), None)
        moment = (invoiced.created if invoiced else None) or order.completed or order.created
        due = None if order.payment_terms_net is None else _later(moment, order.payment_terms_net)
        return _known(
            ("invoiceNumber", invoiced.invoice_id if invoiced else order.order_number or order.id),
            ("invoiceDate", self._hand.date(moment)),
            ("dueDate", self._hand.date(due)),
        )

    def _part(self, shipment: Shipment) -> Part:
        warehouse = self._configuration.store(shipment.warehouse_code)
        packages = len(shipment.packages or ())
        facts = _known(
            ("shippingMethod", self._shipping_name(shipment)),
            ("warehouse", (warehouse.name if warehouse else None) or shipment.warehouse_code),
            ("tracking", shipment.shipment_tracking_number),
            ("expectedDelivery", self._hand.date(shipment.expected_delivery_date)),
            ("packages", str(packages) if packages else None),
            ("comment", shipment.comment),
        )
        return Part(
            id=printed(shipment.shipment_id or ""),
            facts=list(facts),
            address=address(shipment.address),
            lines=self._lines(shipment.line_items or ()),
        )

    def _return(self, form: ReturnForm) -> Return:
        facts = _known(
            ("date", self._hand.date(form.created)),
            ("rmaNumber", form.rma_number),
            ("returnType", form.return_type),
            ("comment", form.return_comment),
        )
        charges = sum((one.amount or ZERO for one in form.return_charges or ()), ZERO)
        return Return(
            id=printed(form.return_id or ""),
            facts=list(facts),
            lines=[
                self._line(line, line.return_quantity or line.quantity or ZERO)
                for line in form.line_items or ()
            ],
            totals=[
                *some(self._hand, ("shippingTotal", form.shipping_credited_total)),
                *some(self._hand, ("charges", charges)),
                ("total", self._hand.amount(form.total)),
                *some(self._hand, ("creditAmount", form.credit_amount)),
            ],
        )

    def _payment_name(self, payment: Payment) -> str:
        option = self._market.payment_option(payment.payment_method_name)
        return (option.display_name if option else None) or payment.payment_method_name

    def _shipping_name(self, shipment: Shipment) -> str | None:
        option = self._market.shipping_option(shipment.shipping_method_name)
        shown = option.display_name if option else None
        return shipment.shipping_label or shown or shipment.shipping_method_name

    def _lines(self, lines: Iterable[OrderLine]) -> list[Line]:
        """Return the lines of which something is left after what was cancelled."""
        left = (
            (line, (line.quantity or ZERO) - (line.canceled_quantity or ZERO)) for line in lines
        )
        return [self._line(line, units) for line, units in left if units or not line.quantity]

    def _line(self, line: OrderLine, units: Decimal) -> Line:
        is_net, hand = self._settings.show_order_lines_ex_tax, self._hand
        price = line.placed_price_excl_tax if is_net else line.placed_price
        amount = line.extended_price_excl_tax if is_net else line.extended_price
        # Of amounts without tax the difference may be rounding alone.
        is_cheaper = (line.placed_price or ZERO) * units > (line.extended_price or ZERO)
        off = (price or ZERO) * units - amount if is_cheaper and amount is not None else ZERO
        return Line(
            code=code(line.code or line.product_id or ""),
            name=printed(line.display_name or line.code or line.line_item_id, LONGEST_OF_LINE),
            notes=self._notes(line),
            quantity=hand.number(units),
            unit=printed(line.unit or "", _NARROW),
            location=printed(line.internal_warehouse_location or "", _NARROW),
            reason=printed(line.return_reason or "", LONGEST_OF_LINE),
            price=hand.amount(price),
            discount=hand.amount(hand.rounded(off)) if off > ZERO else "",
            tax=hand.number(self._rate(line.tax_rate)),
            amount=hand.amount(amount),
        )

    def _notes(self, line: OrderLine) -> list[str]:
        is_hidden = self._settings.is_alternative_name_hidden_on_receipts
        other = None if is_hidden else line.alternative_product_name
        look = ", ".join(filter(None, (line.color, line.size)))
        found = (other, look, line.serial_number)
        return [printed(one, LONGEST_OF_LINE) for one in found if one]

    def _rate(self, rate: Decimal | None) -> Decimal:
        """Return a rate in percent; absent means the market's, whose prices may have no tax."""
        if self._market.is_tax_excluded:
            return ZERO
        return self._market.default_tax_rate if rate is None else rate


def _known(*entries: tuple[str, str | None]) -> Iterator[Fact]:
    return ((word, printed(value)) for word, value in entries if value)


def _later(moment: datetime | None, days: int) -> datetime | None:
    try:
        return None if moment is None else moment + timedelta(days=days)
    except OverflowError:
        return None  # a term of payment that no calendar has
