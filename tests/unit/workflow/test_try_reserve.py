"""Who waits for stock, and who gets what comes in (decided 6.1)."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages.inventory import TopUpLine
from contracts.messages.orders import Allotment, StepFinished, StepStatus, TryReserveOrderLines
from contracts.settings import DEFAULT, ScheduledTask
from services.workflow.domain.order import OrderDocument, Run, Shortage, with_form, with_lines
from services.workflow.domain.run import go_on
from services.workflow.domain.shortage import renamed, reported
from services.workflow.domain.try_reserve import LeftAlone, allotted, pace, try_reserve, wanted
from tests.builders import a_form, a_line, a_shipment, an_order
from tests.unit.workflow.kept import LATER, NOW, kept, lines_renamed

BY = UUID(int=9)
ZERO = Decimal(0)


def an_order_of(*units: int, id_: str = "O-1") -> OrderDocument:
    """Return an order with lines 1, 2, … of SKU-1, SKU-2, …, so many units each, sent from OSLO."""
    lines = [
        a_line(line_item_id=str(at), code=f"SKU-{at}", quantity=Decimal(quantity))
        for at, quantity in enumerate(units, 1)
    ]
    shipment = a_shipment(shipment_id="S1", warehouse_code="OSLO", status=None, line_items=lines)
    form = a_form(line_items=lines, shipments=[shipment], payments=[])
    return kept(an_order(id=id_, order_form=form))


def told(
    document: OrderDocument, status: StepStatus = StepStatus.WARNING, **held: int
) -> OrderDocument:
    """Return the order that was told, and shows, that its lines hold so much: `_1=2` of line 1."""
    reserved = {name[1:]: Decimal(units) for name, units in held.items()}
    report = StepFinished(order_id="O-1", run_id="R", step=0, status=status, reserved=reserved)
    document = reported(document, report, NOW)
    lines = [
        line.model_copy(
            update={
                "reserved_inventory_quantity": reserved.get(
                    line.line_item_id, line.reserved_inventory_quantity
                )
            }
        )
        for line in (document.order.order_form or a_form()).line_items or ()
    ]
    return document.model_copy(update={"order": with_lines(document.order, lines)})


def waiting(document: OrderDocument) -> Sequence[str]:
    """Return the lines that wait."""
    return document.shortage.lines if document.shortage is not None else ()


def missing(document: OrderDocument) -> Mapping[str, int]:
    """Return how much the order wants, by line."""
    return {one.line_item_id: int(one.missing) for one in wanted(document, DEFAULT)}


def in_status(document: OrderDocument, status: str) -> OrderDocument:
    """Return the order in another status."""
    order = document.order.model_copy(update={"status": status})
    return document.model_copy(update={"order": order})


def with_shipment(document: OrderDocument, **changes: object) -> OrderDocument:
    """Return the order with its shipment changed."""
    form = document.order.order_form or a_form()
    shipments = [one.model_copy(update=changes) for one in form.shipments or ()]
    return document.model_copy(update={"order": with_form(document.order, shipments=shipments)})


class TestWhoWaits:
    def test_a_line_that_a_reservation_has_left_short(self) -> None:
        document = told(an_order_of(5, 4, 3), _1=2, _2=4, _3=0)

        assert waiting(document) == ("1", "3")
        assert missing(document) == {"1": 3, "3": 3}

    def test_until_it_holds_all_and_since_it_began_to_wait(self) -> None:
        short = told(an_order_of(5, 4), _1=2, _2=0)

        part = told(short, StepStatus.SUCCESS, _1=3, _2=4)
        whole = told(part, StepStatus.SUCCESS, _1=5)

        assert (waiting(short), waiting(part), waiting(whole)) == (("1", "2"), ("1",), ())
        assert part.shortage == Shortage(since=NOW, lines=("1",))
        assert whole.shortage is None

    def test_nobody_for_whom_nothing_was_reserved(self) -> None:
        document = an_order_of(5)

        assert document.shortage is None
        assert missing(document) == {}

    def test_nobody_of_whom_a_step_has_asked_for_all_or_nothing(self) -> None:
        assert told(an_order_of(5), StepStatus.ERROR, _1=0).shortage is None

    @pytest.mark.parametrize("status", ["OrderCanceled", "Completed", "Deleted"])
    def test_no_order_that_is_over(self, status: str) -> None:
        document = in_status(told(an_order_of(5), _1=2), status)

        assert missing(document) == {}

    @pytest.mark.parametrize(
        "changes",
        [{"status": "Released"}, {"status": "shipped"}, {"order_status": "OrderCanceled"}],
    )
    def test_no_shipment_that_has_left_or_is_cancelled(self, changes: Mapping[str, str]) -> None:
        document = with_shipment(told(an_order_of(5), _1=2), **changes)

        assert missing(document) == {}

    def test_no_unit_that_was_cancelled_or_delivered_meanwhile(self) -> None:
        document = told(an_order_of(9), _1=2)
        form = document.order.order_form or a_form()
        changes = {"canceled_quantity": Decimal(3), "delivered_quantity": Decimal(1)}
        lines = [line.model_copy(update=changes) for line in form.line_items or ()]
        document = document.model_copy(update={"order": with_lines(document.order, lines)})

        (one,) = wanted(document, DEFAULT)

        assert (int(one.quantity), int(one.missing)) == (5, 3)

    def test_lines_under_their_new_ids(self) -> None:
        document = told(an_order_of(5, 4), _1=2, _2=0)

        after = lines_renamed(document, **{"1": "2", "2": "1"}).document

        assert waiting(renamed(document, {"1": "a"})) == ("a", "2")
        assert waiting(after) == ("2", "1")

    def test_an_order_stays_in_line_when_it_is_stored_and_read_again(self) -> None:
        document = told(an_order_of(5), _1=2)

        stored = document.to_bson() | {"revision": 1}

        assert OrderDocument.from_bson(stored).shortage == document.shortage
        assert "shortage" not in an_order_of(5).to_bson()


class TestWhatEndsTheWait:
    def run(self, status: str, *plan: str, position: int = 0) -> Run:
        return Run(
            id="R",
            command_id=str(BY),
            status=status,
            plan=plan,
            position=position,
            waiting_for=plan[position],
            since=NOW,
            user="shop",
            origin="a test",
        )

    def test_a_step_that_gives_the_goods_back(self) -> None:
        run = self.run("OrderCanceled", *_CANCELLING, position=1)
        document = told(an_order_of(5), _1=0).model_copy(update={"run": run})
        answer = StepFinished(order_id="O-1", run_id="R", step=1, status=StepStatus.SUCCESS)

        progress = go_on(document, run, answer, now=LATER, configuration=DEFAULT)

        assert document.shortage is not None
        assert progress.document.shortage is None

    def test_the_reservation_itself_is_what_makes_it_wait(self) -> None:
        run = self.run("New", *_NEW, position=1)
        document = an_order_of(5).model_copy(update={"run": run})
        answer = StepFinished(
            order_id="O-1",
            run_id="R",
            step=1,
            status=StepStatus.WARNING,
            reserved={"1": Decimal(2)},
        )

        progress = go_on(document, run, answer, now=LATER, configuration=DEFAULT)

        assert progress.document.shortage == Shortage(since=LATER, lines=("1",))


_CANCELLING = tuple(
    step.name
    for kind in DEFAULT.order_types
    if kind.name == "Online"
    for status in kind.order_statuses
    if status.name == "OrderCanceled"
    for step in status.workflow_steps
)
_NEW = tuple(
    step.name
    for kind in DEFAULT.order_types
    if kind.name == "Online"
    for status in kind.order_statuses
    if status.name == "New"
    for step in status.workflow_steps
)


def shares(commands: Sequence[TryReserveOrderLines]) -> Mapping[str, int]:
    """Return how many units each order is to get."""
    return {one.order_id: int(sum(line.quantity for line in one.lines)) for one in commands}


class TestAllotted:
    def test_the_longest_waiting_get_all_that_they_lack_and_the_next_what_is_left(self) -> None:
        line = [told(an_order_of(5, id_=name), _1=held) for name, held in (("a", 2), ("b", 0))]
        line.append(told(an_order_of(1, id_="c"), _1=0))

        commands, promised = allotted(line, {"SKU-1@OSLO": Decimal(6)}, {}, DEFAULT)

        assert shares(commands) == {"a": 3, "b": 3}
        assert promised == {"SKU-1@OSLO": 6}

    def test_what_is_promised_already_is_nobody_elses(self) -> None:
        line = [told(an_order_of(5), _1=0)]

        commands, promised = allotted(
            line, {"SKU-1@OSLO": Decimal(6)}, {"SKU-1@OSLO": Decimal(4)}, DEFAULT
        )

        assert shares(commands) == {"O-1": 2}
        assert promised == {"SKU-1@OSLO": 6}

    def test_of_virtual_stock_there_is_enough_for_everybody(self) -> None:
        line = [told(an_order_of(5, id_=name), _1=0) for name in ("a", "b")]

        commands, _ = allotted(line, {"SKU-1@OSLO": Decimal("Infinity")}, {}, DEFAULT)

        assert shares(commands) == {"a": 5, "b": 5}

    def test_an_order_that_is_over_is_told_to_leave_the_line(self) -> None:
        over = in_status(told(an_order_of(5), _1=0), "OrderCanceled")

        commands, promised = allotted([over], {"SKU-1@OSLO": Decimal(6)}, {}, DEFAULT)

        assert (shares(commands), promised) == ({"O-1": 0}, {})

    @given(
        st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=6),
        st.integers(0, 40),
        st.integers(0, 10),
    )
    def test_never_more_than_there_is_nor_than_is_lacking_and_nobody_is_overtaken(
        self, orders: Sequence[tuple[int, int]], stock: int, promised: int
    ) -> None:
        line = [
            told(an_order_of(wants, id_=f"{at}"), _1=min(held, wants))
            for at, (wants, held) in enumerate(orders)
        ]
        lacking = {one.id: missing(one).get("1", 0) for one in line}

        commands, _ = allotted(
            line,
            {"SKU-1@OSLO": Decimal(stock)},
            {"SKU-1@OSLO": Decimal(promised)},
            DEFAULT,
        )

        given = {one: shares(commands).get(one, 0) for one in lacking}
        assert sum(given.values()) == min(max(stock - promised, 0), sum(lacking.values()))
        assert all(given[one] <= lacking[one] for one in lacking)
        short = next((at for at, one in enumerate(lacking) if given[one] < lacking[one]), len(line))
        assert not any(given[one] for one in list(lacking)[short + 1 :])


class TestTryReserve:
    def command(self, units: int, line: str = "1") -> TryReserveOrderLines:
        allotment = Allotment(line_item_id=line, shipment_id="S1", quantity=Decimal(units))
        return TryReserveOrderLines(order_id="O-1", lines=(allotment,))

    def test_asks_for_no_more_than_was_allotted_nor_than_is_lacking(self) -> None:
        document = told(an_order_of(5, 4), _1=2, _2=0)

        asked = [
            try_reserve(document, self.command(units), BY, configuration=DEFAULT)[1]
            for units in (1, 9)
        ]

        line = TopUpLine(
            line_item_id="1",
            sku="SKU-1",
            warehouse_code="OSLO",
            shipment_id="S1",
            quantity=Decimal(5),
            most=Decimal(1),
        )
        more = line.model_copy(update={"most": Decimal(3)})
        assert [getattr(one, "lines", None) for (one,) in asked] == [(line,), (more,)]

    def test_the_answer_is_one_that_no_run_waits_for(self) -> None:
        document = told(an_order_of(5), _1=2)

        _, (asked,) = try_reserve(document, self.command(3), BY, configuration=DEFAULT)

        assert getattr(asked, "run_id", None) == f"{BY}/after-saving"

    def test_an_order_that_waits_for_nothing_any_more_leaves_the_line(self) -> None:
        over = in_status(told(an_order_of(5), _1=2), "OrderCanceled")

        document, messages = try_reserve(over, self.command(3), BY, configuration=DEFAULT)

        assert (document.shortage, messages) == (None, ())
        assert document.order is over.order

    def test_leaves_alone_who_is_gone_is_held_or_was_not_allotted_anything(self) -> None:
        document = told(an_order_of(5, 4), _1=2, _2=4)
        run = Run(id="R", command_id="c", status="New", since=NOW, user="u", origin="o")
        held = document.model_copy(update={"run": run})

        for found, line in ((None, "1"), (held, "1"), (an_order_of(5), "1"), (document, "2")):
            with pytest.raises(LeftAlone):
                try_reserve(found, self.command(3, line), BY, configuration=DEFAULT)


class TestPace:
    def test_is_the_tasks_own_or_a_minute_and_none_while_it_is_off(self) -> None:
        tasks = (
            ScheduledTask(name="tryreserveorderlines"),
            ScheduledTask(name="TryReserveOrderLines", interval_seconds=7),
            ScheduledTask(name="TryReserveOrderLines", active=False),
        )
        paces = [pace(DEFAULT.model_copy(update={"scheduled_tasks": (one,)})) for one in tasks]

        assert paces == [timedelta(minutes=1), timedelta(seconds=7), None]
        assert pace(DEFAULT.model_copy(update={"scheduled_tasks": ()})) is None
        assert pace(DEFAULT) == timedelta(minutes=1)
