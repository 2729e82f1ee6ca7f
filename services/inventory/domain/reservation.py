"""What orders hold of the stock: reserve, release, reduce (decided 6, domain 6.5)."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import ClassVar

from contracts.messages.inventory import (
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    RenameReservedLines,
    ReserveStock,
    StockLine,
    TopUpReservation,
)
from contracts.messages.orders import StepFinished, StepStatus
from services.chassis.document import Document
from services.inventory.domain.stock import ZERO, Books, TransactionType, place

Unit = tuple[str | None, str]
"""A shipment and a line of the order: what is reserved together and leaves once."""


class Holding(StockLine):
    """How much one line of an order holds, and whether its goods have left."""

    is_reduced: bool = False


class Reservation(Document):
    """What an order holds; its id is the order's."""

    collection: ClassVar[str] = "reservations"

    lines: tuple[Holding, ...] = ()


def held_places(reservation: Reservation | None) -> list[str]:
    """Return the ids of the stock records of which the order holds something."""
    return [_place(line) for line in reservation.lines if line.quantity] if reservation else []


def reserve(
    command: ReserveStock, reservation: Reservation, books: Books
) -> tuple[Reservation, StepFinished]:
    """Let each line of the command hold its quantity, or what there is of it."""
    holdings = {_unit(line): line for line in reservation.lines}
    wanted = {_unit(line): line for line in command.lines if not _has_left(holdings, line)}
    named = {line.line_item_id for line in command.lines}
    # Given back first: one line may need what another has too much of.
    for unit, holding in list(holdings.items()):
        if holding.line_item_id in named:
            holdings[unit] = _cut(holding, wanted.get(unit), books)
    short: list[str] = []
    for unit, line in wanted.items():
        held = holdings[unit].quantity if unit in holdings else ZERO
        held += _take(line, line.quantity - held, books)
        holdings[unit] = _holding(line, held)
        if held < line.quantity:
            short.append(f"{line.sku} ({_plain(held)} of {_plain(line.quantity)})")
    if short and command.require_all:
        books.void()
        return reservation, _answer(command, reservation, StepStatus.ERROR, _shortage(short))
    reservation = _with(reservation, holdings.values())
    status = StepStatus.WARNING if short else StepStatus.SUCCESS
    return reservation, _answer(command, reservation, status, _shortage(short))


def top_up(
    command: TopUpReservation, reservation: Reservation, books: Books
) -> tuple[Reservation, StepFinished]:
    """Let each line hold more, up to its quantity and as far as there is (decided 6.1)."""
    holdings = {_unit(line): line for line in reservation.lines}
    for line in command.lines:
        holding = holdings.get(_unit(line))
        if holding is not None and (holding.is_reduced or _place(holding) != _place(line)):
            continue
        held = holding.quantity if holding is not None else ZERO
        taken = _take(line, min(line.quantity - held, line.most), books)
        holdings[_unit(line)] = _holding(line, held + taken)
    reservation = _with(reservation, holdings.values())
    return reservation, _answer(command, reservation, StepStatus.SUCCESS, "")


def release(
    command: ReleaseStock, reservation: Reservation, books: Books
) -> tuple[Reservation, Sequence[StepFinished]]:
    """Give back what the order, or these shipments of it, hold; answer whoever waits."""
    chosen = command.shipment_ids
    after = _with(
        reservation,
        [
            _cut(line, None, books) if chosen is None or line.shipment_id in chosen else line
            for line in reservation.lines
        ],
    )
    return after, _released(command, reservation, after)


def release_units(
    command: ReleaseUnits, reservation: Reservation, books: Books
) -> tuple[Reservation, Sequence[StepFinished]]:
    """Let each line that is named hold no more than it may keep; answer whoever waits."""
    kept = {(one.shipment_id, one.line_item_id): one.quantity for one in command.lines}
    after = _with(
        reservation,
        [
            _cut(line, line.model_copy(update={"quantity": kept[_unit(line)]}), books)
            if _unit(line) in kept
            else line
            for line in reservation.lines
        ],
    )
    return after, _released(command, reservation, after)


def rename_lines(command: RenameReservedLines, reservation: Reservation) -> Reservation:
    """Let the lines go on holding what they hold under their new ids."""
    news = command.line_item_ids
    return _with(
        reservation,
        [
            line.model_copy(update={"line_item_id": news.get(line.line_item_id, line.line_item_id)})
            for line in reservation.lines
        ],
    )


def reduce(
    command: ReduceStock, reservation: Reservation, books: Books
) -> tuple[Reservation, StepFinished]:
    """Let the goods of these lines leave, each once: what the line holds, then what is free."""
    holdings = {_unit(line): line for line in reservation.lines}
    costs: dict[str, Decimal] = {}
    short: list[str] = []
    repeated: list[str] = []
    for line in command.lines:
        if _has_left(holdings, line):
            repeated.append(line.line_item_id)
            continue
        unit = _unit(line)
        taken = _leave(line, holdings.get(unit), books)
        holdings[unit] = Holding(
            line_item_id=line.line_item_id,
            sku=line.sku,
            warehouse_code=line.warehouse_code,
            quantity=ZERO,
            shipment_id=line.shipment_id,
            is_reduced=True,
        )
        if taken < line.quantity:
            short.append(f"{line.sku} ({_plain(taken)} of {_plain(line.quantity)})")
        record = books.find(_place(line))
        if record is not None and record.cost is not None:
            costs[line.line_item_id] = record.cost
    reservation = _with(reservation, holdings.values())
    told = [f"already taken out: {', '.join(repeated)}"] if repeated else []
    told += [_shortage(short)] if short else []
    answer = _answer(
        command,
        reservation,
        StepStatus.WARNING if told else StepStatus.SUCCESS,
        "; ".join(told),
        costs=costs,
    )
    return reservation, answer


