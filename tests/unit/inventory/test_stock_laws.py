"""Laws that hold for any orders and any stock."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.messages.inventory import (
    KeptUnits,
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    ReserveStock,
    SetStock,
    StockItem,
    StockLine,
    TopUpLine,
    TopUpReservation,
)
from contracts.messages.orders import StepFinished
from services.inventory import domain
from services.inventory.domain import Books, Reservation, StockRecord, StockTransaction

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OrderCommand = ReserveStock | TopUpReservation | ReleaseStock | ReleaseUnits | ReduceStock
Command = OrderCommand | SetStock


class Shop:
    """What the service keeps, without the database: messages in, documents out."""

    def __init__(self) -> None:
        self.stock: dict[str, StockRecord] = {}
        self.reservations: dict[str, Reservation] = {}
        self.ledger: list[StockTransaction] = []
        self._count = 0

    def handle(self, command: Command) -> StepFinished | None:
        self._count += 1
        cause = uuid5(UUID(int=0), str(self._count))
        books = Books(self.stock, cause=cause, at=NOON)
        answer = None
        if isinstance(command, SetStock):
            domain.set_stock(command, books)
        else:
            answer = self._handle_order(command, books)
        self.stock |= books.changed
        self.ledger += books.entries
        return answer

    def _handle_order(self, command: OrderCommand, books: Books) -> StepFinished | None:
        id_ = command.order_id
        held = self.reservations.get(id_) or Reservation(id=id_)
        if isinstance(command, ReserveStock):
            self.reservations[id_], answer = domain.reserve(command, held, books)
            return answer
        if isinstance(command, TopUpReservation):
            self.reservations[id_], answer = domain.top_up(command, held, books)
            return answer
        if isinstance(command, ReduceStock):
            self.reservations[id_], answer = domain.reduce(command, held, books)
            return answer
        if isinstance(command, ReleaseUnits):
            self.reservations[id_], _ = domain.release_units(command, held, books)
            return None
        self.reservations[id_], _ = domain.release(command, held, books)
        return None

    def held(self) -> Counter[str]:
        """Return what all orders hold of each record."""
        held: Counter[str] = Counter()
        for reservation in self.reservations.values():
            for line in reservation.lines:
                held[f"{line.sku}@{line.warehouse_code}"] += line.quantity  # type: ignore[assignment] # a Counter counts decimals as well
        return held

    def state(self) -> object:
        """Return all quantities."""
        return (
            {id_: (r.inventory, r.reserved_inventory) for id_, r in self.stock.items()},
            {id_: r.lines for id_, r in self.reservations.items() if r.lines},
        )


def an_item(sku: str, warehouse_code: str, inventory: Decimal) -> StockItem:
    return StockItem(sku=sku, warehouse_code=warehouse_code, inventory=inventory)


quantities = st.decimals(min_value=0, max_value=20, places=1)
skus = st.sampled_from(["CUP", "JUG"])
warehouses = st.sampled_from(["OSLO", "BERGEN"])
orders = st.sampled_from(["O-1", "O-2", "O-3"])
line_tuples = st.lists(
    st.builds(
        StockLine,
        line_item_id=st.sampled_from(["1", "2", "3"]),
        sku=skus,
        warehouse_code=warehouses,
        quantity=quantities,
        shipment_id=st.sampled_from(["S1", "S2"]),
    ),
    min_size=1,
    max_size=4,
).map(tuple)
reserves = st.builds(
    ReserveStock,
    order_id=orders,
    run_id=st.just("R"),
    step=st.just(1),
    lines=line_tuples,
    require_all=st.booleans(),
)
top_ups = st.builds(
    TopUpReservation,
    order_id=orders,
    run_id=st.just("R"),
    step=st.just(1),
    lines=st.lists(
        st.builds(
            TopUpLine,
            line_item_id=st.sampled_from(["1", "2", "3"]),
            sku=skus,
            warehouse_code=warehouses,
            quantity=quantities,
            shipment_id=st.sampled_from(["S1", "S2"]),
            most=quantities,
        ),
        max_size=4,
    ).map(tuple),
)
releases = st.builds(ReleaseStock, order_id=orders)
unit_releases = st.builds(
    ReleaseUnits,
    order_id=orders,
    lines=st.lists(
        st.builds(
            KeptUnits,
            line_item_id=st.sampled_from(["1", "2", "3"]),
            shipment_id=st.sampled_from(["S1", "S2"]),
            quantity=quantities,
        ),
        max_size=4,
    ).map(tuple),
)
reduces = st.builds(
    ReduceStock, order_id=orders, run_id=st.just("R"), step=st.just(1), lines=line_tuples
)
sets = st.builds(
    SetStock,
    command_id=st.just("C"),
    items=st.lists(
        st.builds(an_item, skus, warehouses, quantities),
        min_size=1,
        max_size=3,
    ).map(tuple),
    user=st.just("erp"),
)
stories = st.lists(
    st.one_of(reserves, reserves, top_ups, releases, unit_releases, reduces, sets), max_size=12
)


def after(story: list[Command]) -> Shop:
    """Return the shop after these messages."""
    shop = Shop()
    for command in story:
        shop.handle(command)
    return shop


@given(stories, st.one_of(reserves, top_ups))
def test_a_reservation_never_takes_more_than_there_is(
    story: list[Command], reserve: ReserveStock | TopUpReservation
) -> None:
    shop = after(story)
    before = dict(shop.stock)

    shop.handle(reserve)

    for id_, record in shop.stock.items():
        assert record.reserved_inventory <= max(record.inventory, before[id_].reserved_inventory)


@given(stories)
def test_quantities_are_never_negative(story: list[Command]) -> None:
    shop = after(story)

    assert all(record.inventory >= 0 for record in shop.stock.values())
    assert all(record.reserved_inventory >= 0 for record in shop.stock.values())


@given(stories)
def test_what_is_reserved_is_what_orders_hold(story: list[Command]) -> None:
    shop = after(story)

    held = shop.held()

    assert all(record.reserved_inventory == held[id_] for id_, record in shop.stock.items())
    assert all(id_ in shop.stock for id_, quantity in held.items() if quantity)


@given(stories)
def test_the_ledger_adds_up_to_the_stock(story: list[Command]) -> None:
    shop = after(story)

    for record in shop.stock.values():
        mine = [
            entry
            for entry in shop.ledger
            if (entry.variant, entry.warehouse_code) == (record.sku, record.warehouse_code)
        ]
        assert sum(e.inventory_change for e in mine) == record.inventory
        assert sum(e.reserved_inventory_change for e in mine) == record.reserved_inventory
        if mine:
            assert mine[-1].new_inventory == record.inventory
            assert mine[-1].new_reserved_inventory == record.reserved_inventory
    assert len({entry.id for entry in shop.ledger}) == len(shop.ledger)


@given(sets, line_tuples)
def test_to_reserve_and_release_changes_nothing(
    stock: SetStock, lines: tuple[StockLine, ...]
) -> None:
    shop = after([stock])
    before = shop.state()

    shop.handle(ReserveStock(order_id="O-1", run_id="R", step=1, lines=lines))
    shop.handle(ReleaseStock(order_id="O-1"))

    assert shop.state() == before


@settings(max_examples=200)
@given(stories, st.one_of(reserves, releases, unit_releases, reduces, sets))
def test_the_same_again_changes_nothing(story: list[Command], command: Command) -> None:
    shop = after(story)
    shop.handle(command)
    before = shop.state()
    entries = len(shop.ledger)

    shop.handle(command)

    assert len(shop.ledger) == entries or isinstance(command, SetStock)
    assert shop.state() == before


@given(stories, reserves)
def test_the_answer_says_what_the_order_holds(story: list[Command], reserve: ReserveStock) -> None:
    shop = after(story)

    answer = shop.handle(reserve)

    held: Counter[str] = Counter()
    for line in shop.reservations[reserve.order_id].lines:
        held[line.line_item_id] += line.quantity  # type: ignore[assignment] # a Counter counts decimals as well
    assert answer is not None
    assert +Counter(answer.reserved) == +held


@given(stories, unit_releases)
def test_to_release_units_never_takes_any(story: list[Command], release: ReleaseUnits) -> None:
    shop = after(story)
    before = shop.held()

    shop.handle(release)

    assert not shop.held() - before
