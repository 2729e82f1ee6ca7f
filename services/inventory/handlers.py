"""One function per message: load, one rule, save, send."""

from collections.abc import Iterable

from contracts.messages.inventory import (
    ForgetReservation,
    ReduceStock,
    ReleaseStock,
    ReleaseUnits,
    RenameReservedLines,
    ReserveStock,
    SetStock,
    StockLine,
    TopUpReservation,
)
from services.chassis.unit_of_work import UnitOfWork
from services.inventory import domain
from services.inventory.domain import Books, Reservation, StockRecord, held_places, place


def reserve_stock(command: ReserveStock, uow: UnitOfWork) -> None:
    """Set aside what is there and tell the run."""
    reservation = _reservation(uow, command.order_id)
    books = _books(uow, reservation, command.lines)
    after, answer = domain.reserve(command, reservation, books)
    _keep(uow, books, reservation, after)
    uow.send(answer)


def top_up_reservation(command: TopUpReservation, uow: UnitOfWork) -> None:
    """Set aside what there is by now and tell the order."""
    reservation = _reservation(uow, command.order_id)
    books = _books(uow, reservation, command.lines)
    after, answer = domain.top_up(command, reservation, books)
    _keep(uow, books, reservation, after)
    uow.send(answer)


def release_stock(command: ReleaseStock, uow: UnitOfWork) -> None:
    """Give back what the order holds and tell the run, if one waits."""
    reservation = _reservation(uow, command.order_id)
    books = _books(uow, reservation)
    after, answers = domain.release(command, reservation, books)
    _keep(uow, books, reservation, after)
    uow.send(*answers)


def release_units(command: ReleaseUnits, uow: UnitOfWork) -> None:
    """Give back what these lines hold too much and tell whoever waits."""
    reservation = _reservation(uow, command.order_id)
    books = _books(uow, reservation)
    after, answers = domain.release_units(command, reservation, books)
    _keep(uow, books, reservation, after)
    uow.send(*answers)


def forget_reservation(command: ForgetReservation, uow: UnitOfWork) -> None:
    """Give back what the order holds and keep nothing of it but the ledger."""
    reservation = _reservation(uow, command.order_id)
    books = _books(uow, reservation)
    domain.release(ReleaseStock(order_id=command.order_id), reservation, books)
    _save(uow, books)
    uow.delete(reservation)


def rename_reserved_lines(command: RenameReservedLines, uow: UnitOfWork) -> None:
    """Keep what the order holds under the new ids of its lines."""
    reservation = _reservation(uow, command.order_id)
    after = domain.rename_lines(command, reservation)
    if after is not reservation:
        uow.save(after)


def reduce_stock(command: ReduceStock, uow: UnitOfWork) -> None:
    """Let the goods leave and tell the run."""
    reservation = _reservation(uow, command.order_id)
    books = _books(uow, reservation, command.lines)
    after, answer = domain.reduce(command, reservation, books)
    _keep(uow, books, reservation, after)
    uow.send(answer)


def set_stock(command: SetStock, uow: UnitOfWork) -> None:
    """Store what a client says of the stock and answer with the counters."""
    ids = [place(item.sku, item.warehouse_code) for item in command.items]
    records = {id_: uow.find(StockRecord, id_) for id_ in ids}
    books = Books(records, cause=uow.envelope.id, at=uow.now, user_id=command.user)
    result = domain.set_stock(command, books)
    _save(uow, books)
    uow.reply(200, body=result.model_dump_json().encode())


def _reservation(uow: UnitOfWork, order_id: str) -> Reservation:
    return uow.find(Reservation, order_id) or Reservation(id=order_id)


def _books(uow: UnitOfWork, reservation: Reservation, lines: Iterable[StockLine] = ()) -> Books:
    """Open the books at the records of these lines, and of what the order holds."""
    ids = [place(line.sku, line.warehouse_code) for line in lines] + held_places(reservation)
    records = {id_: uow.find(StockRecord, id_) for id_ in ids}
    return Books(records, cause=uow.envelope.id, at=uow.now, order_id=reservation.id)


def _keep(uow: UnitOfWork, books: Books, before: Reservation, after: Reservation) -> None:
    if after is not before:
        uow.save(after)
    _save(uow, books)


def _save(uow: UnitOfWork, books: Books) -> None:
    for record in books.changed.values():
        uow.save(record)
    for entry in books.entries:
        uow.save(entry)
