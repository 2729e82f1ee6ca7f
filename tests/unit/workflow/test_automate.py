"""Automations: when each condition holds, which orders they are for, and what they do to one."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contracts.messages.orders import AutomateOrder
from contracts.order import Order
from contracts.settings import (
    DEFAULT,
    Configuration,
    OrderAutomation,
    OrderAutomationSettings,
    OrderSettings,
    OrderStatus,
    OrderType,
    ScheduledTask,
)
from services.chassis.outcomes import Refused
from services.workflow.domain.automate import (
    LeftAlone,
    acting,
    automate,
    back_in_stock,
    candidates,
    concerns,
    needs,
    pace,
    promised_to,
)
from services.workflow.domain.calculate import recalculate
from services.workflow.domain.change import pricing
from services.workflow.domain.find import found_by, payment_state
from services.workflow.domain.order import OrderDocument, Run
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import a_form, a_line, a_payment, a_shipment, an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAUSE = Cause(UUID(int=7), str(UUID(int=7)), None, size=200)
PLACE = "SKU-001@MainWarehouse"


def an_automation(condition: str, **changes: object) -> OrderAutomation:
    """Return the automation that moves orders of type Online from InProgress to PackedAndReady."""
    members = {
        "order_type": "Online",
        "status": "InProgress",
        "condition": condition,
        "new_status": "PackedAndReady",
    }
    return OrderAutomation.model_validate(members | changes)


def with_automations(*automations: OrderAutomation, every: int = 30) -> Configuration:
    """Return the shipped settings with these automations."""
    order_settings = OrderSettings(
        order_automation_settings=OrderAutomationSettings(order_automations=automations),
        automation_interval_seconds=every,
    )
    return DEFAULT.model_copy(update={"order_settings": order_settings})


def in_progress(**form: object) -> Order:
    """Return an order of type Online that is InProgress, with these members of its form."""
    return an_order(order_type="Online", status="InProgress", order_form=a_form(**form))


def calculated(order: Order) -> Order:
    """Return the order with its totals."""
    return recalculate(None, order, pricing(order, DEFAULT))


def with_line(**quantities: object) -> Order:
    """Return an order of one line in one shipment, with these members of the line."""
    line = a_line(**quantities)
    return in_progress(line_items=[line], shipments=[a_shipment(line_items=[line])])


def with_payments(*payments: tuple[str, int], total: int = 998) -> Order:
    """Return the order of 998.00 with these transactions, which all went through."""
    line = a_line(placed_price=total, quantity=1)
    made = [
        a_payment(id=str(at), transaction_type=kind, amount=amount, status="Processed")
        for at, (kind, amount) in enumerate(payments)
    ]
    return calculated(
        in_progress(line_items=[line], shipments=[a_shipment(line_items=[line])], payments=made)
    )


def holds(condition: str, order: Order) -> bool:
    """Say whether the condition holds for the order."""
    document = OrderDocument(id=order.id, order=order)
    return concerns(an_automation(condition), document, DEFAULT)


class TestAllItemsShipped:
    @pytest.mark.parametrize(
        ("quantities", "expected"),
        [
            ({"quantity": 5}, False),
            ({"quantity": 5, "delivered_quantity": 4}, False),
            ({"quantity": 5, "delivered_quantity": 5}, True),
            ({"quantity": 5, "delivered_quantity": 3, "canceled_quantity": 2}, True),
            ({"quantity": 5, "delivered_quantity": 3, "canceled_quantity": 1}, False),
        ],
    )
    def test_holds_when_each_line_is_delivered_or_cancelled(
        self, quantities: dict[str, int], expected: bool
    ) -> None:
        order = with_line(**quantities)

        found = holds("AllItemsShipped", order)

        assert found is expected

    def test_waits_for_the_last_line(self) -> None:
        done, open_ = a_line(delivered_quantity=2), a_line(line_item_id="2")

        found = holds("AllItemsShipped", in_progress(line_items=[done, open_]))

        assert not found

    def test_holds_when_every_shipment_is_shipped(self) -> None:
        shipped, packed = a_shipment(status="Shipped"), a_shipment(status="Packed")

        all_of_them = holds("AllItemsShipped", in_progress(shipments=[shipped, shipped]))
        one_of_them = holds("AllItemsShipped", in_progress(shipments=[shipped, packed]))

        assert (all_of_them, one_of_them) == (True, False)

    def test_does_not_hold_of_nothing(self) -> None:
        empty = in_progress(line_items=[], shipments=[])

        found = [holds(one, empty) for one in ("AllItemsShipped", "AllItemsPicked")]

        assert found == [False, False]


class TestAllItemsPicked:
    @pytest.mark.parametrize(
        ("quantities", "expected"),
        [
            ({"quantity": 5, "ready_for_pickup_quantity": 4}, False),
            ({"quantity": 5, "ready_for_pickup_quantity": 5}, True),
            ({"quantity": 5, "ready_for_pickup_quantity": 3, "canceled_quantity": 2}, True),
            ({"quantity": 5, "delivered_quantity": 5}, True),
            # What was handed over had been ready before, and is not counted twice.
            ({"quantity": 5, "ready_for_pickup_quantity": 3, "delivered_quantity": 3}, False),
        ],
    )
    def test_holds_when_each_line_is_ready_or_gone(
        self, quantities: dict[str, int], expected: bool
    ) -> None:
        order = with_line(**quantities)

        found = holds("AllItemsPicked", order)

        assert found is expected

    def test_holds_when_every_shipment_is_in_a_status_of_picked_goods(self) -> None:
        picked = a_shipment(order_status="packedandready")
        waiting = a_shipment(order_status="InProgress")

        all_of_them = holds("AllItemsPicked", in_progress(shipments=[picked, picked]))
        one_of_them = holds("AllItemsPicked", in_progress(shipments=[picked, waiting]))

        assert (all_of_them, one_of_them) == (True, False)


class TestPayments:
    @pytest.mark.parametrize(
        ("payments", "authorized", "captured"),
        [
            ([], False, False),
            ([("Authorization", 997)], False, False),
            ([("Authorization", 998)], True, False),
            ([("Authorization", 500), ("Authorization", 600)], True, False),
            ([("Authorization", 998), ("Void", 1)], False, False),
            ([("Authorization", 998), ("Capture", 997)], True, False),
            ([("Authorization", 998), ("Capture", 998)], True, True),
            ([("Sale", 998)], True, True),
            ([("Invoiced", 998)], True, True),
        ],
    )
    def test_count_what_is_held_and_what_was_taken(
        self, payments: list[tuple[str, int]], authorized: bool, captured: bool
    ) -> None:
        order = with_payments(*payments)

        found = holds("PaymentAuthorized", order), holds("PaymentCaptured", order)

        assert found == (authorized, captured)

    def test_are_no_question_where_there_is_nothing_to_pay(self) -> None:
        order = with_payments(total=0)

        found = holds("PaymentAuthorized", order), holds("PaymentCaptured", order)

        assert found == (True, False)

    def test_of_an_order_whose_total_nobody_knows_are_not_enough(self) -> None:
        imported = in_progress(total=None, authorized_payment_total=5)

        found = holds("PaymentAuthorized", imported), holds("PaymentCaptured", imported)

        assert found == (False, False)

    def test_count_for_an_import_that_brings_no_totals_of_them(self) -> None:
        sale = a_payment(transaction_type="Sale")
        imported = in_progress(total=998, payments=[sale])
        imported = imported.model_copy(update={"net_total": Decimal(998)})

        found = holds("PaymentAuthorized", imported), holds("PaymentCaptured", imported)

        assert found == (True, True)

    @given(
        payments=st.lists(
            st.tuples(
                st.sampled_from(["Authorization", "Sale", "Invoiced", "Capture", "Void", "Credit"]),
                st.integers(0, 1200),
            ),
            max_size=4,
        ),
        total=st.integers(0, 1000),
        credit=st.booleans(),
    )
    @example(payments=[("Authorization", 900), ("Credit", 100)], total=900, credit=True)
    def test_the_search_for_candidates_leaves_out_nobody_for_whom_it_holds(
        self, payments: list[tuple[str, int]], total: int, credit: bool
    ) -> None:
        settings = OrderSettings(is_credit_amount_subtracted_from_remaining_payment=credit)
        configuration = DEFAULT.model_copy(update={"order_settings": settings})
        order = with_payments(*payments, total=total)
        order = recalculate(None, order, pricing(order, configuration))

        found = holds("PaymentAuthorized", order)

        wanted = candidates(an_automation("PaymentAuthorized")).payment_statuses or []
        assert order.order_form is not None
        assert not found or payment_state(order, order.order_form) in wanted


# Lines of one SKU each: ordered, cancelled, delivered, held.
QUANTITIES = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    *(st.integers(0, most) for most in (6, 2, 2, 4)),
)
STOCK = st.dictionaries(
    st.sampled_from(["a@MainWarehouse", "b@MainWarehouse", "c@MainWarehouse"]),
    st.integers(-2, 12).map(Decimal),
)


def waiting(*lines: tuple[str, int, int, int, int]) -> Order:
    """Return an order that waits for these lines."""
    made = [
        a_line(
            line_item_id=str(at),
            code=sku,
            quantity=ordered + canceled + delivered,
            canceled_quantity=canceled,
            delivered_quantity=delivered,
            reserved_inventory_quantity=held,
        )
        for at, (sku, ordered, canceled, delivered, held) in enumerate(lines)
    ]
    return in_progress(line_items=made, shipments=[a_shipment(line_items=made)])


def needed(orders: Sequence[Order]) -> Counter[str]:
    """Return what the orders need together."""
    together: Counter[str] = Counter()
    for order in orders:
        together.update({place: int(units) for place, units in needs(order).items()})
    return together


class TestBackInStock:
    def test_needs_all_that_is_open(self) -> None:
        order = with_line(quantity=5, canceled_quantity=1, delivered_quantity=1)

        too_few = list(back_in_stock([order], {PLACE: Decimal(2)}, {}))
        enough = list(back_in_stock([order], {PLACE: Decimal(3)}, {}))

        assert (too_few, enough) == ([], [order])

    def test_does_not_need_again_what_the_order_holds(self) -> None:
        order = with_line(quantity=10, reserved_inventory_quantity=4)

        found = needs(order)

        assert found == {PLACE: Decimal(6)}

    def test_of_a_line_in_two_shipments_needs_each_part_where_it_leaves_from(self) -> None:
        line = a_line(quantity=5, reserved_inventory_quantity=3)
        parts = [
            a_shipment(
                shipment_id=place,
                warehouse_code=place,
                line_items=[line.model_copy(update={"quantity": Decimal(units)})],
            )
            for place, units in (("Oslo", 2), ("Bergen", 3))
        ]

        found = needs(in_progress(line_items=[line], shipments=parts))

        assert found == {"SKU-001@Bergen": Decimal(2)}

    def test_asks_nothing_of_goods_that_have_left_or_are_none(self) -> None:
        gone = a_shipment(status="Released")
        virtual = a_shipment(line_items=[a_line(is_virtual_product=True)])

        found = needs(in_progress(shipments=[gone])), needs(in_progress(shipments=[virtual]))

        assert found == ({}, {})

    def test_is_nothing_that_an_order_without_open_lines_waits_for(self) -> None:
        order = with_line(quantity=5, canceled_quantity=5)

        found = list(back_in_stock([order], {PLACE: Decimal(9)}, {}))

        assert found == []

    def test_serves_who_came_first(self) -> None:
        first, second, third = (with_line(quantity=units) for units in (3, 2, 1))

        found = list(back_in_stock([first, second, third], {PLACE: Decimal(4)}, {}))

        assert found == [first, third]

    @given(st.lists(st.lists(QUANTITIES, max_size=3), max_size=5), STOCK, st.integers(0, 5))
    def test_finds_the_same_page_by_page_as_at_once(
        self, orders: list[list[tuple[str, int, int, int, int]]], stock: dict[str, Decimal], at: int
    ) -> None:
        made = [waiting(*lines) for lines in orders]

        first = list(back_in_stock(made[:at], stock, {}))
        second = list(back_in_stock(made[at:], stock, promised_to(first, {})))

        assert [*first, *second] == list(back_in_stock(made, stock, {}))

    @given(st.lists(st.lists(QUANTITIES, max_size=3), max_size=5), STOCK)
    def test_never_promises_more_than_there_is(
        self, orders: list[list[tuple[str, int, int, int, int]]], stock: dict[str, Decimal]
    ) -> None:
        made = [waiting(*lines) for lines in orders]

        found = list(back_in_stock(made, stock, {}))

        together = needed(found)
        assert all(units <= stock[place] for place, units in together.items())

    @given(st.lists(QUANTITIES, min_size=1, max_size=3), STOCK)
    def test_of_one_order_is_that_each_of_its_needs_is_there(
        self, lines: list[tuple[str, int, int, int, int]], stock: dict[str, Decimal]
    ) -> None:
        order = waiting(*lines)

        found = list(back_in_stock([order], stock, {}))

        is_there = all(stock.get(place, 0) >= units for place, units in needs(order).items())
        is_open = any(ordered > 0 for _, ordered, *_ in lines)
        assert bool(found) is (is_there and is_open)


class TestWhoIsConcerned:
    @pytest.mark.parametrize(
        "changes",
        [{"status": "New"}, {"status": None}, {"order_type": "Pos"}, {"is_read_only": True}],
    )
    def test_nobody_else(self, changes: dict[str, object]) -> None:
        order = with_payments(("Sale", 998)).model_copy(update=changes)

        found = holds("PaymentCaptured", order)

        assert not found

    def test_nobody_whom_a_run_holds(self) -> None:
        order = with_payments(("Sale", 998))
        run = Run(id="r", command_id="c", status="InProgress", since=NOW, user="u", origin="o")
        document = OrderDocument(id=order.id, order=order, run=run)

        found = concerns(an_automation("PaymentCaptured"), document, DEFAULT)

        assert not found

    def test_names_are_the_same_in_any_case_and_lead_to_the_order(self) -> None:
        order = with_payments(("Sale", 998))
        automation = an_automation("PaymentCaptured", order_type="ONLINE", status="inprogress")

        found = concerns(automation, OrderDocument(id=order.id, order=order), DEFAULT)

        search = candidates(automation)
        assert found
        assert (search.order_types, search.selected_statuses) == (["ONLINE"], ["inprogress"])
        assert {"#type online", "#status inprogress"} <= set(found_by(order)["groups"])


def automated(order: Order, automation: OrderAutomation) -> Progress:
    """Return what the automation does to the order."""
    command = AutomateOrder(order_id=order.id, automation=automation)
    document = OrderDocument(id=order.id, order=order, version=3)
    return automate(document, command, CAUSE, now=NOW, configuration=DEFAULT)


class TestAutomate:
    def test_enters_the_status_without_its_workflow(self) -> None:
        progress = automated(with_payments(("Sale", 998)), an_automation("PaymentCaptured"))

        assert progress.document.order.status == "PackedAndReady"
        assert progress.ended is not None
        assert (progress.ended.user, progress.ended.origin) == ("workflow", "OrderAutomation")
        assert progress.ended.results == ()

    def test_runs_the_workflow_if_it_says_so(self) -> None:
        automation = an_automation("PaymentCaptured", run_workflow=True)

        progress = automated(with_payments(("Sale", 998)), automation)

        assert progress.document.order.status == "PackedAndReady"
        assert progress.ended is not None
        assert [one.action_type for one in progress.ended.results] == ["CompleteShipment"]

    def test_is_over_when_the_order_has_moved_on(self) -> None:
        once = automated(with_payments(("Sale", 998)), an_automation("PaymentCaptured"))

        with pytest.raises(LeftAlone):
            automated(once.document.order, an_automation("PaymentCaptured"))

    def test_is_over_when_the_condition_does_not_hold_any_more(self) -> None:
        with pytest.raises(LeftAlone):
            automated(with_payments(), an_automation("PaymentCaptured"))

    def test_is_over_when_the_order_is_gone(self) -> None:
        command = AutomateOrder(order_id="x", automation=an_automation("PaymentCaptured"))

        with pytest.raises(LeftAlone):
            automate(None, command, CAUSE, now=NOW, configuration=DEFAULT)

    def test_obeys_the_rules_of_any_change_of_status(self) -> None:
        automation = an_automation("PaymentCaptured", new_status="Nowhere")

        with pytest.raises(Refused) as refusal:
            automated(with_payments(("Sale", 998)), automation)

        assert refusal.value.problem.slug == "unknown-status"


class TestWhichAct:
    def test_those_that_lead_somewhere_each_once(self) -> None:
        good = an_automation("PaymentCaptured")
        nowhere = an_automation("PaymentCaptured", new_status="Nowhere")
        itself = an_automation("PaymentCaptured", new_status="inProgress")
        unknown_type = an_automation("PaymentCaptured", order_type="Own", new_status="Anything")

        found = acting(with_automations(nowhere, good, itself, good, unknown_type))

        assert found == (good, unknown_type)

    def test_none_that_may_not_follow(self) -> None:
        first = OrderStatus(
            name="InProgress",
            order=1,
            available_steps=("Ship",),
            enforce_available_steps_policy=True,
        )
        others = [OrderStatus(name=name, order=2) for name in ("PackedAndReady", "Ship")]
        kind = OrderType(name="Online", order_statuses=(first, *others))
        packs, ships = (an_automation("PaymentCaptured", new_status=one.name) for one in others)
        configuration = with_automations(packs, ships)

        found = acting(configuration.model_copy(update={"order_types": (kind,)}))

        assert found == (ships,)


class TestPace:
    def test_is_thirty_seconds_unless_the_settings_say_otherwise(self) -> None:
        automation = an_automation("PaymentCaptured")
        usual = with_automations(automation)
        quick = with_automations(automation, every=2)
        task = ScheduledTask(name="orderautomation", interval_seconds=7)

        paces = [pace(one) for one in (usual, quick, tasked(quick, task))]

        assert [one and one.total_seconds() for one in paces] == [30, 2, 7]

    def test_is_none_without_an_automation_or_its_task(self) -> None:
        automation = an_automation("PaymentCaptured")
        configuration = with_automations(automation)
        resting = ScheduledTask(name="OrderAutomation", active=False)

        paces = [
            pace(one) for one in (DEFAULT, tasked(configuration), tasked(configuration, resting))
        ]

        assert paces == [None, None, None]

    def test_is_never_longer_than_a_calendar_reaches(self) -> None:
        configuration = with_automations(an_automation("PaymentCaptured"), every=2**62)

        found = pace(configuration)

        assert found is not None
        assert NOW + found > NOW


def tasked(configuration: Configuration, *tasks: ScheduledTask) -> Configuration:
    """Return the settings with these scheduled tasks and no others."""
    return configuration.model_copy(update={"scheduled_tasks": tasks})
