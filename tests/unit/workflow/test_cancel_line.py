"""Cancelling lines and units of them: how many can be, where, and what follows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.inventory import KeptUnits, ReleaseStock, ReleaseUnits
from contracts.messages.notifications import SendNotification
from contracts.messages.orders import (
    CancelOrderLine,
    CancelOrderLines,
    OrderCancelled,
    OrderLineCancelled,
    OrderStatusChanged,
    RunTimedOut,
    StepFinished,
    StepStatus,
)
from contracts.order import Order
from contracts.order_line import OrderLine
from contracts.settings import DEFAULT, Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.calculate import calculate
from services.workflow.domain.cancel_line import cancel_line, cancel_lines
from services.workflow.domain.cancel_order import more_cancelled
from services.workflow.domain.cancel_units import cancel_units, cancellable
from services.workflow.domain.change import pricing
from services.workflow.domain.events import conclude
from services.workflow.domain.finish_step import RunOver, finish_step, run_timed_out
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_line, a_shipment, an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAUSE = Cause(UUID(int=5), str(UUID(int=5)), 3, size=200)
ALL_OR_NOTHING: Configuration = DEFAULT.model_copy(
    update={
        "order_settings": DEFAULT.order_settings.model_copy(
            update={"cancel_order_if_all_line_items_cancelled": True}
        )
    }
)


def stored(*lines: OrderLine, **changes: object) -> OrderDocument:
    """Return an order with these lines, all in one shipment, as it is stored."""
    shipment = a_shipment(line_items=list(lines))
    form = a_form(line_items=list(lines), shipments=[shipment], payments=None)
    order = an_order(**{"status": "New", "order_type": "Online", "order_form": form} | changes)
    return OrderDocument(id=order.id, order=priced(order), version=1)


def priced(order: Order) -> Order:
    return calculate(order, pricing(order, DEFAULT))


def in_pieces(*pieces: OrderLine, **members: object) -> Order:
    """Return an order whose line 1 is in so many shipments, as these pieces."""
    shipments = [
        a_shipment(shipment_id=str(number), line_items=[piece])
        for number, piece in enumerate(pieces, 1)
    ]
    whole = a_line(quantity=sum(piece.quantity or 0 for piece in pieces), **members)
    return priced(an_order(order_form=a_form(line_items=[whole], shipments=shipments)))


def cancelling(
    document: OrderDocument | None,
    *ids: str,
    configuration: Configuration = DEFAULT,
    by_mail: bool = False,
) -> Progress:
    command = CancelOrderLines(
        order_id="ORD-2024-000001",
        line_item_ids=ids,
        send_notifications=by_mail,
        user="shop",
        origin="POST …",
    )
    return cancel_lines(document, command, CAUSE, now=NOW, configuration=configuration)


def cancelling_one(
    document: OrderDocument | None, id_: str = "1", *, by_mail: bool = False
) -> Progress:
    command = CancelOrderLine(
        order_id="ORD-2024-000001",
        line_item_id=id_,
        send_notifications=by_mail,
        user="shop",
        origin="POST …",
    )
    return cancel_line(document, command, CAUSE, now=NOW, configuration=DEFAULT)


def lines_of(order: Order) -> Mapping[str, OrderLine]:
    assert order.order_form is not None
    return {line.line_item_id: line for line in order.order_form.line_items or ()}


def pieces_of(order: Order) -> list[OrderLine]:
    assert order.order_form is not None
    return [line for one in order.order_form.shipments or () for line in one.line_items or ()]


class TestCancellingALine:
    def test_cancels_what_is_neither_delivered_nor_cancelled(self) -> None:
        line = a_line(quantity=5, delivered_quantity=2, canceled_quantity=1)

        progress = cancelling_one(stored(line))

        after = lines_of(progress.document.order)["1"]
        assert after.canceled_quantity == 3
        assert after.delivered_quantity == 2
        assert after.canceled_date == NOW
        assert after.original_extended_price_per_unit == 499
        assert after.extended_price == 998
        assert not progress.is_unchanged

    def test_gives_back_no_more_stock_than_the_line_holds_too_much(self) -> None:
        whole = a_line(quantity=5, reserved_inventory_quantity=5)
        partly = a_line(line_item_id="2", quantity=5, delivered_quantity=3)
        partly = partly.model_copy(update={"reserved_inventory_quantity": Decimal(2)})

        all_of_it = cancelling_one(stored(whole))
        what_is_left = cancelling_one(stored(partly), "2")

        (released,) = all_of_it.messages
        assert isinstance(released, ReleaseUnits)
        kept = KeptUnits(line_item_id="1", shipment_id="1", quantity=Decimal(0))
        assert released.lines == (kept,)
        assert lines_of(all_of_it.document.order)["1"].reserved_inventory_quantity == 0
        assert lines_of(what_is_left.document.order)["2"].reserved_inventory_quantity == 2

    @pytest.mark.parametrize(
        ("line", "slug"),
        [
            (a_line(quantity=2, delivered_quantity=2), "order-line-not-cancellable"),
            (a_line(quantity=2, canceled_quantity=2), "order-line-not-cancellable"),
            (a_line(is_read_only=True), "order-line-read-only"),
            (a_line(line_item_id="2"), "order-line-not-found"),
        ],
    )
    def test_is_refused_where_nothing_can_be_cancelled(self, line: OrderLine, slug: str) -> None:
        with pytest.raises(Refused) as refused:
            cancelling_one(stored(line))

        assert refused.value.problem.slug == slug

    def test_writes_to_the_customer_what_it_was_worth(self) -> None:
        document = stored(a_line(), a_line(line_item_id="2", quantity=3, placed_price=10))

        progress = cancelling_one(document, "2", by_mail=True)

        (mail,) = (one for one in progress.messages if isinstance(one, SendNotification))
        assert mail.template == "cancelledlines"
        assert [(int(one.quantity), int(one.total)) for one in mail.lines] == [(3, 30)]

    @pytest.mark.parametrize(
        ("names", "told"),
        [
            ({"display_name": "Shoe", "code": "S"}, "Shoe"),
            ({"display_name": None, "code": "S"}, "S"),
            ({"display_name": None, "code": None}, "1"),
        ],
    )
    def test_names_to_the_customer_what_is_cancelled(
        self, names: dict[str, str | None], told: str
    ) -> None:
        document = stored(a_line().model_copy(update=names))

        progress = cancelling_one(document, by_mail=True)

        (mail,) = (one for one in progress.messages if isinstance(one, SendNotification))
        assert [one.name for one in mail.lines] == [told]

    def test_says_on_the_order_that_nobody_was_told_where_that_is_switched_off(self) -> None:
        document = stored(a_line(), is_notifications_disabled=True)

        progress = cancelling_one(document, by_mail=True)

        assert not [one for one in progress.messages if isinstance(one, SendNotification)]
        assert progress.document.order.errors is not None
        assert progress.document.order.errors[-1].severity == "Warning"


class TestCancellingLines:
    def test_leaves_out_those_of_which_nothing_is_left_and_counts_the_others(self) -> None:
        done = a_line(line_item_id="2", delivered_quantity=2)
        bound = a_line(line_item_id="3", is_read_only=True)

        progress = cancelling(stored(a_line(), done, bound), "1", "2", "3", "4", "1")

        cancelled = {
            id_: x.canceled_quantity for id_, x in lines_of(progress.document.order).items()
        }
        assert cancelled["1"] == 2
        assert not cancelled["2"]
        assert not cancelled["3"]
        assert progress.shape == "number 1"

    def test_of_which_none_can_be_cancelled_changes_nothing(self) -> None:
        progress = cancelling(stored(a_line(delivered_quantity=2)), "1")

        assert (progress.is_unchanged, progress.shape) == (True, "number 0")

    def test_of_which_none_can_be_cancelled_writes_to_nobody(self) -> None:
        progress = cancelling(stored(a_line(delivered_quantity=2)), "1", by_mail=True)

        assert progress.messages == []

    def test_enters_the_cancelled_status_with_the_last_line(self) -> None:
        document = stored(a_line(), a_line(line_item_id="2"))

        first = cancelling(document, "1", configuration=ALL_OR_NOTHING)
        last = cancelling(first.document, "2", configuration=ALL_OR_NOTHING)

        assert first.document.order.status == "New"
        assert last.document.run is not None
        assert (last.document.run.status, last.document.run.shape) == ("OrderCanceled", "number 1")

    def test_tells_both_when_the_run_has_ended(self) -> None:
        document = stored(a_line(reserved_inventory_quantity=2))
        progress = cancelling(document, "1", configuration=ALL_OR_NOTHING)
        while (run := progress.document.run) is not None:
            finished = StepFinished(
                order_id=document.id,
                run_id=run.id,
                step=run.position,
                status=StepStatus.SUCCESS,
            )
            kinds = [type(one) for one in progress.messages]
            assert kinds in ([ReleaseUnits, ReleaseStock], [SendNotification], [])
            progress = finish_step(
                progress.document, finished, now=NOW, configuration=ALL_OR_NOTHING
            )
        assert progress.ended is not None

        _, told = conclude(
            progress,
            progress.ended,
            before=document.order,
            now=NOW,
            configuration=ALL_OR_NOTHING,
            seed="abcdef",
        )

        assert [type(one.event) for one in told] == [
            OrderStatusChanged,
            OrderCancelled,
            OrderLineCancelled,
        ]


class TestCancellingUnits:
    def test_takes_them_where_nothing_is_delivered_yet(self) -> None:
        order = in_pieces(
            a_line(quantity=2),
            a_line(quantity=3, delivered_quantity=2),
            delivered_quantity=2,
        )

        after = priced(cancel_units(order, {"1": Decimal(3)}, now=NOW, shipment_id="2"))

        first, second = pieces_of(after)
        assert [first.canceled_quantity, first.delivered_quantity] == [2, 0]
        assert [second.canceled_quantity, second.delivered_quantity] == [1, 2]
        assert lines_of(after)["1"].canceled_quantity == 3

    def test_keeps_reason_and_comment(self) -> None:
        order = in_pieces(a_line(quantity=2))

        after = cancel_units(
            order, {"1": Decimal(1)}, now=NOW, reason="OutOfStock", comment="Flood"
        )

        line = lines_of(after)["1"]
        assert (line.cancel_reason, line.cancel_comment) == ("OutOfStock", "Flood")

    @given(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4),
        st.integers(-1, 25),
        st.sampled_from([None, "1", "2", "9"]),
        st.sampled_from([1, -1]),
    )
    def test_never_cancels_more_than_is_left_anywhere(
        self, shape: list[tuple[int, int]], wanted: int, shipment_id: str | None, sign: int
    ) -> None:
        """Of goods sold as of goods that a till takes back, whose quantities are below zero."""
        pieces = [
            a_line(quantity=sign * (delivered + left), delivered_quantity=sign * delivered)
            for delivered, left in shape
        ]
        order = in_pieces(*pieces, delivered_quantity=sign * sum(one for one, _ in shape))
        line = lines_of(order)["1"]
        left = sum(one for _, one in shape)
        units = {"1": Decimal(sign * wanted)}

        try:
            after = priced(cancel_units(order, units, now=NOW, shipment_id=shipment_id))
        except Refused:
            assert not 0 < wanted <= left
            return

        assert 0 < wanted <= left == sign * cancellable(line)
        assert lines_of(after)["1"].canceled_quantity == sign * wanted
        parts = pieces_of(after)
        assert sum(one.canceled_quantity or 0 for one in parts) == sign * wanted
        for one, (delivered, free) in zip(parts, shape, strict=True):
            assert 0 <= sign * (one.canceled_quantity or 0) <= free
            assert sign * (one.delivered_quantity or 0) == delivered


class TestMoreCancelled:
    @pytest.mark.parametrize(
        ("before", "after", "is_more"),
        [
            (None, None, False),
            (None, 1, True),
            (1, 1, False),
            (1, 2, True),
            (2, 1, False),
            (1, None, False),
            (-1, -2, True),
            (-2, -1, False),
        ],
    )
    def test_says_whether_a_change_cancels_units(
        self, before: int | None, after: int | None, *, is_more: bool
    ) -> None:
        old, new = (a_line(canceled_quantity=units) for units in (before, after))

        assert more_cancelled(old, new) is is_more
        assert more_cancelled(None, new) is bool(after)


def a_report(document: OrderDocument, status: StepStatus) -> StepFinished:
    return StepFinished(
        order_id=document.id,
        run_id=f"{CAUSE.id}/after-saving",
        step=1,
        status=status,
        reason="no mail server configured",
    )


class TestAReportFromAside:
    @pytest.mark.parametrize(
        ("status", "is_failure"), [(StepStatus.ERROR, True), (StepStatus.WARNING, False)]
    )
    def test_waits_with_its_news_for_the_end_of_another_run(
        self, status: StepStatus, *, is_failure: bool
    ) -> None:
        document = stored(a_line(reserved_inventory_quantity=2))
        running = cancelling(document, "1", configuration=ALL_OR_NOTHING).document
        report = a_report(running, status)

        progress = finish_step(running, report, now=NOW, configuration=ALL_OR_NOTHING)

        assert progress.ended is None
        assert running.run is not None
        marred = running.run.model_copy(update={"is_marred": is_failure})
        assert progress.document.run == marred
        assert progress.document.order.errors is not None

    def test_that_is_a_failure_is_told_of_the_status_in_which_the_order_is(self) -> None:
        document = stored(a_line())
        report = a_report(document, StepStatus.ERROR)

        run = finish_step(document, report, now=NOW, configuration=DEFAULT).ended

        assert run is not None
        assert (run.status, run.status_before, run.is_marred) == ("New", "New", True)
        assert (run.user, run.origin) == ("workflow", "workflow")

    def test_of_a_success_that_changes_nothing_is_no_news(self) -> None:
        document = stored(a_line())
        report = a_report(document, StepStatus.SUCCESS)

        with pytest.raises(RunOver):
            finish_step(document, report, now=NOW, configuration=DEFAULT)

    def test_of_an_order_that_is_gone_is_no_news(self) -> None:
        report = a_report(stored(a_line()), StepStatus.ERROR)

        with pytest.raises(RunOver):
            finish_step(None, report, now=NOW, configuration=DEFAULT)

    def test_that_is_a_warning_becomes_one_on_the_order(self) -> None:
        document = stored(a_line())
        report = a_report(document, StepStatus.WARNING)

        progress = finish_step(document, report, now=NOW, configuration=DEFAULT)

        assert progress.document.order.errors is not None
        error = progress.document.order.errors[-1]
        assert (error.severity, error.message) == ("Warning", "no mail server configured")
        assert progress.ended is not None
        assert not progress.ended.is_marred
        with pytest.raises(RunOver):
            finish_step(progress.document, report, now=NOW, configuration=DEFAULT)


class TestADeadline:
    @pytest.mark.parametrize("other", [True, False])
    def test_ends_its_own_run_alone(self, *, other: bool) -> None:
        document = stored(a_line(reserved_inventory_quantity=2))
        running = cancelling(document, "1", configuration=ALL_OR_NOTHING).document
        timeout = RunTimedOut(order_id=running.id, run_id="another", step=1)

        with pytest.raises(RunOver):
            run_timed_out(
                running if other else None, timeout, now=NOW, configuration=ALL_OR_NOTHING
            )