def _released(
    command: ReleaseStock | ReleaseUnits, before: Reservation, after: Reservation
) -> Sequence[StepFinished]:
    """Say what the order holds now, to whoever waits for it."""
    if command.run_id is None or command.step is None:
        return ()
    reserved = dict.fromkeys((line.line_item_id for line in before.lines), ZERO)
    return (
        StepFinished(
            order_id=command.order_id,
            run_id=command.run_id,
            step=command.step,
            status=StepStatus.SUCCESS,
            reserved=reserved | _reserved(after),
        ),
    )


def _unit(line: StockLine) -> Unit:
    return line.shipment_id, line.line_item_id


def _place(line: StockLine) -> str:
    return place(line.sku, line.warehouse_code)


def _has_left(holdings: dict[Unit, Holding], line: StockLine) -> bool:
    holding = holdings.get(_unit(line))
    return holding is not None and holding.is_reduced


def _cut(holding: Holding, wanted: StockLine | None, books: Books) -> Holding:
    """Give back what the line holds and is not wanted there."""
    kept = ZERO
    if wanted is not None and _place(wanted) == _place(holding):
        kept = max(ZERO, min(holding.quantity, wanted.quantity))
    record = books.find(_place(holding))
    if record is not None:
        books.move(
            record,
            TransactionType.RELEASED,
            reserved=kept - holding.quantity,
            line=holding.line_item_id,
        )
    return _holding(holding, kept, is_reduced=holding.is_reduced)


def _take(line: StockLine, missing: Decimal, books: Books) -> Decimal:
    """Set aside as much of what is missing as there is, and say how much that was."""
    record = books.find(_place(line))
    if record is None or missing <= ZERO:
        return ZERO
    taken = record.free(missing)
    books.move(record, TransactionType.RESERVED, reserved=taken, line=line.line_item_id)
    return taken


def _leave(line: StockLine, holding: Holding | None, books: Books) -> Decimal:
    """Take the line's goods out of stock and end its hold; say how many there were."""
    if line.quantity < ZERO:
        shelf = books.opened(line.sku, line.warehouse_code)
        back = ZERO if shelf.is_virtual else -line.quantity
        books.move(shelf, TransactionType.RETURNED, inventory=back, line=line.line_item_id)
        return line.quantity
    held = ZERO
    if holding is not None and _place(holding) == _place(line):
        held = holding.quantity
    elif holding is not None:
        _cut(holding, None, books)
    record = books.find(_place(line))
    if record is None:
        return ZERO
    taken = min(line.quantity, held)
    taken += record.free(line.quantity - taken)
    if not record.is_virtual:
        # The ERP may have counted less than orders hold.
        taken = min(taken, max(ZERO, record.inventory))
    books.move(
        record,
        TransactionType.REDUCED,
        inventory=ZERO if record.is_virtual else -taken,
        reserved=-held,
        line=line.line_item_id,
    )
    return taken


def _holding(line: StockLine, quantity: Decimal, *, is_reduced: bool = False) -> Holding:
    return Holding(
        line_item_id=line.line_item_id,
        sku=line.sku,
        warehouse_code=line.warehouse_code,
        quantity=quantity,
        shipment_id=line.shipment_id,
        is_reduced=is_reduced,
    )


def _with(reservation: Reservation, holdings: Iterable[Holding]) -> Reservation:
    """Return the reservation with these holdings, and itself where they are the same."""
    lines = tuple(line for line in holdings if line.quantity or line.is_reduced)
    if lines == reservation.lines:
        return reservation
    return reservation.model_copy(update={"lines": lines})


def _reserved(reservation: Reservation) -> dict[str, Decimal]:
    reserved: dict[str, Decimal] = {}
    for line in reservation.lines:
        reserved[line.line_item_id] = reserved.get(line.line_item_id, ZERO) + line.quantity
    return reserved


def _answer(
    command: ReserveStock | ReduceStock | TopUpReservation,
    reservation: Reservation,
    status: StepStatus,
    reason: str,
    *,
    costs: dict[str, Decimal] | None = None,
) -> StepFinished:
    named = dict.fromkeys((line.line_item_id for line in command.lines), ZERO)
    return StepFinished(
        order_id=command.order_id,
        run_id=command.run_id,
        step=command.step,
        status=status,
        reason=reason or None,
        reserved=named | _reserved(reservation),
        costs=costs or {},
    )


def _shortage(short: Sequence[str]) -> str:
    return f"not enough stock: {', '.join(short)}" if short else ""


def _plain(quantity: Decimal) -> str:
    """Write 3 for 3, 3.0 and 3.00."""
    return f"{quantity.normalize():f}"
