"""Reserve, release, reduce, set: what each does to the stock, the reservation and the ledger."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from contracts.messages.inventory import (
    InventoryReleased,
    InventoryReserved,
    InventoryUpdated,
    KeptUnits,
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    RenameReservedLines,
    ReserveStock,
    SetStock,
    StockItem,
    StockLine,
    TopUpLine,
    TopUpReservation,
)
from contracts.messages.orders import StepStatus
from contracts.model import Invalid, parse
from contracts.note import PropertyItem
from services.inventory import domain
from services.inventory.domain import Books, Reservation, StockRecord, TransactionType

CAUSE = UUID(int=7)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTHING_HELD = Reservation(id="O-1")


def a_record(inventory: int = 10, reserved: int = 0, **others: object) -> StockRecord:
    members: dict[str, object] = {"sku": "CUP", "warehouse_code": "OSLO"} | others
    return StockRecord.model_validate(
        {
            "id": f"{members['sku']}@{members['warehouse_code']}",
            "inventory": inventory,
            "reserved_inventory": reserved,
            "is_in_stock": inventory > reserved,
            "created": NOON,
            "modified": NOON,
        }
        | members
    )


def a_line(quantity: int = 3, **others: object) -> StockLine:
    members = {"line_item_id": "1", "sku": "CUP", "warehouse_code": "OSLO", "shipment_id": "S1"}
    return StockLine.model_validate(members | {"quantity": quantity} | others)


def books(*records: StockRecord) -> Books:
    return Books({record.id: record for record in records}, cause=CAUSE, at=NOON, order_id="O-1")


def a_reserve(*lines: StockLine, require_all: bool = False) -> ReserveStock:
    return ReserveStock(order_id="O-1", run_id="R", step=1, lines=lines, require_all=require_all)


def a_reduce(*lines: StockLine) -> ReduceStock:
    return ReduceStock(order_id="O-1", run_id="R", step=1, lines=lines)


def holding(*lines: StockLine) -> Reservation:
    """Return what an order holds after reserving these lines from plenty."""
    plenty = books(
        *(a_record(1000, sku=x.sku, warehouse_code=x.warehouse_code) for x in lines),
    )
    return domain.reserve(a_reserve(*lines), NOTHING_HELD, plenty)[0]


def a_top_up(quantity: int, most: int, **others: object) -> TopUpReservation:
    members = a_line(quantity, **others).model_dump() | {"most": most}
    lines = (TopUpLine.model_validate(members),)
    return TopUpReservation(order_id="O-1", run_id="R", step=1, lines=lines)


class TestTopUp:
    @pytest.mark.parametrize(
        ("quantity", "most", "held"), [(9, 2, 5), (9, 6, 8), (4, 6, 4), (2, 6, 3)]
    )
    def test_takes_what_is_missing_as_far_as_it_may_and_as_there_is(
        self, quantity: int, most: int, held: int
    ) -> None:
        shelf = books(a_record(10, 2))
        before, _ = domain.reserve(a_reserve(a_line(3)), NOTHING_HELD, shelf)

        after, answer = domain.top_up(a_top_up(quantity, most), before, shelf)

        assert [int(line.quantity) for line in after.lines] == [held]
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 2 + held
        assert (answer.status, answer.reason) == (StepStatus.SUCCESS, None)
        assert answer.reserved == {"1": Decimal(held)}

    def test_leaves_alone_what_has_left_and_what_is_held_elsewhere(self) -> None:
        shelf = books(a_record(10), a_record(10, warehouse_code="BERGEN"))
        held, _ = domain.reserve(a_reserve(a_line(3)), NOTHING_HELD, shelf)
        command = ReduceStock(order_id="O-1", run_id="R", step=1, lines=(a_line(3),))
        gone, _ = domain.reduce(command, held, shelf)

        same = [
            domain.top_up(a_top_up(9, 6, warehouse_code="BERGEN"), held, shelf)[0],
            domain.top_up(a_top_up(9, 6), gone, shelf)[0],
        ]

        assert same == [held, gone]


class TestReserve:
    def test_sets_aside_what_each_line_asks_for(self) -> None:
        shelf = books(a_record(10, 2))

        after, answer = domain.reserve(a_reserve(a_line(3)), NOTHING_HELD, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 5
        assert shelf.changed["CUP@OSLO"].inventory == 10
        assert (answer.status, answer.reason) == (StepStatus.SUCCESS, None)
        assert answer.reserved == {"1": Decimal(3)}
        assert [line.quantity for line in after.lines] == [3]

    def test_warns_and_names_the_skus_that_are_short(self) -> None:
        shelf = books(a_record(2))
        missing = a_line(1, line_item_id="2", sku="JUG")

        _, answer = domain.reserve(a_reserve(a_line(3), missing), NOTHING_HELD, shelf)

        assert answer.status is StepStatus.WARNING
        assert answer.reason == "not enough stock: CUP (2 of 3), JUG (0 of 1)"
        assert answer.reserved == {"1": Decimal(2), "2": Decimal(0)}

    def test_reserves_nothing_when_all_is_required_and_something_is_short(self) -> None:
        shelf = books(a_record(10))
        missing = a_line(1, line_item_id="2", sku="JUG")

        after, answer = domain.reserve(
            a_reserve(a_line(3), missing, require_all=True), NOTHING_HELD, shelf
        )

        assert answer.status is StepStatus.ERROR
        assert answer.reserved == {"1": Decimal(0), "2": Decimal(0)}
        assert after is NOTHING_HELD
        assert not shelf.changed
        assert not shelf.entries

    def test_reserves_all_when_all_is_required_and_there(self) -> None:
        shelf = books(a_record(3))

        _, answer = domain.reserve(a_reserve(a_line(3), require_all=True), NOTHING_HELD, shelf)

        assert answer.status is StepStatus.SUCCESS
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 3

    @pytest.mark.parametrize("is_virtual", [False, True])
    def test_reserves_nothing_for_goods_that_come_back(self, is_virtual: bool) -> None:
        shelf = books(a_record(10, 5, is_virtual=is_virtual))

        after, answer = domain.reserve(a_reserve(a_line(-2)), NOTHING_HELD, shelf)

        assert after is NOTHING_HELD
        assert answer.status is StepStatus.SUCCESS
        assert not shelf.changed

    def test_serves_lines_in_their_order(self) -> None:
        shelf = books(a_record(4))
        lines = [a_line(3, line_item_id=name) for name in "abc"]

        _, answer = domain.reserve(a_reserve(*lines), NOTHING_HELD, shelf)

        assert answer.reserved == {"a": Decimal(3), "b": Decimal(1), "c": Decimal(0)}

    def test_finds_virtual_stock_always_enough(self) -> None:
        shelf = books(a_record(0, is_virtual=True))

        _, answer = domain.reserve(a_reserve(a_line(50)), NOTHING_HELD, shelf)

        assert answer.reserved == {"1": Decimal(50)}
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 50

    def test_reserves_nothing_where_the_erp_counted_less_than_is_held(self) -> None:
        shelf = books(a_record(2, 5))

        _, answer = domain.reserve(a_reserve(a_line(1)), NOTHING_HELD, shelf)

        assert answer.reserved == {"1": Decimal(0)}
        assert not shelf.changed

    def test_adds_only_what_the_line_lacks(self) -> None:
        held = holding(a_line(2))
        shelf = books(a_record(10, 2))

        _, answer = domain.reserve(a_reserve(a_line(3)), held, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 3
        assert answer.reserved == {"1": Decimal(3)}

    def test_changes_nothing_when_the_line_holds_it_all(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(10, 3))

        after, answer = domain.reserve(a_reserve(a_line(3)), held, shelf)

        assert after is held
        assert not shelf.changed
        assert answer.reserved == {"1": Decimal(3)}

    def test_releases_there_and_reserves_here_when_a_line_has_moved(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(10, 3), a_record(1, warehouse_code="BERGEN"))

        _, answer = domain.reserve(a_reserve(a_line(3, warehouse_code="BERGEN")), held, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0
        assert shelf.changed["CUP@BERGEN"].reserved_inventory == 1
        assert answer.reserved == {"1": Decimal(1)}

    def test_lets_one_half_of_a_split_line_take_what_the_other_gives_back(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(3, 3))
        halves = a_line(1, line_item_id="2", shipment_id="S2"), a_line(2)

        _, answer = domain.reserve(a_reserve(*halves), held, shelf)

        assert answer.reserved == {"1": Decimal(2), "2": Decimal(1)}
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 3

    def test_leaves_other_lines_of_the_order_alone(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(10, 3))

        _, answer = domain.reserve(a_reserve(a_line(1, line_item_id="2")), held, shelf)

        assert answer.reserved == {"1": Decimal(3), "2": Decimal(1)}

    def test_reserves_nothing_for_goods_that_have_left(self) -> None:
        gone, _ = domain.reduce(a_reduce(a_line(3)), NOTHING_HELD, books(a_record()))
        shelf = books(a_record(7))

        after, _ = domain.reserve(a_reserve(a_line(3)), gone, shelf)

        assert after is gone
        assert not shelf.changed


class TestRelease:
    def test_gives_back_all_that_the_order_holds(self) -> None:
        held = holding(a_line(3), a_line(1, line_item_id="2"))
        shelf = books(a_record(10, 4))
        command = ReleaseStock(order_id="O-1", run_id="R", step=1)

        after, answers = domain.release(command, held, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0
        assert after.lines == ()
        assert answers[0].reserved == {"1": Decimal(0), "2": Decimal(0)}

    def test_gives_back_only_the_named_shipments(self) -> None:
        held = holding(a_line(3), a_line(1, line_item_id="2", shipment_id="S2"))
        shelf = books(a_record(10, 4))
        command = ReleaseStock(order_id="O-1", run_id="R", step=1, shipment_ids=("S2",))

        _, answers = domain.release(command, held, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 3
        assert answers[0].reserved == {"1": Decimal(3), "2": Decimal(0)}

    @pytest.mark.parametrize("half", [{}, {"run_id": "R"}, {"step": 1}])
    def test_answers_nobody_who_does_not_wait(self, half: dict[str, object]) -> None:
        """An undo has no run to answer to."""
        command = ReleaseStock(order_id="O-1").model_copy(update=half)

        _, answers = domain.release(command, holding(a_line(3)), books(a_record(10, 3)))

        assert answers == ()

    def test_never_makes_the_reserved_quantity_negative(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(10, 1))

        domain.release(ReleaseStock(order_id="O-1"), held, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0
        assert shelf.entries[0].reserved_inventory_change == -1

    def test_keeps_in_mind_which_goods_have_left(self) -> None:
        gone, _ = domain.reduce(a_reduce(a_line(3)), NOTHING_HELD, books(a_record()))

        after, _ = domain.release(ReleaseStock(order_id="O-1"), gone, books(a_record(7)))

        assert after is gone


class TestReleaseUnits:
    def test_gives_back_what_each_named_line_holds_too_much(self) -> None:
        held = holding(
            a_line(3),
            a_line(2, shipment_id="S2"),
            a_line(4, line_item_id="2"),
        )
        shelf = books(a_record(10, 9))
        kept = (
            KeptUnits(line_item_id="1", shipment_id="S1", quantity=Decimal(1)),
            KeptUnits(line_item_id="1", shipment_id="S2", quantity=Decimal(5)),
            KeptUnits(line_item_id="9", shipment_id="S1", quantity=Decimal(1)),
        )
        command = ReleaseUnits(order_id="O-1", run_id="R", step=1, lines=kept)

        after, (answer,) = domain.release_units(command, held, shelf)

        assert [line.quantity for line in after.lines] == [1, 2, 4]
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 7
        assert answer.reserved == {"1": Decimal(3), "2": Decimal(4)}

    def test_takes_no_more_stock_and_answers_nobody_who_does_not_ask(self) -> None:
        held = holding(a_line(2))
        shelf = books(a_record(10, 2))
        kept = (KeptUnits(line_item_id="1", shipment_id="S1", quantity=Decimal(5)),)

        after, answers = domain.release_units(ReleaseUnits(order_id="O-1", lines=kept), held, shelf)

        assert after is held
        assert not shelf.changed
        assert answers == ()


class TestRenameLines:
    def test_keeps_what_each_line_holds_and_what_has_left_under_its_new_id(self) -> None:
        first, second = a_line(3), a_line(2, line_item_id="2")
        left, _ = domain.reduce(a_reduce(second), holding(first, second), books(a_record(9)))
        swap = RenameReservedLines(order_id="O-1", line_item_ids={"1": "2", "2": "1"})

        after = domain.rename_lines(swap, left)

        assert [(one.line_item_id, int(one.quantity), one.is_reduced) for one in after.lines] == [
            ("2", 3, False),
            ("1", 0, True),
        ]

    def test_changes_nothing_where_the_order_holds_none_of_them(self) -> None:
        held = holding(a_line(3))
        others = RenameReservedLines(order_id="O-1", line_item_ids={"8": "9"})

        assert domain.rename_lines(others, held) is held


class TestReduce:
    def test_takes_from_inventory_and_from_the_reservation(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(10, 5, cost=Decimal("4.50")))

        _, answer = domain.reduce(a_reduce(a_line(3)), held, shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 7
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 2
        assert answer.status is StepStatus.SUCCESS
        assert answer.reserved == {"1": Decimal(0)}
        assert answer.costs == {"1": Decimal("4.50")}

    def test_warns_and_takes_nothing_the_second_time(self) -> None:
        gone, _ = domain.reduce(a_reduce(a_line(3)), holding(a_line(3)), books(a_record(10, 3)))
        shelf = books(a_record(7))

        after, answer = domain.reduce(a_reduce(a_line(3)), gone, shelf)

        assert after is gone
        assert not shelf.changed
        assert answer.status is StepStatus.WARNING
        assert answer.reason == "already taken out: 1"

    def test_takes_the_same_line_again_from_another_shipment(self) -> None:
        gone, _ = domain.reduce(a_reduce(a_line(3)), NOTHING_HELD, books(a_record()))
        shelf = books(a_record(7))

        _, answer = domain.reduce(a_reduce(a_line(2, shipment_id="S2")), gone, shelf)

        assert answer.status is StepStatus.SUCCESS
        assert shelf.changed["CUP@OSLO"].inventory == 5

    def test_leaves_others_their_share_when_nothing_was_reserved(self) -> None:
        shelf = books(a_record(10, 8))

        _, answer = domain.reduce(a_reduce(a_line(3)), NOTHING_HELD, shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 8
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 8
        assert answer.status is StepStatus.WARNING
        assert answer.reason == "not enough stock: CUP (2 of 3)"

    def test_never_makes_the_inventory_negative(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(2, 5))

        _, answer = domain.reduce(a_reduce(a_line(3)), held, shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 0
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 2
        assert answer.status is StepStatus.WARNING

    @pytest.mark.parametrize("quantity", [0, 3])
    def test_gives_back_what_the_line_held_too_much(self, quantity: int) -> None:
        held = holding(a_line(5))
        shelf = books(a_record(10, 5))

        domain.reduce(a_reduce(a_line(quantity)), held, shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 10 - quantity
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0

    def test_gives_back_what_the_line_held_elsewhere(self) -> None:
        held = holding(a_line(3))
        shelf = books(a_record(10, 3), a_record(10, warehouse_code="BERGEN"))

        domain.reduce(a_reduce(a_line(3, warehouse_code="BERGEN")), held, shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0
        assert shelf.changed["CUP@BERGEN"].inventory == 7

    def test_leaves_virtual_stock_as_it_is(self) -> None:
        shelf = books(a_record(0, 3, is_virtual=True))

        _, answer = domain.reduce(a_reduce(a_line(3)), holding(a_line(3)), shelf)

        assert answer.status is StepStatus.SUCCESS
        assert shelf.changed["CUP@OSLO"].inventory == 0
        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0

    def test_puts_a_negative_quantity_back_even_where_nothing_was_known(self) -> None:
        shelf = books()

        _, answer = domain.reduce(a_reduce(a_line(-2)), NOTHING_HELD, shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 2
        assert shelf.entries[0].transaction_type is TransactionType.RETURNED
        assert answer.status is StepStatus.SUCCESS

    def test_puts_nothing_back_into_virtual_stock(self) -> None:
        shelf = books(a_record(0, is_virtual=True))

        domain.reduce(a_reduce(a_line(-2)), NOTHING_HELD, shelf)

        assert not shelf.changed


class TestLedger:
    """What one entry says of a movement."""

    @pytest.mark.parametrize(
        ("type_", "command", "held"),
        [
            (TransactionType.RESERVED, a_reserve(a_line(2)), NOTHING_HELD),
            (TransactionType.RELEASED, ReleaseStock(order_id="O-1"), holding(a_line(2))),
            (TransactionType.REDUCED, a_reduce(a_line(2)), holding(a_line(2))),
            (TransactionType.RETURNED, a_reduce(a_line(-2)), NOTHING_HELD),
        ],
    )
    def test_names_the_order_and_its_line(
        self,
        type_: TransactionType,
        command: ReserveStock | ReleaseStock | ReduceStock,
        held: Reservation,
    ) -> None:
        shelf = books(a_record(10, 2, is_virtual=False))

        match command:
            case ReserveStock():
                domain.reserve(command, held, shelf)
            case ReleaseStock():
                domain.release(command, held, shelf)
            case ReduceStock():
                domain.reduce(command, held, shelf)

        (entry,) = shelf.entries
        told = (entry.transaction_type, entry.order_id, entry.internal_reference)
        assert told == (type_, "O-1", "1")
        assert (entry.id, entry.transaction_date) == (f"{CAUSE}/1", NOON)

    def test_says_who_counted_and_whether_the_stock_is_virtual(self) -> None:
        later = NOON.replace(hour=13)
        shelf = Books({}, cause=CAUSE, at=later, user_id="u")

        shelf.move(a_record(1, 1, is_virtual=True), TransactionType.SET, inventory=Decimal(1))

        (entry,) = shelf.entries
        assert (entry.user_id, entry.is_virtual, entry.order_id) == ("u", True, None)
        assert [entry.new_inventory, entry.new_reserved_inventory] == [2, 1]
        assert shelf.changed["CUP@OSLO"].modified == later

    @pytest.mark.parametrize(
        ("reserved", "is_virtual", "in_stock"),
        [(9, False, True), (10, False, False), (10, True, True), (11, None, False)],
    )
    def test_has_in_stock_what_more_than_orders_hold_is_there_of(
        self,
        reserved: int,
        is_virtual: bool | None,
        in_stock: bool,
    ) -> None:
        shelf = books()

        after = shelf.write(a_record(10, reserved), {"is_virtual": is_virtual})

        assert after.is_in_stock is in_stock


class TestSetStock:
    @staticmethod
    def command(*items: StockItem, overwrite_reserved: bool = False) -> SetStock:
        return SetStock(
            command_id="C", items=items, overwrite_reserved=overwrite_reserved, user="u"
        )

    def test_adds_what_is_new(self) -> None:
        shelf = books()
        item = StockItem(sku="CUP", warehouse_code="OSLO", inventory=Decimal(5), location="A3")

        result = domain.set_stock(self.command(item), shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 5
        assert shelf.changed["CUP@OSLO"].location == "A3"
        assert shelf.changed["CUP@OSLO"].is_in_stock
        assert (result.is_modified, result.updated_count) == (True, 1)
        assert result.unchanged_count == 0

    def test_adds_a_record_of_which_nothing_is_known_but_its_place(self) -> None:
        shelf = books()

        result = domain.set_stock(self.command(StockItem(sku="CUP", warehouse_code="OSLO")), shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 0
        assert result.updated_count == 1

    def test_skips_what_is_unchanged(self) -> None:
        shelf = books(a_record(5, 2))
        item = StockItem(sku="CUP", warehouse_code="OSLO", inventory=Decimal(5))

        result = domain.set_stock(self.command(item), shelf)

        assert not shelf.changed
        assert (result.is_modified, result.unchanged_count, result.total_count) == (False, 1, 1)

    def test_keeps_the_reserved_quantity(self) -> None:
        shelf = books(a_record(5, 2))
        item = StockItem.model_validate(
            {"sku": "CUP", "warehouseCode": "OSLO", "inventory": 1, "reservedInventory": 0}
        )

        domain.set_stock(self.command(item), shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 2
        assert shelf.changed["CUP@OSLO"].available == -1
        assert not shelf.changed["CUP@OSLO"].is_in_stock

    def test_overwrites_the_reserved_quantity_when_told_to(self) -> None:
        shelf = books(a_record(5, 2))
        item = StockItem(sku="CUP", warehouse_code="OSLO", reserved_inventory=Decimal(0))

        result = domain.set_stock(self.command(item, overwrite_reserved=True), shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 0
        assert shelf.changed["CUP@OSLO"].inventory == 5
        assert result.updated_count == 1

    def test_overwrites_no_reserved_quantity_that_it_is_not_told(self) -> None:
        shelf = books(a_record(5, 2))
        item = StockItem(sku="CUP", warehouse_code="OSLO", inventory=Decimal(6))

        domain.set_stock(self.command(item, overwrite_reserved=True), shelf)

        assert shelf.changed["CUP@OSLO"].reserved_inventory == 2

    def test_replaces_what_else_is_known(self) -> None:
        shelf = books(a_record(5, cost=Decimal(3), location="A3"))
        properties = [PropertyItem(key="$a.b", value="c")]
        item = StockItem(sku="CUP", warehouse_code="OSLO", location="B1", properties=properties)

        result = domain.set_stock(self.command(item), shelf)

        assert shelf.changed["CUP@OSLO"].cost is None
        assert shelf.changed["CUP@OSLO"].location == "B1"
        assert shelf.changed["CUP@OSLO"].properties == properties
        assert shelf.changed["CUP@OSLO"].inventory == 5
        assert not shelf.entries
        assert result.updated_count == 1

    def test_applies_the_same_record_twice_in_order(self) -> None:
        shelf = books()
        items = [
            StockItem(sku="CUP", warehouse_code="OSLO", inventory=Decimal(number))
            for number in (5, 7)
        ]

        result = domain.set_stock(self.command(*items), shelf)

        assert shelf.changed["CUP@OSLO"].inventory == 7
        assert [entry.inventory_change for entry in shelf.entries] == [5, 2]
        assert result.updated_count == 2

    @pytest.mark.parametrize("code", ["", "a@b"])
    def test_refuses_a_warehouse_code_that_would_blur_the_name(self, code: str) -> None:
        with pytest.raises(ValueError, match="warehouse_code"):
            StockItem(sku="CUP", warehouse_code=code)

    @pytest.mark.parametrize(
        ("member", "value"),
        [
            ("sku", " "),
            ("warehouseCode", " "),
            ("inventory", 500_000_000_000_001),
            ("inventory", -500_000_000_000_001),
            ("reservedInventory", 500_000_000_000_001),
        ],
    )
    def test_refuses_what_could_not_be_told_or_found(self, member: str, value: object) -> None:
        item = {"sku": "CUP", "warehouseCode": "OSLO", member: value}

        with pytest.raises(Invalid) as caught:
            parse(StockItem, item)

        assert [error.path for error in caught.value.errors] == [member]


class TestAnnounce:
    def test_tells_that_more_is_set_aside(self) -> None:
        before = a_record(10, 2, revision=4)
        after = before.model_copy(update={"reserved_inventory": Decimal("2.5")})

        (event,) = after.announce(before)

        assert isinstance(event, InventoryReserved)
        assert (event.key, event.sequence) == ("CUP@OSLO", 5)
        assert event.reserved_inventory_change == Decimal("0.5")
        assert event.available_inventory == Decimal("7.5")

    def test_tells_that_less_is_set_aside(self) -> None:
        before = a_record(10, 2)

        (event,) = before.model_copy(update={"reserved_inventory": Decimal(0)}).announce(before)

        assert isinstance(event, InventoryReleased)

    def test_tells_that_the_quantity_changed_whatever_else_did(self) -> None:
        before = a_record(10, 2)
        changes = {"reserved_inventory": Decimal(5), "inventory": Decimal(9)}

        (event,) = before.model_copy(update=changes).announce(before)

        assert isinstance(event, InventoryUpdated)
        assert event.inventory_change == -1
        assert event.reserved_inventory_change == 3

    def test_tells_the_largest_change_there_can_be(self) -> None:
        most = 500_000_000_000_000
        before = a_record(-most, most)

        (event,) = before.model_copy(update={"inventory": Decimal(most)}).announce(before)

        assert isinstance(event, InventoryUpdated)
        assert event.inventory_change == 2 * most
        assert before.available == -2 * most

    @pytest.mark.parametrize("before", [None, a_record(0, 2)])
    def test_calls_what_is_new_or_otherwise_described_an_update(
        self, before: StockRecord | None
    ) -> None:
        (event,) = a_record(0, 2, location="B1").announce(before)

        assert isinstance(event, InventoryUpdated)

    def test_begins_with_one(self) -> None:
        (event,) = a_record(10).announce(None)

        assert isinstance(event, InventoryUpdated)
        assert event.sequence == 1
        assert event.inventory_change == 10
