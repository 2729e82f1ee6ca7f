"""What is told of an order besides its events (decided 5.6, LOG): entries without a sequence.

Runs and what was ignored of a change are not written here: the versions of the order keep them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Final

from contracts.history import IGNORED, ignored_sentence
from contracts.message import derived
from contracts.messages.orders import WriteLog
from services.chassis.document import Document
from services.chassis.outcomes import Ignore
from services.workflow.domain.order import OrderDocument, Run
from services.workflow.domain.place import Cause

LEFT_ALONE: Final = 900007
_BATCHES: Final = frozenset({"BatchAdd", "Imported"})


class LogDocument(Document):
    """One entry of an order's log; those of an order are neighbours and sort by time."""

    collection: ClassVar[str] = "order_log"

    order_id: str
    at: datetime
    operation_id: int
    category: str
    message: str
    is_error: bool = False
    user: str
    origin: str


class NoSuchOrder(Ignore):
    """The order is gone, and its log with it."""


def write_log(document: OrderDocument | None, command: WriteLog, cause: Cause) -> LogDocument:
    """Return the entry that others have written about the order.

    :raises NoSuchOrder: if it is gone
    """
    if document is None:
        raise NoSuchOrder
    return LogDocument(
        id=_key(document.id, command.at, cause),
        **command.model_dump(include=_MEMBERS, by_alias=False),
    )


_MEMBERS: Final = {name for name in LogDocument.model_fields if name not in {"id", "revision"}}


def left_alone(  # noqa: PLR0913 - an entry has this many facts
    existing: OrderDocument | None,
    category: str | None,
    cause: Cause,
    *,
    now: datetime,
    user: str,
    origin: str,
) -> Iterator[LogDocument]:
    """Yield the entry that a batch came upon an order that was there before (decided 2.5)."""
    if existing is None or category not in _BATCHES:
        return
    yield LogDocument(
        id=_key(existing.id, now, cause),
        order_id=existing.id,
        at=now,
        operation_id=LEFT_ALONE,
        category=category,
        message="A batch had an order with this id, which was left as it is",
        user=user,
        origin=origin,
    )


def ignored(run: Run, order_id: str, cause: Cause, *, now: datetime) -> Iterator[LogDocument]:
    """Yield the entry of a change that had nothing but what nobody knows (decided 2.8)."""
    if not run.ignored_fields:
        return
    yield LogDocument(
        id=_key(order_id, now, cause),
        order_id=order_id,
        at=now,
        operation_id=IGNORED[0],
        category=IGNORED[1],
        message=ignored_sentence(run.ignored_fields),
        user=run.user,
        origin=run.origin,
    )


def _key(order_id: str, at: datetime, cause: Cause) -> str:
    moment = at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{order_id}/{moment}/{derived(cause.id, order_id)}"
